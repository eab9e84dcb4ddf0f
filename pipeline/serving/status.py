"""TensorFlow's status codes: the error every part of the server raises, and its HTTP status.

The HTTP statuses are those of TensorFlow Serving (`model_servers/http_server.cc`, ToHTTPStatusCode).
"""

from __future__ import annotations

HTTP_STATUS = {
    "OK": 200,
    "CANCELLED": 499,
    "UNKNOWN": 500,
    "INVALID_ARGUMENT": 400,
    "DEADLINE_EXCEEDED": 504,
    "NOT_FOUND": 404,
    "ALREADY_EXISTS": 409,
    "PERMISSION_DENIED": 403,
    "RESOURCE_EXHAUSTED": 429,
    "FAILED_PRECONDITION": 400,
    "ABORTED": 409,
    "OUT_OF_RANGE": 400,
    "UNIMPLEMENTED": 501,
    "INTERNAL": 500,
    "UNAVAILABLE": 503,
    "DATA_LOSS": 500,
    "UNAUTHENTICATED": 401,
}
"""Status name to HTTP status, in the order of the codes 0 to 16."""

CODES = tuple(HTTP_STATUS)

_LONGEST = 1000
_CHECK = "assertion failed: ["


class ServingError(Exception):
    """A request, or a version's load, that cannot be done.

    Attributes:
        code: name of the status, a key of `HTTP_STATUS`.
        message: text for the client.
        http_status: the HTTP status where it differs from the code's (413 for a large body).
    """

    def __init__(self, code: str, message: str, http_status: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.http_status = http_status or HTTP_STATUS[code]


def invalid(*parts: object) -> ServingError:
    """Builds an INVALID_ARGUMENT error; its message is the parts' texts, joined."""
    return ServingError("INVALID_ARGUMENT", "".join(map(str, parts)))


def not_found(*parts: object) -> ServingError:
    """Builds a NOT_FOUND error; its message is the parts' texts, joined."""
    return ServingError("NOT_FOUND", "".join(map(str, parts)))


def bare(error: BaseException) -> ServingError:
    """Returns the error as `from_exception`, without traceback and causes.

    Those hold the frames of whoever raised, with bodies and arrays, in circles that only the garbage
    collector would break.
    """
    problem = from_exception(error)
    return ServingError(problem.code, problem.message, problem.http_status)


def from_exception(error: BaseException) -> ServingError:
    """Turns what loading or running a model raised into a status, keeping its first line.

    TensorFlow's own errors (`tf.errors.OpError`) keep their code; a missing file is NOT_FOUND, memory
    that ran out RESOURCE_EXHAUSTED, everything else INTERNAL. Where TensorFlow's text quotes bytes of the
    request that are not UTF-8, the error that it meant cannot be made: INVALID_ARGUMENT.
    """
    if isinstance(error, ServingError):
        return error
    number = getattr(error, "error_code", None)
    if isinstance(number, int) and 0 < number < len(CODES):
        code, text = CODES[number], str(getattr(error, "message", error))
    elif isinstance(error, MemoryError):
        code, text = "RESOURCE_EXHAUSTED", "out of memory"
    elif isinstance(error, FileNotFoundError):
        code, text = "NOT_FOUND", str(error)
    elif isinstance(error, UnicodeDecodeError):
        code, text = "INVALID_ARGUMENT", error.object.decode(errors="backslashreplace")
    else:
        code, text = "INTERNAL", f"{type(error).__name__}: {error}"
    return ServingError(code, _line(text)[:_LONGEST] or type(error).__name__)


def _line(text: str) -> str:
    """Returns the line of TensorFlow's text that is about the request, without the graph's sources."""
    lines = [line.strip() for line in text.split("\n\t [[")[0].splitlines() if line.strip()]
    if not lines:
        return ""
    line = lines[-1] if lines[0].startswith("Graph execution error") else lines[0]
    # a check of our own in the graph: its text was written for the client
    return line.removeprefix(_CHECK).removesuffix("]") if line.startswith(_CHECK) else line
