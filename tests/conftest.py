"""Fixtures of all tests, and the devices that TensorFlow shows to them."""

import gc
import os
import pathlib

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# The arrays of tests are too small to share; threads would wait for each other.
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
os.environ.setdefault("TF_NUM_INTEROP_THREADS", "2")
# Without oneDNN, which TensorFlow leaves out on CPUs without AVX-512, eager
# convolutions with dilation have no gradients; the twin is compared by them.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")


def pytest_sessionstart(session):
    """Makes two devices of one: none can be added after the first op.

    The process that hands the tests out to others runs none and needs no
    TensorFlow, which takes seconds to import.
    """
    is_worker = hasattr(session.config, "workerinput")
    if is_worker or not session.config.getoption("numprocesses", None):
        import tensorflow as tf

        tf.config.set_logical_device_configuration(
            tf.config.list_physical_devices("CPU")[0],
            [tf.config.LogicalDeviceConfiguration()] * 2,
        )
        # Each graph runs a few times only, which does not pay for optimizing
        # it. Commands in processes of their own do it as ever.
        tf.config.optimizer.set_experimental_options(
            {"disable_meta_optimizer": True}
        )


def pytest_collection_finish():
    """Spares the garbage collector what is there to stay.

    TensorFlow and Keras are a million objects, and graphs are made of many
    small ones: the collector would go through all of them again and again.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


@pytest.fixture(autouse=True)
def seed() -> int:
    """The seed that Python, NumPy and TensorFlow start each test with."""
    import keras

    keras.utils.set_random_seed(0)
    return 0


@pytest.fixture(scope="session")
def exported_model(tmp_path_factory):
    """A small model folder and its SavedModel, of all tests: to be read only.

    Exporting takes seconds. It is an `ExportedModel` of tests/server/models.
    """
    from tests.server.models import export_model

    return export_model(tmp_path_factory.mktemp("exported"))


@pytest.fixture
def shared() -> pathlib.Path:
    """The folder beside the repository with real data and weights."""
    from tests.support import SHARED

    if not SHARED.is_dir():
        pytest.skip(f"no shared material at {SHARED}")
    return SHARED


# What trains, exports, serves or starts processes; relative to tests/.
HEAVY = (
    "bad_input",
    "data/test_damaged_files.py",
    "exporting",
    "fuzz",
    "model/test_build.py",
    "model/test_folding.py",
    "model/test_target_extractor.py",
    "odapi",
    "prediction",
    "server",
    "test_foreign_models.py",
    "test_foreign_names.py",
    "test_notebooks.py",
    "test_platforms.py",
    "test_terminal.py",
    "tfrecords_tools/test_resuming.py",
    "tfrecords_tools/test_tfds_source.py",
    "training",
)


# Files of a minute: begun last, all but one process would wait for them.
LONG = ("test_journey.py", "training/test_feature_cache.py", "training/test_")


def pytest_collection_modifyitems(items):
    """Marks what is heavy, and lets what is long begin."""
    tests = pathlib.Path(__file__).parent
    ranks = {}
    for item in items:
        place = os.path.relpath(item.path, tests)
        if place.startswith(HEAVY):
            item.add_marker(pytest.mark.heavy)
        is_long = [place.startswith(prefix) for prefix in LONG]
        ranks[item] = is_long.index(True) if any(is_long) else len(LONG)
    items.sort(key=ranks.get)
