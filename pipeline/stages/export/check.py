"""The check before publishing: a fresh process loads the SavedModel and must answer as training does.

    differences = check_savedmodels({folder: cases})

The fresh process is this module run as a program: it sees what a server will see, the files alone. It is
started anew, never forked: a fork after TensorFlow has run hangs.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.child_processes import search_path
from pipeline.errors import GateRefused

if TYPE_CHECKING:
    from pipeline.stages.export.check_cases import Case

TOLERANCE = 1e-5
# a pixel at a rounding border may fall to either side
PIXEL_TOLERANCE = 1.0
TIMEOUT_SECONDS = 900


def check_savedmodels(cases: Mapping[Path, Sequence[Case]]) -> dict[Path, dict[str, float]]:
    """Answers requests in a fresh process, each model's warm-up requests first, and compares.

    Args:
        cases: SavedModel folder to requests with the outputs that must agree.

    Returns:
        The largest absolute difference of each signature of each model.

    Raises:
        GateRefused: a model does not load, a request fails, or an answer differs by more than 1e-5
            (for images uint8: by more than one level).
    """
    answers = _answers(cases)
    return {
        folder: _differences(
            own,
            {
                name.partition("/")[2]: value
                for name, value in answers.items()
                if name.startswith(f"{number}/")
            },
        )
        for number, (folder, own) in enumerate(cases.items())
    }


def _differences(cases: Sequence[Case], answers: Mapping[str, np.ndarray]) -> dict[str, float]:
    differences: dict[str, float] = {}
    for number, case in enumerate(cases):
        signature = case.request.signature
        for name, expected in case.expected.items():
            difference = _difference(answers.get(f"{number}/{name}"), expected)
            allowed = PIXEL_TOLERANCE if expected.dtype == np.uint8 else TOLERANCE
            # a NaN must not pass
            if not difference <= allowed:
                raise GateRefused(
                    f"the exported model does not answer as the trained one: {name} of {signature} "
                    f"differs by {difference:.3g}, allowed is {allowed:g}. Nothing was published."
                )
            differences[signature] = max(difference, differences.get(signature, 0.0))
    return differences


def _difference(answer: np.ndarray | None, expected: np.ndarray) -> float:
    if answer is None or answer.shape != expected.shape:
        return float("inf")
    return float(np.max(np.abs(answer.astype(np.float64) - expected.astype(np.float64))))


def _answers(cases: Mapping[Path, Sequence[Case]]) -> Mapping[str, np.ndarray]:
    """Answers by MODEL/CASE/OUTPUT, models and cases by their number."""
    from pipeline.exported.prediction_log import write_requests

    with tempfile.TemporaryDirectory() as scratch:
        arguments = []
        for number, (folder, own) in enumerate(cases.items()):
            asked, told = Path(scratch) / f"{number}.tfrecord", Path(scratch) / f"{number}.npz"
            write_requests(asked, "check", (case.request for case in own))
            arguments += [str(folder), str(asked), str(told)]
        _run_afresh(arguments)
        answers: dict[str, np.ndarray] = {}
        for number in range(len(cases)):
            with np.load(Path(scratch) / f"{number}.npz") as file:
                answers |= {f"{number}/{name}": file[name] for name in file}
        return answers


def _run_afresh(arguments: Sequence[str]) -> None:
    # the processor's answers are the reference; the parent may hold all of an accelerator's memory
    environment = {"PYTHONPATH": search_path(), "CUDA_VISIBLE_DEVICES": "-1"}
    try:
        done = subprocess.run(
            [sys.executable, "-m", "pipeline.stages.export.check", *arguments],
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            errors="replace",
            timeout=TIMEOUT_SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise GateRefused(
            f"the exported model did not answer within {TIMEOUT_SECONDS} s in a fresh process. "
            "Nothing was published."
        ) from None
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        raise GateRefused(
            f"the exported model cannot be used in a fresh process: {last} Nothing was published."
        )


def _main(arguments: Sequence[str]) -> None:
    """For each FOLDER, REQUESTS, ANSWERS: loads, replays the warm-up, writes the numbers of all answers."""
    import ssgan_tf  # noqa: F401  (sets TensorFlow's switches before it is imported)

    # isort: split
    import tensorflow as tf

    from pipeline.exported.layout import WARMUP_FILE
    from pipeline.exported.prediction_log import Request, read_requests

    def answer(model: Any, request: Request) -> dict[str, np.ndarray]:
        tensors = {name: tf.constant(value) for name, value in request.inputs.items()}
        outputs = model.signatures[request.signature](**tensors)
        return {name: value.numpy() for name, value in outputs.items() if value.dtype != tf.string}

    for folder, asked, told in zip(arguments[::3], arguments[1::3], arguments[2::3], strict=True):
        model = tf.saved_model.load(folder)
        for request in read_requests(Path(folder) / WARMUP_FILE):
            answer(model, request)
        answers: dict[str, np.ndarray] = {}
        for number, request in enumerate(read_requests(Path(asked))):
            answers |= {f"{number}/{name}": value for name, value in answer(model, request).items()}
        np.savez(told, **answers)  # type: ignore[arg-type]


if __name__ == "__main__":
    _main(sys.argv[1:])
