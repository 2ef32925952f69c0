"""Kinds of bad input, each with its clear error: one line that names file, line or key and the remedy; exit code 2.

Nothing is written, and no traceback is shown unless it is asked for.
"""

import json
import shutil
import tempfile
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from csdn.artifacts.files import write_json, write_parquet, write_tensors
from csdn.artifacts.records import write_provenance
from csdn.data.image_cache import read_index
from csdn.steps.registry import STEP_VERSIONS
from helpers.refusals import contents, refused, run, small_files, unprivileged
from helpers.small_datasets import noise, write_image, write_llcm, write_regdb, write_sysu, write_text

WRITERS = {"sysu_mm01": write_sysu, "regdb": write_regdb, "llcm": write_llcm}


class Place:
    """A folder with a dataset, settings, and what the steps made of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.params = folder / "params.yaml"
        self.out = folder / "out"

    def index_images(self, layout="sysu_mm01", *options):
        return [
            *("index-images", "--params", self.params, "--dataset", layout, "--root", self.data / layout),
            *("--index", self.out / f"{layout}.parquet", "--cache", self.out / f"{layout}.npy", *options),
        ]

    def score(self, *options):
        return [
            *("score-retrieval", "--params", self.params, "--dataset", "sysu_mm01", "--split", "default"),
            *("--variant", "csdn", "--seed", "0", "--protocol", "sysu_all_single", "--index", self.index),
            *("--embeddings", self.embeddings, "--output", self.out / "scores.json", *options),
        ]

    def score_file(self, **arrays):
        np.savez(self.folder / "features.npz", **arrays)
        return [
            *("score-features", "--features", self.folder / "features.npz", "--protocol", "sysu_all_single"),
            *("--root", self.data / "sysu_mm01", "--output", self.out / "scores.json"),
        ]

    @property
    def index(self):
        return self.folder / "made" / "index.parquet"

    @property
    def cache(self):
        return self.folder / "made" / "cache.npy"

    @property
    def embeddings(self):
        return self.folder / "made" / "embeddings.safetensors"

    def set(self, **sections):
        """Lay sections over the settings."""
        from csdn.config.params import merge

        self.params.write_text(yaml.safe_dump(merge(yaml.safe_load(self.params.read_text()), sections)))
        return self.index_images()


def settings(data):
    return {
        "datasets": {name: {"layout": name, "root": str(data / name), "image_size": [16, 16]} for name in WRITERS}
        | {"regdb": {"layout": "regdb", "root": str(data / "regdb"), "image_size": [16, 16], "splits": ["1", "2"]}},
        "variants": {"csdn": {}},
        "runtime": {"device": "cpu"},
        "tracking": {"backend": "none"},
    }


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """Datasets, an index with its cache, and embeddings with their records, made once."""
    from csdn.cli.main import main

    place = Place(tmp_path_factory.mktemp("original"))
    for layout, write in WRITERS.items():
        write(place.data / layout)
    place.params.write_text(yaml.safe_dump(settings(place.data)))
    place.out.mkdir()
    command = ["index-images", "--params", place.params, "--dataset", "sysu_mm01", "--root", place.data / "sysu_mm01"]
    with pytest.raises(SystemExit) as done:
        main([str(word) for word in [*command, "--index", place.index, "--cache", place.cache]])
    assert done.value.code == 0
    write_embeddings(place)
    return place


def write_embeddings(place, **changes):
    rows = np.flatnonzero(read_index(place.index)["subset_default"] == "test")
    features = np.random.default_rng(0).normal(size=(len(rows), 4)).astype(np.float32)
    write_tensors(place.embeddings, {"features": features, "rows": rows})
    step = {
        "step": "embed_images",
        "version": STEP_VERSIONS["embed_images"],
        "dataset": "sysu_mm01",
        "split": "default",
        "variant": "csdn",
    }
    write_provenance(place.embeddings, step | {"seed": 0} | changes, {"index": place.index})


@pytest.fixture
def place(original):
    """A copy, in a folder that another user may enter."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        copy = Place(Path(shutil.copytree(original.folder, Path(folder) / "copy")))
        copy.folder.chmod(0o755)
        copy.out.chmod(0o777)
        copy.params.write_text(yaml.safe_dump(settings(copy.data)))
        yield copy


