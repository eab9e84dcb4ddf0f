"""A fingerprint's code: every module that a stage needs counts, and no other."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.chain.code import PACKAGES, ROOT, code_digests
from pipeline.chain.stages import STAGES

# what a stage's modules need is decided by reading them: asked of the running program below
RUN = """
import sys
from click.testing import CliRunner
from pipeline.cli import main
result = CliRunner().invoke(main, sys.argv[1:])
assert result.exit_code == 0, (result.stderr, result.exception)
assert "reused" not in result.stderr
print(*(name for name in sys.modules if name.split(".")[0] in ("pipeline", "ssgan_tf")))
"""
# the command, the chain and what they show: they call stages, and decide no byte of a result
AROUND = (
    *("pipeline.cli", "pipeline.options", "pipeline.chain", "pipeline.workspace", "pipeline.interrupts"),
    "ssgan_tf.whole_files",
)


@pytest.fixture
def tree(tmp_path):
    """A copy of both packages, to change."""
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def modules_of(stage):
    return [stage.module, *stage.code, "ssgan_tf.recipes.ssgan"]


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
def test_a_line_in_any_needed_module_changes_the_digests_and_no_other_does(tree, stage):
    before = code_digests(modules_of(stage), tree)
    assert before == code_digests(modules_of(stage))
    every = [path for package in PACKAGES for path in (tree / package).rglob("*.py")]
    inside = [path for path in every if str(path.relative_to(tree)) in before]
    assert len(inside) == len(before) and 20 < len(inside) < len(every)

    def longer(path):
        path.write_text(path.read_text() + "# one more line\n")

    for path in set(every) - set(inside):
        longer(path)
    assert code_digests(modules_of(stage), tree) == before
    for path in inside:
        text = path.read_text()
        longer(path)
        after = code_digests(modules_of(stage), tree)
        changed = {name for name in before if after[name] != before[name]}
        assert changed == {str(path.relative_to(tree))}
        path.write_text(text)


def test_serving_and_reporting_and_other_recipes_decide_no_result():
    for stage in STAGES:
        needed = code_digests(modules_of(stage))
        assert not [
            n for n in needed if n.startswith(("pipeline/serving", "pipeline/reporting", "pipeline/cli"))
        ]
        assert not [n for n in needed if n.startswith("ssgan_tf/recipes/") and n.endswith("dcgan.py")]


def test_programs_started_by_name_count():
    assert "pipeline/beam/worker.py" in code_digests(["pipeline.stages.preprocess"])


def test_only_what_is_imported_for_types_does_not_count(tree):
    (tree / "pipeline" / "new.py").write_text("x = 1\n")
    user = tree / "pipeline" / "user.py"
    user.write_text("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from pipeline.new import x\n")
    assert "pipeline/new.py" not in code_digests(["pipeline.user"], tree)
    user.write_text("def f():\n    from pipeline.new import x\n")
    assert "pipeline/new.py" in code_digests(["pipeline.user"], tree)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("preprocess", marks=pytest.mark.slow),
        "train",
        pytest.param("evaluate", marks=pytest.mark.slow),
    ],
)
def test_what_a_running_stage_loads_was_counted(finished, tmp_path, name):
    workdir = tmp_path / "run"
    shutil.copytree(finished, workdir)
    arguments = [name, "--workdir", str(workdir), "--force", "--config", str(workdir / "config.yaml")]
    done = subprocess.run(
        [sys.executable, "-c", RUN, *arguments], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.returncode == 0, done.stderr
    loaded = set(done.stdout.split())
    stage = next(stage for stage in STAGES if stage.name == name)
    counted = set(
        code_digests([*modules_of(stage), *(["pipeline.sources.digits"] if name == "preprocess" else [])])
    )

    def file(module):
        path = Path(module.replace(".", "/"))
        return str(path / "__init__.py") if (ROOT / path).is_dir() else f"{path}.py"

    # the command line imports the settings of all stages, the recipe is looked at before a stage runs
    settings = {f"{other.module}.settings" for other in STAGES} | {other.module for other in STAGES}
    light = subprocess.run(
        [sys.executable, "-c", "import sys, pipeline.cli; print(*sys.modules)"],
        capture_output=True, text=True, cwd=ROOT, check=True,
    ).stdout.split()  # fmt: skip
    # a source is opened while the run is planned, and its interface names further columns
    planning = {"ssgan_tf.recipes", "pipeline.sources.catalog", "pipeline.sources.source"}
    planning |= {"pipeline.sources.further_columns"}
    rest = {
        module
        for module in loaded - set(light) - settings - planning
        if not module.startswith(AROUND) and file(module) not in counted
    }
    if name != "train":
        # planning checks the recipe's settings, which loads the recipe
        recipe = set(code_digests(["ssgan_tf.recipes.ssgan"]))
        rest = {module for module in rest if file(module) not in recipe}
    assert rest == set()
