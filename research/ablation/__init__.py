"""What makes small objects better: the variants of Table 4 and some more."""
