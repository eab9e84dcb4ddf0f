"""Fixtures that several of these test files share."""

from export_fixtures import digit_test_images, exported, exported_copy, prepared_digits, trained_digits
from serving_fixtures import digits, echo, model_root

__all__ = [
    "digit_test_images",
    "digits",
    "echo",
    "exported",
    "exported_copy",
    "model_root",
    "prepared_digits",
    "trained_digits",
]
