"""Which process of a cluster is the chief: exactly one, the first as TensorFlow numbers them."""

import json
import subprocess
import sys
from types import SimpleNamespace

import pytest
import tensorflow as tf

from ssgan_tf.errors import UsageError
from ssgan_tf.training.cluster import Place, is_chief, place_in, place_of
from ssgan_tf.training.replicas import ReplicaRange

CLUSTERS = [
    {"worker": ["a:1"]},
    {"worker": ["a:1", "b:1", "c:1"]},
    {"chief": ["a:1"], "worker": ["b:1", "c:1"]},
    {"chief": ["a:1"]},
    {"chief": ["a:1"], "worker": ["b:1", "c:1"], "evaluator": ["e:1"], "ps": ["p:1", "q:1"]},
]


def settings(strategy="multiworker", workers=None, worker_index=None):
    return SimpleNamespace(strategy=strategy, workers=workers, worker_index=worker_index)


def environ(cluster, job, index):
    return {"TF_CONFIG": json.dumps({"cluster": cluster, "task": {"type": job, "index": index}})}


def tasks_of(cluster):
    return [(job, index) for job in ("chief", "worker") for index in range(len(cluster.get(job, [])))]


@pytest.mark.parametrize("cluster", CLUSTERS, ids=str)
def test_one_chief_a_cluster(cluster):
    tasks = tasks_of(cluster)
    chiefs = [task for task in tasks if is_chief(settings(), environ(cluster, *task))]
    assert chiefs == [("chief" if "chief" in cluster else "worker", 0)]
    places = [place_of(settings(), environ(cluster, *task)) for task in tasks]
    assert places == [Place(number, len(tasks)) for number in range(len(tasks))]


@pytest.mark.parametrize("cluster", CLUSTERS, ids=str)
def test_the_replicas_of_a_process_follow_its_place(cluster):
    ranges = []
    for job, index in tasks_of(cluster):
        resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(
            tf.train.ClusterSpec(cluster), task_type=job, task_id=index
        )
        strategy = SimpleNamespace(num_replicas_in_sync=2 * len(tasks_of(cluster)), cluster_resolver=resolver)
        ranges.append(ReplicaRange.of(strategy))
    assert [found.first for found in ranges] == list(range(0, 2 * len(ranges), 2))
    assert [found.chief for found in ranges] == [True] + [False] * (len(ranges) - 1)


@pytest.mark.parametrize("job", ["evaluator", "ps", "None"])
def test_other_jobs_are_refused(job):
    with pytest.raises(UsageError, match=f"'{job}'.*chief or worker"):
        is_chief(settings(), environ(CLUSTERS[-1], job, 0))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "needs TF_CONFIG"),
        ("{'cluster'", "not valid JSON"),
        ("[1]", "object with cluster and task"),
        ('{"cluster": {"worker": ["a:1"]}}', "task is None"),
        ('{"task": {"type": "worker", "index": 0}}', "cluster is None"),
        ('{"cluster": {"worker": "a:1"}, "task": {"type": "worker", "index": 0}}', "list of host:port"),
        ('{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 1}}', "1 tasks of 'worker'"),
        ('{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": "x"}}', "number 'x'"),
        ('{"cluster": {"worker": ["a:1"]}, "task": {"type": "chief", "index": 0}}', "0 tasks of 'chief'"),
        ('{"cluster": {"chief": ["a:1", "b:1"]}, "task": {"type": "chief", "index": 0}}', "one chief"),
    ],
)
def test_a_wrong_tf_config_is_one_message(text, words):
    with pytest.raises(UsageError, match=words):
        is_chief(settings(), {"TF_CONFIG": text})


def test_the_settings_come_first():
    wrong = {"TF_CONFIG": "{"}
    assert is_chief(settings("default"), wrong) and is_chief(settings("mirrored"), wrong)
    assert [is_chief(settings(workers="a:1,b:1", worker_index=i), wrong) for i in (0, 1)] == [True, False]
    for index in (None, 2, -1):
        with pytest.raises(UsageError, match="worker_index must be 0 to 1"):
            is_chief(settings(workers="a:1,b:1", worker_index=index), wrong)
    # an index without workers says nothing: TF_CONFIG does
    second = environ(CLUSTERS[1], "worker", 1)
    assert not is_chief(settings(worker_index=0), second)


def test_numbered_addresses_and_numbers_as_text():
    assert place_in({"worker": {"0": "a:1", "1": "b:1"}}, "worker", "1") == Place(1, 2)


def test_it_needs_no_tensorflow():
    code = (
        "import sys, ssgan_tf.training.cluster, ssgan_tf.training.options, pipeline.stages.train.settings;"
        "print([m for m in ('tensorflow', 'keras', 'numpy') if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
