"""Records, label maps and the `tf.data` pipeline."""
