#!/usr/bin/env python3
"""Starts an engine on loopback, for tests and for a first trial, and stops it again.

    python tools/cluster.py start dask --workers 2 --state engine.json
    ganpipe preprocess --runner dask $(python tools/cluster.py options --state engine.json)
    python tools/cluster.py stop --state engine.json

    portable    Beam's own job service, and a pool of Python workers
    prism       Beam's engine in Go, and a pool; wants --prism, the program that
                `go install github.com/apache/beam/sdks/v2/go/cmd/prism@vVERSION` makes
    dask        a scheduler and worker processes
    flink       a standalone cluster: a JobManager and two TaskManagers, and a pool of Python workers; wants
                Java, --flink-home (the folder of a distribution; the package apache-flink-libraries holds
                one: SITE-PACKAGES/pyflink) and --jar (Beam's job server, for that release of Flink and in
                exactly the SDK's version:
                mvn dependency:copy -DoutputDirectory=. \\
                    -Dartifact=org.apache.beam:beam-runners-flink-1.20-job-server:VERSION)

Everything listens on 127.0.0.1 only and logs beside the state file. What is missing is said in one line.

Cost: seconds. Expect: the options for ganpipe on standard output.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
HOST = "127.0.0.1"
SECONDS = 90
# what Flink's scripts would work out, which start a TaskManager with all of it given
MEMORY = {
    "taskmanager.cpu.cores": "1.0",
    "taskmanager.memory.framework.heap.size": "128mb",
    "taskmanager.memory.framework.off-heap.size": "64mb",
    "taskmanager.memory.task.heap.size": "256mb",
    "taskmanager.memory.task.off-heap.size": "64mb",
    "taskmanager.memory.network.min": "64mb",
    "taskmanager.memory.network.max": "64mb",
    "taskmanager.memory.managed.size": "64mb",
    "taskmanager.memory.jvm-metaspace.size": "256mb",
    "taskmanager.memory.jvm-overhead.min": "64mb",
    "taskmanager.memory.jvm-overhead.max": "64mb",
}
PRISM = "go install github.com/apache/beam/sdks/v2/go/cmd/prism@vVERSION of the SDK makes it"
FLINK_LIBRARIES = "pip install --no-deps 'apache-flink-libraries>=1.20,<1.21', in an environment of its own"


class Missing(Exception):
    """Something that the engine needs is not there; the text says what, and how to get it."""


def free_port() -> int:
    """Returns a port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


class Cluster:
    """The processes of an engine.

    Attributes:
        folder: for logs and configuration.
        processes: role to process ids; each leads a group of its own.
        options: Beam's options that reach the engine.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.processes: dict[str, list[int]] = {}
        self.options: dict[str, str] = {}
        self._commands: dict[str, tuple[list[str], dict[str, str]]] = {}
        folder.mkdir(parents=True, exist_ok=True)

    def start(self, role: str, command: list[str], **environment: str) -> int:
        """Starts a process of the engine; returns its id."""
        number = len(self.processes.setdefault(role, []))
        self._commands[role] = command, environment
        # a pool's children are the first python on the PATH
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
        packages = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        with (self.folder / f"{role}-{number}.log").open("ab") as log:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env={**os.environ, "PATH": path, "PYTHONPATH": packages, **environment},
            )
        self.processes[role].append(process.pid)
        return process.pid

    def replace(self, role: str, process: int) -> int:
        """Starts a process again that has ended, as whatever looks after a cluster would; returns its id."""
        command, environment = self._commands[role]
        new = self.start(role, command, **environment)
        self.processes[role].remove(process)
        return new

    def wait_for(self, port: int, role: str) -> None:
        """Waits until something listens on a port.

        Raises:
            Missing: nothing does; with the end of the log.
        """
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline and all(map(alive, self.processes[role])):
            try:
                socket.create_connection((HOST, port), timeout=1).close()
                return
            except OSError:
                time.sleep(0.2)
        self.fail(role)

    def fail(self, role: str) -> None:
        """Stops everything.

        Raises:
            Missing: with the end of a role's log.
        """
        self.stop()
        logs = sorted(self.folder.glob(f"{role}-*.log"))
        said = logs[-1].read_text(errors="replace").strip().splitlines()[-5:] if logs else []
        raise Missing(f"{role} did not begin, or not within {SECONDS} seconds: {' / '.join(said)}")

    def stop(self) -> None:
        """Ends all processes, with their children."""
        for sent in (signal.SIGTERM, signal.SIGKILL):
            for process in (pid for pids in self.processes.values() for pid in pids):
                try:
                    os.killpg(process, sent)
                except (ProcessLookupError, PermissionError):
                    continue
            deadline = time.monotonic() + 10
            while time.monotonic() < deadline and any(map(alive, self.all())):
                time.sleep(0.1)
        self.processes.clear()

    def all(self) -> list[int]:
        """Returns the ids of all processes."""
        return [pid for pids in self.processes.values() for pid in pids]

    def pool(self) -> None:
        """Starts a pool that starts Python workers, one for each that the engine asks for."""
        port = free_port()
        self.start(
            "pool", [sys.executable, "-m", "pipeline.beam.external_pool", "--host", HOST, "--port", str(port)]
        )
        self.wait_for(port, "pool")
        self.options |= {"environment_type": "EXTERNAL", "environment_config": f"{HOST}:{port}"}


def alive(process: int) -> bool:
    """Whether a process is there; one that has ended and was waited for, or was not, is gone."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(process, os.WNOHANG)
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def start_portable(cluster: Cluster, arguments: argparse.Namespace) -> None:
    """Beam's own job service and a pool."""
    port = free_port()
    module = "apache_beam.runners.portability.local_job_service_main"
    cluster.start("service", [sys.executable, "-m", module, f"--port={port}"])
    cluster.wait_for(port, "service")
    cluster.options["job_endpoint"] = f"{HOST}:{port}"
    cluster.pool()