# What is done to the place; each returns the command that must refuse it.


def image(name, content):
    def change(place):
        (place.data / "sysu_mm01" / name).write_bytes(content(place.data / "sysu_mm01" / name))
        return place.index_images()

    return change


def saved(kind, made, **options):
    def change(place):
        made().save(place.data / "sysu_mm01/cam1/0001/0001.jpg", kind, **options)
        return place.index_images()

    return change


def replace(layout, name, function):
    def change(place):
        path = place.data / layout / name
        path.write_text(function(path.read_text()), encoding="utf-8")
        return place.index_images(layout)

    return change


def binary(layout, name, content):
    def change(place):
        (place.data / layout / name).write_bytes(content)
        return place.index_images(layout)

    return change


def without(layout, name):
    def change(place):
        path = place.data / layout / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
        return place.index_images(layout)

    return change


def sections(**values):
    return lambda place: place.set(**values)


def layer(text):
    def change(place):
        path = place.folder / "layer.yaml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return [*place.index_images(), "--params", path]

    return change


def transparent():
    made = Image.fromarray(noise(0)).convert("RGBA")
    made.putpixel((0, 0), (0, 0, 0, 0))
    return made


def folder_as_image(place):
    path = place.data / "sysu_mm01/cam1/0001/0001.jpg"
    path.unlink()
    path.mkdir()
    return place.index_images()


def name_of_no_text(place):
    (place.data / "sysu_mm01/cam1/0001").joinpath("\udcff.jpg").write_bytes(b"x")
    return place.index_images()


def same_image_twice(place):
    root = place.data / "sysu_mm01"
    shutil.copy(root / "cam1/0001/0001.jpg", root / "cam1/0004/0001.jpg")
    return place.index_images()


def closed_folder(place):
    return place.index_images(), unprivileged(place.data / "sysu_mm01/cam3/0002")


def closed_image(place):
    return place.index_images(), unprivileged(place.data / "sysu_mm01/cam3/0002/0001.jpg")


def closed_results(place):
    return place.index_images(), unprivileged(place.out)


def full_disk(place):
    return place.index_images(), small_files(4096)


def file_as_root(place):
    shutil.rmtree(place.data / "regdb")
    (place.data / "regdb").write_text("x")
    return place.index_images("regdb")


def visible_among_thermal(place):
    lists = place.data / "regdb/idx"
    shutil.copy(lists / "train_visible_1.txt", lists / "train_thermal_1.txt")
    return place.index_images("regdb")


def camera_of_no_llcm(place):
    path = place.data / "llcm/idx/train_vis.txt"
    path.write_text(path.read_text() + "vis/0001/0001_c11_s1_f2_vis.png 0\n")
    write_image(place.data / "llcm/vis/0001/0001_c11_s1_f2_vis.png", 99)
    return place.index_images("llcm")


def table_as_index(place):
    write_parquet(place.index, read_index(place.index)[["path"]])
    write_provenance(place.index, {"step": "index_images", "version": STEP_VERSIONS["index_images"]}, {})
    write_provenance(place.embeddings, {"step": "embed_images", "version": STEP_VERSIONS["embed_images"]}, {})
    return place.score()


def edited_index(place):
    write_parquet(place.index, read_index(place.index).iloc[::-1])
    return place.score()


def other_index(place):
    frame = read_index(place.index).iloc[::-1]
    write_parquet(place.index, frame)
    write_provenance(place.index, {"step": "index_images", "version": STEP_VERSIONS["index_images"]}, {})
    return place.score()


def other_seed(place):
    write_embeddings(place, seed=3)
    return place.score()


def cut_embeddings(place):
    place.embeddings.write_bytes(place.embeddings.read_bytes()[:-9])
    write_provenance(place.embeddings, {"step": "embed_images", "version": STEP_VERSIONS["embed_images"]}, {})
    return place.score()


