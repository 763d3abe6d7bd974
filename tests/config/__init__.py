"""Tests of the pipeline configs."""
