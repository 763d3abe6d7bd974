"""The scripts for clusters give every worker a TF_CONFIG that holds."""

import os
import subprocess

import pytest

from featsr_tf.training.cluster import Cluster
from featsr_tf.training.cluster import read_cluster
from tests.support import REPOSITORY

EXAMPLES = REPOSITORY / "examples" / "cluster"
ARGUMENTS = ["--pipeline", "a b.config"]


@pytest.fixture
def programs(tmp_path):
    """Writes programs that stand before those of the system."""

    def write(name, text):
        path = tmp_path / name
        path.write_text(f"#!/bin/bash\n{text}\n")
        path.chmod(0o755)

    # Prints what training would be started with.
    write("python", 'printf "%s\\n" "$TF_CONFIG" "$@"')
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    return write, environment


def output_of(command, environment):
    return subprocess.run(
        command, env=environment, capture_output=True, text=True
    )


def read(output):
    config, *arguments = output.splitlines()
    return read_cluster({"TF_CONFIG": config}), arguments


# Two nodes, of which each prints what it starts and ends with its own code.
SCONTROL = """
if [ "$1" = show ]; then printf "node1\\nnode2\\n"; else echo "$@" >>"$LOG"; fi
"""
SRUN = """
while [ "${1#--}" != "$1" ]; do
  [ "${1%%=*}" = --nodelist ] && node=${1#*=}
  shift
done
"$@" >"$OUTPUT/$node"
code=CODE_$node
exit "${!code}"
"""


def run_slurm(programs, folder, codes=(0, 0), **more):
    """Gives the script's exit code and what it has asked Slurm for."""
    write, environment = programs
    write("scontrol", SCONTROL)
    write("srun", SRUN)
    environment |= {
        "SLURM_JOB_ID": "77",
        "SLURM_JOB_NODELIST": "node[1-2]",
        "LOG": str(folder / "log"),
        "OUTPUT": str(folder),
        **{f"CODE_node{1 + i}": str(code) for i, code in enumerate(codes)},
        **more,
    }
    (folder / "log").touch()
    done = output_of(["bash", EXAMPLES / "slurm.sh", *ARGUMENTS], environment)
    assert not done.stderr
    return done.returncode, (folder / "log").read_text()


def test_every_node_of_slurm_finds_its_place(programs, tmp_path):
    assert run_slurm(programs, tmp_path) == (0, "")
    for index in range(2):
        text = (tmp_path / f"node{1 + index}").read_text()
        cluster, arguments = read(text)
        assert cluster == Cluster(("node1:2222", "node2:2222"), index)
        assert arguments == ["-m", "featsr_tf.train", *ARGUMENTS]


@pytest.mark.parametrize(
    ("codes", "code", "queued"),
    [
        # A lost worker, one killed, and all stopped by SIGTERM in time.
        ((75, 75), 75, True),
        ((137, 75), 75, True),
        ((143, 143), 143, True),
        # An error of one, by which the other has lost it.
        ((2, 75), 2, False),
        ((75, 1), 1, False),
    ],
)
def test_only_a_job_without_errors_is_queued_again(
    programs, tmp_path, codes, code, queued
):
    log = "requeue 77\n" if queued else ""
    assert run_slurm(programs, tmp_path, codes) == (code, log)


def test_a_job_is_not_queued_again_for_ever(programs, tmp_path):
    restarts = {"SLURM_RESTART_COUNT": "3", "MOST_RESTARTS": "3"}
    assert run_slurm(programs, tmp_path, (75, 75), **restarts) == (75, "")


def test_every_pod_of_kubernetes_finds_its_place(programs):
    yaml = pytest.importorskip("yaml")
    _, environment = programs
    text = (EXAMPLES / "kubernetes.yaml").read_text()
    service, job = yaml.safe_load_all(text)
    pod = job["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    variables = {item["name"]: item["value"] for item in container["env"]}
    assert int(variables["NUM_WORKERS"]) == job["spec"]["completions"] == 4
    assert job["spec"]["parallelism"] == 4
    assert pod["subdomain"] == service["metadata"]["name"]
    done = output_of(
        container["command"] + container["args"],
        {**environment, **variables, "JOB_COMPLETION_INDEX": "3"},
    )
    cluster, arguments = read(done.stdout)
    addresses = tuple(f"featsr-{index}.featsr:2222" for index in range(4))
    assert cluster == Cluster(addresses, 3)
    assert arguments[:2] == ["-m", "featsr_tf.train"]
    assert arguments[2:] == container["args"]
