"""What the network carries per step, and how training scales by a model."""
