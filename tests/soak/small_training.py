"""`featsr_tf.train` with the small network of the tests, in its own process.

python -m tests.soak.small_training --pipeline FILE --model_dir DIR
"""

import signal

from featsr_tf import train
from tests.model.small import small_backbone

if __name__ == "__main__":
    # As in a terminal: programs in the background may ignore Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with small_backbone():
        train.main()
