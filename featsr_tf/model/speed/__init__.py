"""What only makes the model fast, without changing what it computes."""
