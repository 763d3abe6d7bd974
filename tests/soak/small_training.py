"""`featsr_tf.train` with the small network of the tests, in its own process.

python -m tests.soak.small_training --pipeline FILE --model_dir DIR
"""

from featsr_tf import train
from tests.model.small import small_backbone

if __name__ == "__main__":
    with small_backbone():
        train.main()
