"""A small server of an exported detector, for one machine."""
