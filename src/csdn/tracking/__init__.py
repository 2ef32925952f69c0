"""Runs in MLflow, its embedded store and its server."""
