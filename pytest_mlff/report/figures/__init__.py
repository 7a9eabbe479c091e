"""Figures: curves in, an SVG file out. Nothing here measures or decides; the only room that knows matplotlib."""
