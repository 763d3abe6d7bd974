"""Protocols that judge detections, in numpy without TensorFlow, and reports."""
