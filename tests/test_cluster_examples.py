"""The scripts for clusters give every worker a TF_CONFIG that holds."""

import os
import subprocess

import pytest

from featsr_tf.cluster import Cluster
from featsr_tf.cluster import read_cluster
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


def test_every_node_of_slurm_finds_its_place(programs):
    write, environment = programs
    write("scontrol", 'echo "$@" >>$LOG; printf "node1\\nnode2\\n"')
    write("srun", 'SLURM_PROCID=1 "$@"')
    log = environment["PATH"].split(":")[0] + "/log"
    environment |= {"SLURM_JOB_NODELIST": "node[1-2]", "LOG": log}
    done = output_of(["bash", EXAMPLES / "slurm.sh", *ARGUMENTS], environment)
    cluster, arguments = read(done.stdout)
    assert cluster == Cluster(("node1:2222", "node2:2222"), 1)
    assert arguments == ["-m", "featsr_tf.train", *ARGUMENTS]
    with open(log) as file:
        assert file.read() == "show hostnames node[1-2]\n"


@pytest.mark.parametrize(("code", "queued"), [(2, False), (75, True)])
def test_only_a_lost_worker_queues_the_job_again(programs, code, queued):
    write, environment = programs
    write("scontrol", 'echo "$@" >>$LOG; echo node1')
    write("srun", f"exit {code}")
    log = environment["PATH"].split(":")[0] + "/log"
    environment |= {"SLURM_JOB_ID": "77", "LOG": log}
    done = output_of(["bash", EXAMPLES / "slurm.sh"], environment)
    assert done.returncode == code
    with open(log) as file:
        assert ("requeue 77" in file.read()) == queued


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
