"""Whether the paper's gain shows, on several data sets and backbones."""
