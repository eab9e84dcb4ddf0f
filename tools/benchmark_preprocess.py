"""How fast `ganpipe preprocess` is, and in how much memory, against a plain loop with Pillow.

    python tools/benchmark_preprocess.py                                all kinds, 20,000 images each
    python tools/benchmark_preprocess.py --kinds idx --images 1000000 --side 28 --no-loop

The images are made from a seed, into a folder that is used again: digits in MNIST's format (`idx`), 32x32
JPEG, 28x28 PNG, 256x256 JPEG (`photos`). The loop is what one would write: one process reads, decodes, brings
a photo to 64x64, encodes PNG and appends it to a file. Both run in turns, each in a process of its own whose
libraries are loaded before the clock starts (`start` is what that takes; worker processes load theirs within
it); said is the median of the rounds' ratios, of the time that passed and of the processors' time, which
counts where others use the machine too. A kind of 20,000 images takes 1 to 3 minutes a round on a core.

Memory is the largest sum over all processes, looked at every two seconds: `total` as /proc's Pss (a page that
two share counts once), `held` without what is only a copy of files on the disk (libraries, mostly).
"""

from __future__ import annotations

import argparse
import functools
import io
import json
import os
import shutil
import statistics
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np

KINDS = ("idx", "jpeg32", "png28", "photos")
_SIDES = {"idx": 28, "jpeg32": 32, "png28": 28, "photos": 256}
_PER_FOLDER = 5000
_BLOCK = 50_000


@functools.cache
def _bundled(side: int) -> np.ndarray:
    from PIL import Image
    from sklearn.datasets import load_digits

    small = (load_digits().images * 15.9).astype(np.uint8)
    return np.stack([np.asarray(Image.fromarray(one).resize((side, side), Image.BILINEAR)) for one in small])


def digits(count: int, side: int, seed: int) -> np.ndarray:
    """The bundled digits, brought to a size and with a little noise, so that no two are alike."""
    numbers = np.random.default_rng(seed)
    images = _bundled(side)[numbers.integers(0, len(_bundled(side)), count)]
    # eight pixels of each
    for _ in range(8):
        at = numbers.integers(0, side, (2, count))
        images[np.arange(count), at[0], at[1]] = numbers.integers(0, 256, count)
    return images


def make(folder: Path, kind: str, count: int, side: int, seed: int) -> str:
    """Makes the images of a kind, unless they are there; returns the name of the data set."""
    done = folder / "done"
    name = f"{kind}:{folder}" if kind == "idx" else f"folder:{folder / 'images'}"
    if done.exists():
        return name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    if kind == "idx":
        with (folder / "train-images-idx3-ubyte").open("wb") as file:
            file.write(struct.pack(">4B3I", 0, 0, 8, 3, count, side, side))
            for start in range(0, count, _BLOCK):
                file.write(digits(min(_BLOCK, count - start), side, seed + start).tobytes())
        labels = np.random.default_rng(seed).integers(0, 10, count, np.uint8)
        head = struct.pack(">4BI", 0, 0, 8, 1, count)
        (folder / "train-labels-idx1-ubyte").write_bytes(head + labels.tobytes())
    else:
        _make_files(folder / "images", kind, count, side, seed)
    done.touch()
    return name


