"""What a run leaves to look at, read back from the files."""

import re
import threading

import numpy as np
import pytest
import tensorflow as tf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

from ssgan_tf.systems.recipe import Networks
from ssgan_tf.training.history import History
from ssgan_tf.training.loop import Loop
from ssgan_tf.training.options import LoopOptions
from ssgan_tf.training.strategy import make_strategy
from tests.ssgan_tf.recipe_fixtures import FORMS, IDS, batches_of, build

STEPS = 12


def run(recipe, folder, steps=STEPS, stop_at=None, on_epoch=None, **settings):
    system = build(recipe, steps=steps, **settings)
    options = LoopOptions(
        steps=steps, steps_per_call=3, histogram_every=6, image_every=4, checkpoint_every=6, summary_every=50
    )
    batches = batches_of(system, recipe)
    loop = Loop(system, batches, make_strategy("default"), options, seed=1, folder=folder)
    stop = threading.Event()
    loop.run(lambda step, _: stop.set() if step == stop_at else None, stop, on_epoch=on_epoch)
    return loop


def events_of(folder):
    events = EventAccumulator(str(folder), size_guidance={"tensors": 0, "graph": 0})
    events.Reload()
    return events


def scalars(events, tag):
    return [(event.step, tf.make_ndarray(event.tensor_proto).item()) for event in events.Tensors(tag)]


@pytest.mark.parametrize(("recipe", "settings"), FORMS, ids=IDS)
def test_everything_of_a_run_is_written(recipe, settings, tmp_path):
    loop = run(recipe, tmp_path, **settings)
    events = events_of(tmp_path)
    tags = set(events.Tags()["tensors"])
    # every loss and accuracy of every step, the same numbers as in the history
    with np.load(tmp_path / "history.npz") as history:
        names, values = history["names"].tolist(), history["values"]
        # the steps whose movement is looked at, 6 and 12, stand alone
        assert history["call_steps"].tolist() == [3, 4, 5, 6, 8, 11, 12]
        assert (history["call_seconds"] > 0).all()
        titles, ends = history["period_titles"].tolist(), history["period_ends"].tolist()
    # 64 images, 16 a step
    assert titles == ["epoch 1/3", "epoch 2/3", "epoch 3/3"] and ends == [4, 8, 12]
    assert names == loop.names and values.shape == (STEPS, len(names))
    assert {f"{name}/loss" for name in loop.optimizers} <= set(names)
    for column, name in enumerate(names):
        network, _, kind = name.rpartition("/")
        tag = f"Loss/{network}" if kind == "loss" else name
        assert [step for step, _ in scalars(events, tag)] == list(range(1, STEPS + 1))
        np.testing.assert_array_equal([value for _, value in scalars(events, tag)], values[:, column])
        means = values[:, column].reshape(3, 4).mean(1, dtype=np.float64)
        assert scalars(events, f"epoch/{name}") == [(e, pytest.approx(m)) for e, m in enumerate(means, 1)]
    # TensorBoard sorts by name
    assert min(tags - {"_hparams_/session_start_info"}).startswith("Loss/")
    # every weight of every network
    for name, network in loop.networks.items():
        drawn = sorted(tag for tag in tags if tag.startswith(f"weights/{name}/"))
        assert len(drawn) == len(network.variables)
        assert all(re.fullmatch(rf"weights/{name}/\d\d_[a-z0-9_]*[a-z2]/[a-z_]+", tag) for tag in drawn)
        for tag in drawn:
            assert [event.step for event in events.Tensors(tag)] == [0, 6, 12], tag
        for kind in ("gradient_norm", "update_to_weight"):
            found = scalars(events, f"{kind}/{name}")
            assert [step for step, _ in found] == [6, 12] and all(value > 0 for _, value in found)
        rate = loop.optimizers[name].learning_rate.numpy()
        assert scalars(events, f"learning_rate/{name}")[-1] == (STEPS, pytest.approx(rate))
    assert len(scalars(events, "speed/examples_per_second")) == 6
    # the graph of all networks, each once
    graph = tf.compat.v1.GraphDef.FromString(events.Graph().SerializeToString())
    assert set(loop.networks) == {node.name.split("/")[0] for node in graph.node if "/" in node.name}
    # samples, as events and as files
    assert ("samples" in tags) == (loop.system.generator is not None)
    if loop.system.generator:
        assert [event.step for event in events.Tensors("samples")] == [0, 4, 8, 12]
        files = sorted(path.name for path in (tmp_path / "samples").iterdir())
        assert files == [f"step-{step:07d}.png" for step in (0, 4, 8, 12)]
        stored = tf.io.read_file(str(tmp_path / "samples" / files[-1]))
        assert tf.make_ndarray(events.Tensors("samples")[-1].tensor_proto)[2] == stored.numpy()
    curves = tf.io.decode_png(tf.io.read_file(str(tmp_path / "losses.png")))
    assert min(curves.shape[:2]) > 100 and float(tf.math.reduce_std(tf.cast(curves, tf.float32))) > 1


