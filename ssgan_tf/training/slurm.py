"""The tasks of a Slurm step as the workers of a `multiworker` training (no TensorFlow here).

    tasks_of_step({"SLURM_STEP_NODELIST": "node[2,10]", "SLURM_STEP_TASKS_PER_NODE": "1(x2)",
                   "SLURM_PROCID": "1", "SLURM_JOB_ID": "7"})      # ["node2:20112", "node10:20112"], 1

Names and formats are those of Slurm's srun(1), "OUTPUT ENVIRONMENT VARIABLES". TensorFlow has a
`SlurmClusterResolver`, which is not used: it sorts the nodes by name, where Slurm numbers tasks in the order
of its list (node2 before node10); it needs a GPU or `nvidia-smi`; every job gets the same ports.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from ssgan_tf.errors import UsageError

# below the ports that Linux gives to connections (32768 to 60999)
FIRST_PORT, LAST_PORT = 20_000, 31_999
# ports that a job has for itself on a node, if it is one of so many in a row
STRIDE = 16
MOST_TASKS = 4096
# where each task of a step is told its place
STEP_VARIABLES = ("SLURM_STEP_NODELIST", "SLURM_STEP_TASKS_PER_NODE", "SLURM_PROCID", "SLURM_JOB_ID")


def in_slurm(environ: Mapping[str, str]) -> bool:
    """Whether this process belongs to a Slurm job."""
    return bool(environ.get("SLURM_JOB_ID"))


def tasks_of_step(environ: Mapping[str, str], port: int | None = None) -> tuple[list[str], int]:
    """Finds the addresses of all tasks of this step, in the order of their ranks, and this task's rank.

    Args:
        environ: the environment that `srun` gives a task.
        port: of the first task on each node, the others follow; default: those that Slurm reserved
            (`SLURM_STEP_RESV_PORTS`), or else 16 that follow from the job's number, so that of 750 jobs in a
            row no two meet.

    Raises:
        UsageError: this is no task of a step, a variable is not as Slurm writes it, or the tasks are not
            numbered node by node.
    """
    if missing := [name for name in STEP_VARIABLES if not environ.get(name)]:
        raise UsageError(
            f"train.strategy=multiworker in Slurm job {environ.get('SLURM_JOB_ID')} is started as the tasks "
            f"of a step, by srun; {', '.join(missing)} is missing."
        )
    nodes = expand_nodes(environ["SLURM_STEP_NODELIST"])
    counts = expand_counts(environ["SLURM_STEP_TASKS_PER_NODE"])
    if len(nodes) != len(counts):
        raise UsageError(
            f"SLURM_STEP_NODELIST={environ['SLURM_STEP_NODELIST']} has {len(nodes)} nodes, "
            f"SLURM_STEP_TASKS_PER_NODE={environ['SLURM_STEP_TASKS_PER_NODE']} {len(counts)}."
        )
    places = [(node, local) for node, count in enumerate(counts) for local in range(count)]
    rank = _number(environ, "SLURM_PROCID", len(places) - 1)
    for name, expected in zip(("SLURM_NODEID", "SLURM_LOCALID"), places[rank], strict=True):
        if environ.get(name, str(expected)) != str(expected):
            raise UsageError(
                f"task {rank} has {name}={environ[name]}, where tasks that are numbered node by node have "
                f"{expected}: set SLURM_DISTRIBUTION=block for srun."
            )
    ports = _ports(environ, max(counts), port)
    return [f"{nodes[node]}:{ports[local]}" for node, local in places], rank


def expand_nodes(text: str) -> list[str]:
    """Lists the nodes of Slurm's short form, in its order: `n[08-10,3],m5` is n08, n09, n10, n3, m5.

    Raises:
        UsageError: it is not of that form, or names more than 4,096 nodes.
    """
    names: list[str] = []
    # commas between brackets belong to a range
    for part in re.split(r",(?![^\[\]]*\])", text):
        if not re.fullmatch(r"(?:[A-Za-z0-9._-]|\[\d+(?:-\d+)?(?:,\d+(?:-\d+)?)*\])+", part):
            raise _not_slurms("SLURM_STEP_NODELIST", text, "node[01-03,7],other")
        made = [""]
        for fixed, ranges in re.findall(r"([A-Za-z0-9._-]+)|\[([^\]]*)\]", part):
            endings = [fixed] if fixed else list(_numbers(ranges, text))
            if len(made) * len(endings) + len(names) > MOST_TASKS:
                raise UsageError(f"SLURM_STEP_NODELIST={text[:80]} names more than {MOST_TASKS} nodes.")
            made = [begun + ending for begun in made for ending in endings]
        names += made
    return names


def expand_counts(text: str) -> list[int]:
    """Lists the numbers of tasks of Slurm's short form: `2(x3),1` is 2, 2, 2, 1.

    Raises:
        UsageError: it is not of that form, or counts more than 4,096 tasks.
    """
    counts: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"(\d{1,6})(?:\(x(\d{1,6})\))?", part)
        if match is None or not int(match[1]):
            raise _not_slurms("SLURM_STEP_TASKS_PER_NODE", text, "2(x3),1")
        times = int(match[2] or 1)
        if sum(counts) + int(match[1]) * times > MOST_TASKS:
            raise UsageError(f"SLURM_STEP_TASKS_PER_NODE={text[:80]} counts more than {MOST_TASKS} tasks.")
        counts += [int(match[1])] * times
    return counts


def _numbers(ranges: str, text: str) -> Iterator[str]:
    """The numbers of `01-03,7` as text, as wide as the first of each range."""
    for piece in ranges.split(","):
        first, _, last = piece.partition("-")
        low, high = int(first), int(last or first)
        if not 0 <= high - low < MOST_TASKS:
            raise _not_slurms("SLURM_STEP_NODELIST", text, "node[01-03,7],other")
        yield from (str(number).zfill(len(first)) for number in range(low, high + 1))


def _ports(environ: Mapping[str, str], count: int, port: int | None) -> list[int]:
    """A port for each of `count` tasks on a node, the same on every node."""
    if port is None:
        reserved = environ.get("SLURM_STEP_RESV_PORTS", "")
        if re.fullmatch(r"\d{1,5}(-\d{1,5})?(,\d{1,5}(-\d{1,5})?)*", reserved):
            ports = [int(number) for number in _numbers(reserved, reserved)]
            if len(ports) >= count:
                return ports[:count]
        # a second step of a job may run beside the first
        job, step = (_number(environ, name) for name in ("SLURM_JOB_ID", "SLURM_STEP_ID"))
        places = (LAST_PORT + 1 - FIRST_PORT) // STRIDE
        port = FIRST_PORT + (job + 97 * step) % places * STRIDE
    if port + count > 65_536:
        raise UsageError(f"train.port={port} leaves no ports for {count} tasks on a node.")
    return list(range(port, port + count))


def _number(environ: Mapping[str, str], name: str, most: int | None = None) -> int:
    text = environ.get(name, "0")
    if not re.fullmatch(r"\d{1,10}", text) or (most is not None and int(text) > most):
        limit = f" from 0 to {most}" if most is not None else ""
        raise UsageError(f"{name} must be a whole number{limit}; got {text!r}.")
    return int(text)


def _not_slurms(name: str, text: str, example: str) -> UsageError:
    return UsageError(f"{name} must be of Slurm's form, as {example}; got {text[:200]!r}.")
