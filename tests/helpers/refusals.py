"""The command line in this process, as a user with wrong input sees it, and conditions that are hard to come by."""

import os
import resource
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from csdn.cli.main import main


def run(capsys, *arguments) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of `csdn`."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as caught:
        main([str(word) for word in arguments])
    output = capsys.readouterr()
    return caught.value.code, output.out, output.err


def refused(capsys, *arguments) -> str:
    """The one line with which `csdn` refuses wrong input, with exit code 2."""
    code, _, error = run(capsys, *arguments)
    lines = error.splitlines()
    assert len(lines) == 1, error
    assert code == 2, error
    assert lines[0].startswith("csdn: ")
    assert "Traceback" not in error
    return lines[0].removeprefix("csdn: ")


def contents(folder: Path) -> dict[str, bytes | None]:
    """Every path below a folder, and the content of the files: what must not change where input is refused."""
    return {
        os.fsencode(path.relative_to(folder)).hex(): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }


@contextmanager
def small_files(size: int) -> Iterator[None]:
    """No file grows beyond `size` bytes: what a full disk looks like to a program."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@contextmanager
def unprivileged(*closed: Path) -> Iterator[None]:
    """As a user who may not enter or write `closed`, also where the tests run as root, whom modes do not stop."""
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in closed}
    for path in closed:
        path.chmod(0o500 if path.is_dir() else 0)
    root = os.geteuid() == 0
    try:
        if root:
            os.seteuid(65534)
        yield
    finally:
        if root:
            os.seteuid(0)
        for path, mode in modes.items():
            path.chmod(mode)
