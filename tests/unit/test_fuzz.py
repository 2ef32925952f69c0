"""Whatever stands in a file, it is read or refused in one line: no other error, and nothing outside the dataset."""

import atexit
import json
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from csdn.artifacts.cache_record import find_damage
from csdn.artifacts.files import read_json, read_parquet, read_tensors, write_tensors
from csdn.artifacts.records import RECORD as ENDING
from csdn.config.loading import merge_overrides, read_layer, validate
from csdn.data import llcm, regdb, sysu_mm01
from csdn.data.image_cache import open_cache
from csdn.data.image_files import decode
from csdn.errors import UserError
from csdn.evaluation.foreign import score_foreign
from csdn.steps import input_checks
from csdn.steps.registry import parse_text, step_settings
from csdn.steps.selection import Selection
from helpers.small_datasets import noise, write_llcm, write_regdb, write_sysu

QUICK = settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
LONG = settings(max_examples=2000, deadline=None, suppress_health_check=list(HealthCheck))


@cache
def folder() -> Path:
    """One folder for all examples: each overwrites its own file."""
    root = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    write_sysu(root / "sysu")
    write_regdb(root / "regdb")
    write_llcm(root / "llcm")
    return root


def accepts_or_refuses(function, *arguments):
    """The result, or None where it was refused in the way it should be."""
    try:
        return function(*arguments)
    except UserError as error:
        assert str(error)
        assert all(line.strip() and line.isprintable() for line in str(error).split("\n"))
        str(error).encode("utf-8", "backslashreplace")
        return None


# Text that resembles a list, and bytes that resemble nothing.
LINES = ["Visible/1/v_1.bmp 0", "Visible/2/v_2.bmp 1", "Thermal/1/t_1.bmp 0", "/etc/passwd 0", "../x 1", "1,2"]
lines = st.lists(st.sampled_from(LINES) | st.text(max_size=30) | st.integers().map(str), max_size=8)
texts = st.builds(str.join, st.sampled_from(["\n", "\r\n", "\r", ",", " "]), lines) | st.text(max_size=200)
lists = texts.map(lambda text: text.encode("utf-8", "surrogatepass")) | st.binary(max_size=200)


def read_list(name, reader, *arguments):
    def check(content):
        path = folder() / name
        before = path.read_bytes()
        try:
            path.write_bytes(content)
            records = accepts_or_refuses(reader, *(folder() / a if i == 0 else a for i, a in enumerate(arguments)))
        finally:
            path.write_bytes(before)
        root = folder() / str(arguments[0])
        for record in records or []:
            assert (root / record.path).resolve().is_relative_to(root.resolve())
            assert (root / record.path).is_file()
            assert 0 < record.person_id < 10**9 or record.person_id == 0

    return check


@cache
def pictures() -> list[bytes]:
    """A small image in every format that is read."""
    out = []
    for kind in ("PNG", "JPEG", "BMP", "TIFF", "WEBP"):
        buffer = BytesIO()
        Image.fromarray(noise(5)).save(buffer, kind)
        out.append(buffer.getvalue())
    return out


@st.composite
def damaged(draw, sources):
    """One of the byte strings, with bytes replaced, removed, repeated or cut off."""
    data = bytearray(draw(st.sampled_from(sources())))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, max(len(data) - 1, 0)))
        length = draw(st.integers(0, 8))
        kind = draw(st.sampled_from(["replace", "remove", "repeat", "cut"]))
        if kind == "replace":
            data[start : start + length] = draw(st.binary(min_size=length, max_size=length))
        elif kind == "remove":
            del data[start : start + length]
        elif kind == "repeat":
            data[start:start] = data[start : start + length]
        else:
            del data[start:]
    return bytes(data)


