"""Engines: which of Beam's runners takes a pass, with which of its options, and what is missing for it.

    with opened("flink", workers=2, options="flink_master=localhost:8081,...") as engine:
        run_pass(..., engine=engine)

What an engine wants is checked when it is opened, before the long work: its packages, its addresses, its jar.
A job server in Java begins with the first pass, serves all of them, and ends when the engine is closed.
The runner is named, because Beam's default one tries to download another and can wait for it without end.
Beam's multi_threading mode loses elements without a word, so it is not offered.
"""

from __future__ import annotations

import contextlib
import difflib
import importlib.util
import secrets
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from pipeline.beam import jars
from pipeline.beam.modes import (
    DASK,
    DATAFLOW,
    ENGINES,
    FLINK,
    IN_MEMORY,
    LOCAL,
    MODES,
    PORTABLE,
    SPARK,
    split_options,
)
from pipeline.beam.pool import WorkerPool
from pipeline.beam.watch import Patience
from pipeline.child_processes import importable
from pipeline.errors import UsageError, did_you_mean
from ssgan_tf import errors

_RUNNERS = {
    PORTABLE: "PortableRunner",
    FLINK: "FlinkRunner",
    SPARK: "SparkRunner",
    DATAFLOW: "DataflowRunner",
    DASK: "apache_beam.runners.dask.dask_runner.DaskRunner",
}
_PATIENCE = {
    # Beam's own job service waits for a dead worker without end
    PORTABLE: Patience(begin=300, silent=30, again=20),
    DATAFLOW: Patience(begin=1800, silent=120, again=600),
}
_USUAL_PATIENCE = Patience(begin=300, silent=60, again=120)
_OURS = {
    "runner": "--runner says it",
    "direct_running_mode": "--runner says it",
    "direct_num_workers": "--workers says it",
    "streaming": "the passes are not streams",
}
_ENVIRONMENTS = (
    "say where its workers are: --beam-option environment_type=EXTERNAL with --beam-option "
    "environment_config=HOST:PORT of worker pools, environment_type=DOCKER with the image as "
    "environment_config, or environment_type=LOOPBACK for a trial on this machine"
)
_SLIP = 0.85
_LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "[::1]")


@dataclass
class Engine:
    """What runs the passes of a stage.

    Attributes:
        mode: of `pipeline.beam.modes`.
        workers: processes, where the mode starts them itself.
        options: names and values of Beam's options, as they came.
        added: those that follow from the mode.
        closing: what ends when the engine is closed.
        pool: the worker processes, where the mode starts them itself.
    """

    mode: str
    workers: int = 1
    options: tuple[tuple[str, str], ...] = ()
    added: list[tuple[str, str]] = field(default_factory=list)
    closing: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)
    pool: WorkerPool | None = None

    @property
    def is_remote(self) -> bool:
        """Whether its workers may be on other machines."""
        return self.mode in ENGINES

    @property
    def patience(self) -> Patience:
        """How long to wait for its workers."""
        return _PATIENCE.get(self.mode, _USUAL_PATIENCE)

    def value(self, name: str) -> str | None:
        """Returns the last value that an option was given; "" for a flag."""
        return next((value for key, value in reversed((*self.added, *self.options)) if key == name), None)

    def arguments(self, pieces: int) -> list[str]:
        """Returns the options as Beam takes them, for a pass of so many pieces."""
        given = [*self.added, *self.options]
        if self.mode == DASK and not {"dask_npartitions", "dask_partition_size"} & {k for k, _ in given}:
            # left alone, Beam makes an educated guess, which may be one partition
            given.append(("dask_npartitions", str(pieces)))
        flags = _names(flags=True)
        return [
            f"--{name}" if name in flags and value in ("", "true") else f"--{name}={value}"
            for name, value in given
        ]

    @property
    def runner(self) -> str:
        """Beam's name of the runner."""
        return _RUNNERS[self.mode]

    def begin(self) -> None:
        """Starts the job server of a jar, unless it runs.

        Beam would start one for every pass, and end them all only with this process.

        Raises:
            UsageError: it does not begin.
        """
        if self.mode not in (FLINK, SPARK) or not self.value(f"{self.mode}_job_server_jar"):
            return
        # Beam can do without a job server too, and submits the jar itself
        if self.value("job_endpoint") is None and self.value(f"{self.mode}_submit_uber_jar") is None:
            self.added.append(("job_endpoint", jars.start(self.mode, self.arguments(1), self.closing)))

    def job(self, name: str) -> str | None:
        """Returns a name for a job by which `cancel` will know it; None where Beam's own will do."""
        if self.mode != FLINK or self.value("job_name") is not None:
            return None
        return f"ganpipe-{name}-{secrets.token_hex(6)}"

    def cancel(self, job: str | None) -> None:
        """Ends a job that Beam would leave on the engine, as far as the engine can be asked."""
        master = self.value("flink_master")
        if job is not None and master is not None and not master.startswith("["):
            with contextlib.suppress(OSError, ValueError, KeyError):
                jars.cancel(master, job)


