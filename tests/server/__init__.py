"""Tests of exported detectors and of the server."""
