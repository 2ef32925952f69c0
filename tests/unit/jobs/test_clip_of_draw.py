"""Each draw's own small CLIP: of other people, from another start, and refused where another one belongs."""

import numpy as np
import pytest

from csdn.artifacts.files import read_parquet, read_tensors
from csdn.artifacts.records import record_of
from csdn.config.params import Params, merge
from csdn.errors import UserError
from csdn.jobs import pretraining
from csdn.jobs.data import run_make_dataset
from csdn.jobs.pretraining import run_pack_clip, run_pretrain_clip
from csdn.jobs.training import run_train_encoder
from helpers.tiny_jobs import CHOICE, PARAMS, settings_of

DRAWN = {
    "datasets": {"sysu_mm01": {"splits": ["1", "2"]}},
    "benchmark": {"pretraining": {"identities": 16, "held_out": 8}},
    "clip": {"pretraining": {"one_per_draw": True, "steps": 1}},
}
OF_DRAWS = Params.model_validate(merge(PARAMS.model_dump(), DRAWN))
WITH_REGDB = Params.model_validate(
    merge(PARAMS.model_dump(), merge(DRAWN, {"datasets": {"regdb": {"layout": "regdb", "splits": ["1"]}}}))
)


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """Images and small CLIPs of two draws, and the seeds that they were trained with."""
    root, seeds = tmp_path_factory.mktemp("clips"), []
    with pytest.MonkeyPatch.context() as patch:
        seed = pretraining.torch.manual_seed
        patch.setattr(pretraining.torch, "manual_seed", lambda value: (seeds.append(value), seed(value))[1])
        for draw in "12":
            images = settings_of(OF_DRAWS, "make_dataset", dataset="pretraining", split=draw)
            run_make_dataset(images, root / draw / "annotations.parquet", 1)
            settings = settings_of(OF_DRAWS, "pretrain_clip", split=draw)
            run_pretrain_clip(settings, root / draw / "annotations.parquet", root / draw / "clip.safetensors")
    return root, seeds


def test_draws_have_people_seeds_and_small_clips_of_their_own(clips):
    root, seeds = clips
    one, two = (read_parquet(root / draw / "annotations.parquet") for draw in "12")
    assert len(one) == len(two) and not one.drop(columns="identity_key").equals(two.drop(columns="identity_key"))
    assert len(set(seeds)) == 2
    one, two = (read_tensors(root / draw / "clip.safetensors") for draw in "12")
    assert any(not np.array_equal(one[name], two[name]) for name in one)


def test_a_small_clip_is_not_trained_on_the_images_of_another_draw(clips, tmp_path):
    root, _ = clips
    output = tmp_path / "clip.safetensors"
    for params, split, told in ((OF_DRAWS, "1", "draw 2, not for draw 1"), (PARAMS, None, "draw 2, not for all draws")):
        with pytest.raises(
            UserError, match=f"^{root}/2/annotations.parquet: is for {told}; give the one of these sett"
        ):
            run_pretrain_clip(settings_of(params, "pretrain_clip", split=split), root / "2/annotations.parquet", output)
    assert not output.exists()


@pytest.mark.parametrize(
    ("params", "dataset", "split", "clip", "told"),
    [
        (OF_DRAWS, "sysu_mm01", "1", "2/clip.safetensors", "is for draw 2, not for draw 1"),
        (OF_DRAWS, "sysu_mm01", "1", None, "is for all draws, not for draw 1"),
        (WITH_REGDB, "regdb", "1", "1/clip.safetensors", "is for draw 1, not for all draws"),
    ],
)
def test_the_small_clip_of_another_draw_is_refused(clips, made, tmp_path, params, dataset, split, clip, told):
    choice = CHOICE | {"dataset": dataset, "split": split, "variant": "init"}
    settings, given = settings_of(params, "train_encoder", **choice), made / "clip.safetensors"
    given = clips[0] / clip if clip else given
    with pytest.raises(UserError) as caught:
        run_train_encoder(
            settings, tmp_path / "no.parquet", tmp_path / "no.npy", given, None, tmp_path / "e.safetensors"
        )
    (line,) = [line for line in str(caught.value).splitlines() if "clip.safetensors" in line]
    assert line == f"{given}: {told}; give the one of these settings, or make it"


def test_a_packed_small_clip_says_which_draws_it_is(clips, tmp_path):
    root, _ = clips
    packed = tmp_path / "clip_mini.safetensors"
    run_pack_clip(root / "2" / "clip.safetensors", root / "2" / "annotations.parquet", packed)
    assert record_of(packed)["parameters"]["split"] == "2"
