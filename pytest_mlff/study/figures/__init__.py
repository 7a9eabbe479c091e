"""The paper's figures: curves in, an SVG file out; the house style is the report's."""