def start_prism(cluster: Cluster, arguments: argparse.Namespace) -> None:
    """Beam's engine in Go and a pool."""
    program = shutil.which(arguments.prism or "prism")
    if program is None:
        raise Missing(f"there is no program {arguments.prism or 'prism'!r}: {PRISM}")
    port = free_port()
    cluster.start("prism", [program, f"-job_port={port}", "-serve_http=false"])
    cluster.wait_for(port, "prism")
    cluster.options["job_endpoint"] = f"{HOST}:{port}"
    cluster.pool()


def start_dask(cluster: Cluster, arguments: argparse.Namespace) -> None:
    """A scheduler and worker processes of one thread."""
    try:
        import distributed  # noqa: F401
    except ImportError:
        raise Missing("dask needs the package distributed: pip install 'ganpipe[dask]'") from None
    port = free_port()
    base = [sys.executable, "-m", "dask"]
    where = ["--host", HOST, "--no-dashboard"]
    cluster.start("scheduler", [*base, "scheduler", *where, "--port", str(port)])
    cluster.wait_for(port, "scheduler")
    for number in range(arguments.workers):
        folder = cluster.folder / f"dask-{number}"
        command = [
            "worker",
            f"tcp://{HOST}:{port}",
            *where,
            "--nthreads",
            "1",
            "--local-directory",
            str(folder),
        ]
        cluster.start("worker", [*base, *command])
    cluster.options["dask_client_address"] = f"tcp://{HOST}:{port}"


def start_flink(cluster: Cluster, arguments: argparse.Namespace) -> None:
    """A JobManager and two TaskManagers, each a process, and a pool."""
    java = shutil.which("java")
    if java is None:
        raise Missing("flink needs Java 11 or 17; there is no 'java' on the PATH")
    home = arguments.flink_home
    version = None if home is None else flink_version(home)
    if version is None:
        raise Missing(f"flink needs --flink-home, the folder of a distribution ({FLINK_LIBRARIES})")
    rest, rpc = free_port(), free_port()
    settings = {
        "jobmanager.rpc.address": HOST,
        "jobmanager.rpc.port": rpc,
        "jobmanager.bind-host": HOST,
        "rest.address": HOST,
        "rest.bind-address": HOST,
        "rest.port": rest,
        "taskmanager.host": HOST,
        "taskmanager.bind-host": HOST,
        "taskmanager.numberOfTaskSlots": 1,
        "parallelism.default": arguments.workers,
        "heartbeat.interval": 1000,
        "heartbeat.timeout": 10000,
        # Beam gives a batch job none of its own: without it the first worker that is lost ends the job
        "restart-strategy.type": "fixed-delay",
        "restart-strategy.fixed-delay.attempts": 3,
        "restart-strategy.fixed-delay.delay": "1 s",
        "env.log.dir": cluster.folder,
        "io.tmp.dirs": cluster.folder,
        **MEMORY,
    }
    conf = cluster.folder / "conf"
    conf.mkdir(exist_ok=True)
    (conf / "flink-conf.yaml").write_text("".join(f"{key}: {value}\n" for key, value in settings.items()))
    (conf / "log4j.properties").write_text(
        "rootLogger.level = INFO\nrootLogger.appenderRef.out.ref = Out\n"
        "appender.out.name = Out\nappender.out.type = CONSOLE\n"
        "appender.out.layout.type = PatternLayout\nappender.out.layout.pattern = %d %-5p %c{1} %m%n\n"
    )
    # as Flink's own scripts open them
    packages = (
        "lang",
        "net",
        "io",
        "nio",
        "text",
        "time",
        "util",
        "util.concurrent",
        "util.concurrent.atomic",
    )
    opens = [f"--add-opens=java.base/java.{name}=ALL-UNNAMED" for name in packages]
    opens.append("--add-opens=java.base/sun.nio.ch=ALL-UNNAMED")
    logs = f"-Dlog4j.configurationFile={conf / 'log4j.properties'}"
    classes = os.pathsep.join(str(path) for path in sorted((home / "lib").glob("*.jar")))
    base = [java, "-Xmx512m", *opens, logs, "-cp", classes]
    runtime = "org.apache.flink.runtime"
    cluster.start(
        "jobmanager",
        [*base, f"{runtime}.entrypoint.StandaloneSessionClusterEntrypoint", "--configDir", str(conf)],
    )
    cluster.wait_for(rest, "jobmanager")
    for _ in range(arguments.workers):
        cluster.start(
            "taskmanager",
            [*base, f"{runtime}.taskexecutor.TaskManagerRunner", "--configDir", str(conf)],
        )
    cluster.options |= {"flink_master": f"{HOST}:{rest}", "parallelism": str(arguments.workers)}
    deadline = time.monotonic() + SECONDS
    while overview(cluster).get("taskmanagers") != arguments.workers:
        if time.monotonic() > deadline or not all(map(alive, cluster.processes["taskmanager"])):
            cluster.fail("taskmanager")
        time.sleep(0.5)
    if arguments.jar is not None:
        cluster.options |= {"flink_job_server_jar": str(arguments.jar), "flink_version": version}
    cluster.pool()


