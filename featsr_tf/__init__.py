"""Feature super-resolution for small object detection (Noh et al. 2019)."""

__version__ = "0.1.0"
