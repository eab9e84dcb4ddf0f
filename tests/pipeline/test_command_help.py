"""Help and completion: what a command takes can be read and completed, without heavy libraries."""

import click
import pytest
from click.shell_completion import FishComplete, ZshComplete
from click.testing import CliRunner

from pipeline import command_help
from pipeline.beam.modes import MODES
from pipeline.cli import main
from pipeline.command_help import Command, Option
from pipeline.shell_completion import WholeWords
from ssgan_tf.recipe_texts import preset_names, setting_names
from ssgan_tf.recipes import load_recipe, recipe_names


def help_of(*names):
    result = CliRunner().invoke(main, [*names, "--help"], terminal_width=100)
    assert result.exit_code == 0
    return result.stdout


def entry(text, flag):
    """What the help says of one option, in one line."""
    lines = text.splitlines()
    start = next(i for i, line in enumerate(lines) if line.strip().startswith(flag + " "))
    stop = next(
        (i for i in range(start + 1, len(lines)) if lines[i].lstrip()[:1] == "-" or not lines[i].strip()),
        len(lines),
    )
    return " ".join(" ".join(lines[start:stop]).split())


def test_commands_are_listed_in_the_order_of_use_with_their_whole_summaries():
    text = help_of()
    listed = text.partition("order of use:\n")[2].partition("\n\n")[0]
    names = [line.split()[0] for line in listed.splitlines() if line[2:3].strip()]
    assert sorted(names) == sorted(main.commands) and set(names) <= set(command_help.ORDER)
    assert names == [name for name in command_help.ORDER if name in names]
    words = " ".join(listed.split())
    for command in main.commands.values():
        assert command_help.summary(command) in words
    assert text.index("ganpipe run") < text.index("Options:"), "a newcomer looks at the top"


CHOICES = {
    ("train", "--strategy"): ["default", "mirrored", "multiworker"],
    ("train", "--precision"): ["float32", "mixed_float16", "mixed_bfloat16", "auto"],
    ("train", "--recipe"): recipe_names(),
    ("predict", "--format"): ["csv", "jsonl", "parquet"],
    ("export", "--format"): ["savedmodel", "tflite", "onnx"],
    ("preprocess", "--runner"): list(MODES),
    ("evaluate", "--split"): ["test", "validation"],
    ("run", "--force"): ["preprocess", "train", "evaluate", "export"],
}


@pytest.mark.parametrize(("place", "choices"), CHOICES.items(), ids="".join)
def test_choices_are_shown_and_completed(place, choices):
    command, flag = place
    assert f"{flag} [{'|'.join(choices)}]" in entry(help_of(command), flag)
    assert completed(command, flag, "") == choices
    assert completed(command, flag, choices[-1][:3]) == [c for c in choices if c.startswith(choices[-1][:3])]


def test_types_defaults_and_limits_are_shown():
    assert "--steps INTEGER" in help_of("train") and "[x>=1]" in entry(help_of("train"), "--steps")
    assert "[default: 0.2; 0<x<1]" in entry(help_of("run"), "--test-rate")
    assert "VALUE" not in help_of("serve")
    assert "GPU" in entry(help_of("train"), "--replicas")


@pytest.mark.parametrize("name", command_help.FIRST)
def test_the_options_that_matter_come_first(name):
    first = command_help.FIRST[name]
    known = {flag for parameter in main.commands[name].params for flag in parameter.opts}
    assert len(first) == 5 and set(first) <= known
    section = help_of(name).partition("Most used:\n")[2].partition("\n\n")[0]
    assert [line.split()[0] for line in section.splitlines() if line[2:3] == "-"] == list(first)


def test_an_option_stands_under_its_own_heading_whatever_comes_between():
    @click.command(cls=Command)
    @click.option("--one", cls=Option, group="training")
    @click.option("--raw")
    @click.option("--two", cls=Option, group="output")
    @click.option("--three", cls=Option, group="training")
    def command(**values):
        pass

    text = CliRunner().invoke(command, ["--help"]).stdout
    headings = [line for line in text.splitlines() if line.endswith(":")]
    assert headings == ["Training:", "Output:", "Other:"]
    assert text.index("--one") < text.index("--three") < text.index("--two") < text.index("--raw")