@contextlib.contextmanager
def opened(mode: str, *, workers: int = 1, options: str | None = None) -> Iterator[Engine]:
    """Opens what runs the passes, after checking what it needs; closes what it started.

    Args:
        mode: of `pipeline.beam.modes`.
        workers: processes, where the mode starts them itself.
        options: Beam's own, as `name=value,...`; of an engine only.

    Raises:
        UsageError: another mode, or something that the engine needs is missing; says what would be right.
    """
    if mode == "multi_threading":
        raise UsageError("the runner mode multi_threading loses records silently; use multi_processing.")
    if mode not in MODES:
        raise errors.unknown("runner mode", mode, MODES)
    engine = Engine(mode, workers, tuple(split_options(options)))
    if mode in LOCAL:
        if engine.options:
            raise UsageError(
                f"--beam-option is for the engines {', '.join(ENGINES)}; --runner {mode} takes none."
            )
        if mode == IN_MEMORY:
            yield engine
            return
        with WorkerPool() as engine.pool:
            yield engine
        return
    if mode == DASK:
        _load_dask()
    _check_names(engine)
    with engine.closing:
        if mode == DASK:
            _open_dask(engine)
        elif mode == DATAFLOW:
            _check_dataflow(engine)
        else:
            _check_job_service(engine)
        yield engine


def _check_names(engine: Engine) -> None:
    known = _names()
    for name, _ in engine.options:
        if name in _OURS:
            raise UsageError(f"--beam-option {name} is not yours to give: {_OURS[name]}.")
        # a job server knows options of its own, which only it can tell: no more than a slip is refused
        slip = difflib.get_close_matches(name, known, n=1, cutoff=_SLIP)
        if name not in known and (slip or engine.mode in (DASK, DATAFLOW)):
            raise UsageError(f"Beam has no option {name!r}.{did_you_mean(name, known)}")


def _parser() -> Any:
    from apache_beam.options import pipeline_options

    parser = pipeline_options._BeamArgumentParser(allow_abbrev=False)
    for cls in dict.fromkeys(pipeline_options.PipelineOptions.__subclasses__()):
        with contextlib.suppress(Exception):
            cls._add_argparse_args(parser)
    return parser


def _names(*, flags: bool = False) -> set[str]:
    """Names of Beam's options; of those alone that take no value."""
    return {
        text.removeprefix("--").replace("-", "_")
        for action in _parser()._actions
        for text in action.option_strings
        if not flags or action.nargs == 0
    }


def _load_dask() -> None:
    missing = [name for name in ("dask", "distributed") if importlib.util.find_spec(name) is None]
    if missing:
        raise UsageError(f"--runner dask needs {' and '.join(missing)}: pip install 'ganpipe[dask]'.")
    # Beam knows the options of this runner only once it is loaded
    import apache_beam.runners.dask.dask_runner  # noqa: F401


def _open_dask(engine: Engine) -> None:
    address = engine.value("dask_client_address")
    if address is not None:
        _check_answers(address.rpartition("://")[2], "dask_client_address")
        return
    if engine.value("dask_scheduler_file") is not None:
        return
    from dask.distributed import LocalCluster

    with importable():
        cluster = LocalCluster(
            n_workers=engine.workers,
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address=None,
        )
    engine.closing.callback(cluster.close, timeout=10)
    engine.added.append(("dask_client_address", cluster.scheduler_address))


def _check_dataflow(engine: Engine) -> None:
    if importlib.util.find_spec("apitools") is None:
        raise UsageError("--runner dataflow needs Beam's extra gcp: pip install 'apache-beam[gcp]'.")
    wanted = [name for name in ("project", "region", "temp_location") if not engine.value(name)]
    if wanted:
        raise UsageError(
            "--runner dataflow needs " + ", ".join(f"--beam-option {name}=..." for name in wanted) + "."
        )


def _check_job_service(engine: Engine) -> None:
    endpoint = engine.value("job_endpoint")
    near = endpoint is not None and _is_near(endpoint)
    if endpoint is not None:
        _check_answers(endpoint, "job_endpoint")
    elif engine.mode == PORTABLE:
        raise UsageError(
            "--runner portable needs --beam-option job_endpoint=HOST:PORT of a Beam job service, for example "
            "one started by python -m apache_beam.runners.portability.local_job_service_main --port 8099."
        )
    else:
        near = jars.check(engine.mode, engine.value, engine.added)
    if engine.mode == PORTABLE:
        engine.added.append(("direct_num_workers", str(engine.workers)))
        engine.added.append(("direct_running_mode", "multi_processing"))
    if engine.value("environment_type") is None:
        if not near:
            raise UsageError(f"--runner {engine.mode}: {_ENVIRONMENTS}.")
        engine.added.append(("environment_type", "LOOPBACK"))


def _is_near(address: str) -> bool:
    return address.rpartition("://")[2].rpartition(":")[0] in _LOOPBACK_HOSTS


def _check_answers(address: str, name: str) -> None:
    host, _, port = address.rstrip("/").rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=10):
            pass
    except (OSError, ValueError, OverflowError) as error:
        raise UsageError(f"nothing answers at --beam-option {name}={address} (HOST:PORT): {error}.") from None
