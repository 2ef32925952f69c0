"""A command's result on standard output."""

import json
from collections.abc import Callable
from typing import Any


def print_result(result: Any, print_tables: Callable[[], None], *, as_json: bool) -> None:
    """Print a result as indented JSON, or as the tables that `print_tables` prints."""
    if as_json:
        print(json.dumps(result, indent=2))
    else:
        print_tables()
