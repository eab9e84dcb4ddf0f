"""Job servers of Flink and Spark: programs in Java, in a jar of exactly the SDK's version.

Beam would download them from the network in the middle of a run. Here they are named, and checked.
"""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path

from pipeline.beam.modes import FLINK
from pipeline.errors import UsageError

_NAMED = re.compile(
    r"beam-runners-(?P<engine>flink|spark)-(?P<version>[\d.]+)-job-server-(?P<beam>[\d.]+)\.jar"
)
_FLINK_VERSION = "1.20"
_OPENED = ("java.base/java.util", "java.base/java.lang", "java.base/java.nio", "java.base/java.time")
_OPENS_FROM = 16
_SECONDS = 30
_OVER = ("FINISHED", "CANCELED", "FAILED")

Value = Callable[[str], str | None]


def check(mode: str, value: Value, added: list[tuple[str, str]]) -> bool:
    """Checks what a job server needs that Beam is to start; adds the options that follow.

    Args:
        mode: "flink" or "spark".
        value: of an option, None where it was not given.
        added: takes the options that follow.

    Returns:
        Whether the engine itself runs within the job server, on this machine.

    Raises:
        UsageError: there is no Java, no jar or one of another version, or the cluster does not answer or has
            no worker.
    """
    from apache_beam.version import __version__ as beam

    major = _java(value("job_server_java_launcher") or "java", mode)
    version = value("flink_version") or _FLINK_VERSION if mode == FLINK else "3"
    wanted = f"beam-runners-{mode}-{version}-job-server"
    option = f"{mode}_job_server_jar"
    jar = value(option)
    how = (
        f"mvn dependency:copy -Dartifact=org.apache.beam:{wanted}:{beam} -DoutputDirectory=. brings it, and "
        f"--beam-option {option}={wanted}-{beam}.jar names it"
    )
    if not jar:
        raise UsageError(f"--runner {mode} needs Beam's job server in the SDK's version {beam}: {how}.")
    if not Path(jar).is_file():
        raise UsageError(f"there is no job server {jar!r}: {how}.")
    found = _NAMED.fullmatch(Path(jar).name)
    if found and (found["engine"], found["version"], found["beam"]) != (mode, version, beam):
        more = " (--beam-option flink_version says another Flink)" if mode == FLINK else ""
        raise UsageError(f"the job server {jar!r} is not {wanted} of the SDK's version {beam}{more}: {how}.")
    if mode == FLINK and value("flink_version") is None:
        added.append(("flink_version", version))
    if major >= _OPENS_FROM and value("job_server_jvm_properties") is None:
        added += [("job_server_jvm_properties", f"--add-opens={name}=ALL-UNNAMED") for name in _OPENED]
    master = value(f"{mode}_master")
    if master is None:
        return mode == FLINK
    if mode == FLINK and not master.startswith("["):
        _check_flink(master)
    return False


def start(mode: str, arguments: list[str], stack: contextlib.ExitStack) -> str:
    """Starts the job server of a jar, until `stack` is closed; returns its HOST:PORT.

    Args:
        mode: "flink" or "spark".
        arguments: Beam's options; the jar, the engine's address and Java's options are read from them.
        stack: ends the job server.

    Raises:
        UsageError: it does not begin.
    """
    from apache_beam.options.pipeline_options import PipelineOptions
    from apache_beam.runners.portability import flink_runner, spark_runner
    from apache_beam.utils.subprocess_server import pick_port

    (port,) = pick_port(None)
    options = PipelineOptions([*arguments, f"--job_port={port}"])
    make = flink_runner.FlinkJarJobServer if mode == FLINK else spark_runner.SparkJarJobServer
    server = make(options)
    stack.callback(server.stop)
    try:
        server.start()
    except Exception as error:
        path = server.path_to_jar()
        raise UsageError(
            f"Beam's job server for {mode} does not begin: {error}; java -jar {path!r} says more."
        ) from None
    return f"localhost:{port}"


def cancel(master: str, name: str) -> None:
    """Ends the job of a Flink cluster whose name ends with `name`, if it still runs.

    Beam's job server gives up waiting for it and no more: it would go on, and keep its slots.

    Raises:
        OSError: the cluster does not answer.
        ValueError: it is no Flink.
    """
    base = _address(master)
    with urllib.request.urlopen(f"{base}/jobs/overview", timeout=_SECONDS) as answer:
        jobs = json.load(answer)["jobs"]
    for job in jobs:
        if str(job["name"]).endswith(name) and job["state"] not in _OVER:
            place = f"{base}/jobs/{urllib.parse.quote(job['jid'], safe='')}?mode=cancel"
            urllib.request.urlopen(urllib.request.Request(place, method="PATCH"), timeout=_SECONDS).close()


def _java(launcher: str, mode: str) -> int:
    if shutil.which(launcher) is None:
        raise UsageError(
            f"--runner {mode} needs Java 11 or 17 for Beam's job server; there is no {launcher!r} on "
            "the PATH."
        )
    said = subprocess.run([launcher, "-version"], capture_output=True, text=True, timeout=_SECONDS)
    found = re.search(r'version "(\d+)', said.stderr + said.stdout)
    return int(found[1]) if found else 0


def _address(master: str) -> str:
    return (master if "://" in master else f"http://{master}").rstrip("/")


def _check_flink(master: str) -> None:
    address = _address(master)
    if not address.startswith(("http://", "https://")):
        raise UsageError(f"flink_master must be HOST:PORT of the JobManager's REST service; got {master!r}.")
    try:
        with urllib.request.urlopen(f"{address}/overview", timeout=_SECONDS) as answer:
            overview = json.load(answer)
    except (OSError, ValueError) as error:
        raise UsageError(
            f"no Flink answers at flink_master={master} (HOST:PORT of its REST): {error}."
        ) from None
    if not overview.get("taskmanagers"):
        raise UsageError(f"the Flink cluster at {master} has no TaskManager: start one.")