def older_step(place):
    write_embeddings(place, version=0)
    return place.score()


def damaged_record(place):
    write_text(Path(f"{place.embeddings}.provenance.json"), "[]")
    return place.score()


def embed(place):
    return [
        *("embed-images", "--params", place.params, "--dataset", "sysu_mm01", "--split", "default"),
        *("--variant", "csdn", "--seed", "0", "--index", place.index, "--cache", place.cache),
        *("--encoder", place.folder / "none.safetensors", "--output", place.out / "e.safetensors"),
    ]


def cut_cache(place):
    place.cache.write_bytes(place.cache.read_bytes()[:-1])
    return embed(place)


def edited_cache(place):
    content = bytearray(place.cache.read_bytes())
    content[-1] ^= 1
    place.cache.write_bytes(content)
    return embed(place)


def foreign_cache(place):
    np.save(place.cache, np.load(place.cache))
    Path(f"{place.cache}.blocks.json").unlink()
    return embed(place)


def cache_of_other_images(place):
    record = Path(f"{place.cache}.blocks.json")
    write_json(record, json.loads(record.read_text()) | {"images": "0" * 64})
    write_provenance(
        place.index, {"step": "index_images", "version": STEP_VERSIONS["index_images"]}, {"cache": place.cache}
    )
    return embed(place)


def labelled(**changes):
    def change(place):
        arrays = {
            **{f"{side}_features": np.eye(4, dtype=np.float32) for side in ("query", "gallery")},
            **{f"{side}_ids": np.arange(4) for side in ("query", "gallery")},
            **{"query_cameras": np.full(4, 3), "gallery_cameras": np.full(4, 1)},
        }
        return place.score_file(**arrays | changes)

    return change


def nan():
    features = np.eye(4, dtype=np.float32)
    features[2, 1] = np.nan
    return features


def paths(first):
    def change(place):
        names = read_index(place.index)["path"].tolist()
        names[0] = first
        return place.score_file(features=np.ones((len(names), 2), np.float32), paths=np.array(names))

    return change


def text_as_features(place):
    command = place.score_file()
    (place.folder / "features.npz").write_text("no arrays")
    return command


def append(line):
    return replace("regdb", "idx/train_visible_1.txt", lambda text: text + line + "\n")


