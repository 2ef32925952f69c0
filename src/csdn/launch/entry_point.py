"""The command `csdn`: hands its arguments to the resident process where there is one, else does the work itself."""

from __future__ import annotations

import os
import sys
from typing import NoReturn

from csdn.launch.preloaded import VARIABLE, run_there


def main() -> NoReturn:
    """Run the command line of this process, there or here."""
    if os.environ.get(VARIABLE) and (code := run_there(sys.argv[1:])) is not None:
        sys.exit(code)
    from csdn.cli.main import main as run  # late: a command that runs there needs none of it

    run()
