"""Detectors for use outside this package: SavedModels and a small server."""