def _make_files(folder: Path, kind: str, count: int, side: int, seed: int) -> None:
    from PIL import Image

    numbers = np.random.default_rng(seed)
    for number in range(count):
        # class folders that all held the same sub-folders would be doubted
        place = folder / f"{number % 10}" / f"{number % 10}-{number // _PER_FOLDER}"
        if number % _PER_FOLDER < 10:
            place.mkdir(parents=True, exist_ok=True)
        if kind == "png28":
            Image.fromarray(digits(1, side, seed + number)[0]).save(place / f"{number}.png")
            continue
        # coarse colours with a finer grain: as hard to pack as a photo of this size
        coarse = Image.fromarray(numbers.integers(0, 256, (8, 8, 3), np.uint8))
        grain = numbers.integers(-12, 13, (side // 2, side // 2, 3)).repeat(2, 0).repeat(2, 1)
        smooth = np.asarray(coarse.resize((side, side), Image.BICUBIC)).astype(np.int16)
        picture = Image.fromarray((smooth + grain).clip(0, 255).astype(np.uint8))
        picture.save(place / f"{number}.jpg", quality=85)


def loop(dataset: str, output: Path) -> None:
    """The plain loop."""
    from PIL import Image

    form, _, place = dataset.partition(":")
    output.mkdir()
    with (output / "pictures").open("wb") as file:
        if form == "idx":
            raw = (Path(place) / "train-images-idx3-ubyte").read_bytes()
            count, height, width = struct.unpack_from(">3I", raw, 4)
            images = np.frombuffer(raw, np.uint8, offset=16).reshape(count, height, width)
            for pixels in images:
                _write(Image.fromarray(pixels), file)
            return
        for path in sorted(Path(place).rglob("*.*")):
            picture = Image.open(path)
            picture.load()
            if max(picture.size) > 64:
                picture = picture.resize((64, 64), Image.BILINEAR)
            _write(picture, file)


def _write(picture: object, file: io.BufferedIOBase) -> None:
    packed = io.BytesIO()
    picture.save(packed, "PNG")  # type: ignore[attr-defined]
    file.write(packed.getvalue())


def once(what: str, dataset: str, output: Path, workers: int) -> None:
    """One run, in a process of its own: loads, takes the time, and says it as JSON."""
    begun = time.perf_counter()
    if what == "loop":
        import PIL.Image  # noqa: F401

        start = time.perf_counter() - begun
        begun, spent = time.perf_counter(), _processor_seconds()
        loop(dataset, output)
    else:
        import apache_beam  # noqa: F401

        from pipeline.images import decoding  # noqa: F401
        from pipeline.stages.preprocess import stage
        from pipeline.stages.preprocess.settings import DataConfig
        from pipeline.terminal import Terminal

        start = time.perf_counter() - begun
        runner = "in_memory" if workers == 1 else "multi_processing"
        config = DataConfig(dataset=dataset, labels_per_class=10, runner=runner, workers=workers, yes=True)
        output.mkdir()
        begun, spent = time.perf_counter(), _processor_seconds()
        stage.run(config, seed=0, output=output, terminal=Terminal(io.StringIO()))
    seconds, cpu = time.perf_counter() - begun, _processor_seconds() - spent
    print(json.dumps({"seconds": seconds, "cpu": cpu, "start": start}))


def _processor_seconds() -> float:
    """Of this process and of those it started that have ended, as worker processes have after a run."""
    return sum(os.times()[:4])


def measured(what: str, dataset: str, output: Path, workers: int) -> dict[str, float]:
    """Runs `once` in a process and looks at its memory, and at the disk in use below `output`."""
    shutil.rmtree(output, ignore_errors=True)
    command = [sys.executable, __file__, "--once", what, "--dataset", dataset, "--output", str(output)]
    process = subprocess.Popen(
        [*command, "--workers", f"{workers}"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    peak = {"total": 0.0, "held": 0.0}

    def watch() -> None:
        while process.poll() is None:
            for name, value in _memory(process.pid).items():
                peak[name] = max(peak[name], value)
            time.sleep(2)

    watcher = threading.Thread(target=watch)
    watcher.start()
    said, _ = process.communicate()
    watcher.join()
    if process.returncode:
        raise SystemExit(f"{what} of {dataset} failed")
    shutil.rmtree(output, ignore_errors=True)
    return {**json.loads(said.splitlines()[-1]), **peak}


def _memory(process: int) -> dict[str, float]:
    """MB of a process and all that it started."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            except (OSError, IndexError):
                continue
    family = {process}
    while more := {child for child, parent in parents.items() if parent in family} - family:
        family |= more
    found = {"total": 0.0, "held": 0.0}
    for one in family:
        try:
            lines = Path(f"/proc/{one}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        sizes = {line.split(":")[0]: int(line.split()[1]) / 1024 for line in lines[1:]}
        found["total"] += sizes["Pss"]
        found["held"] += sizes["Pss_Anon"] + sizes["Pss_Shmem"]
    return found


def main() -> None:
    """See above."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--kinds", default=",".join(KINDS), help="with commas between (default: %(default)s)")
    parser.add_argument("--images", type=int, default=20_000, help="of each kind (default: %(default)s)")
    parser.add_argument("--side", type=int, help="of the images, in pixels (default: that of the kind)")
    parser.add_argument("--workers", default="1,2", help="processes to try (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="default: %(default)s")
    parser.add_argument("--folder", type=Path, default=Path("benchmark-preprocess"), help="for the images")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--no-loop", action="store_true", help="leave the plain loop out")
    parser.add_argument("--once", help=argparse.SUPPRESS)
    parser.add_argument("--dataset", help=argparse.SUPPRESS)
    parser.add_argument("--output", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.once:
        once(asked.once, asked.dataset, asked.output, int(asked.workers))
        return
    kinds = asked.kinds.split(",")
    if unknown := set(kinds) - set(KINDS):
        parser.error(f"no kind {min(unknown)!r}; there are {', '.join(KINDS)}")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    for kind in kinds:
        side = asked.side or _SIDES[kind]
        folder = asked.folder.absolute() / f"{kind}-{side}-{asked.images}-{asked.seed}"
        dataset = make(folder, kind, asked.images, side, asked.seed)
        ways = [] if asked.no_loop else [("loop", 1)]
        ways += [("preprocess", int(number)) for number in asked.workers.split(",")]
        runs: dict[tuple[str, int], list[dict[str, float]]] = {way: [] for way in ways}
        for _ in range(asked.rounds):
            for way in ways:
                runs[way].append(measured(way[0], dataset, folder / "output", way[1]))
        for way, found in runs.items():
            rate = statistics.median(asked.images / run["seconds"] for run in found)
            line = f"{kind:7} {way[0]:10} {way[1]} process(es) {rate:9,.0f} images/s"
            line += f", {statistics.median(run['cpu'] for run in found):.2f} s of processors"
            if not asked.no_loop and way[0] != "loop":
                for name, words in (("seconds", "of the loop"), ("cpu", "by processor time")):
                    pairs = zip(runs["loop", 1], found, strict=True)
                    line += f", {statistics.median(a[name] / b[name] for a, b in pairs):.2f} {words}"
            peaks = ", ".join(
                f"{name} {max(run[name] for run in found):,.0f} MB" for name in ("total", "held")
            )
            start = statistics.median(run["start"] for run in found)
            print(f"{line}; {peaks}; start {start:.1f} s", flush=True)


if __name__ == "__main__":
    main()
