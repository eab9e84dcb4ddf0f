"""Epochs cover a run's steps, and few images do not make many lines."""

import pytest

from ssgan_tf.training.epochs import MOST_PERIODS, epoch_end, periods_of


@pytest.mark.parametrize("images", [1, 7, 100, 1437, 60_000])
@pytest.mark.parametrize("batch", [1, 64, 128])
@pytest.mark.parametrize("steps", [1, 7, 250, 3283])
def test_periods_cover_the_run_once(images, batch, steps):
    periods = periods_of(images, batch, steps)
    assert 1 <= len(periods) <= MOST_PERIODS
    assert [p.first for p in periods] == [0, *(p.end for p in periods[:-1])] and periods[-1].end == steps
    assert [p.first_epoch for p in periods] == [1, *(p.last_epoch + 1 for p in periods[:-1])]
    for period in periods[:-1]:
        assert period.share == 1
        shown = period.end * batch
        # every image was shown so often, and not a step before
        assert shown >= period.last_epoch * images > shown - batch
    assert 0 < periods[-1].share <= 1
    # the images of the whole epochs are those of the steps, but for less than an epoch
    assert abs(periods[-1].last_epoch - steps * batch / images) <= 1


@pytest.mark.parametrize("epochs", [1, 3, 20, 21, 400])
@pytest.mark.parametrize(("images", "batch"), [(100, 64), (60_000, 128), (10, 64)])
def test_steps_that_were_made_from_epochs_are_these_epochs(epochs, images, batch):
    periods = periods_of(images, batch, epoch_end(epochs, images, batch))
    assert periods[-1].total == str(periods[-1].last_epoch) and periods[-1].share == 1
    assert periods[-1].last_epoch >= epochs
    if images > batch:
        assert periods[-1].last_epoch == epochs


def test_titles():
    def titles(*run):
        return [period.title for period in periods_of(*run)]

    assert titles(1000, 100, 24) == ["epoch 1/2.4", "epoch 2/2.4", "epoch 3/2.4 (40 % of it)"]
    assert titles(1000, 100, 3) == ["epoch 1/0.3 (30 % of it)"]
    assert titles(10, 10, 400)[1] == "epochs 21-40/400"
    # 7 times 469 steps, of which 7 epochs take 3,282
    assert titles(60_000, 128, 3283)[-1] == "epoch 7/7"
