"""Tests of featsr_tf; the folders mirror the package."""
