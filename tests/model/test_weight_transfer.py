"""Weights of other networks are taken over by name, whole layers or none."""

import keras
import numpy as np
import pytest

from featsr_tf.errors import DataError
from featsr_tf.model.weight_transfer import class_ids_by_name
from featsr_tf.model.weight_transfer import match_classes
from featsr_tf.model.weight_transfer import transfer_weights


def dense(path, inputs, units):
    *parts, name = path.split("/")
    layer = keras.layers.Dense(units, name=name)
    with keras.name_scope(parts[0] if parts else ""):
        layer.build((None, inputs))
    return layer


def arrays_of(layer, value):
    return {
        variable.path: np.full(variable.shape, value, "float64")
        for variable in layer.variables
    }


def test_whole_layers_are_taken_and_the_others_stay():
    layers = [dense(name, 2, 3) for name in ("fits", "wide", "new")]
    before = [layer.get_weights() for layer in layers]
    # The kernel of "wide" does not fit, its bias does.
    source = arrays_of(layers[0], 5.0) | arrays_of(dense("wide", 4, 3), 5.0)
    source["new/bias"] = np.zeros(3)
    source["unused/kernel"] = np.zeros([2, 2])
    transfer = transfer_weights(
        {
            "extractor": layers[0].variables,
            "head": layers[1].variables + layers[2].variables,
        },
        source,
        "there",
    )
    assert (layers[0].kernel.numpy() == 5.0).all()
    assert (layers[0].bias.numpy() == 5.0).all()
    for layer, values in list(zip(layers, before, strict=True))[1:]:
        for found, expected in zip(layer.get_weights(), values, strict=True):
            np.testing.assert_array_equal(found, expected)
    head = transfer.parts["head"]
    assert transfer.parts["extractor"].loaded == ["fits/kernel", "fits/bias"]
    assert head.skipped == dict.fromkeys(
        ["wide/kernel", "wide/bias"], "2x3 here, 4x3 there"
    )
    assert head.missing == ["new/kernel", "new/bias"]
    assert not transfer.is_complete
    assert transfer.table().splitlines() == [
        "weights of there:",
        "  extractor  2 of 2 variables taken",
        "  head       0 of 4 variables taken; 2 do not fit (wide/kernel: 2x3 "
        "here, 4x3 there); 2 are not there (new/kernel)",
    ]


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ({}, "found no weights"),
        ({"b/kernel": np.zeros([2, 3])}, "found b/kernel 2x3;"),
        (
            {"a/kernel": np.zeros([9, 3]), "a/bias": np.zeros(3)},
            r"a/kernel: 2x3 here, 9x3 there",
        ),
    ],
)
def test_nothing_that_fits_is_an_error(source, found):
    layer = dense("a", 2, 3)
    with pytest.raises(DataError, match=f"^there: no weights.*{found}") as e:
        transfer_weights({"extractor": layer.variables}, source, "there")
    assert "\n" not in str(e.value)


def test_class_columns_move_with_their_names():
    ids = class_ids_by_name(
        {1: "car", 2: "boat", 3: "sign"}, {1: "sign", 2: "car"}
    )
    assert ids == {1: 2, 3: 1}
    found = match_classes(
        "large_predictor/classes/bias",
        np.array([0.0, 1.0, 2.0, 3.0]),
        np.array([10.0, 11.0, 12.0]),
        ids,
    )
    # Background, car, boat (new), sign.
    np.testing.assert_array_equal(found, [10.0, 12.0, 2.0, 11.0])
    found = match_classes(
        "large_predictor/deltas/kernel",
        np.zeros([1, 12]),
        np.arange(1.0, 9.0)[None],
        ids,
    )
    np.testing.assert_array_equal(found, [[5, 6, 7, 8, 0, 0, 0, 0, 1, 2, 3, 4]])


def test_of_unknown_classes_the_background_alone_is_taken():
    found = match_classes(
        "small_predictor/classes/bias", np.zeros(3), np.arange(1.0, 3.0), {}
    )
    np.testing.assert_array_equal(found, [1.0, 0.0, 0.0])
    assert (
        match_classes(
            "small_predictor/deltas/bias", np.zeros(8), np.ones(4), {}
        )
        is None
    )


def test_a_box_shared_by_all_classes_is_taken_whatever_these_are():
    path, theirs = "large_predictor/deltas/bias", np.ones(4)
    found = match_classes(path, np.zeros(4), theirs, {})
    np.testing.assert_array_equal(found, theirs)
    # Two boxes here, one there: nothing says which is which.
    assert match_classes(path, np.zeros(8), theirs, {1: 2}) is None


def test_predictors_take_classes_by_name_and_other_layers_do_not():
    classes = dense("large_predictor/classes", 1, 3)
    deltas = dense("proposal_network/deltas", 1, 4)
    source = {
        "large_predictor/classes/kernel": np.array([[1.0, 2.0]]),
        "large_predictor/classes/bias": np.array([3.0, 4.0]),
        "proposal_network/deltas/kernel": np.ones([1, 4]),
        "proposal_network/deltas/bias": np.ones(4),
    }
    classes.set_weights([np.full([1, 3], 9.0), np.full(3, 9.0)])
    transfer_weights(
        {"all": classes.variables + deltas.variables}, source, "there", {2: 1}
    )
    np.testing.assert_array_equal(classes.kernel, [[1.0, 9.0, 2.0]])
    np.testing.assert_array_equal(classes.bias, [3.0, 9.0, 4.0])
    np.testing.assert_array_equal(deltas.bias, np.ones(4))
