"""`ganpipe recipes`: what is said of a recipe is what the recipe has."""

import json

import pytest
from click.testing import CliRunner

from pipeline import recipe_pages
from pipeline.cli import main
from ssgan_tf.layer_table import layer_table
from ssgan_tf.recipes import load_recipe, recipe_names
from ssgan_tf.systems.recipe import DataSpec


def recipes(*arguments, code=0):
    # a terminal that is wide enough, whatever the tests are run in
    env = {"COLUMNS": str(recipe_pages.WIDTH)}
    result = CliRunner(env=env).invoke(main, ["recipes", *arguments])
    assert result.exit_code == code, result.stderr
    return result.stdout if code == 0 else result.stderr


def test_the_overview_names_every_recipe_with_all_that_is_asked_of_its_file():
    listed = json.loads(recipes("--json"))
    assert [each["name"] for each in listed] == recipe_names()
    for each in listed:
        assert all(each.values()), each
        assert each["presets"] == list(load_recipe(each["name"]).all_presets)
    text = recipes()
    assert all(f"{each['name']}:\n  {each['summary']}" in text for each in listed)


@pytest.mark.parametrize("name", recipe_names())
def test_a_page_has_its_settings_losses_and_layers(name):
    recipe, page = load_recipe(name), recipe_pages.explain(name, None)
    for setting in page["settings"]:
        for preset, value in setting["presets"].items():
            assert value == getattr(recipe.configure(preset, {}), setting["name"])
    losses, text = "\n".join(page["losses"]), recipe_pages.show(page)
    for network, rows in page["networks"].items():
        # D and G, as the field writes them
        assert f"\n{network[0].upper()} minimises " in losses
        assert all(row["layer"] in text for row in rows) and rows
    assert losses.count("minimises") % len(page["networks"]) == 0
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("|")]
    assert max(map(len, lines)) <= recipe_pages.WIDTH
    assert all(setting["name"] in text for setting in page["settings"])


@pytest.mark.parametrize("name", ["ssgan", "improved-gan", "gan"])
def test_the_layers_are_those_of_the_networks(name):
    recipe = load_recipe(name)
    system = recipe.build(recipe.configure("small", {}), DataSpec((8, 8, 1), 10))
    networks = system.build_networks()
    for key, rows in layer_table(system).items():
        assert sum(row.parameters for row in rows) == networks[key].count_params()
        assert [row.layer for row in rows if row.parameters] == [
            type(layer).__name__
            for layer in networks[key]._flatten_layers(include_self=False)
            if layer.count_params()
        ]


def test_the_shapes_of_the_documented_dcgan():
    rows = recipe_pages.explain("dcgan", "full")["networks"]["generator"]
    maps = [tuple(row["output"]) for row in rows if row["layer"] == "Conv2DTranspose"]
    assert maps == [(14, 14, 128), (14, 14, 64), (28, 28, 1)]
    assert {row["kernel"] for row in rows} == {"", "3x3"}
    assert [row["stride"] for row in rows if row["stride"]] == [2, 1, 2]


def test_an_unknown_name_or_preset_says_what_is_near():
    assert "Did you mean 'dcgan'" in recipes("dcgn", code=2)
    assert "Did you mean 'small'" in recipes("dcgan", "--preset", "smal", code=2)
    assert "ganpipe recipes NAME" in recipes("--preset", "small", code=2)
