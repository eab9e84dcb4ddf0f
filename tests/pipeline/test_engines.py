"""Engines: what they want is said before the long work, what they lose is found, and workers must agree.

Real ones are started on loopback by `tools/cluster.py`. A quick pass on Dask is always there; prepared data
and predictions on all of them are slow, and skip with what is missing.
"""

from __future__ import annotations

import http.server
import importlib.util
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from pipeline.beam import engines, handshake, jars, runner, watch
from pipeline.beam.engines import Engine, opened
from pipeline.beam.handshake import Stranger, offer, said_in
from pipeline.beam.modes import split_options
from pipeline.beam.pieces import Piece, cut
from pipeline.beam.receipts import Receipt, receipt_of
from pipeline.beam.runner import run_pass
from pipeline.beam.task import RUNNING, Task
from pipeline.cli import main
from pipeline.errors import UsageError, WorkerLost
from pipeline.stages.preprocess import stage as preprocess
from pipeline.stages.preprocess.settings import DataConfig
from pipeline.terminal import Terminal

ROOT = Path(__file__).resolve().parents[2]


class Note:
    """Writes down each call, slowly if told; workers import it from this file."""

    def __init__(self, folder: Path, seconds: float = 0.0, wrong: int = -1) -> None:
        self.folder, self.seconds, self.wrong = folder, seconds, wrong

    def __call__(self, piece: Piece) -> Receipt:
        with (self.folder / f"called-{piece.stem}").open("a") as file:
            file.write(f"{os.getpid()}\n")
        time.sleep(self.seconds)
        return receipt_of(f"{i + (piece.number == self.wrong)}" for i in range(piece.start, piece.stop))


def receipts(pieces):
    return {piece: receipt_of(map(str, range(piece.start, piece.stop))) for piece in pieces}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (None, []),
        ("a=1", [("a", "1")]),
        (
            "--flink_master=localhost:8081,parallelism=2",
            [("flink_master", "localhost:8081"), ("parallelism", "2")],
        ),
        ("extra_packages=a.whl,b.whl,x=1", [("extra_packages", "a.whl,b.whl"), ("x", "1")]),
        ("job_server_jvm_properties=--add-opens=java.base/java.util=ALL", None),
        ("flink_submit_uber_jar", [("flink_submit_uber_jar", "")]),
        ("temp-location=gs://a", [("temp_location", "gs://a")]),
    ],
)
def test_options_are_split_where_a_name_follows(text, found):
    expected = found if found is not None else [tuple(text.split("=", 1))]
    assert split_options(text) == expected


def test_options_reach_beam_as_flags_or_with_their_values():
    engine = Engine("dask", options=(("save_main_session", "true"), ("dask_client_name", "x")))
    assert engine.arguments(7) == ["--save_main_session", "--dask_client_name=x", "--dask_npartitions=7"]


def free_port() -> int:
    return cluster_tool().free_port()


@pytest.mark.parametrize(
    ("mode", "options", "said"),
    [
        ("in_memory", "parallelism=2", "for the engines .*dask; --runner in_memory takes none"),
        ("multi_threading", None, "loses records"),
        ("portable", "runner=x", "--runner says it"),
        ("portable", "job_endpont=localhost:1", r"no option 'job_endpont'. Did you mean 'job_endpoint'\?"),
        ("flink", "enviroment_type=LOOPBACK", r"Did you mean 'environment_type'\?"),
        ("portable", None, "needs --beam-option job_endpoint=HOST:PORT"),
        ("portable", "job_endpoint=localhost:PORT", "nothing answers at .*localhost:PORT"),
        ("portable", "job_endpoint=localhost", "nothing answers at"),
        ("dask", "dask_client_address=tcp://127.0.0.1:PORT", "nothing answers at .*dask_client_address"),
        ("dask", "no_such_thing_anywhere=1", "no option"),
        ("flink", None, r"mvn dependency:copy .*beam-runners-flink-1.20-job-server:[\d.]+ .*names it"),
        ("flink", "flink_job_server_jar=/no/such.jar", "there is no job server '/no/such.jar'"),
        ("spark", None, "beam-runners-spark-3-job-server"),
        ("dataflow", None, "apache-beam.gcp|--beam-option project"),
    ],
)
def test_what_an_engine_wants_is_said_at_once(monkeypatch, mode, options, said):
    if mode == "dask":
        pytest.importorskip("distributed")
    monkeypatch.setattr(jars, "_java", lambda launcher, mode: 17)
    port = str(free_port())
    options, said = options and options.replace("PORT", port), said.replace("PORT", port) if options else said
    with pytest.raises(UsageError, match=said), opened(mode, options=options):
        pass


