"""Steps on a disk that is full or read-only: one clear line, and what is left is whole."""

import os
import shutil
import subprocess

import pytest

from csdn.artifacts.cache_record import find_damage
from csdn.artifacts.files import read_json, read_parquet, read_tensors
from helpers.refusals import run
from helpers.tiny_jobs import CHOICE, step

pytestmark = pytest.mark.slow
SIZES = ["16k", "128k"]  # nothing fits; the first files fit


@pytest.fixture
def disk(tmp_path):
    """A function that mounts a disk of some size; needs the right to mount."""
    place = tmp_path / "disk"
    place.mkdir()

    def mount(options):
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", place]
        if os.geteuid() or shutil.which("mount") is None or subprocess.run(command, capture_output=True).returncode:
            pytest.skip("may not mount")
        return place

    yield mount
    while subprocess.run(["umount", place], capture_output=True).returncode == 0:
        pass


@pytest.fixture(scope="module")
def trained(made, tmp_path_factory):
    """Everything that the later steps take."""
    from csdn.jobs.evaluation import run_embed_images
    from csdn.jobs.training import run_fuse_semantics, run_learn_prompts, run_train_encoder

    out = tmp_path_factory.mktemp("trained")
    inputs = (made / "index.parquet", made / "cache.npy", made / "clip.safetensors")
    files = [out / f"{name}.safetensors" for name in ("prompts", "semantics", "encoder", "embeddings")]
    chosen = {"variant": "csdn", **CHOICE}
    run_learn_prompts(step("learn_prompts", **chosen), *inputs, files[0])
    run_fuse_semantics(step("fuse_semantics", **chosen), *inputs, files[0], files[1])
    run_train_encoder(step("train_encoder", **chosen), *inputs, files[1], files[2])
    run_embed_images(step("embed_images", **chosen), *inputs[:2], files[2], files[3])
    return out


def command(name, made, trained, out):
    """The command of a step that writes to `out`."""
    chosen = {"variant": "csdn", **CHOICE}
    images = ["--index", made / "index.parquet", "--cache", made / "cache.npy"]
    clip = ["--clip", made / "clip.safetensors"]
    options = {
        "make_dataset": ["--dataset", "sysu_mm01", "--output", out / "sysu/annotations.parquet"],
        "pretrain_clip": ["--annotations", made / "pre/annotations.parquet", "--output", out / "clip.safetensors"],
        "index_images": ["--root", made / "sysu", "--index", out / "index.parquet", "--cache", out / "cache.npy"],
        "learn_prompts": [*images, *clip, "--output", out / "prompts.safetensors"],
        "fuse_semantics": [
            *(*images, *clip, "--prompts", trained / "prompts.safetensors"),
            *("--output", out / "semantics.safetensors"),
        ],
        "train_encoder": [
            *(*images, *clip, "--semantics", trained / "semantics.safetensors"),
            *("--output", out / "encoder.safetensors"),
        ],
        "embed_images": [
            *(*images, "--encoder", trained / "encoder.safetensors"),
            *("--output", out / "embeddings.safetensors"),
        ],
        "score_retrieval": [
            *("--index", made / "index.parquet", "--embeddings", trained / "embeddings.safetensors"),
            *("--output", out / "scores/sysu_all_single.json"),
        ],
    }[name]
    selection = {
        "make_dataset": {"dataset": "sysu_mm01"},
        "index_images": {"dataset": "sysu_mm01"},
        "score_retrieval": {**chosen, "protocol": "sysu_all_single"},
        "pretrain_clip": {},
    }.get(name, chosen)
    return [name.replace("_", "-"), "--params", step(name, **selection).text(), *options]


STEPS = [
    *("make_dataset", "pretrain_clip", "index_images", "learn_prompts", "fuse_semantics", "train_encoder"),
    *("embed_images", "score_retrieval"),
]
READERS = {".safetensors": read_tensors, ".json": read_json, ".parquet": read_parquet}


def check_whole(folder):
    """Every file that is left can be read, and none is half of one."""
    for path in folder.rglob("*"):
        assert not path.name.endswith(".part")
        if path.suffix in READERS and path.is_file():
            READERS[path.suffix](path)
        if path.suffix == ".npy":
            assert find_damage(path, whole=True) is None


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", STEPS)
def test_a_full_disk_is_one_line_and_leaves_nothing_corrupt(made, trained, disk, capsys, monkeypatch, name, size):
    monkeypatch.setenv("CSDN_TRACKING", '{"backend": "none"}')
    place = disk(f"size={size}")
    code, _, error = run(capsys, *command(name, made, trained, place))
    check_whole(place)
    if code:
        assert code == 2, error
        lines = [line for line in error.splitlines() if line.startswith("csdn: ")]
        assert len([line for line in lines if "warning" not in line]) == 1, error
        assert "cannot be written (No space left on device)" in lines[-1]
        assert "Traceback" not in error


def test_the_smallest_disk_is_too_small_for_most_steps(made, trained, disk, capsys, monkeypatch):
    """So that the test above tests something."""
    monkeypatch.setenv("CSDN_TRACKING", '{"backend": "none"}')
    codes = []
    for name in STEPS:
        place = disk("size=16k")
        codes.append(run(capsys, *command(name, made, trained, place))[0])
        subprocess.run(["umount", place], check=True)
    assert codes.count(2) >= len(STEPS) - 2


@pytest.mark.parametrize("name", STEPS)
def test_a_read_only_disk_is_one_line(made, trained, disk, capsys, monkeypatch, name):
    monkeypatch.setenv("CSDN_TRACKING", '{"backend": "none"}')
    place = disk("size=1m,ro")
    code, _, error = run(capsys, *command(name, made, trained, place))
    assert code == 2, error
    assert "(Read-only file system)" in error.splitlines()[-1]
    assert "Traceback" not in error
