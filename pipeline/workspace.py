"""A run's folder: the only place that knows where everything of it lies and what it is called.

WORKDIR/config.yaml, summary.json, report.html, ganpipe.log
WORKDIR/seed-0/data                          prepared data of the label draw with seed 0
WORKDIR/seed-0/ssgan/train                   checkpoints, event files, samples
WORKDIR/seed-0/ssgan/evaluate                metrics.json, predictions.npz, samples.png
WORKDIR/seed-0/ssgan/blessing.json           whether it may be shipped, and why
WORKDIR/seed-0/ssgan/export                  classifier/1, generator/1
WORKDIR/seed-0/ssgan/supervised/train, ...   the paired baseline of ssgan
WORKDIR/seed-0/fold-0/data, ssgan/train, ... of a cross-fitted draw: the same, tested on one fold's images
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

DEFAULT = Path("ganpipe-run")
DATA = "data"
METRICS_FILE = "metrics.json"
PREDICTIONS_FILE = "predictions.npz"
SAMPLES_FILE = "samples.png"
BLESSING_FILE = "blessing.json"
LABELLED_FILE = "labelled.txt"
CLASSIFIER = "classifier"
GENERATOR = "generator"
LOG = "ganpipe.log"
_SEED = "seed-"
_FOLD = "fold-"


@dataclass(frozen=True)
class Model:
    """A model of a label draw: its recipe and, of a baseline, the recipe that it is paired with."""

    recipe: str
    pair: str | None = None

    @property
    def path(self) -> str:
        """The folder below the draw's."""
        return f"{self.pair}/{self.recipe}" if self.pair else self.recipe


@dataclass(frozen=True)
class Workspace:
    """A working folder, which need not exist yet."""

    root: Path

    @property
    def config(self) -> Path:
        """Every setting of the last `ganpipe run`."""
        return self.root / "config.yaml"

    @property
    def summary(self) -> Path:
        """The errors of all draws."""
        return self.root / "summary.json"

    @property
    def report(self) -> Path:
        """The page of the last run."""
        return self.root / "report.html"

    @property
    def log(self) -> Path:
        """What the libraries had to say."""
        return self.root / LOG

    def draw(self, seed: int, fold: int | None = None) -> Path:
        """The folder of the label draw with a seed, or of one of its folds."""
        folder = self.root / f"{_SEED}{seed}"
        return folder if fold is None else folder / f"{_FOLD}{fold}"

    def data(self, seed: int, fold: int | None = None) -> Path:
        """Prepared data of a draw."""
        return self.draw(seed, fold) / DATA

    def model(self, seed: int, model: Model, fold: int | None = None) -> Path:
        """The folder with all results of a model."""
        return self.draw(seed, fold) / model.path

    def result(self, seed: int, model: Model | None, name: str, fold: int | None = None) -> Path:
        """A result's folder: of the draw itself where `model` is None."""
        return (self.draw(seed, fold) if model is None else self.model(seed, model, fold)) / name

    def of_pair(self, seed: int, model: Model, name: str) -> list[Path]:
        """The folders of one result that are there for a model, its pair or its baseline, in any fold."""
        own = model.pair or model.recipe
        places = (f"{fold}{own}/{below}{name}" for fold in ("", f"{_FOLD}*/") for below in ("", "*/"))
        return [path for place in places for path in sorted(self.draw(seed).glob(place))]

    def name_of(self, folder: Path) -> str:
        """A result's name for the user: its path below the working folder."""
        return folder.relative_to(self.root).as_posix()

    def draws(self) -> Iterator[Path]:
        """The folders of the draws that are there, in the order of their seeds."""
        found = [path for path in self.root.glob(f"{_SEED}*") if _is_draw(path.name)]
        yield from sorted(found, key=lambda path: int(path.name.removeprefix(_SEED)))


def draws_among(names: Collection[str]) -> set[str]:
    """Names, of all that lie in a folder, those that are draws': none where it is no working folder."""
    return {name for name in names if _is_draw(name)} if LOG in names else set()


def _is_draw(name: str) -> bool:
    return name.startswith(_SEED) and name.removeprefix(_SEED).isdecimal()
