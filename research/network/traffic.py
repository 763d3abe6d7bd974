"""What a step sends, counted while its graph is made, and its time."""

import statistics
import time
from unittest import mock

from research.network.model import Traffic

# So often per step the workers ask each other whether one of them stops, by a
# number of eight bytes.
_QUESTIONS = 2


def gradient_bytes(pipeline) -> dict[str, int]:
    """Adds up what each stage trains; needs neither records nor weights.

    Args:
        pipeline: the config.

    Returns:
        Bytes of the gradients by stage.
    """
    from featsr_tf.model.build import build_detector
    from featsr_tf.training import checkpoints
    from featsr_tf.training.build import build_stage
    from featsr_tf.training.build import num_steps

    detector = build_detector(pipeline, load_weights=False)
    found = {}
    for name in checkpoints.STAGES:
        if not num_steps(pipeline, name):
            continue
        stage = build_stage(pipeline, name, detector)
        variables = list(stage.trained_variables)
        discriminator = getattr(stage, "discriminator", None)
        if discriminator is not None:
            variables += discriminator.trainable_variables
        found[name] = sum(
            variable.value.shape.num_elements() * variable.value.dtype.size
            for variable in variables
        )
    return found


def measure_stages(pipeline, rounds: int) -> dict:
    """Counts what each stage sends, and times its steps on one device.

    Args:
        pipeline: the config.
        rounds: timed steps of each stage.

    Returns:
        Traffic and median seconds by stage.
    """
    import tensorflow as tf

    from featsr_tf.data.build import open_source
    from featsr_tf.data.build import training_batches
    from featsr_tf.model.build import build_detector
    from featsr_tf.training import checkpoints
    from featsr_tf.training.build import build_stage
    from featsr_tf.training.build import num_steps

    cpu, *_ = tf.config.list_physical_devices("CPU")
    configuration = [tf.config.LogicalDeviceConfiguration()] * 2
    tf.config.set_logical_device_configuration(cpu, configuration)
    source = open_source(
        pipeline.train_input_reader, pipeline.model.faster_rcnn.num_classes
    )
    batch = next(
        iter(training_batches(pipeline, source, with_half_images=True))
    )
    double = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    detector = build_detector(pipeline)
    with double.scope():
        mirrored = build_detector(pipeline)
    found = {}
    for name in checkpoints.STAGES:
        if not num_steps(pipeline, name):
            continue
        with double.scope():
            stage = build_stage(pipeline, name, mirrored)
        traffic = count_traffic(double, stage, batch)
        step = tf.function(build_stage(pipeline, name, detector).train_step)
        times = []
        for _ in range(rounds + 2):
            begin = time.perf_counter()
            step(batch)
            times.append(time.perf_counter() - begin)
        found[name] = traffic, statistics.median(times[2:])
    return found


def count_traffic(strategy, stage, batch) -> Traffic:
    """Counts the all-reduces of a step while its graph is made.

    Those after the step, by which workers stop together, are added.

    Args:
        strategy: several devices.
        stage: built in its scope.
        batch: what every device sees.

    Returns:
        The traffic of one device.
    """
    import tensorflow as tf

    seen: list[list[int]] = []
    original = tf.distribute.ReplicaContext.all_reduce

    def all_reduce(context, operation, values, options=None):
        tensors = map(tf.convert_to_tensor, tf.nest.flatten(values))
        sizes = [x.shape.num_elements() * x.dtype.size for x in tensors]
        seen.append(sizes)
        return original(context, operation, values, options)

    @tf.function
    def step(batch):
        return strategy.run(stage.train_step, args=(batch,))

    with mock.patch.object(
        tf.distribute.ReplicaContext, "all_reduce", all_reduce
    ):
        step.get_concrete_function(batch)
    # All replicas have been seen, which do the same.
    own = seen[:: strategy.num_replicas_in_sync] + [[8]] * _QUESTIONS
    return Traffic(len(own), sum(map(len, own)), sum(map(sum, own)))
