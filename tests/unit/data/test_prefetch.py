import threading

import pytest
import torch

from csdn.data.prefetch import on_side_stream, prefetched


def test_items_come_in_order():
    assert list(prefetched(range(50), depth=3)) == list(range(50))
    assert list(prefetched([])) == []


def test_at_most_depth_items_and_the_one_in_hand_are_made_prefetched():
    made = []

    def items():
        for number in range(20):
            made.append(number)
            yield number

    batches = prefetched(items(), depth=2)
    for taken in batches:
        assert len(made) <= taken + 1 + 2 + 1
    assert len(made) == 20


def test_an_error_reaches_the_consumer():
    def items():
        yield 1
        raise ValueError("broken image")

    batches = prefetched(items())
    assert next(batches) == 1
    with pytest.raises(ValueError, match="broken image"):
        next(batches)


def test_a_consumer_that_stops_ends_the_thread():
    batches = prefetched(iter(int, 1))  # without end
    next(batches)
    batches.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "prefetch"]


def test_on_the_cpu_it_only_makes_prefetched():
    made = on_side_stream([1, 2], lambda value: (torch.full((2,), value),), torch.device("cpu"))
    assert [tensors[0].tolist() for tensors in made] == [[1, 1], [2, 2]]
