"""Converters from annotations to TFRecords of TF Examples."""
