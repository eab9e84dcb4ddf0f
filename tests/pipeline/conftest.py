"""Fixtures that several of these test files share."""

from serving_fixtures import digits, echo, model_root

__all__ = ["digits", "echo", "model_root"]
