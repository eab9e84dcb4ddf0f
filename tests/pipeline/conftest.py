"""Fixtures that several of these test files share."""

from export_fixtures import digit_test_images, exported, exported_copy, prepared_digits, trained_digits
from remote_fixtures import bucket, faulty_line, line, make_bucket, moto_port
from serving_fixtures import digits, echo, model_root

__all__ = [
    "bucket",
    "digit_test_images",
    "digits",
    "echo",
    "exported",
    "exported_copy",
    "faulty_line",
    "line",
    "make_bucket",
    "model_root",
    "moto_port",
    "prepared_digits",
    "trained_digits",
]