CASES = {
    # images
    "truncated image": (image("cam1/0001/0001.jpg", lambda p: p.read_bytes()[:-200]), "0001.jpg: cannot be read"),
    "zero bytes": (image("cam1/0001/0001.jpg", lambda p: b""), r"cam1/0001/0001.jpg: is empty (0 bytes)"),
    "no image": (image("cam1/0001/0001.jpg", lambda p: b"text"), "cam1/0001/0001.jpg: is not an image"),
    "pixels of no range": (saved("TIFF", lambda: Image.fromarray(np.eye(4, dtype=np.float32))), "pixels of mode F"),
    "transparent pixels": (saved("PNG", transparent), "0001.jpg: is partly transparent"),
    "several frames": (
        saved("TIFF", lambda: Image.fromarray(noise(0)), save_all=True, append_images=[Image.fromarray(noise(1))]),
        "0001.jpg: holds 2 frames",
    ),
    "huge image": (saved("PNG", lambda: Image.new("1", (9000, 6000))), "0001.jpg: has 9000 x 6000 pixels"),
    "folder as image": (folder_as_image, "cam1/0001/0001.jpg: is not a file"),
    "file name that is no text": (name_of_no_text, "is not a UTF-8 name; rename the file"),
    "equal images in train and test": (same_image_twice, "are the same image; delete the one that is wrong"),
    "image without permission": (closed_image, "cannot be read (Permission denied)"),
    # folders and lists
    "folder without permission": (closed_folder, "cam3/0002: cannot be read (Permission denied)"),
    "no dataset": (lambda place: [*place.index_images(), "--root", "/none"], "/none: no such folder"),
    "file as dataset": (file_as_root, "regdb: no such folder; give the root of the RegDB layout"),
    "missing camera": (without("sysu_mm01", "cam3"), "missing cam3/; expected the SYSU-MM01 layout"),
    "missing list": (without("sysu_mm01", "exp/val_id.txt"), "missing exp/val_id.txt"),
    "missing list of a split": (without("regdb", "idx/test_thermal_2.txt"), "missing idx/test_thermal_2.txt"),
    "word as identity": (replace("sysu_mm01", "exp/test_id.txt", lambda t: "4,\nfive"), "test_id.txt:2: 'five' is no"),
    "endless identity": (replace("sysu_mm01", "exp/test_id.txt", lambda t: "9" * 5000), "is not an identity"),
    "identities in train and test": (replace("sysu_mm01", "exp/test_id.txt", lambda t: "4,5,2"), "identities 2 are in"),
    "no test identity": (
        replace("sysu_mm01", "exp/test_id.txt", lambda t: ""),
        "has no image of an identity in exp/test",
    ),
    "list in UTF-16": (binary("sysu_mm01", "exp/test_id.txt", "4,5".encode("utf-16")), "is not UTF-8 text"),
    "absolute path in a list": (append("/etc/passwd 0"), "train_visible_1.txt:5: '/etc/passwd' is an absolute path"),
    "path out of the dataset": (append("Visible/../../1/x.bmp 0"), "x.bmp' leads out of the dataset"),
    "Windows path in a list": (append("C:\\images\\x.bmp 0"), "is an absolute path"),
    "line without label": (append("Visible/1/v_1.bmp"), "train_visible_1.txt:5: expected `path label`"),
    "line twice": (append("Visible/1/v_1.bmp 0"), "repeats 'Visible/1/v_1.bmp' of line 1"),
    "image that is not there": (append("Visible/1/x.bmp 0"), "1 of 5 images are missing, first"),
    "image in no identity's folder": (append("idx/train_visible_1.txt 0"), "is not in a folder named by an identity"),
    "label of two identities": (
        replace("regdb", "idx/train_visible_1.txt", lambda t: t.replace("bmp 1", "bmp 0")),
        "label 0 is used for folders 1 and 2",
    ),
    "empty list": (replace("regdb", "idx/train_visible_1.txt", lambda t: " \r\n"), "lists no image"),
    "visible images as thermal": (visible_among_thermal, "are listed as both visible and thermal, first Visible/1/"),
    "unknown camera": (camera_of_no_llcm, "names camera 11, but LLCM has 1..9"),
    # settings
    "unknown key": (sections(encoder={"epoch": 3}), "encoder.epoch: unknown key; did you mean `epochs`?"),
    "wrong type": (sections(encoder={"epochs": "many"}), "encoder.epochs: must be a valid integer"),
    "truth as number": (sections(encoder={"epochs": True}), "encoder.epochs: must be a valid integer"),
    "out of range": (sections(encoder={"learning_rate": -1}), "encoder.learning_rate: must be greater than 0"),
    "no YAML": (layer("encoder: [1, 2"), "layer.yaml: line 1 is not YAML"),
    "YAML that is no text": (layer(b"\xff\xfe\x00"), "layer.yaml: the file is not YAML"),
    "key twice": (layer("encoder: {epochs: 3}\nencoder: {images: 2}"), "layer.yaml: line 2 is not YAML (the key 'enc"),
    "object in YAML": (layer("encoder: !!python/object/apply:os.getcwd []"), "layer.yaml: line 1 is not YAML"),
    "override without value": (
        lambda p: [*p.index_images(), "--set", "encoder.epochs"],
        "not of the form key.path=val",
    ),
    "unknown split": (sections(datasets={"regdb": {"splits": [11]}}), "splits ['11'] do not exist in layout regdb"),
    "batch of more identities than there are": (
        sections(
            datasets={"llcm": {"root": "embedded"}},
            benchmark={"llcm": dict.fromkeys(("train", "test", "train_images", "test_images"), 4)},
        ),
        "encoder.identities is 8, but there are only 4 training identities",
    ),
    "protocol of another layout": (
        sections(datasets={"regdb": None}, evaluation={"protocols": ["regdb_visible_to_infrared"]}),
        "evaluation.protocols: regdb_visible_to_infrared do not belong to the layouts llcm, sysu_mm01",
    ),
    "selection without validation": (
        sections(
            datasets={"regdb": None, "llcm": None}, encoder={"selection": "best_on_validation", "validate_every": 1}
        ),
        "needs identities that are not trained on; set datasets.sysu_mm01.train_subsets to [train]",
    ),
    "folder with wildcards": (
        sections(runtime={"results": "a{b}"}),
        "runtime.results: must be a folder name without",
    ),
    "settings that are not JSON": (
        lambda p: ["pretrain-clip", "--params", "{", "--annotations", "a", "--output", "b"],
        "JSON",
    ),
    # results
    "another table as index": (table_as_index, "index.parquet: is not an image index"),
    "truncated embeddings": (cut_embeddings, "embeddings.safetensors: cannot be read"),
    "edited index": (edited_index, "index.parquet: was changed after it was written"),
    "another index": (other_index, "embeddings.safetensors: was made with another index than the one given"),
    "embeddings of another seed": (other_seed, "was made with seed 3, not 0"),
    "embeddings of an older step": (older_step, "was made by version 0 of embed_images, whose meaning has changed"),
    "damaged record": (damaged_record, "embeddings.safetensors.provenance.json: is no provenance record"),
    "truncated cache": (cut_cache, "cache.npy: has"),
    "edited cache": (edited_cache, "cache.npy: was changed after it was written"),
    "foreign cache": (foreign_cache, "cache.npy: has no record cache.npy.blocks.json"),
    "cache of other images": (cache_of_other_images, "cache.npy: holds the pixels of other images"),
    # features of other methods
    "features that are no arrays": (text_as_features, "features.npz: cannot be read"),
    "pickled features": (labelled(query_ids=np.array([1, None, 2, 3], object)), "features.npz: cannot be read"),
    "features that are not finite": (labelled(query_features=nan()), "query_features: row 2"),
    "labels of other images": (labelled(query_ids=np.arange(3)), "query_ids: has 3 entries for 4 features"),
    "cameras of another modality": (labelled(query_cameras=np.full(4, 1)), "query_cameras: row 0"),
    "feature path out of the dataset": (paths("cam1/../../0001/0001.jpg"), "paths: row 0 (counted from 0) leads out"),
    # the machine
    "full disk": (full_disk, "sysu_mm01.npy: cannot be written (File too large)"),
    "results that may not be written": (closed_results, "sysu_mm01.npy: cannot be written (Permission denied)"),
}


def test_there_are_forty_kinds():
    assert len(CASES) >= 40
    assert len({words for _, words in CASES.values()}) >= 40


@pytest.mark.parametrize("name", CASES)
def test_bad_input_is_one_line_and_leaves_nothing(place, capsys, name):
    change, words = CASES[name]
    made = change(place)
    command, condition = made if isinstance(made, tuple) else (made, nullcontext())
    before = contents(place.folder)
    with condition:
        line = refused(capsys, *command)
    assert words in line
    assert contents(place.folder) == before


def test_a_traceback_is_shown_where_it_is_asked_for(place, capsys):
    code, _, error = run(capsys, "--debug", *sections(encoder={"epochs": "many"})(place))
    assert code == 2
    assert "Traceback" in error
    assert error.splitlines()[-1].startswith("csdn: encoder.epochs: must be")


def test_a_fault_of_ours_is_told_as_one(place, capsys, monkeypatch):
    def broken(*arguments):
        raise KeyError("lost")

    monkeypatch.setattr("csdn.jobs.data.run_index_images", broken)
    code, _, error = run(capsys, *place.index_images())
    assert code == 1
    assert error.startswith("csdn: unexpected KeyError in test_bad_inputs.py:")
    assert len(error.splitlines()) == 1
