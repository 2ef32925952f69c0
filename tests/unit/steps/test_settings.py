"""A step's text holds what changes its result, and nothing else."""

import json

from csdn.artifacts.digests import canonical_json
from csdn.config.tracking import Tracking
from csdn.steps.registry import parse
from csdn.steps.settings import NOT_IN_TEXT, Checkpointing
from helpers.default_settings import params, step_of, text_of


def test_where_to_log_copy_and_keep_checkpoints_is_in_neither_text_nor_record():
    step = step_of("train_encoder")
    moved = step.model_copy(
        update={"tracking": Tracking(backend="none"), "checkpoints": Checkpointing(folder="x"), "scratch": "/disk"}
    )
    assert moved.text() == step.text() and moved.record() == step.record()
    assert not NOT_IN_TEXT & set(json.loads(step.text()))


def test_a_record_spells_the_defaults_that_a_text_leaves_out():
    """Else a default of a later version would be taken for what an old result was made with."""
    step = step_of("score_retrieval", dataset="regdb", split="1", protocol="regdb_visible_to_infrared")
    assert "trials" not in json.loads(step.text())
    assert step.record()["trials"] == 1


def test_a_text_is_canonical_and_gives_itself_again():
    text = text_of("fuse_semantics")
    assert text == canonical_json(json.loads(text))
    assert parse(dict(reversed(json.loads(text).items()))).text() == text


def test_checkpoints_lie_outside_of_what_a_repeated_job_deletes():
    kept = Checkpointing.of(params("runtime.results=out", "runtime.checkpoint_seconds=5"))
    assert (kept.folder, kept.seconds) == ("out/.checkpoints", 5)
