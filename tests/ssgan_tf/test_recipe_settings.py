"""Recipe settings are declared like all others: help, default and range, and one message for a mistake."""

import dataclasses
import math

import pytest

from ssgan_tf.errors import UsageError
from ssgan_tf.recipes import load_recipe, recipe_names

DECLARED = [name for name in recipe_names() if name != "supervised"]


@pytest.mark.parametrize("name", DECLARED)
def test_every_setting_has_help_and_a_rule_that_all_presets_keep(name):
    recipe = load_recipe(name)
    for field in dataclasses.fields(recipe.settings):
        assert len(field.metadata["help"]) > 10 and field.metadata["rule"].words, field.name
    for preset in ("full", *recipe.presets):
        configured = recipe.configure(preset, {})
        assert recipe.configure("full", dataclasses.asdict(configured)) == configured


@pytest.mark.parametrize("name", DECLARED)
def test_no_setting_takes_what_is_no_number(name):
    recipe = load_recipe(name)
    for field in dataclasses.fields(recipe.settings):
        for value in (math.nan, math.inf, -math.inf, -1, "nonsense", None, [1], True):
            with pytest.raises(UsageError, match=rf"recipe\.{field.name} must be "):
                recipe.configure("small", {field.name: value})


@pytest.mark.parametrize(
    ("recipe", "settings", "words"),
    [
        ("ssgan", {"loss": "nonsense"}, "recipe.loss must be one of faithful, k_logits; got 'nonsense'"),
        ("ssgan", {"loss": "k_logit"}, "Did you mean 'k_logits'"),
        ("ssgan", {"update": 3}, "one of simultaneous, alternating; got 3"),
        ("ssgan", {"dropout": 1.5}, "a share from 0 to below 1; got 1.5"),
        ("ssgan", {"dropout": 1}, "a share from 0 to below 1; got 1"),
        ("ssgan", {"width": 0}, "recipe.width must be a number above 0; got 0"),
        ("ssgan", {"image_size": 28}, "one of 0, 16, 32, 64, 128; got 28"),
        ("ssgan", {"steps": 0}, "recipe.steps must be a whole number from 1 to 2147483647; got 0"),
        ("ssgan", {"rotate": 181}, "a number from 0 to 180; got 181"),
        ("sgan", {"adversarial_weight": 0}, "a number above 0, to 1; got 0"),
        ("sgan", {"image_size": 30}, "a multiple of 4 from 8 to 256, or 0 for the data's size; got 30"),
        ("sgan", {"output_bias": "nun"}, "one of learned, none; got 'nun'.*Did you mean 'none'"),
        ("sgan", {"grid_side": 21}, "a whole number from 1 to 20; got 21"),
        ("dcgan", {"form": "lising"}, "one of compact, text, listing; got 'lising'.*Did you mean 'listing'"),
        ("dcgan", {"slope": 1}, "a number between 0 and 1"),
        ("gan", {"gradient_penalty": -0.5}, "a number from 0; got -0.5"),
        ("gan", {"beta_2": 1}, "a number from 0 to 0.99999"),
        ("improved-gan", {"average_decay": 0.99999999}, "a number from 0 to 0.99999 .*got 0.99999999"),
        ("supervised", {"dropout": 1.5}, "recipe.dropout must be a share"),
        ("supervised", {"of": "improved-gan", "labelled_batch": 0}, "recipe.labelled_batch must be a whole"),
        ("gan", {"loss": "faithful"}, "unknown setting 'recipe.loss'"),
    ],
)
def test_mistakes_are_said_with_their_rule(recipe, settings, words):
    with pytest.raises(UsageError, match=words):
        load_recipe(recipe).configure("small", settings)


def test_exponents_are_numbers():
    # YAML 1.1 reads 1e-3 as text
    assert load_recipe("ssgan").configure("small", {"learning_rate": "1e-3"}).learning_rate == 1e-3


def test_the_largest_decay_is_one_that_float32_tells_from_1():
    from ssgan_tf.training.averages import update_rate

    settings = load_recipe("improved-gan").configure("small", {"average_decay": 0.99999})
    # at the first step the average is the weights
    assert float(update_rate(settings.average_decay, 0)) == pytest.approx(1.0, rel=2e-3)