def test_packages_and_java_that_are_missing_are_named(monkeypatch):
    monkeypatch.setattr(engines.importlib.util, "find_spec", lambda name: None)
    with (
        pytest.raises(UsageError, match=r"needs dask and distributed: pip install 'ganpipe\[dask\]'"),
        opened("dask"),
    ):
        pass
    monkeypatch.setattr(jars.shutil, "which", lambda name: None)
    with pytest.raises(UsageError, match="needs Java 11 or 17.*no 'java' on the PATH"), opened("flink"):
        pass


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("beam-runners-flink-1.20-job-server-2.1.0.jar", "", "is not beam-runners-flink-1.20-job-server of"),
        ("beam-runners-flink-2.0-job-server-BEAM.jar", "", "flink_version says another Flink"),
        ("beam-runners-flink-1.20-job-server-BEAM.jar", ",flink_master=127.0.0.1:PORT", "has no TaskManager"),
        ("beam-runners-flink-1.20-job-server-BEAM.jar", ",flink_master=127.0.0.1:1", "no Flink answers at"),
    ],
)
def test_a_jar_of_another_version_and_a_cluster_without_workers_are_refused(
    tmp_path, monkeypatch, name, options, said
):
    from apache_beam.version import __version__ as beam

    class Overview(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps({"taskmanagers": 0}).encode())

        def log_message(self, *words):
            pass

    monkeypatch.setattr(jars, "_java", lambda launcher, mode: 17)
    jar = tmp_path / name.replace("BEAM", beam)
    jar.touch()
    with http.server.HTTPServer(("127.0.0.1", 0), Overview) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        text = f"flink_job_server_jar={jar}{options}".replace("PORT", str(server.server_port))
        with pytest.raises(UsageError, match=said), opened("flink", options=text):
            pass
        server.shutdown()


@pytest.mark.parametrize(("major", "opened_modules"), [(11, False), (17, True)])
def test_java_17_is_told_to_open_its_modules(tmp_path, monkeypatch, major, opened_modules):
    jar = a_jar(tmp_path, monkeypatch)
    monkeypatch.setattr(jars, "_java", lambda launcher, mode: major)
    with opened("flink", options=f"flink_job_server_jar={jar}") as engine:
        said = engine.arguments(3)
    assert "--flink_version=1.20" in said and "--environment_type=LOOPBACK" in said
    assert any(word.startswith("--job_server_jvm_properties=--add-opens=") for word in said) == opened_modules


def a_jar(folder, monkeypatch):
    from apache_beam.version import __version__ as beam

    monkeypatch.setattr(jars, "_java", lambda launcher, mode: 17)
    jar = folder / f"beam-runners-flink-1.20-job-server-{beam}.jar"
    jar.touch()
    return jar


def test_options_that_only_the_job_server_knows_pass(tmp_path, monkeypatch):
    # not far from number_of_worker_harness_threads, and no slip of it
    options = f"flink_job_server_jar={a_jar(tmp_path, monkeypatch)},number_of_execution_retries=7"
    with opened("flink", options=options) as engine:
        assert "--number_of_execution_retries=7" in engine.arguments(3)


class MadeJobServer:
    """Counts job servers that run."""

    begun = ended = 0
    jar, port = "", 0

    def __init__(self, options):
        from apache_beam.options.pipeline_options import FlinkRunnerOptions, JobServerOptions

        MadeJobServer.jar = options.view_as(FlinkRunnerOptions).flink_job_server_jar
        MadeJobServer.port = options.view_as(JobServerOptions).job_port

    def start(self):
        MadeJobServer.begun += 1

    def stop(self):
        MadeJobServer.ended += 1

    def path_to_jar(self):
        return self.jar


