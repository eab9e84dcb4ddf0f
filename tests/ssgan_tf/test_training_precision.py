"""Half precision trains like float32: losses close, nothing that is not finite, outputs in float32."""

import numpy as np
import pytest
import tensorflow as tf


def last_losses(loop, steps):
    values = []

    def keep(step, latest):
        values.append((step, latest))

    assert loop.run(keep) == steps
    history = np.array(loop.summaries.history.series()["discriminator/loss"])
    # a GAN's losses swing: the mean of a few steps says little
    return float(history[-max(50, steps // 2) :].mean())


# one recipe by default; both, for 200 steps, among the slow ones
@pytest.mark.parametrize(
    ("recipe", "steps", "settings"),
    [
        ("ssgan", 60, {"loss": "faithful", "learning_rate": 2e-4}),
        pytest.param(
            "ssgan", 200, {"loss": "faithful", "learning_rate": 2e-4, "width": 0.25}, marks=pytest.mark.slow
        ),
        pytest.param("improved-gan", 200, {}, marks=pytest.mark.slow),
    ],
)
def test_mixed_precision_follows_float32(make_loop, tmp_path, recipe, steps, settings):
    means = {}
    for dtype in ("float32", "mixed_float16", "mixed_bfloat16"):
        loop = make_loop(recipe, dtype=dtype, folder=tmp_path / dtype, steps=steps, **settings)
        means[dtype] = last_losses(loop, steps)
        for name, variable in loop.checkpoints.variables.items():
            if variable.dtype.is_floating:
                assert variable.dtype == tf.float32, name
                assert np.all(np.isfinite(variable.numpy())), name
        images = loop.first_images[:4]
        assert loop.system.class_logits(loop.networks, images).dtype == tf.float32
    for dtype in ("mixed_float16", "mixed_bfloat16"):
        assert means[dtype] == pytest.approx(means["float32"], rel=0.1)


def test_loss_scale_is_checkpointed_and_shown(make_loop, tmp_path):
    # the discriminator is updated twice a step
    settings = {"form": "text", "update": "separate", "width": 0.0625, "latent_size": 8, "batch_size": 8}
    loop = make_loop("dcgan", dtype="mixed_float16", steps=4, **settings)
    scales = {name: optimizer.dynamic_scale for name, optimizer in loop.optimizers.items()}
    assert set(scales) == {"discriminator", "generator"}
    loop.run()
    updates = {name: int(optimizer.inner_optimizer.iterations) for name, optimizer in loop.optimizers.items()}
    assert updates == {"discriminator": 8, "generator": 4}
    assert all(np.all(np.isfinite(variable.numpy())) for variable in loop.checkpoints.variables.values())
    series = loop.summaries.history.series()
    both = (np.array(series["discriminator/real"]) + series["discriminator/fake"]) / 2
    np.testing.assert_allclose(series["discriminator/loss"], both, rtol=1e-6)
    # two shares of eight images each, and their mean
    assert set(np.array(series["discriminator/accuracy"]) * 16) <= set(range(17))
    scales["generator"].assign(64.0)
    loop.checkpoints.save(5)
    scales["generator"].assign(2.0)
    loop.checkpoints.restore()
    assert float(scales["generator"].numpy()) == 64.0
    tags = {
        value.tag
        for path in (tmp_path / "run").glob("events.*")
        for event in tf.compat.v1.train.summary_iterator(str(path))
        for value in event.summary.value
    }
    assert {"loss_scale/discriminator", "loss_scale/generator"} <= tags


def test_overflow_lowers_the_scale_and_skips_the_update(make_loop, state_of):
    loop = make_loop(dtype="mixed_float16", steps=1)
    for optimizer in loop.optimizers.values():
        optimizer.dynamic_scale.assign(2.0**40)
    before = state_of(loop)
    loop.run()
    after = state_of(loop)
    for name in before:
        if name.startswith("weight-generator") and "moving" not in name:
            np.testing.assert_array_equal(before[name], after[name])
    assert float(loop.optimizers["generator"].dynamic_scale.numpy()) < 2.0**40
