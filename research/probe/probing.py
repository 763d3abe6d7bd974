"""Fine-tunes a predictor on each kind of features, and judges it."""

import keras
import numpy as np
import tensorflow as tf
import tqdm

from featsr_tf.data.build import load_records
from featsr_tf.model.build import build_detector
from featsr_tf.training import model_folder
from featsr_tf.training.build import build_stage
from featsr_tf.training.checkpoints import SUPER_RESOLUTION
from featsr_tf.training.checkpoints import restore_base
from featsr_tf.training.optimizers import Minimizer
from featsr_tf.training.stage import Stage
from research.probe.bases import Base
from research.probe.counts import Counts
from research.probe.counts import count_views
from research.probe.features import PooledPairs
from research.probe.features import build_sources
from research.probe.features import pool_pairs

BATCH_SIZE = 64


def probe_base(
    base: Base, num_steps: int, learning_rate: float
) -> dict[str, Counts]:
    """Probes all kinds of features of one base detector.

    Args:
        base: The base detector.
        num_steps: Steps of each fine-tuning.
        learning_rate: Of Adam at the first step; a cosine leads to zero.

    Returns:
        Counts of the records that judge, by kind of features.

    Raises:
        ConfigError: The model folder belongs to another config.
        DataError: Records or checkpoint are missing or unsound.
    """
    pipeline = base.pipeline
    model_folder.check_base(base.model_dir, pipeline)
    num_classes = pipeline.model.faster_rcnn.num_classes
    training, judging = (
        load_records(reader, num_classes)
        for reader in (
            pipeline.train_input_reader,
            pipeline.eval_input_reader[0],
        )
    )
    detector = build_detector(pipeline, load_weights=False)
    restore_base(detector, base.model_dir)
    stage = build_stage(pipeline, SUPER_RESOLUTION, detector)
    sources = build_sources(pipeline, detector)
    name = f"fold {base.fold}, seed {base.seed}"
    seen, held_out = (
        pool_pairs(pipeline, stage, sources, source, f"{name}: {title}")
        for source, title in ((training, "training"), (judging, "judging"))
    )
    rates = keras.optimizers.schedules.CosineDecay(learning_rate, num_steps)
    probe = Probe(stage, keras.optimizers.Adam(rates))
    counts = {}
    for kind in tqdm.tqdm(sources, f"{name}: probes", unit="probe"):
        probe.train(seen, kind, num_steps, base.seed)
        counts[kind] = probe.judge(held_out, kind)
    return counts


class Probe:
    """A predictor that starts anew, as a copy of the base detector's.

    Args:
        stage: Whose small predictor is trained, with the losses of the stage.
        optimizer: Not built yet.
    """

    def __init__(self, stage: Stage, optimizer: keras.optimizers.Optimizer):
        self._stage = stage
        self._predictor = stage.detector.small_predictor
        self._optimizer = optimizer
        self._minimizer = Minimizer(optimizer, stage.minimizer.clip_norm)
        optimizer.build(self._predictor.trainable_variables)
        self._initial = [value.numpy() for value in optimizer.variables]
        self._step = tf.function(self._minimize, reduce_retracing=True)

    def _minimize(self, features, sample):
        self._minimizer.minimize(
            lambda: self._stage.predictor_loss(
                self._predictor(features), sample
            ),
            self._predictor.trainable_variables,
        )

    def train(
        self, pairs: PooledPairs, kind: str, num_steps: int, seed: int
    ) -> None:
        """Starts anew and trains.

        Args:
            pairs: Pairs of the training records.
            kind: Name of the features.
            num_steps: Number of steps.
            seed: Of the order of the pairs, which is that of all kinds.
        """
        self._stage.detector.start_small_predictor_from_large()
        for variable, value in zip(
            self._optimizer.variables, self._initial, strict=True
        ):
            variable.assign(value)
        generator = np.random.default_rng(seed)
        for _ in range(num_steps):
            rows = generator.integers(len(pairs.views), size=BATCH_SIZE)
            features = tf.constant(pairs.features[kind][rows], tf.float32)
            sample = tf.nest.map_structure(
                lambda part, rows=rows: tf.constant(part[rows]), pairs.sample
            )
            self._step(features, sample)

    def judge(self, pairs: PooledPairs, kind: str) -> Counts:
        """Judges the predictor on the objects among other pairs.

        Args:
            pairs: Pairs of records that it has not seen.
            kind: Name of the features.
        """
        logits, deltas = (
            np.concatenate(part)
            for part in zip(
                *self._predictions(pairs.features[kind]), strict=True
            )
        )
        return count_views(
            pairs.sample, pairs.views, pairs.num_views, logits, deltas
        )

    def _predictions(self, features: np.ndarray):
        for first in range(0, len(features), BATCH_SIZE):
            part = features[first : first + BATCH_SIZE]
            predictions = self._predictor(tf.constant(part, tf.float32))
            yield tuple(values.numpy() for values in predictions)
