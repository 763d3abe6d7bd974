"""How time and memory grow with images, proposals, batches and classes."""
