"""What a refiner is given, and what the paper's one makes of it."""

import numpy as np
import tensorflow as tf

from featsr_tf.geometry.receptive_field import ReceptiveField
from featsr_tf.geometry.roi_align import RoiPooling
from featsr_tf.model.generator import Generator
from featsr_tf.model.refiner import ChosenProposals
from featsr_tf.model.refiner import GeneratorRefiner
from featsr_tf.model.refiner import NoRefiner
from featsr_tf.model.zoom import ZoomRefiner

POOL_SUB = RoiPooling(ReceptiveField(7, 4, 1.5), crop_size=4)


def proposals():
    """Two boxes on two images whose sub features are x and -x."""
    x = tf.range(2.0, 34.0, 4.0)
    x = tf.tile(x[None, None, :, None], [2, 8, 1, 1])
    sub = x * tf.constant([1.0, -1.0])[:, None, None, None]
    return ChosenProposals(
        boxes=tf.constant([[8.0, 8.0, 24.0, 24.0]] * 2),
        image_indices=tf.constant([1, 0]),
        base=tf.random.normal([2, 4, 4, 3]),
        features={"sub": sub, "base": tf.zeros([2, 2, 2, 3])},
        images=tf.zeros([2, 32, 32, 3]),
    )


def test_a_new_refiner_returns_exactly_the_base_features():
    chosen = proposals()
    refined = GeneratorRefiner(Generator(), POOL_SUB)(chosen)
    np.testing.assert_array_equal(refined, chosen.base)


def test_sub_features_are_pooled_from_the_same_boxes():
    refiner = GeneratorRefiner(lambda base, sub: sub, POOL_SUB)
    sub = refiner(proposals())
    np.testing.assert_allclose(sub[1, 0, :, 0], [10, 14, 18, 22], rtol=1e-6)
    np.testing.assert_array_equal(sub[0], -sub[1])


def test_sub_features_of_the_half_image_are_pooled_at_half_scale():
    refiner = GeneratorRefiner(lambda base, sub: sub, POOL_SUB)
    sub = refiner(proposals(), image_scale=0.5)
    np.testing.assert_allclose(sub[1, 0, :, 0], [5, 7, 9, 11], rtol=1e-6)


def test_only_a_second_look_is_of_use_before_it_is_trained():
    kinds = (GeneratorRefiner, NoRefiner, ZoomRefiner)
    assert [kind.needs_training for kind in kinds] == [True, True, False]


def test_a_refiner_builds_its_own_variables_and_only_those():
    refiner = GeneratorRefiner(Generator(name="generator"), POOL_SUB)
    for each in (refiner, NoRefiner()):
        each.build_variables((None, 4, 4, 3), (None, 4, 4, 1))
    paths = {variable.path.split("/")[0] for variable in refiner.variables}
    assert len(refiner.variables) == 8
    # Checkpoints and patterns of the config know them by these names.
    assert paths == {"generator"}


def test_without_a_refiner_features_stay_as_they_are():
    chosen = proposals()
    refiner = NoRefiner()
    for image_scale in (1.0, 0.5):
        found = refiner(chosen, image_scale=image_scale)
        np.testing.assert_array_equal(found, chosen.base)
    assert not refiner.variables
