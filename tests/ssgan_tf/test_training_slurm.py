"""The tasks of a Slurm step, from made-up environments in the forms that Slurm writes."""

from types import SimpleNamespace

import pytest

from ssgan_tf.errors import UsageError
from ssgan_tf.training.cluster import Place, Workers, place_of, workers_of
from ssgan_tf.training.slurm import FIRST_PORT, LAST_PORT, expand_counts, expand_nodes, tasks_of_step


def settings(**given):
    return SimpleNamespace(
        **{"strategy": "multiworker", "workers": None, "worker_index": None, "port": None} | given
    )


def step(nodes, counts, job=7, **more):
    """The environments of all tasks of a step, in the order of their ranks."""
    variables = {"SLURM_JOB_ID": str(job), "SLURM_STEP_ID": "0", "SLURM_STEP_NODELIST": nodes}
    variables |= {"SLURM_STEP_TASKS_PER_NODE": counts, **more}
    places = [(node, local) for node, count in enumerate(expand_counts(counts)) for local in range(count)]
    return [
        variables | {"SLURM_PROCID": str(rank), "SLURM_NODEID": str(node), "SLURM_LOCALID": str(local)}
        for rank, (node, local) in enumerate(places)
    ]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("node1", ["node1"]),
        ("node[01-03,7]", ["node01", "node02", "node03", "node7"]),
        ("n[8-10],m5,o[098-101]", ["n8", "n9", "n10", "m5", "o098", "o099", "o100", "o101"]),
        ("rack[0-1]-n[1,3]", ["rack0-n1", "rack0-n3", "rack1-n1", "rack1-n3"]),
        ("gpu[1-2].cluster", ["gpu1.cluster", "gpu2.cluster"]),
        ("b,a", ["b", "a"]),
    ],
)
def test_nodes_in_slurms_order(text, names):
    assert expand_nodes(text) == names


def test_tasks_a_node():
    assert expand_counts("2(x3),1") == [2, 2, 2, 1] and expand_counts("4") == [4]


OTHERS = ["", "a,", "a,,b", "a b", "n[1", "n[]", "n[3-1]", "n[a-b]", "n[1-9999999999]"]
TOO_MANY = ["n[1-4000],m[1-4000]", "n[1-99][1-99][1-99]"]


@pytest.mark.parametrize("text", OTHERS + TOO_MANY)
def test_other_node_lists_are_refused(text):
    with pytest.raises(UsageError, match="SLURM_STEP_NODELIST"):
        expand_nodes(text)


@pytest.mark.parametrize("text", ["", "x", "2(x)", "0", "2(x3", "-1", "9999(x9999)"])
def test_other_counts_are_refused(text):
    with pytest.raises(UsageError, match="SLURM_STEP_TASKS_PER_NODE"):
        expand_counts(text)


@pytest.mark.parametrize(("nodes", "counts"), [("n[2,10]", "1(x2)"), ("n1", "4"), ("n[1-3]", "2(x2),1")])
def test_all_tasks_agree_and_each_has_an_address_of_its_own(nodes, counts):
    found = [workers_of(settings(), environ) for environ in step(nodes, counts)]
    assert {workers.addresses for workers in found} == {found[0].addresses}
    assert [workers.index for workers in found] == list(range(len(found)))
    assert len(set(found[0].addresses)) == len(found)
    # a task's address is on its own node
    names = expand_nodes(nodes)
    for environ, address in zip(step(nodes, counts), found[0].addresses, strict=True):
        assert address.startswith(names[int(environ["SLURM_NODEID"])] + ":")
    places = [place_of(settings(), environ) for environ in step(nodes, counts)]
    assert places == [Place(rank, len(found)) for rank in range(len(found))]


def test_jobs_and_steps_on_a_node_do_not_meet():
    def ports(job, number):
        environ = step("n1", "16", job, SLURM_STEP_ID=str(number))[0]
        return {int(address.split(":")[1]) for address in tasks_of_step(environ)[0]}

    jobs = [ports(job, 0) for job in range(4_000_000, 4_000_750)]
    assert len(set().union(*jobs)) == 16 * len(jobs)
    assert min(map(min, jobs)) >= FIRST_PORT and max(map(max, jobs)) <= LAST_PORT
    steps = [ports(4_000_000, number) for number in range(8)]
    assert len(set().union(*steps)) == 16 * len(steps)


def test_ports_that_are_given_or_reserved():
    def ports(port=None, **more):
        environ = step("n[1-2]", "2(x2)", **more)[3]
        return [address.split(":")[1] for address in workers_of(settings(port=port), environ).addresses]

    assert ports(5000) == ports(5000, SLURM_STEP_RESV_PORTS="12000-12002") == ["5000", "5001"] * 2
    assert ports(SLURM_STEP_RESV_PORTS="12000-12002") == ["12000", "12001"] * 2
    assert ports(SLURM_STEP_RESV_PORTS="12000,12005") == ["12000", "12005"] * 2
    # too few of them, or none that can be read
    assert ports() == ports(SLURM_STEP_RESV_PORTS="12000") == ports(SLURM_STEP_RESV_PORTS="(null)")
    with pytest.raises(UsageError, match="port=65535 leaves no ports for 2 tasks"):
        ports(65535)


def test_settings_and_tf_config_come_before_slurm():
    environ = step("n[1-2]", "1(x2)")[0]
    assert workers_of(settings(workers="a:1,b:1", worker_index=1), environ) == Workers(("a:1", "b:1"), 1)
    assert workers_of(settings(), environ | {"TF_CONFIG": "{}"}) is None
    assert place_of(settings(strategy="default"), environ) == Place(0, 1)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"SLURM_STEP_NODELIST": None}, "job 7 is started as the tasks of a step, by srun; SLURM_STEP_NODEL"),
        ({"SLURM_PROCID": "2"}, "SLURM_PROCID must be a whole number from 0 to 1; got '2'"),
        ({"SLURM_PROCID": "x"}, "SLURM_PROCID .* got 'x'"),
        ({"SLURM_STEP_TASKS_PER_NODE": "1"}, "has 2 nodes, SLURM_STEP_TASKS_PER_NODE=1 1"),
        ({"SLURM_JOB_ID": "7_3"}, "SLURM_JOB_ID must be a whole number; got '7_3'"),
        # the second of four tasks that are dealt out to the nodes in turns
        (
            {"SLURM_STEP_TASKS_PER_NODE": "2(x2)", "SLURM_PROCID": "1", "SLURM_NODEID": "1"},
            "task 1 has SLURM_NODEID=1, .* have 0: set SLURM_DISTRIBUTION=block",
        ),
    ],
)
def test_what_slurm_does_not_say_is_one_message(changes, words):
    environ = step("n[1-2]", "1(x2)")[0] | changes
    with pytest.raises(UsageError, match=words):
        workers_of(settings(), {name: value for name, value in environ.items() if value is not None})


@pytest.mark.parametrize(
    ("workers", "words"),
    [("a:1,b", "host:port,host:port,...; got 'b'"), ("a:1,,b:1", "got ''"), ("a:1,a:1", "names a:1 twice")],
)
def test_wrong_addresses_are_told_before_anything_starts(workers, words):
    with pytest.raises(UsageError, match=words):
        place_of(settings(workers=workers, worker_index=0), {})
