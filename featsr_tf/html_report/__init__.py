"""Pages for people: what a training has achieved."""
