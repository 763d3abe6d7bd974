"""Classes that count are those of the label map that are named."""

import pytest

from featsr_tf.data.label_map import LabelMap
from featsr_tf.errors import ConfigError
from research.classes import class_ids

LABEL_MAP = LabelMap({1: "car", 3: "bus"})


def test_all_count_unless_some_are_named():
    assert class_ids(LABEL_MAP, []) == [1, 3]
    assert class_ids(LABEL_MAP, ["bus"]) == [3]


def test_an_unknown_class_is_named():
    with pytest.raises(ConfigError, match="of car, bus, found tram"):
        class_ids(LABEL_MAP, ["car", "tram"])
