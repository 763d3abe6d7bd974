"""The three stages of training (section 4.3) and what they need."""