def test_one_job_server_serves_all_passes_and_ends_with_the_engine(tmp_path, monkeypatch):
    from apache_beam.runners.portability import flink_runner

    monkeypatch.setattr(flink_runner, "FlinkJarJobServer", MadeJobServer)
    jar = a_jar(tmp_path, monkeypatch)
    said = []
    monkeypatch.setattr(
        runner,
        "_pipeline",
        lambda task, pieces, name, options: (
            said.append(options.get_all_options()["job_endpoint"])
            or Made(task, pieces, lambda task, elements: [task(element) for element in elements])
        ),
    )
    with opened("flink", options=f"flink_job_server_jar={jar}") as engine:
        for name in ("one", "two"):
            run_pass(Note(tmp_path), cut("train", 9, 2), name=name, scratch=tmp_path, engine=engine)
        assert (MadeJobServer.begun, MadeJobServer.ended) == (1, 0)
    assert (MadeJobServer.begun, MadeJobServer.ended) == (1, 1)
    assert MadeJobServer.jar == str(jar) and said == [f"localhost:{MadeJobServer.port}"] * 2


def test_a_job_server_that_does_not_begin_is_one_message(tmp_path, monkeypatch):
    from apache_beam.runners.portability import flink_runner

    class Dead(MadeJobServer):
        def start(self):
            raise RuntimeError("Service failed to start up with error 1")

    monkeypatch.setattr(flink_runner, "FlinkJarJobServer", Dead)
    jar = a_jar(tmp_path, monkeypatch)
    with (
        pytest.raises(UsageError, match=r"job server for flink does not begin: .*error 1; .*java -jar .*jar"),
        opened("flink", options=f"flink_job_server_jar={jar}") as engine,
    ):
        run_pass(Note(tmp_path), cut("train", 9, 2), name="pass", scratch=tmp_path, engine=engine)


def test_a_worker_that_lacks_something_says_what(tmp_path, monkeypatch):
    def met_by_a_new_process(offered):
        monkeypatch.setattr(handshake, "_met", set())
        with pytest.raises(Stranger) as caught:
            offered.meet()
        # in the middle of what an engine makes of it
        return said_in(
            f"java.lang.RuntimeException: Error\nTraceback ...\n{caught.value} [while running 'scan']\n at x"
        )

    answer = ["a"]
    offered = offer(tmp_path, lambda: answer[0])
    offered.meet()
    monkeypatch.setattr(handshake, "release", lambda: {**offered.has, "numpy": "1.0"})
    assert "has numpy 1.0, and the driver has 2" in met_by_a_new_process(offered)
    monkeypatch.undo()
    answer[0] = "b"
    assert "does not read what the driver reads" in met_by_a_new_process(offered)
    (tmp_path / "driver").unlink()
    assert f"does not see the folder {str(tmp_path)!r}" in met_by_a_new_process(offered)
    assert said_in("RuntimeError: something else") is None


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("preprocess --beam-option a=1", "--runner in_memory takes none"),
        ("preprocess --runner dsk", "Did you mean 'dask'"),
        ("preprocess --runner dask --beam-option =1", "name=value, an option of Beam's"),
        ("preprocess --runner portable --beam-option job_endpoint=127.0.0.1:1", "nothing answers"),
        ("preprocess --runner portable --beam-option x=1 --beam-option runner=x", "--runner says it"),
        ("predict x.png --model m --runner dask", "needs --output FILE"),
    ],
)
def test_the_command_says_it_in_one_line_and_leaves_nothing(tmp_path, monkeypatch, words, said):
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(main, words.split())
    assert done.exit_code == 2 and said in done.output
    assert not list(tmp_path.rglob("*.tfrecord"))


class Made:
    """A pipeline that deals with the elements as it is told, in place of an engine's."""

    def __init__(self, task, pieces, deal):
        self.work = lambda: deal(task, [tuple(piece) for piece in pieces])

    def run(self):
        return self

    def wait_until_finish(self):
        self.work()

    def cancel(self):
        pass


def on_made_engine(monkeypatch, folder, deal, function=None, **options):
    pieces = cut("train", 30, 5)
    monkeypatch.setattr(runner, "_pipeline", lambda task, pieces, *rest: Made(task, pieces, deal))
    function = function or Note(folder)
    return run_pass(
        function,
        pieces,
        name="pass",
        scratch=folder,
        engine=Engine("flink"),
        expected=receipts(pieces),
        **options,
    )


