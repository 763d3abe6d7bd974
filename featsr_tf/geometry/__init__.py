"""Pure functions on boxes, anchors and feature grids."""