def flink_version(home: Path) -> str | None:
    """The release of a Flink distribution, as 1.20, by the name of its own jar; None where there is none."""
    jars = sorted((home / "lib").glob("flink-dist-*.jar"))
    named = [re.fullmatch(r"flink-dist-(\d+\.\d+)\..*", path.name) for path in jars]
    return next((found[1] for found in named if found), None)


def overview(cluster: Cluster) -> dict[str, Any]:
    """What a Flink cluster says of itself."""
    try:
        with urllib.request.urlopen(
            f"http://{cluster.options['flink_master']}/overview", timeout=5
        ) as answer:
            return dict(json.load(answer))
    except OSError:
        return {}


ENGINES = {"portable": start_portable, "prism": start_prism, "dask": start_dask, "flink": start_flink}


def begin(engine: str, folder: Path, **wanted: Any) -> Cluster:
    """Starts an engine; `wanted` is workers, prism, flink_home and jar.

    Raises:
        Missing: something that it needs is not there, or it does not begin.
    """
    arguments = argparse.Namespace(**{"workers": 2, "prism": None, "flink_home": None, "jar": None, **wanted})
    cluster = Cluster(folder)
    try:
        ENGINES[engine](cluster, arguments)
    except BaseException:
        cluster.stop()
        raise
    return cluster


def words(options: dict[str, str]) -> list[str]:
    """Beam's options as ganpipe takes them."""
    return [word for name, value in options.items() for word in ("--beam-option", f"{name}={value}")]


def main() -> None:
    """Parses the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("action", choices=("start", "options", "stop"))
    parser.add_argument("engine", choices=tuple(ENGINES), nargs="?")
    parser.add_argument("--state", type=Path, default=Path("engine.json"), help="what was started")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--prism", help="the program, where it is not on the PATH")
    parser.add_argument("--flink-home", type=Path)
    parser.add_argument("--jar", type=Path, help="Beam's job server for Flink")
    arguments = parser.parse_args()
    folder = arguments.state.resolve().with_suffix(".logs")
    if arguments.action == "start":
        if arguments.engine is None:
            parser.error("name an engine")
        if arguments.state.exists():
            parser.error(f"{arguments.state} is there: stop that engine first")
        try:
            wanted = {name: getattr(arguments, name) for name in ("workers", "prism", "flink_home", "jar")}
            cluster = begin(arguments.engine, folder, **wanted)
        except Missing as missing:
            raise SystemExit(f"error: {missing}") from None
        state = {"processes": cluster.processes, "options": cluster.options}
        arguments.state.write_text(json.dumps(state, indent=1) + "\n")
        print(shlex.join(words(cluster.options)))
        return
    if not arguments.state.is_file():
        parser.error(f"there is no {arguments.state}")
    state = json.loads(arguments.state.read_text())
    if arguments.action == "options":
        print(shlex.join(words(state["options"])))
        return
    cluster = Cluster(folder)
    cluster.processes = state["processes"]
    cluster.stop()
    arguments.state.unlink()


if __name__ == "__main__":
    main()
