"""Protocols that judge detections: numpy and pycocotools, no TensorFlow."""
