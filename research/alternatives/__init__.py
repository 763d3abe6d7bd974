"""Super-resolution beside other ways to find small objects."""
