"""The chain of stages: a run's folders, its artifacts, the plan, and who runs it."""
