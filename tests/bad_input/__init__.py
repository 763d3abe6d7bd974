"""Bad input at every door: one line that says what to do, and no traces."""
