"""The paper's qualitative figures: features (6) and detections (7)."""
