"""Shots become pixels that depend on their keys alone."""

from dataclasses import replace

import numpy as np

from csdn.synthetic import studio
from csdn.synthetic.cameras import Photograph
from csdn.synthetic.shot_lists import regdb_shots
from helpers.tiny_benchmark import TINY


def test_all_images_of_a_visit_are_of_the_same_hour(monkeypatch):
    hours = []
    monkeypatch.setattr(
        studio, "photograph", lambda person, camera, rng, occlusion, hour: hours.append(hour.brightness)
    )
    shots = regdb_shots(TINY)
    maker = studio.Studio(TINY)
    for shot in shots:
        maker.take(shot)
    visits = {(shot.identity_key, shot.camera_key) for shot in shots}
    pairs = {(shot.identity_key, shot.camera_key, hour) for shot, hour in zip(shots, hours, strict=True)}
    assert len(pairs) == len(visits) == len(set(hours)) < len(shots)


def test_attributes_without_a_person_are_those_of_the_person():
    first, second = studio.Studio(TINY), studio.Studio(TINY)
    for key in {shot.identity_key for shot in regdb_shots(TINY)}:
        assert first.attributes(key) == second.identity(key).attributes


def test_pixels_depend_neither_on_the_order_of_shots_nor_on_what_was_taken_before():
    shots = regdb_shots(TINY)[:6]
    forth = {shot: maker.pixels for shot, maker in zip(shots, map(studio.Studio(TINY).take, shots), strict=True)}
    back = studio.Studio(TINY)
    for shot in reversed(shots):
        assert np.array_equal(back.take(shot).pixels, forth[shot])
    assert len({pixels.tobytes() for pixels in forth.values()}) == len(shots)


def test_chunks_come_in_order_and_are_counted_as_they_are_done(monkeypatch):
    monkeypatch.setattr(studio, "_CHUNK_PIXELS", 4 * 64 * 32)
    monkeypatch.setattr(studio.Studio, "take", lambda self, shot: Photograph(np.full((1, 1), shot.number), np.ones(1)))
    shots = [replace(regdb_shots(TINY)[0], number=number) for number in range(10)]
    done = []
    blocks = list(studio.render_arrays(TINY, shots, progress=done.append))
    assert np.concatenate(blocks).ravel().tolist() == list(range(10))
    assert done == [4, 4, 2]