def completed(*words, shell=ZshComplete):
    """What a shell would offer for the last word."""
    *before, last = words
    return [item.value for item in shell(main, {}, "ganpipe", "X").get_completions(before, last)]


def test_commands_options_and_settings_are_completed():
    assert completed("tr") == ["train"]
    assert "--labels-per-class" in completed("preprocess", "--lab")
    assert completed("run", "--set", "train.str") == ["train.strategy="]
    assert completed("run", "--set", "train.strategy=m") == [
        "train.strategy=mirrored",
        "train.strategy=multiworker",
    ]
    assert completed("run", "--set", "recipe.adv") == []
    assert completed("run", "--recipe", "sgan", "--set", "recipe.adv") == ["recipe.adversarial_weight="]
    assert completed("train", "--recipe", "supervised", "--preset", "") == ["full"]


def test_paths_are_completed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos" / "cats").mkdir(parents=True)
    (tmp_path / "photos" / ".hidden").touch()
    (tmp_path / "plain.npz").touch()
    assert completed("run", "--dataset", "fol") == ["folder:"]
    assert completed("run", "--dataset", "folder:p") == ["folder:photos/", "folder:plain.npz"]
    assert completed("run", "--dataset", "folder:photos/") == ["folder:photos/cats/"]
    assert completed("run", "--dataset", "tfds:p") == []
    shell = ZshComplete(main, {}, "ganpipe", "X")
    kinds = {
        words[-1]: [item.type for item in shell.get_completions(words, "")]
        for words in (["run", "--labels"], ["run", "--workdir"], ["serve"])
    }
    assert kinds == {"--labels": ["file"], "--workdir": ["dir"], "serve": ["dir"]}


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (["run", "--set", "train.strategy", "=", "mirr"], ["mirrored"]),
        (["run", "--set", "train.strategy", "="], ["default", "mirrored", "multiworker"]),
        (["run", "--set", "train.strat"], ["train.strategy="]),
        (["run", "--dataset", "folder", ":", "pho"], ["photos/"]),
        (["train", "--strategy", "=", "mirr"], ["mirrored"]),
        (["train", "--strategy", "mirr"], ["mirrored"]),
    ],
    ids=" ".join,
)
def test_bash_which_splits_words_gets_the_rest_of_the_last_part(words, answer, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    monkeypatch.setenv("COMP_WORDS", "\n".join(["ganpipe", *words]))
    monkeypatch.setenv("COMP_CWORD", str(len(words)))
    lines = WholeWords(main, {}, "ganpipe", "_GANPIPE_COMPLETE").complete().splitlines()
    assert lines == [f"plain,{text}" for text in answer]


@pytest.mark.parametrize("shell", [WholeWords, ZshComplete, FishComplete])
def test_the_lines_of_the_help_give_each_shell_its_script(shell):
    assert f"_GANPIPE_COMPLETE={shell.name}_source" in help_of()
    result = CliRunner().invoke(main, prog_name="ganpipe", env={"_GANPIPE_COMPLETE": f"{shell.name}_source"})
    assert "_GANPIPE_COMPLETE" in result.output and "ganpipe" in result.output
    assert ("nospace" in result.output) == (shell is WholeWords)


@pytest.mark.parametrize("name", recipe_names())
def test_what_is_read_of_a_recipe_without_importing_it_is_what_it_has(name):
    recipe = load_recipe(name)
    assert set(preset_names(name)) == set(recipe.all_presets)
    declared = [key for key, item in recipe.settings.__dataclass_fields__.items() if "help" in item.metadata]
    assert list(setting_names(name)) == declared


def test_what_says_which_data_is_given_once(tmp_path):
    # Click would take the last label file and drop the first without a word
    arguments = ["preprocess", "--labels", "a.csv", "--workdir", str(tmp_path / "run"), "--labels", "b.csv"]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2 and "--labels is given 2 times" in result.stderr
    assert CliRunner().invoke(main, ["preprocess", "--yes", "--yes", "--help"]).exit_code == 0