def test_an_engine_that_loses_a_piece_is_not_believed(tmp_path, monkeypatch):
    with pytest.raises(WorkerLost, match="flink ended after 4 of 5 pieces.*nothing was published"):
        on_made_engine(monkeypatch, tmp_path, lambda task, elements: [task(e) for e in elements[1:]])


def test_a_piece_that_is_done_twice_counts_once(tmp_path, monkeypatch):
    found = on_made_engine(monkeypatch, tmp_path, lambda task, elements: [task(e) for e in elements * 2])
    assert found == receipts(cut("train", 30, 5))


def test_a_piece_with_other_images_is_found(tmp_path, monkeypatch):
    with pytest.raises(WorkerLost, match="did other images than it was given, in train-00002"):
        on_made_engine(
            monkeypatch, tmp_path, lambda task, elements: [task(e) for e in elements], Note(tmp_path, wrong=2)
        )


@pytest.mark.parametrize(
    ("text", "kind", "said"),
    [
        ("java.io.IOException: lost\n\nat x\nTaskManager gone", WorkerLost, "It said: TaskManager gone"),
        ("ModuleNotFoundError: No module named 'pipeline'", UsageError, "do not have this package"),
        ("ModuleNotFoundError: No module named 'numpy'", UsageError, "lack the package 'numpy'"),
        (f"error [while] {Stranger('it is another.')} at x", UsageError, "^it is another.$"),
    ],
)
def test_what_an_engine_says_becomes_one_message(tmp_path, monkeypatch, text, kind, said):
    def deal(task, elements):
        task(elements[0])
        raise RuntimeError(text)

    with pytest.raises(kind, match=said):
        on_made_engine(monkeypatch, tmp_path, deal)


def test_an_engine_that_fails_after_all_was_done_is_right_all_the_same(tmp_path, monkeypatch):
    def deal(task, elements):
        for element in elements:
            task(element)
        raise RuntimeError("cannot clean up")

    assert len(on_made_engine(monkeypatch, tmp_path, deal)) == 5


@pytest.mark.parametrize(("host", "process"), [("elsewhere", 7), (None, 2**22 + 1)])
def test_an_engine_that_waits_for_a_dead_worker_is_given_up(tmp_path, monkeypatch, host, process):
    monkeypatch.setattr(engines, "_USUAL_PATIENCE", watch.Patience(begin=9, silent=0.3, again=0.5))
    over = threading.Event()

    def deal(task, elements):
        worker = f"{host or watch.socket.gethostname()} {process}"
        (tmp_path / f"pass-train-00000{RUNNING}").write_text(worker)
        over.wait(20)

    with pytest.raises(WorkerLost, match=r"1 piece\(s\) were with a worker that is gone"):
        on_made_engine(monkeypatch, tmp_path, deal)
    over.set()


def test_a_job_that_is_given_up_is_ended_on_the_cluster_and_no_other(tmp_path, monkeypatch):
    monkeypatch.setattr(engines, "_USUAL_PATIENCE", watch.Patience(begin=0.3, silent=9, again=9))
    names, ended, over = [], [], threading.Event()

    class Flink(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            jobs = [
                {"jid": "01", "name": "another's", "state": "RUNNING"},
                {"jid": "02", "name": names[0], "state": "RUNNING"},
                {"jid": "03", "name": names[0], "state": "FINISHED"},
            ]
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps({"jobs": jobs}).encode())

        def do_PATCH(self):
            ended.append(self.path)
            self.send_response(202)
            self.end_headers()

        def log_message(self, *words):
            pass

    def made(task, pieces, name, options):
        names.append(options.get_all_options()["job_name"])
        return Made(task, pieces, lambda task, elements: over.wait(20))

    monkeypatch.setattr(runner, "_pipeline", made)
    with http.server.HTTPServer(("127.0.0.1", 0), Flink) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        engine = Engine("flink", options=(("flink_master", f"127.0.0.1:{server.server_port}"),))
        with pytest.raises(WorkerLost, match="no worker has begun"):
            run_pass(Note(tmp_path), cut("train", 9, 2), name="scan", scratch=tmp_path, engine=engine)
        server.shutdown()
    over.set()
    assert names[0].startswith("ganpipe-scan-") and ended == ["/jobs/02?mode=cancel"]


def test_an_engine_without_workers_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr(engines, "_USUAL_PATIENCE", watch.Patience(begin=0.3, silent=9, again=9))
    over = threading.Event()
    with pytest.raises(WorkerLost, match="no worker has begun"):
        on_made_engine(monkeypatch, tmp_path, lambda task, elements: over.wait(20))
    over.set()


