"""What TF_CONFIG says, and what it says wrong."""

import json

import pytest

from featsr_tf import train
from featsr_tf.errors import ConfigError
from featsr_tf.training.cluster import Cluster
from featsr_tf.training.cluster import read_cluster

WORKERS = ["a:1", "b:1", "c:1"]


def read(config):
    text = config if isinstance(config, str) else json.dumps(config)
    return read_cluster({"TF_CONFIG": text})


def config(cluster=None, role="worker", index=1):
    cluster = {"worker": WORKERS} if cluster is None else cluster
    return {"cluster": cluster, "task": {"type": role, "index": index}}


def test_a_worker_finds_its_place():
    cluster = read(config())
    assert cluster == Cluster(("a:1", "b:1", "c:1"), 1)


def test_a_chief_is_the_first_worker():
    roles = {"worker": ["b:1", "c:1"], "chief": ["a:1"]}
    assert read(config(roles, "worker", 1)) == Cluster(("a:1", "b:1", "c:1"), 2)
    chief = read(config(roles, "chief", 0))
    assert chief == Cluster(("a:1", "b:1", "c:1"), 0)


@pytest.mark.parametrize(
    "alone", ["", "  ", config({"worker": ["a:1"]}, "worker", 0)]
)
def test_without_another_machine_there_is_no_cluster(alone):
    assert read(alone) is None
    assert read_cluster({}) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "TF_CONFIG: expected JSON, found Expecting"),
        ("[]", "TF_CONFIG: expected an object, found []"),
        ("{}", "TF_CONFIG: cluster: expected an object, found nothing"),
        (config(WORKERS), "TF_CONFIG: cluster: expected an object, found ['a"),
        (
            config({"worker": WORKERS, "ps": ["d:1"]}),
            "TF_CONFIG: cluster: expected worker, and chief at the most, found "
            "'ps'",
        ),
        (config({}), "expected worker, and chief at the most, found nothing"),
        (
            config({"worker": WORKERS, "chief": ["d:1", "e:1"]}),
            "TF_CONFIG: cluster.chief: expected one address, found ['d:1', ",
        ),
        (
            config({"worker": "a:1"}),
            "TF_CONFIG: cluster.worker: expected a list, found 'a:1'",
        ),
        (
            config({"worker": ["a:1", "b"]}),
            "TF_CONFIG: cluster.worker[1]: expected host:port, found 'b'",
        ),
        (config({"worker": ["a:1", "b:x"]}), "found 'b:x'"),
        (config({"worker": ["a:1", "b:65536"]}), "found 'b:65536'"),
        (config({"worker": ["a:1", 7]}), "found 7"),
        (
            config({"worker": ["a:1", "a:1"]}),
            "TF_CONFIG: cluster: expected addresses that differ, found a:1, a",
        ),
        (
            {"cluster": {"worker": WORKERS}},
            "TF_CONFIG: task: expected an object, found nothing",
        ),
        (
            config(role="evaluator"),
            "TF_CONFIG: task.type: expected worker, found 'evaluator'",
        ),
        (
            config(index=3),
            "TF_CONFIG: task.index: expected 0 to 2, found 3",
        ),
        (config(index=-1), "expected 0 to 2, found -1"),
        (config(index="1"), "task.index: expected a number, found '1'"),
        (config(index=True), "task.index: expected a number, found True"),
    ],
)
def test_a_mistake_is_named_with_its_place_and_an_example(text, message):
    with pytest.raises(ConfigError) as error:
        read(text)
    assert message in str(error.value)
    assert str(error.value).endswith('"task": {"type": "worker", "index": 0}}')
    assert "\n" not in str(error.value)


def test_training_refuses_it_before_anything_else(monkeypatch, capsys):
    monkeypatch.setenv("TF_CONFIG", "{")
    monkeypatch.setattr(train, "read_pipeline", lambda _: None)
    monkeypatch.setattr(train, "check_input_files", lambda _: None)
    with pytest.raises(SystemExit) as exit_info:
        train.main(["--pipeline", "any.config"])
    assert exit_info.value.code == 2
    assert "error: TF_CONFIG: expected JSON" in capsys.readouterr().err
