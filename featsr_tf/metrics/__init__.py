"""Detections compared with objects, by three protocols; NumPy only."""
