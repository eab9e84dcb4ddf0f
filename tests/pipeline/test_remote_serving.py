"""A server of a model folder in a bucket, as users run it."""

from __future__ import annotations

from pathlib import Path

from remote_fixtures import SECRET, Bucket, FaultyLine
from serving_fixtures import serving


def test_a_server_serves_from_a_bucket_and_takes_the_next_version(
    bucket: Bucket, line: FaultyLine, model_root: Path, tmp_path: Path
) -> None:
    bucket.put_folder(model_root / "digits" / "1", "models/digits/1")
    settings = {"cache": str(tmp_path / "cache"), "mirror_poll": 0.1, "poll": 0.1}
    with line.failing(0.2), serving(bucket.url("models/digits"), **settings) as server:
        status = server.get("/v1/models/digits").json["model_version_status"]
        assert [one["version"] for one in status] == ["1"]
        bucket.put_folder(model_root / "digits" / "1", "models/digits/2")
        server.wait_for("let go of digits version 1")
        answer = server.post("/v1/models/digits:predict", {"instances": [[[[0.0]] * 8] * 8]})
        assert answer.status == 200
        assert [path.name for path in (tmp_path / "cache").glob("*/digits/*")] == ["2"]
        assert server.stop() == 0
        assert SECRET not in "".join(server.lines)
