"""Brings a data set of tensorflow_datasets onto this machine: downloads and prepares it, once.

    bring("mnist", data_dir=None, terminal=Terminal())

The package knows addresses, sizes and checksums of the files, and runs only code that it was installed with.
A file that arrived is kept (`downloads/` below the data folder), so that a run that was stopped goes on with
the next one; the prepared folder is there whole or not at all.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline.errors import DataError, did_you_mean
from pipeline.sources.tfds import check_features, data_folder, find_prepared
from pipeline.terminal import Terminal

DOWNLOADS = "downloads"
MANUAL = "manual"
LOOK_EVERY = 0.5
CONNECT_SECONDS = 20
IDX_SETS = ("mnist", "fashion_mnist", "kmnist")


def registered(name: str) -> bool:
    """Whether the installed tensorflow_datasets has a data set of this name."""
    return name in _known()


def _known() -> list[str]:
    import tensorflow_datasets as tfds

    return tfds.list_builders(with_community_datasets=False)


def bring(argument: str, *, data_dir: str | None, terminal: Terminal) -> None:
    """Downloads and prepares a data set that is not there yet.

    Args:
        argument: NAME[/CONFIG][:VERSION].
        data_dir: where tensorflow_datasets keeps prepared data; None: TFDS_DATA_DIR, or its default place.
        terminal: is told of size, place and progress.

    Raises:
        DataError: unknown name, no image classification set, or it cannot be downloaded or prepared; says
            how to bring the files by hand.
    """
    root = data_folder(data_dir)
    with contextlib.suppress(DataError):
        find_prepared(root, argument)
        return
    builder = _builder(root, argument)
    with _alone(root, builder.name):
        # another process may have brought it while this one waited
        with contextlib.suppress(DataError):
            find_prepared(root, argument)
            return
        _prepare(builder, root, argument, terminal)


def _builder(root: Path, argument: str) -> Any:
    import tensorflow_datasets as tfds

    name = argument.partition(":")[0].partition("/")[0]
    known = _known()
    if name not in known:
        raise DataError(
            f"tensorflow_datasets {tfds.__version__} has no data set {name!r}.{did_you_mean(name, known)}"
        )
    try:
        builder = tfds.builder(argument, data_dir=str(root))
    except (AssertionError, ValueError, OSError, ImportError, tfds.core.DatasetNotFoundError) as error:
        raise DataError(f"tfds:{argument} cannot be had: {_first_line(error)}") from None
    check_features(builder, argument)
    if builder.MANUAL_DOWNLOAD_INSTRUCTIONS and not _manual_files(root):
        raise DataError(
            f"tfds:{argument} cannot be downloaded by a program. Into {str(root / DOWNLOADS / MANUAL)!r} "
            f"belongs: {' '.join(builder.MANUAL_DOWNLOAD_INSTRUCTIONS.split())}"
        )
    return builder


def _prepare(builder: Any, root: Path, argument: str, terminal: Terminal) -> None:
    import requests
    import tensorflow as tf
    import tensorflow_datasets as tfds

    tfds.disable_progress_bar()
    size = sum(int(info.size) for info in (builder.url_infos or {}).values())
    many = f", {size / 2**20:.1f} MiB," if size else ""
    terminal.say(f"tfds:{argument} is not there yet: downloading it{many} into {root}")
    _reach(builder, root, argument)
    # the bucket of prepared sets would be asked first, which no one needs to reach
    config = tfds.download.DownloadConfig(try_download_gcs=False)
    try:
        with _watched(root / DOWNLOADS, size, f"download {builder.name}", terminal):
            builder.download_and_prepare(download_dir=str(root / DOWNLOADS), download_config=config)
    except (
        requests.RequestException,
        tfds.download.DownloadError,
        tfds.core.download.download_manager.NonMatchingChecksumError,
        tf.errors.OpError,
        AssertionError,
        ValueError,
        OSError,
    ) as error:
        what = f"tfds:{argument} could not be downloaded and prepared: {_first_line(error)}."
        raise DataError(f"{what} {_by_hand(builder, root)}") from None
    terminal.say(f"  prepared in {builder.data_dir}")


def _reach(builder: Any, root: Path, argument: str) -> None:
    """Asks for one of the addresses: the package itself would try for minutes where there is no network."""
    import requests

    urls = [url for url in builder.url_infos or {} if url.startswith("http")]
    manual = {path.name for path in (root / DOWNLOADS / MANUAL).glob("*")}
    wanted = [url for url in urls if builder.url_infos[url].filename not in manual]
    if not wanted:
        return
    try:
        requests.head(wanted[0], timeout=CONNECT_SECONDS, allow_redirects=True)
    except requests.RequestException as error:
        host = wanted[0].split("/")[2]
        raise DataError(
            f"tfds:{argument} could not be downloaded: {host} cannot be reached ({type(error).__name__}). "
            f"{_by_hand(builder, root)}"
        ) from None


def _by_hand(builder: Any, root: Path) -> str:
    """How to do without a network: which files, from where, to which place."""
    infos = builder.url_infos or {}
    named = [f"{url} ({info.size})" for url, info in infos.items() if info.filename][:8]
    place = str(root / DOWNLOADS / MANUAL)
    files = f" Its files: {', '.join(named)}." if named else ""
    more = " and more" if len(infos) > len(named) else ""
    idx = (
        " Or give the folder of its own four files as --dataset idx:FOLDER."
        if builder.name in IDX_SETS
        else ""
    )
    return (
        f"To bring it by hand, put its files under their own names into {place!r} and run again, or copy a "
        f"prepared folder and name its place with --data-dir.{files}{more}{idx}"
    )


@contextlib.contextmanager
def _watched(folder: Path, size: int, label: str, terminal: Terminal) -> Iterator[None]:
    """Shows how much of a download has arrived, from the sizes of the files."""
    if not size:
        yield
        return
    ended = threading.Event()
    before = _bytes_below(folder)

    def watch(progress: Any) -> None:
        while not ended.wait(LOOK_EVERY):
            arrived = min(max(_bytes_below(folder) - before, 0), size)
            progress.update(arrived >> 10)

    with terminal.progress(f"{label} (KiB)", size >> 10) as progress:
        watcher = threading.Thread(target=watch, args=(progress,), daemon=True)
        watcher.start()
        try:
            yield
        finally:
            ended.set()
            watcher.join()


def _bytes_below(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        # a download's temporary folder may go while it is looked at
        with contextlib.suppress(OSError):
            total += path.stat().st_size if path.is_file() else 0
    return total


def _manual_files(root: Path) -> bool:
    folder = root / DOWNLOADS / MANUAL
    return folder.is_dir() and any(folder.iterdir())


@contextlib.contextmanager
def _alone(root: Path, name: str) -> Iterator[None]:
    """Lets one process at a time prepare a data set in a folder."""
    import fcntl

    try:
        root.mkdir(parents=True, exist_ok=True)
        lock = os.open(root / f".{name}.lock", os.O_CREAT | os.O_RDWR, 0o644)
    except OSError as error:
        raise DataError(f"cannot write to the data folder {str(root)!r}: {error.strerror}.") from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _first_line(error: BaseException) -> str:
    text = str(error).strip().splitlines()
    return (text[0][:300] if text else type(error).__name__).rstrip(".")