def test_two_attempts_at_one_piece_leave_what_one_does(tmp_path):
    """A worker that its engine believes dead goes on beside the one that took its piece up."""
    task = Task(Note(tmp_path, seconds=0.1), tmp_path, "pass", offer(tmp_path))
    threads = [threading.Thread(target=task, args=(tuple(cut("train", 9, 1)[0]),)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert json.loads((tmp_path / "pass-train-00000.done").read_text()) == list(
        receipt_of(map(str, range(9)))
    )
    assert not [path for path in tmp_path.iterdir() if "partial" in path.name]


@pytest.fixture
def pooled(monkeypatch):
    """A pool of workers that only sleep, or do as told: two that ask it, and the processes that it began."""
    import grpc
    from apache_beam.portability.api import beam_fn_api_pb2_grpc

    from pipeline.beam import external_pool as pools

    begun = []

    class Sleeper(subprocess.Popen):
        command = ("sleep", "60")

        def __init__(self, command, **keywords):
            super().__init__(Sleeper.command, **keywords)
            begun.append(self)

    monkeypatch.setattr(subprocess, "Popen", Sleeper)
    monkeypatch.setattr(pools, "_NOTICED_SECONDS", 0.2)
    server, pool, port = pools.serve("127.0.0.1", 0)
    # connections of their own
    channels = [
        grpc.insecure_channel(f"127.0.0.1:{port}", options=[("grpc.use_local_subchannel_pool", 1)])
        for _ in range(2)
    ]
    yield [beam_fn_api_pb2_grpc.BeamFnExternalWorkerPoolStub(channel) for channel in channels], begun, Sleeper
    pool.close()
    server.stop(0)
    for channel in channels:
        channel.close()
    for process in begun:
        process.kill()
        process.wait()


def until(true, seconds=10.0):
    deadline = time.monotonic() + seconds
    while not true() and time.monotonic() < deadline:
        time.sleep(0.02)
    return true()


@pytest.mark.timeout(120)
def test_a_pool_starts_a_worker_again_that_was_killed_and_no_other(pooled):
    """Flink waits without end for one that was killed before it called."""
    from apache_beam.portability.api import beam_fn_api_pb2

    (stub, _), begun, sleeper = pooled
    stub.StartWorker(beam_fn_api_pb2.StartWorkerRequest(worker_id="1-1"))
    begun[0].kill()
    assert until(lambda: len(begun) == 2) and begun[1].poll() is None
    # one that is stopped ends by a signal too
    stub.StopWorker(beam_fn_api_pb2.StopWorkerRequest(worker_id="1-1"))
    assert begun[1].poll() is not None
    # one that cannot begin says so by its code, and another could not either
    sleeper.command = ("false",)
    stub.StartWorker(beam_fn_api_pb2.StartWorkerRequest(worker_id="1-2"))
    # one that is killed, and that the engine has stopped since
    sleeper.command = ("sleep", "60")
    stub.StartWorker(beam_fn_api_pb2.StartWorkerRequest(worker_id="1-3"))
    begun[3].kill()
    stub.StopWorker(beam_fn_api_pb2.StopWorkerRequest(worker_id="1-3"))
    time.sleep(1)
    assert len(begun) == 4


@pytest.mark.timeout(120)
def test_a_pool_keeps_the_workers_of_two_that_give_them_one_name(pooled):
    """As two TaskManagers do: the one that is done first must not stop the other's worker."""
    from apache_beam.portability.api import beam_fn_api_pb2

    (first, second), begun, _ = pooled
    for stub in (first, second):
        stub.StartWorker(beam_fn_api_pb2.StartWorkerRequest(worker_id="1-1"))
    first.StopWorker(beam_fn_api_pb2.StopWorkerRequest(worker_id="1-1"))
    assert [process.poll() is None for process in begun] == [False, True]
    # again, by one that has none left
    first.StopWorker(beam_fn_api_pb2.StopWorkerRequest(worker_id="1-1"))
    assert begun[1].poll() is None
    second.StopWorker(beam_fn_api_pb2.StopWorkerRequest(worker_id="1-1"))
    assert begun[1].poll() is not None


# real engines


def cluster_tool():
    if "cluster" not in sys.modules:
        spec = importlib.util.spec_from_file_location("cluster", ROOT / "tools" / "cluster.py")
        assert spec and spec.loader
        module = importlib.util.module_from_spec(spec)
        sys.modules["cluster"] = module
        spec.loader.exec_module(module)
    return sys.modules["cluster"]


@pytest.mark.parametrize(
    ("name", "version"),
    [("flink-dist-1.19.3.jar", "1.19"), ("flink-dist-2.0.0.jar", "2.0"), ("flink-cep-1.19.3.jar", None)],
)
def test_a_distribution_of_flink_says_its_release(tmp_path, name, version):
    """Beam has a job server for each; one for another than the cluster's cannot speak with it."""
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / name).touch()
    assert cluster_tool().flink_version(tmp_path) == version


@pytest.fixture
def started(tmp_path, monkeypatch):
    """Starts engines, which end with the test; skips with what is missing."""
    tool, begun = cluster_tool(), []
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(Path(__file__).parent), str(ROOT)]))

    def start(engine):
        home, jar = os.environ.get("FLINK_HOME"), os.environ.get("BEAM_FLINK_JOB_SERVER_JAR")
        if engine == "flink" and not jar:
            pytest.skip("needs Beam's job server for Flink: set BEAM_FLINK_JOB_SERVER_JAR to the jar")
        try:
            begun.append(
                tool.begin(engine, tmp_path / "engine", flink_home=home and Path(home), jar=jar and Path(jar))
            )
        except tool.Missing as missing:
            pytest.skip(str(missing))
        return begun[-1]

    yield start
    for cluster in begun:
        cluster.stop()


