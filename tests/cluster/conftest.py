"""Shares the copy of the workflow with tests/workflow."""

from workflow.conftest import server  # noqa: F401
