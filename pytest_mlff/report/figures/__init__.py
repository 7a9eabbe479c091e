"""Figures: curves in, an SVG file out. Nothing here measures or decides; this and `study.figures` know matplotlib."""
