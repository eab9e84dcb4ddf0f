"""The examples for clusters, followed without one: what each process is given, and its place."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from pipeline.cli import main
from pipeline.stages.train.settings import TrainConfig
from ssgan_tf.declare import build
from ssgan_tf.training.cluster import Place, place_of, read_tf_config, workers_of

EXAMPLES = Path(__file__).resolve().parents[2] / "tools" / "cluster_examples"


def train_settings(arguments):
    """What `ganpipe train ARGUMENTS` is told, as the command itself reads it."""
    params = main.commands["train"].make_context("train", list(arguments)).params
    given = {
        name.removeprefix("train__"): value
        for name, value in params.items()
        if name.startswith("train__") and value is not None
    }
    settings = build(TrainConfig, given)
    assert settings.strategy == "multiworker"
    return settings, params["workdir"]


def shared_folders(pod, container):
    """Where the container mounts volumes that outlive a pod."""
    lasting = {volume["name"] for volume in pod["volumes"] if "persistentVolumeClaim" in volume}
    return [Path(mount["mountPath"]) for mount in container["volumeMounts"] if mount["name"] in lasting]


def check_pod(pod):
    (container,) = pod["containers"]
    assert container["command"] == ["ganpipe", "train"]
    # time for a checkpoint
    assert pod["terminationGracePeriodSeconds"] >= 60
    return container, container["ports"][0]["containerPort"]


def test_the_pods_of_a_jobset_take_each_a_place():
    jobset = yaml.safe_load((EXAMPLES / "jobset.yaml").read_text())
    spec, (replicated,) = jobset["spec"], jobset["spec"]["replicatedJobs"]
    job = replicated["template"]["spec"]
    assert (replicated["replicas"], job["completionMode"], job["backoffLimit"]) == (1, "Indexed", 0)
    assert job["completions"] == job["parallelism"] == 2
    pod = job["template"]["spec"]
    container, port = check_pod(pod)
    # names as JobSet makes them
    hosts = [
        f"{jobset['metadata']['name']}-{replicated['name']}-0-{index}.{spec['network']['subdomain']}"
        for index in range(job["completions"])
    ]
    for index in range(job["completions"]):
        (variable,) = container["env"]
        field = variable["valueFrom"]["fieldRef"]["fieldPath"]
        assert field == "metadata.annotations['batch.kubernetes.io/job-completion-index']"
        # the kubelet writes the variable's value in
        arguments = [word.replace(f"$({variable['name']})", str(index)) for word in container["args"]]
        settings, workdir = train_settings(arguments)
        assert place_of(settings, {}) == Place(index, 2)
        assert workers_of(settings, {}).addresses == tuple(f"{host}:{port}" for host in hosts)
        assert any(workdir.is_relative_to(folder) for folder in shared_folders(pod, container))
    # what a start again cannot mend is not started again; exit codes 6, 130 and 143 are
    rule = job["podFailurePolicy"]["rules"][0]
    assert rule["action"] == "FailJob" and pod["restartPolicy"] == "Never"
    assert rule["onExitCodes"]["values"] == [1, 2, 3, 4]
    assert rule["onExitCodes"]["containerName"] == container["name"]


def test_the_pods_of_a_tfjob_take_each_a_place():
    tfjob = yaml.safe_load((EXAMPLES / "tfjob.yaml").read_text())
    name, namespace = tfjob["metadata"]["name"], tfjob["metadata"]["namespace"]
    replicas = tfjob["spec"]["tfReplicaSpecs"]
    assert all(spec["restartPolicy"] == "OnFailure" for spec in replicas.values())
    ports = {kind: check_pod(spec["template"]["spec"])[1] for kind, spec in replicas.items()}
    # as the operator makes it: kinds in lower case, a service for each pod
    cluster = {
        kind.lower(): [
            f"{name}-{kind.lower()}-{index}.{namespace}.svc:{ports[kind]}"
            for index in range(spec["replicas"])
        ]
        for kind, spec in replicas.items()
    }
    places = []
    for kind, spec in replicas.items():
        pod = spec["template"]["spec"]
        container, _ = check_pod(pod)
        # the operator looks for both names
        assert (container["name"], container["ports"][0]["name"]) == ("tensorflow", "tfjob-port")
        settings, workdir = train_settings(container["args"])
        assert any(workdir.is_relative_to(folder) for folder in shared_folders(pod, container))
        for index in range(spec["replicas"]):
            task = {"type": kind.lower(), "index": index}
            environ = {"TF_CONFIG": json.dumps({"cluster": cluster, "task": task, "environment": "cloud"})}
            assert workers_of(settings, environ) is None
            assert read_tf_config(environ) == (cluster, task)
            places.append(place_of(settings, environ))
    assert places == [Place(number, len(places)) for number in range(2)]


@pytest.fixture
def batch(tmp_path):
    """Runs the Slurm example with programs that only write down what they are asked."""
    for name, body in (("ganpipe", ""), ("scontrol", ""), ("srun", "exit $SRUN_CODE\n")):
        program = tmp_path / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(f'#!/bin/sh\necho "{name} $*" >> "{tmp_path}/asked"\n{body}')
        program.chmod(0o755)

    def run(code, **environ):
        (tmp_path / "asked").unlink(missing_ok=True)
        path = f"{tmp_path / 'bin'}:{Path(shutil.which('bash')).parent}:/usr/bin:/bin"
        done = subprocess.run(
            ["bash", EXAMPLES / "slurm.sbatch", "--dataset", "folder:/shared/two words"],
            env={"PATH": path, "WORKDIR": "/shared/d", "SLURM_JOB_ID": "7", "SRUN_CODE": str(code)} | environ,
            capture_output=True, text=True,
        )  # fmt: skip
        return done.returncode, (tmp_path / "asked").read_text().splitlines()

    return run


def test_a_slurm_job_goes_on_to_evaluate_is_queued_again_or_fails(batch):
    prepare = "ganpipe preprocess --workdir /shared/d --dataset folder:/shared/two words"
    after = ["ganpipe evaluate --workdir /shared/d", "ganpipe export --workdir /shared/d"]
    code, asked = batch(0)
    assert (code, asked[0], asked[2:]) == (0, prepare, after)
    # what each task is told to run
    words = asked[1].split()
    assert words[0] == "srun" and "--kill-on-bad-exit=0" in words
    train_settings(words[words.index("train") + 1 :])
    for stopped in (130, 143, 6):
        assert batch(stopped)[1][2:] == ["scontrol requeue 7"]
        code, asked = batch(stopped, SLURM_RESTART_COUNT="50")
        assert (code, asked[2:]) == (stopped, [])
    for wrong in (1, 2, 3, 4):
        code, asked = batch(wrong)
        assert (code, asked[2:]) == (wrong, [])


def test_a_slurm_job_warns_its_tasks_in_time():
    lines = (EXAMPLES / "slurm.sbatch").read_text().splitlines()
    options = dict(
        match.groups(default="")
        for line in lines
        if (match := re.fullmatch(r"#SBATCH --([a-z-]+)(?:=(\S+))?", line))
    )
    # to the tasks (no "B:"), two minutes before the end
    assert options["signal"] == "TERM@120" and "requeue" in options
    # Slurm reads such lines only before the first command
    first = next(number for number, line in enumerate(lines) if line and not line.startswith("#"))
    assert not [line for line in lines[first:] if line.startswith("#SBATCH")]
