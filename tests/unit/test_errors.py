"""Errors as one line: which failures of a write are the user's to fix, and what a terminal is shown."""

import errno

import pytest

from csdn.errors import cannot_write, first_line, printable


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "whatever"),
        RuntimeError("Io(Os { code: 28, kind: StorageFull })"),  # as Rust prints an error
        RuntimeError("No space left on device (os error 28)"),  # and as it displays one
    ],
)
def test_a_full_disk_is_recognised_in_whatever_error_tells_it(error):
    told = str(cannot_write("a/b.json", error))
    assert (
        told == "a/b.json: cannot be written (No space left on device); free space on that disk and run the step again"
    )


@pytest.mark.parametrize("error", [OSError(errno.EPIPE, "pipe"), ValueError("error 28"), RuntimeError("os error 9999")])
def test_an_error_of_another_kind_is_not_the_disks(error):
    assert cannot_write("a", error) is None


def test_what_controls_a_terminal_is_spelt_out():
    assert printable("a\x1b[2Jb\nc") == "a\\x1b[2Jb\\nc"
    assert printable("Zoë's ü") == "Zoë's ü"


def test_an_error_is_told_by_its_first_line_or_its_type():
    assert first_line(ValueError("one\ntwo")) == "one"
    assert first_line(KeyboardInterrupt()) == "KeyboardInterrupt"
