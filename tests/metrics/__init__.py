"""Tests of the evaluation protocols."""