def joined(options: dict[str, str]) -> str:
    return ",".join(f"{name}={value}" for name, value in options.items())


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_dask_does_each_piece_on_workers_of_its_own_also_where_one_is_killed(tmp_path, started):
    pytest.importorskip("distributed")
    cluster = started("dask")
    pieces = cut("train", 60, 12)
    folder = tmp_path / "scratch"
    folder.mkdir()
    with opened("dask", options=joined(cluster.options)) as engine:
        killed = threading.Thread(target=kill_the_first, args=(folder,))
        killed.start()
        found = run_pass(
            Note(folder, seconds=0.3),
            pieces,
            name="pass",
            scratch=folder,
            engine=engine,
            probe=Probe(),
            expected=receipts(pieces),
        )
        killed.join()
    assert found == receipts(pieces)
    calls = [(folder / f"called-{piece.stem}").read_text().split() for piece in pieces]
    processes = {process for call in calls for process in call}
    assert str(os.getpid()) not in processes and len(processes) >= 2
    # what the dead worker had in hand was done again
    assert sum(map(len, calls)) > len(pieces)


class Probe:
    """The same on every worker."""

    def __call__(self) -> str:
        return "same"


def kill_the_first(folder: Path) -> None:
    """Kills the first worker that took a piece up, in the middle of it."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        if found := list(folder.glob(f"*{RUNNING}")):
            try:
                os.kill(int(found[0].read_text().split()[1]), signal.SIGKILL)
            except (OSError, IndexError):
                continue
            return
        time.sleep(0.02)


def prepare(output: Path, dataset: str, **config) -> dict[str, bytes]:
    """Prepares a data set; returns all files, but the provenance of a source of another order."""
    output.mkdir()
    preprocess.run(
        DataConfig(dataset=dataset, labels_per_class=4, shards=3, **config),
        seed=3,
        output=output,
        terminal=Terminal(io.StringIO()),
    )
    return {
        path.relative_to(output).as_posix(): path.read_bytes() for path in output.rglob("*") if path.is_file()
    }


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Class folders of 90 images, and the same pictures under names that are sorted otherwise."""
    random = np.random.default_rng(0)
    root = tmp_path_factory.mktemp("folders")
    pixels = random.integers(0, 256, (90, 9, 8), np.uint8)
    order = random.permutation(90)
    for number in range(90):
        for name, place in (("straight", number), ("shuffled", int(order[number]))):
            folder = root / name / "abc"[number % 3]
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels[number]).save(folder / f"{place:03d}.png")
    whole = prepare(root / "in_memory", f"folder:{root / 'straight'}")
    return root, whole