def test_settings_are_there_as_text_and_as_hparams(tmp_path):
    run("supervised", tmp_path, of="improved-gan", learning_rate=0.0021)
    events = events_of(tmp_path)
    text = tf.make_ndarray(events.Tensors("configuration")[0].tensor_proto).item().decode()
    assert "| pair.learning_rate | 0.0021 |" in text
    assert "| checkpoint_every | 6 |" in text
    stored = HParamsPluginData.FromString(
        events.SummaryMetadata("_hparams_/session_start_info").plugin_data.content
    )
    hparams = stored.session_start_info.hparams
    assert hparams["pair.learning_rate"].number_value == pytest.approx(0.0021)
    assert hparams["of"].string_value == "improved-gan"


def test_pictures_come_from_the_same_latent_vectors(tmp_path):
    loop = run("gan", tmp_path)
    latest = tf.io.decode_png(tf.io.read_file(str(tmp_path / "samples" / "step-0000012.png")))
    # four by four images of 8x8, a line between them
    assert latest.shape == (4 * 9 - 1, 4 * 9 - 1, 1)
    again = Loop(
        loop.system, loop.batches, make_strategy("default"), LoopOptions(steps=STEPS), seed=9, folder=tmp_path
    )
    again.run()
    again.summaries.write = True
    picture = loop.system.picture(again.averages, 20161112, loop.first_images)
    np.testing.assert_array_equal(picture, latest)


def test_a_resumed_run_has_one_history_and_the_same_means_of_its_epochs(tmp_path):
    told = {"whole": {}, "broken": {}, "resumed": {}}

    def teller(name):
        return lambda period, means: told[name].update({period.title: means})

    whole = run("gan", tmp_path / "whole", on_epoch=teller("whole"))
    # within the second of three epochs
    run("gan", tmp_path / "broken", stop_at=6, on_epoch=teller("broken"))
    resumed = run("gan", tmp_path / "broken", on_epoch=teller("resumed"))
    assert resumed.names == whole.names
    assert list(told["whole"]) == ["epoch 1/3", "epoch 2/3", "epoch 3/3"]
    assert list(told["broken"]) == ["epoch 1/3"] and told["broken"] | told["resumed"] == told["whole"]
    for name, values in whole.summaries.history.series().items():
        means = [told["whole"][title][name] for title in told["whole"]]
        assert means == values.reshape(3, 4).mean(1, dtype=np.float64).tolist()
    with (
        np.load(tmp_path / "whole" / "history.npz") as first,
        np.load(tmp_path / "broken" / "history.npz") as second,
    ):
        np.testing.assert_array_equal(first["values"], second["values"])
        assert second["call_steps"].tolist() == [3, 4, 5, 6, 8, 11, 12]


def test_history_forgets_what_came_after_the_checkpoint(tmp_path):
    first = History(tmp_path / "history.npz")
    first.begin(0)
    first.add(["a"], np.arange(5, dtype=np.float32)[:, None], 1.0)
    first.add(["a"], np.arange(5, 8, dtype=np.float32)[:, None], 1.0)
    first.save()
    second = History(tmp_path / "history.npz")
    second.begin(5)
    second.add(["a"], np.full([2, 1], 9, np.float32), 2.0)
    second.save()
    with np.load(tmp_path / "history.npz") as stored:
        assert stored["values"][:, 0].tolist() == [0, 1, 2, 3, 4, 9, 9]
        assert stored["call_steps"].tolist() == [5, 7]


def test_gaussian_draws_a_scatter_plot(tmp_path):
    loop = run("gaussian", tmp_path)
    networks: Networks = loop.networks
    picture = loop.system.picture(networks, 0, loop.first_images)
    assert picture.dtype == np.uint8 and picture.shape[2] == 3
    moved = loop.system.picture(networks, 1, loop.first_images)
    assert not np.array_equal(picture, moved)
