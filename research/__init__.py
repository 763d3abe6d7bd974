"""Measurements, each printed by a command of its own."""

from featsr_tf.command_line.parser import quiet_tensorflow

quiet_tensorflow()