def training_reads(files: dict[str, bytes]) -> dict[str, bytes]:
    return {name: data for name, data in files.items() if not name.startswith("provenance")}


WAYS = {
    "multi_processing 1": ("multi_processing", None, 1),
    "multi_processing 2": ("multi_processing", None, 2),
    "multi_processing 4": ("multi_processing", None, 4),
    "portable LOOPBACK": ("portable", "portable", 2),
    "portable EXTERNAL": ("portable", "portable", 2),
    "prism LOOPBACK": ("portable", "prism", 2),
    "prism EXTERNAL": ("portable", "prism", 2),
    "dask": ("dask", "dask", 2),
    "flink LOOPBACK": ("flink", "flink", 2),
    "flink EXTERNAL": ("flink", "flink", 2),
}


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("way", WAYS)
def test_prepared_data_are_the_same_bytes_on_every_engine(tmp_path, started, folders, way):
    root, whole = folders
    mode, engine, workers = WAYS[way]
    option = None
    if engine:
        options = dict(started(engine).options)
        if "LOOPBACK" in way:
            options |= {"environment_type": "LOOPBACK"}
            options.pop("environment_config")
        option = joined(options)
    # where workers start anew for every pass, once is enough
    starts_anew = "EXTERNAL" in way or workers in (1, 4)
    for name in ("straight",) if starts_anew else ("straight", "shuffled"):
        got = prepare(
            tmp_path / name, f"folder:{root / name}", runner=mode, workers=workers, beam_option=option
        )
        if name == "straight":
            assert got == whole
        assert training_reads(got) == training_reads(whole)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("engine", ["portable", "prism", "dask", "flink"])
def test_predictions_are_the_same_bytes_on_every_engine(
    tmp_path, started, exported, digit_test_images, engine
):
    from pipeline.stages.predict import stage as predict
    from pipeline.stages.predict.settings import PredictConfig

    folder = tmp_path / "images"
    folder.mkdir()
    for number, image in enumerate(digit_test_images):
        Image.fromarray(image[..., 0]).save(folder / f"{number:04d}.png")
    (folder / "bad.png").write_bytes(b"no picture")
    written = {}
    option = joined(started(engine).options)
    for way in ("direct", engine):
        settings = (
            {} if way == "direct" else {"runner": {"prism": "portable"}.get(way, way), "beam_option": option}
        )
        predict.run(
            PredictConfig(batch_size=64, **settings),
            model=exported[0] / "classifier",
            inputs=[str(folder)],
            output=tmp_path / f"{way}.csv",
            terminal=Terminal(io.StringIO()),
        )
        written[way] = (tmp_path / f"{way}.csv").read_bytes()
    assert written["direct"] == written[engine]
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".ganpipe")]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_worker_that_does_not_see_the_data_ends_the_job_with_one_message(tmp_path, started, folders):
    """A worker in a file system of its own, as on another machine."""
    if shutil.which("unshare") is None or os.getuid() != 0:
        pytest.skip("needs root and unshare, for a worker with another view of the disk")
    pytest.importorskip("distributed")
    root, _ = folders
    hidden = f"mount -t tmpfs none {root / 'straight'} && exec "
    tool = cluster_tool()
    begin = tool.Cluster.start

    def start_hidden(self, role, command, **environment):
        if role == "worker":
            command = ["unshare", "-m", "sh", "-c", hidden + " ".join(f"'{word}'" for word in command)]
        return begin(self, role, command, **environment)

    tool.Cluster.start = start_hidden
    try:
        options = joined(started("dask").options)
    finally:
        tool.Cluster.start = begin
    with pytest.raises(UsageError, match="does not read what the driver reads.*at the same path"):
        prepare(tmp_path / "out", f"folder:{root / 'straight'}", runner="dask", beam_option=options)


def test_the_worker_s_image_has_the_versions_that_are_tested():
    lines = (ROOT / "tools" / "worker.Dockerfile").read_text().splitlines()
    versions = dict(line.removeprefix("ARG ").split("=") for line in lines if line.startswith("ARG "))
    assert f"apache-beam=={versions['BEAM']};" in (ROOT / "tools" / "constraints.txt").read_text()
    copied = [word for line in lines if line.startswith("COPY ") for word in line.split()[1:-1]]
    # the wheel is made before
    assert all((ROOT / word).is_file() for word in copied if not word.startswith("dist/"))