def decode_image(content):
    image = accepts_or_refuses(decode, content, "a.jpg")
    assert image is None or (image.mode == "RGB" and np.asarray(image).dtype == np.uint8)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just("3e-4"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
LAYOUTS = st.sampled_from(["regdb", "llcm", "sysu_mm01", "embedded", ["1"], ["train"]])


def section(*keys, inner=values):
    """A section with some of the keys, or anything."""
    return st.dictionaries(st.sampled_from(keys), inner, max_size=4) | values


dataset = section("layout", "root", "splits", "seeds", "variants", "held_out_identities", inner=values | LAYOUTS)
sections = st.fixed_dictionaries(
    {},
    optional={
        "datasets": section("a", "b", "clip", "A b", inner=dataset),
        "variants": section("csdn", "x", inner=section("encoder", "prompts", "fusion", "clip", "nonsense")),
        "encoder": section("epochs", "identities", "weights", "text", "epoch"),
        "clip": section("weights", "model", "mini", "image_size"),
        "evaluation": section("protocols", "batch"),
        **dict.fromkeys(("tables", "seeds", "runtime", "benchmark", "other"), values),
    },
)


def validate_settings(content):
    params = accepts_or_refuses(validate, content)
    if params is not None:
        for name in params.datasets:
            assert params.seeds_of(name) and isinstance(params.variants_of(name), list)


def read_file(name, *readers):
    def check(content):
        path = folder() / name
        path.write_bytes(content)
        for reader in readers:
            accepts_or_refuses(reader, path)

    return check


@cache
def feature_files() -> dict[str, bytes]:
    """A good file of features of each kind."""
    from scipy.io import savemat

    arrays = {
        f"{side}_{what}": value
        for side in ("query", "gallery")
        for what, value in (
            ("features", np.eye(4, dtype=np.float32)),
            ("ids", np.arange(4)),
            ("cameras", np.full(4, 3 if side == "query" else 1)),
        )
    }
    out = {}
    buffer = BytesIO()
    np.savez(buffer, **arrays)
    out["npz"] = buffer.getvalue()
    buffer = BytesIO()
    savemat(buffer, arrays)
    out["mat"] = buffer.getvalue()
    write_tensors(folder() / "good.safetensors", arrays)
    out["safetensors"] = (folder() / "good.safetensors").read_bytes()
    return out


def score_damaged(kind):
    return read_file(f"features.{kind}", lambda path: score_foreign(path, "sysu_all_single"))


shapes = st.one_of(st.just((4, 3)), st.lists(st.integers(0, 4), max_size=3).map(tuple))
arrays = st.builds(
    lambda shape, kind, fill: np.full(shape, fill).astype(kind, casting="unsafe"),
    shapes,
    st.sampled_from(["f4", "f8", "f2", "i8", "u1", "bool", "c8", "U3"]),
    st.sampled_from([0, 1, 3, -1, 1e30]),
)
NAMES = [f"{side}{what}" for side in ("query_", "gallery_", "") for what in ("features", "ids", "cameras", "paths")]
feature_arrays = st.dictionaries(st.sampled_from(NAMES), arrays, max_size=7)


def score_arrays(content):
    path = folder() / "arrays.npz"
    with np.errstate(all="ignore"):
        np.savez(path, **content)
    result = accepts_or_refuses(lambda: score_foreign(path, "sysu_all_single"))
    assert result is None or all(0 <= value <= 1 for value in result[0]["metrics"].values())


@cache
def settings_texts() -> list[bytes]:
    from csdn.config.loading import load_params

    params = load_params([Path(__file__).parents[2] / "params.yaml"])
    chosen = {"train_encoder": Selection("sysu_mm01", "1", "csdn", 0), "index_images": Selection("regdb")}
    return [step_settings(params, step, selection).text().encode() for step, selection in chosen.items()]


def read_settings(content):
    accepts_or_refuses(parse_text, content.decode("utf-8", "replace"))
    accepts_or_refuses(parse_text, str(len(content)))


RECORD = ("parameters", "inputs", "outputs", "packages", "step", "version", "sha256", "seed", "csdn", "size", "blocks")
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(RECORD) | st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=10,
)
HEADER = b"\x93NUMPY\x01\x00v\x00{'descr': '|u1', 'fortran_order': False, 'shape': (1, 16, 8, 3), }"


def use_record(content):
    result = folder() / "result.json"
    result.write_text("{}")
    Path(f"{result}{ENDING}").write_text(json.dumps(content))
    accepts_or_refuses(input_checks.check_inputs, {"seed": 0, "clip": {"weights": "mini"}}, {"index": result})
    accepts_or_refuses(input_checks.check_results, [result])


def use_cache_record(content):
    path = folder() / "cache.npy"
    np.save(path, np.zeros((2, 16, 8, 3), np.uint8))
    Path(f"{path}.blocks.json").write_text(json.dumps(content))
    find_damage(path)
    find_damage(path, whole=True)
    accepts_or_refuses(open_cache, path, 2, ["a", "b"])


TARGETS = {
    "sysu list": (lists, read_list("sysu/exp/train_id.txt", sysu_mm01.read_records, "sysu")),
    "regdb list": (lists, read_list("regdb/idx/train_visible_1.txt", regdb.read_records, "regdb", "1")),
    "llcm list": (lists, read_list("llcm/idx/train_vis.txt", llcm.read_records, "llcm")),
    "image": (damaged(pictures), decode_image),
    "settings": (sections, validate_settings),
    "layer": (
        st.binary(max_size=60)
        | st.text(max_size=80).map(lambda t: t.encode("utf-8", "surrogatepass"))
        | values.map(lambda v: yaml.dump(v).encode("utf-8", "surrogatepass")),
        read_file("layer.yaml", read_layer),
    ),
    "override": (
        st.text(max_size=30) | st.text(max_size=20).map("encoder.epochs=".__add__),
        lambda text: accepts_or_refuses(merge_overrides, {"encoder": {}}, [text]),
    ),
    "a step's settings": (damaged(settings_texts), read_settings),
    "npz": (damaged(lambda: [feature_files()["npz"]]), score_damaged("npz")),
    "mat": (damaged(lambda: [feature_files()["mat"]]), score_damaged("mat")),
    "safetensors": (damaged(lambda: [feature_files()["safetensors"]]), score_damaged("safetensors")),
    "feature arrays": (feature_arrays, score_arrays),
    "artifact": (st.binary(max_size=200), read_file("artifact", read_tensors, read_json, read_parquet)),
    "provenance": (json_values, use_record),
    "cache record": (json_values, use_cache_record),
    "cache": (
        damaged(lambda: [HEADER.ljust(127) + b"\n" + b"0" * 384]),
        read_file("c.npy", lambda path: open_cache(path, 1)),
    ),
}


def try_all(target, budget):
    strategy, check = TARGETS[target]

    @budget
    @given(strategy)
    def example(content):
        check(content)

    example()


@pytest.mark.parametrize("target", TARGETS)
def test_is_read_or_refused(target):
    try_all(target, QUICK)


@pytest.mark.slow
@pytest.mark.parametrize("target", TARGETS)
def test_is_read_or_refused_thoroughly(target):
    try_all(target, LONG)


@pytest.mark.slow
@pytest.mark.parametrize("target", ["image", "settings", "layer", "features", "sysu", "regdb"])
def test_coverage_guided_fuzzing_finds_nothing(target):
    pytest.importorskip("atheris", reason="pip install -c constraints.txt -e '.[fuzz]'")
    fuzzer = Path(__file__).parents[1] / "helpers" / "coverage_fuzzer.py"
    command = [sys.executable, fuzzer, target, "-max_total_time=20", "-max_len=4096", "-rss_limit_mb=4096"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder())
    assert done.returncode == 0, done.stderr[-4000:]
