"""Images with objects and detections drawn on them."""
