"""Which processes are known to be gone; whatever cannot be known is taken to live."""

import os
import socket

import pytest

from csdn.tracking.processes import is_gone, this_process


def test_a_process_lives_while_its_number_and_start_are_the_same():
    host, number, started = this_process().split(" ")
    assert not is_gone(this_process())
    assert not is_gone(f"{host} {number} {float(started) + 5}")  # the clock was set meanwhile
    assert is_gone(f"{host} {number} {float(started) - 60}")  # another process has the number now


def test_a_number_without_a_process_is_gone():
    reaped = os.fork()
    if not reaped:
        os._exit(0)
    os.waitpid(reaped, 0)
    assert is_gone(f"{socket.gethostname()} {reaped} 1.0")


UNKNOWN = ["elsewhere 999999999 1.0", "", "one two", "{host} x 1.0", "{host} 1 y", "{host} -1 1.0"]


@pytest.mark.parametrize("name", UNKNOWN)
def test_what_cannot_be_known_is_taken_to_live(name):
    assert not is_gone(name.format(host=socket.gethostname()))
