"""Processes of a training meet before TensorFlow waits for them: all or none, and by word alone."""

import itertools
import socketserver
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from ssgan_tf.training.meeting import meet


class Answers(socketserver.TCPServer):
    """Answers each connection with the next of some words; says nothing with an empty one."""

    allow_reuse_address = True

    def __init__(self, words=(), port=0):
        super().__init__(("127.0.0.1", port), self.answer)
        self.words = iter(words)
        self.address = f"127.0.0.1:{self.server_address[1]}"

    def answer(self, request, client, server):
        request.sendall(next(self.words))

    def __enter__(self):
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *error):
        self.shutdown()
        self.server_close()


def free_addresses(count):
    servers = [Answers() for _ in range(count)]
    for server in servers:
        server.server_close()
    return [server.address for server in servers]


@pytest.mark.timeout(60)
def test_all_meet_or_none_and_each_leaves_its_port_to_tensorflow():
    addresses = free_addresses(3)
    everyone = threading.Barrier(3)

    def come(address):
        meet(address, [other for other in addresses if other != address])
        # as TensorFlow does next: the slower ones find its server there
        with Answers(itertools.repeat(b"\0"), int(address.rpartition(":")[2])):
            everyone.wait(timeout=20)

    with ThreadPoolExecutor(3) as threads:
        early = [threads.submit(come, address) for address in addresses[:2]]
        with pytest.raises(TimeoutError):
            early[0].result(timeout=1)
        assert everyone.n_waiting == 0
        for task in [*early, threads.submit(come, addresses[2])]:
            task.result()


def test_a_program_that_accepts_and_says_nothing_is_not_met():
    (address,) = free_addresses(1)
    with Answers([b"", b"", b"\0"]) as other:
        meet(address, [other.address])
        assert next(other.words, None) is None


def test_a_taken_port_is_an_error():
    with Answers() as other, pytest.raises(OSError, match="in use"):
        meet(other.address, [])
