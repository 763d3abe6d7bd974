"""Pictures of objects and detections."""
