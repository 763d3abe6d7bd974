"""Layers and models with weights: the parts of Figure 3."""
