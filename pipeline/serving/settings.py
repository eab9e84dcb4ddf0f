"""Settings of `ganpipe serve`, and the two that are written as text: which versions, which labels."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from pipeline.errors import UsageError
from pipeline.exported.layout import MAX_VERSION
from ssgan_tf.declare import FILE, FOLDER, Rule, at_least, setting


def _from(low: float) -> Rule:
    return Rule(f"a number from {low:g}", lambda value: value >= low, limits=f"x>={low:g}")


@dataclass(frozen=True)
class ServeConfig:
    """What `ganpipe serve` is told; sizes are in MiB (2^20 bytes), times in seconds."""

    model_dir: str = field(metadata={"help": "model folder, holding one folder a version; or its URL"})
    name: str | None = setting(None, "name of the model in URLs; default: the folder's own")
    generator_dir: str | None = setting(
        None, "folder of a generator, for the page's gallery", takes=FOLDER, by_url=True
    )
    cache: str | None = setting(
        None,
        "folder into which models behind URLs are mirrored; default: models in GANPIPE_CACHE, or in "
        "ganpipe in the user's cache",
        takes=FOLDER,
    )
    host: str = setting("127.0.0.1", "address to listen on", group="network")
    port: int = setting(
        8501,
        "port to listen on; 0 takes a free one",
        Rule("a port 0 to 65535", lambda v: 0 <= v <= 65535),
        group="network",
    )
    versions: str = setting(
        "latest", "versions to serve: latest, latest:N, all, or numbers 1,3", takes="VERSIONS"
    )
    labels: str | None = setting(
        None, "labels of versions, for example stable=1,canary=2", takes="LABEL=VERSION,..."
    )
    max_batch: int = setting(64, "images computed in one call of the model", at_least(1), group="limits")
    max_queue: int = setting(
        1024, "requests that may wait for the model; more get 503", at_least(1), group="limits"
    )
    max_body_mb: float = setting(
        16.0, "largest request body in MiB; larger get 413", _from(0.001), group="limits"
    )
    max_pending_mb: float = setting(
        256.0, "MiB of request bodies held in memory at once; more get 429", _from(0.001), group="limits"
    )
    max_megapixels: float = setting(
        16.0,
        "largest encoded image in 2^20 pixels; larger are refused before decoding",
        _from(0.001),
        group="limits",
    )
    max_connections: int = setting(1024, "open connections; more get 503", at_least(1), group="limits")
    header_timeout: float = setting(
        10.0, "seconds a client has to send a request's header", _from(0.1), group="limits"
    )
    body_timeout: float = setting(
        30.0, "seconds a client has to send a request's body", _from(0.1), group="limits"
    )
    keep_alive: float = setting(75.0, "seconds an idle connection stays open", _from(0.1), group="limits")
    drain: float = setting(
        30.0, "seconds given to running requests after SIGTERM", _from(0.0), group="limits"
    )
    poll: float = setting(0.5, "seconds between looks at the model folder", _from(0.05))
    mirror_poll: float = setting(10.0, "seconds between looks at a model folder behind a URL", _from(0.05))
    load_retries: int = setting(5, "attempts after a version's first failed load", at_least(0))
    retry_wait: float = setting(1.0, "seconds before the first retry; doubles each time", _from(0.0))
    threads: int = setting(1, "threads inside one call of the model", at_least(1), group="devices")
    access_log: str = setting(
        "-", "file for one line a request; - is the terminal, empty means none", group="network", takes=FILE
    )
    inputs_log: str | None = setting(
        None,
        "file for what the model sees in the last 2,000 images (features, no pixels), for ganpipe monitor",
        group="network",
        takes=FILE,
    )
    cors: bool = setting(False, "let web pages of other origins read the answers", group="network")
    allowed_hosts: str = setting(
        "",
        "names besides loopback's own and literal addresses that clients may call the server, a,b",
        group="network",
    )
    grpc_port: int | None = setting(
        None,
        "port of the gRPC API (needs the extra `grpc`)",
        Rule("a port", lambda v: 0 <= v <= 65535),
        group="network",
    )


@dataclass(frozen=True)
class VersionPolicy:
    """Which of the versions found are served: the `latest` highest (None: all), or `specific` ones."""

    latest: int | None = 1
    specific: frozenset[int] = frozenset()

    def choose(self, found: Iterable[int]) -> list[int]:
        """Returns the versions to serve among those found, ascending."""
        ordered = sorted(found)
        if self.specific:
            return [version for version in ordered if version in self.specific]
        return ordered if self.latest is None else ordered[-self.latest :]


def parse_versions(text: str) -> VersionPolicy:
    """Reads `latest`, `latest:N`, `all` or `1,3`.

    Raises:
        UsageError: it is none of these.
    """
    word, colon, count = text.strip().partition(":")
    if word == "all" and not colon:
        return VersionPolicy(latest=None)
    if word == "latest":
        if not colon:
            return VersionPolicy()
        if count.isdecimal() and int(count) >= 1:
            return VersionPolicy(latest=int(count))
    numbers = [part.strip() for part in text.split(",")]
    if all(number.isdecimal() and int(number) <= MAX_VERSION for number in numbers):
        return VersionPolicy(latest=None, specific=frozenset(map(int, numbers)))
    raise UsageError(f"versions must be latest, latest:N, all or numbers such as 1,3; got {text!r}.")


def parse_labels(text: str | None) -> dict[str, int]:
    """Reads `stable=1,canary=2` into label to version.

    Raises:
        UsageError: a part is not LABEL=NUMBER, or a label comes twice.
    """
    labels: dict[str, int] = {}
    for part in (text or "").split(","):
        if not part.strip():
            continue
        label, equals, number = (piece.strip() for piece in part.partition("="))
        if not (label and equals and number.isdecimal() and int(number) <= MAX_VERSION):
            raise UsageError(f"labels must be LABEL=VERSION, for example stable=1,canary=2; got {part!r}.")
        if label in labels:
            raise UsageError(f"label {label!r} is given twice in {text!r}.")
        labels[label] = int(number)
    return labels
