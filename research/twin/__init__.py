"""What the atrous twin costs beside the extractor."""
