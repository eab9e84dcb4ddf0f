"""Devices are made ready before the first stage of a run: the first one to compute fixes them."""

from types import SimpleNamespace

import pytest

from pipeline.chain import orchestrator, stages
from pipeline.errors import UsageError
from pipeline.stages.train.settings import TrainConfig
from pipeline.terminal import Terminal
from ssgan_tf.training import strategy


def test_every_node_is_prepared_before_any_runs(monkeypatch):
    done = []
    nodes = [SimpleNamespace(name=n, prepare=lambda n=n: done.append(f"prepare {n}")) for n in ("a", "b")]
    monkeypatch.setattr(orchestrator, "execute", lambda node, *_: done.append(f"run {node.name}") or {})
    orchestrator.execute_all(nodes, Terminal(quiet=True))
    assert done == ["prepare a", "prepare b", "run a", "run b"]


def test_training_makes_its_logical_devices_then(monkeypatch):
    made = []
    monkeypatch.setattr(strategy, "make_logical_cpus", made.append)
    train = stages.stage_named("train")
    train.prepare(TrainConfig(strategy="mirrored", replicas=5))
    train.prepare(TrainConfig(strategy="mirrored"))
    train.prepare(TrainConfig())
    assert made == [5, 2]
    with pytest.raises(UsageError, match="replicas=2 needs"):
        train.prepare(TrainConfig(replicas=2))
