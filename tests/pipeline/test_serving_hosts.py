"""Names and origins: a page that let its own name point at the loopback reaches nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from serving_fixtures import Served, serving

from pipeline.serving.http.hosts import Hosts
from pipeline.serving.status import ServingError

PREDICT = "/v1/models/digits:predict"
GOOD = {"instances": [[[[0.0]] * 8] * 8]}


@pytest.mark.parametrize(
    ("host", "taken"),
    [
        ("localhost:8501", True),
        ("LOCALHOST", True),
        ("digits.localhost", True),
        ("127.0.0.1", True),
        ("[::1]:8501", True),
        ("192.168.1.7:8501", True),
        ("models.intern", True),
        ("evil.example:8501", False),
        ("localhost.evil.example", False),
        ("127.0.0.1.evil.example", False),
        ("models.intern.evil.example", False),
        ("", False),
        ("[::1", False),
        ("\xff", False),
    ],
)
@pytest.mark.parametrize("header", ["host", "origin"])
def test_loopback_names_and_literal_addresses_are_taken(header: str, host: str, taken: bool) -> None:
    hosts = Hosts("127.0.0.1", "Models.Intern", any_origin=False)
    value = host.encode("latin-1") if header == "host" else f"http://{host}".encode("latin-1")
    if taken:
        hosts.check([(header.encode(), value)])
    else:
        with pytest.raises(ServingError, match="none of this server's names") as caught:
            hosts.check([(header.encode(), value)])
        assert caught.value.http_status == 403


def test_a_server_for_the_network_takes_any_name_unless_names_are_given() -> None:
    foreign = [(b"host", b"evil.example")]
    Hosts("0.0.0.0", "", any_origin=False).check(foreign)
    with pytest.raises(ServingError):
        Hosts("0.0.0.0", "models.intern", any_origin=False).check(foreign)


@pytest.mark.parametrize("path", ["/", "/about.json", "/healthz", "/v1/models/digits", PREDICT])
@pytest.mark.parametrize("headers", [{"Host": "evil.example"}, {"Origin": "http://evil.example"}])
def test_a_rebound_name_reads_nothing(digits: Served, path: str, headers: dict[str, str]) -> None:
    method, body = ("POST", GOOD) if path == PREDICT else ("GET", None)
    answer = digits.request(method, path, body, headers=headers)
    assert answer.status == 403 and "--allowed-hosts" in answer.error
    origin = {"Origin": f"http://localhost:{digits.port}"}
    assert digits.request(method, path, body, headers=origin).status == 200


def test_allowed_hosts_and_cors(model_root: Path) -> None:
    with serving(model_root / "digits", allowed_hosts="models.intern", cors=True) as server:
        headers = {"Host": "models.intern", "Origin": "http://page.example"}
        assert server.request("POST", PREDICT, GOOD, headers=headers).status == 200
        assert server.request("GET", "/healthz", headers={"Host": "evil.example"}).status == 403
