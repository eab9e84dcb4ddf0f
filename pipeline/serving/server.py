"""`ganpipe serve`: loads the models, listens, and drains when told to stop.

serve(ServeConfig(model_dir="exports/digits"), Terminal())

Ready in about 3 seconds, two of which are TensorFlow's import. Two threads work: the event loop (HTTP,
JSON) and the batcher's (the model); a third looks for new versions.
"""

from __future__ import annotations

import gc
import importlib.util
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import UsageError
from pipeline.exported.layout import check_model_folder
from pipeline.serving.allocator import limit_arenas
from pipeline.serving.mirrored import mirrored
from pipeline.serving.settings import ServeConfig, parse_labels, parse_versions
from pipeline.terminal import Terminal

if TYPE_CHECKING:
    from pipeline.serving.assembly import Server

_SPARE_FILES = 256


def serve(config: ServeConfig, terminal: Terminal) -> None:
    """Serves a model until SIGTERM or SIGINT, then answers what is under way and returns.

    Args:
        config: what to serve, where and within which limits.
        terminal: told when the server is ready, and of every version loaded or failed.

    Raises:
        UsageError: the folder holds no versions, the name cannot stand in a URL, or the port is taken.
        DataError: no version of the model can be loaded.
    """
    started = time.monotonic()
    parse_versions(config.versions), parse_labels(config.labels)
    listener = _listen(config.host, config.port)
    with listener, _errors_shown(terminal), mirrored(config, terminal) as here:
        folders = model_folders(here)
        if config.grpc_port:
            # only asked: grpcio binds for itself, too late for a clear message
            _listen(config.host, config.grpc_port).close()
        _allow_files(config.max_connections)
        limit_arenas()
        with _lean_import():
            import numpy
            import tensorflow  # noqa: F401

        from pipeline.serving.assembly import assemble

        server = assemble(config, folders, terminal)
        # a collection would walk TensorFlow's two million objects: 1 to 2 ms in a request
        gc.collect()
        gc.freeze()
        gc.set_threshold(20_000, 20, 100)
        # a double beyond float's range becomes infinite: said once here, not in every request
        numpy.seterr(over="ignore")
        # the default 5 ms would keep the model's thread waiting for the event loop's
        sys.setswitchinterval(0.0005)
        # from here on clients wait instead of being refused; the loop takes them in a moment
        listener.listen(max(128, config.max_connections))
        host, port = listener.getsockname()[:2]
        shown = _shown(host)
        terminal.say(f"serving {', '.join(folders)} after {time.monotonic() - started:.1f} s")
        terminal.say(f"page   http://{shown}:{port}/")
        terminal.say(f"API    http://{shown}:{port}/v1/models/{next(iter(folders))}:predict")
        _run(server, listener)
        terminal.say("stopped")


def model_folders(config: ServeConfig) -> dict[str, Path]:
    """Returns name to folder of the models to serve, the classifier first.

    Raises:
        UsageError: a folder holds no versions, or a name cannot stand in a URL or comes twice.
    """
    folders: dict[str, Path] = {}
    wanted = [(config.name, config.model_dir)]
    if config.generator_dir is not None:
        wanted.append((None, config.generator_dir))
    for given, text in wanted:
        folder = Path(text)
        check_model_folder(folder)
        # of "." and the like the real name; of a link its own
        own = folder.name if folder.name not in ("", "..") else folder.resolve().name
        name = given if given is not None else own
        if not name or any(character in "/:" or not character.isprintable() for character in name):
            raise UsageError(f"a model's name cannot be {name!r}: it must not be empty or hold '/' or ':'.")
        if name in folders:
            raise UsageError(f"both models would be called {name!r}; give another name with --name.")
        folders[name] = folder
    return folders


def _run(server: Server, listener: socket.socket) -> None:
    """Runs the event loop until a signal has drained the server."""
    if threading.current_thread() is threading.main_thread():
        # uvicorn raises the signal again when it is done, and the process would end with it
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: None)
    loops = importlib.import_module("uvloop" if importlib.util.find_spec("uvloop") else "asyncio")
    loops.run(server.run(listener))


def _shown(host: str) -> str:
    """Returns a host as URLs want it: IPv6 addresses in brackets."""
    return f"[{host}]" if ":" in host else host


def _listen(host: str, port: int) -> socket.socket:
    """Binds the port at once, so that a taken one is known before anything is loaded."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise UsageError(
            f"cannot listen on {host}:{port}: {error.strerror}. Another --port, such as {port + 1}?"
        ) from None
    return listener


def _allow_files(connections: int) -> None:
    """Raises the soft limit of open files, where the hard one allows it, to what the connections need."""
    with suppress(ImportError, ValueError, OSError):
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = 2 * connections + _SPARE_FILES
        if soft < wanted:
            limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
            resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, limit), hard))


@contextmanager
def _errors_shown(terminal: Terminal) -> Iterator[None]:
    """Shows tracebacks of the server's own mistakes on the terminal, wherever other logs go."""
    handler = logging.StreamHandler(terminal.stream)
    handler.setLevel(logging.ERROR)
    loggers = [logging.getLogger(name) for name in ("pipeline.serving", "uvicorn.error")]
    for logger in loggers:
        logger.addHandler(handler)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeHandler(handler)


@contextmanager
def _lean_import() -> Iterator[None]:
    """Keeps `import tensorflow` from importing what it can do without and serving does not use.

    Keras alone takes 1.3 s and 100 MB. TensorFlow catches the ImportError of each of these.
    """
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    blocked = []
    if "tensorflow" not in sys.modules:
        blocked = [name for name in ("keras", "h5py", "scipy") if name not in sys.modules]
    for name in blocked:
        sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        for name in blocked:
            del sys.modules[name]
