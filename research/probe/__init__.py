"""What each target knows of the same objects, asked by a predictor."""
