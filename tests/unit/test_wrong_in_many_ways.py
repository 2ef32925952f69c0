"""Weights, datasets and settings that are wrong: each in its own one line, exit code 2, and nothing is written."""

from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import save_file

from csdn.cli.main import main
from helpers.refusals import contents, refused, run
from helpers.small_datasets import write_llcm, write_regdb, write_sysu, write_text
from helpers.tiny_clip import random_state, register, write_archive

MODEL, SIZE = "tiny-resnet-quickgelu", [32, 16]
WRITERS = {"sysu_mm01": write_sysu, "regdb": write_regdb, "llcm": write_llcm}


class Place:
    """A folder with three datasets, settings, weights, and an index of SYSU-MM01."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.data = folder, folder / "data"
        self.params, self.weights, self.made = folder / "params.yaml", folder / "clip.pt", folder / "made"

    def prompts(self, *options: object) -> list[object]:
        """The first command that reads the weights."""
        return [
            *("learn-prompts", "--params", self.params, "--dataset", "sysu_mm01", "--split", "default"),
            *("--variant", "csdn", "--seed", "0", "--index", self.made / "index.parquet"),
            *("--cache", self.made / "cache.npy", "--output", self.folder / "out/prompts.safetensors", *options),
        ]

    def index(self, layout: str = "sysu_mm01", *options: object) -> list[object]:
        """The command that reads a dataset."""
        return [
            *("index-images", "--params", self.params, "--dataset", layout, "--root", self.data / layout),
            *("--index", self.folder / "out/index.parquet", "--cache", self.folder / "out/cache.npy", *options),
        ]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """One for all cases: what they change beside the files of their own they put back."""
    place = Place(tmp_path_factory.mktemp("place"))
    register(tmp_path_factory.mktemp("models"))
    (place.folder / "out").mkdir()
    for layout, write in WRITERS.items():
        write(place.data / layout)
    datasets = {name: {"layout": name, "root": str(place.data / name), "image_size": SIZE} for name in WRITERS}
    datasets["regdb"]["splits"] = ["1"]
    settings = {
        "datasets": datasets,
        "clip": {"model": MODEL, "weights": str(place.weights)},
        "prompts": {"epochs": 1, "batch": 4},
        "encoder": {"identities": 2},
        "variants": {"csdn": {}},
        "runtime": {"device": "cpu"},
        "tracking": {"backend": "none"},
    }
    place.params.write_text(yaml.safe_dump(settings))
    write_archive(place.weights, random_state(MODEL))
    command = place.index("sysu_mm01")
    command[command.index("--index") + 1] = place.made / "index.parquet"
    command[command.index("--cache") + 1] = place.made / "cache.npy"
    with pytest.raises(SystemExit) as done:
        main([str(word) for word in command])
    assert not done.value.code
    return place


def file(name, make):
    """A command with a file of weights that `make` writes."""

    def case(place):
        path = place.folder / name
        make(path)
        return place.prompts("--set", f"clip.weights={path}")

    return case


def content(data):
    return lambda path: path.write_bytes(data)


def state(change, model=MODEL):
    return lambda path: torch.save(change(random_state(model)), path)


def cut(write):
    def make(path):
        write(path)
        path.write_bytes(path.read_bytes()[:-500])

    return make


def tensors(path):
    save_file({key: value.contiguous() for key, value in random_state(MODEL).items()}, path)


class Code:
    """What a pickle must not bring along."""

    def __reduce__(self):
        return (print, ("code was run",))


def nan(weights):
    return weights | {"ln_final.weight": torch.full((16,), float("nan"))}


def text_tower_gone(weights):
    return {key: value for key, value in weights.items() if key.startswith("visual.")}


def settings(*overrides):
    return lambda place: place.index("sysu_mm01", *(word for text in overrides for word in ("--set", text)))


def dataset(layout, name, edit):
    """A command on a dataset one of whose files is edited; `place` is put right again by `restore`."""

    def case(place):
        path = place.data / layout / name
        text = path.read_text()
        place.restore = lambda: path.write_text(text)
        write_text(path, edit(text))
        return place.index(layout)

    return case


def hidden(layout, name):
    def case(place):
        path = place.data / layout / name
        aside = path.with_name(f"{path.name}.aside")
        place.restore = lambda: aside.rename(path)
        path.rename(aside)
        return place.index(layout)

    return case


def broken_image(place):
    path = place.data / "sysu_mm01/cam1/0001/0001.jpg"
    right = path.read_bytes()
    place.restore = lambda: path.write_bytes(right)
    path.write_bytes(b"text")
    return place.index()


CASES = {
    # weights
    "no file": (lambda p: p.prompts("--set", "clip.weights=./none.pt"), "none.pt: no such file"),
    "a folder": (lambda p: p.prompts("--set", f"clip.weights={p.data}/"), "cannot be read (Is a directory)"),
    "empty": (file("empty.pt", content(b"")), "empty.pt: is empty"),
    "a web page": (file("page.pt", content(b"<html>404</html>")), "is a web page"),
    "a Git LFS pointer": (file("lfs.pt", content(b"version https://git-lfs.github.com/spec/v1\n")), "Git LFS pointer"),
    "a cut archive": (
        file("a.pt", cut(lambda p: write_archive(p, random_state(MODEL)))),
        "a.pt: is truncated; download",
    ),
    "cut safetensors": (file("c.safetensors", cut(tensors)), "c.safetensors: is truncated or not a safetensors"),
    "a pickle with code": (file("code.pt", lambda p: torch.save({"a": Code()}, p)), "contains Python objects"),
    "another architecture": (file("vit.pt", state(dict, "tiny-vit")), "is a vision transformer (2 layers"),
    "no text tower": (file("visual.pt", state(text_tower_gone)), "tensors, first ln_final.bias; give the whole CLIP"),
    "another width of text": (
        file("text.pt", state(lambda s: s | {"text_projection": torch.zeros(16, 9)})),
        "has text_projection of shape (16, 9), but clip.model tiny-resnet-quickgelu needs (16, 16)",
    ),
    "NaN": (file("nan.pt", state(nan)), "has 16 values in ln_final.weight that are not finite"),
    "no CLIP": (file("other.pt", lambda p: torch.save({"a": torch.zeros(1)}, p)), "has no CLIP image tower"),
    # the model
    "an unknown model": (lambda p: p.prompts("--set", "clip.model=RN51"), "open_clip has no model 'RN51'"),
    "a tag of another model": (
        lambda p: p.prompts("--set", "clip.weights=laion9"),
        "'laion9' is not a file, nor a tag",
    ),
    "a foreign text tower": (lambda p: p.prompts("--set", "clip.model=ViT-B-16-SigLIP"), "text tower other than CLIP"),
    # datasets
    "no dataset": (lambda p: p.index("llcm", "--root", p.folder / "none"), "none: no such folder; give the root of"),
    "the folder above": (lambda p: p.index("sysu_mm01", "--root", p.data), "missing cam1/, cam2/"),
    "a missing list": (hidden("regdb", "idx/train_thermal_1.txt"), "missing idx/train_thermal_1.txt"),
    "a line without a label": (
        dataset("regdb", "idx/test_visible_1.txt", lambda t: t + "Visible/3/v_1.bmp\n"),
        "test_visible_1.txt:5: expected `path label`",
    ),
    "an image that is gone": (hidden("regdb", "Visible/1/v_1.bmp"), "1 of 4 images are missing, first"),
    "a test identity in training": (
        dataset("sysu_mm01", "exp/test_id.txt", lambda t: "1,4,5\n"),
        "identities 1 are in",
    ),
    "a word for an identity": (dataset("llcm", "idx/test_id.txt", lambda t: "one"), "'one' is not an identity"),
    "an image that is none": (broken_image, "cam1/0001/0001.jpg: is not an image"),
    # settings
    "an unknown key": (settings("encoder.epoch=3"), "encoder.epoch: unknown key; did you mean `epochs`?"),
    "an unknown section": (settings("encodr.epochs=3"), "encodr: unknown key; did you mean `encoder`?"),
    "a number out of range": (settings("encoder.learning_rate=-1"), "encoder.learning_rate: must be greater than 0"),
    "a word for a number": (settings("prompts.tokens=four"), "prompts.tokens: must be a valid integer"),
    "an unknown choice": (settings("fusion.kind=product"), "fusion.kind: must be 'none', "),
    "a variant's unknown key": (settings("variants.csdn.encoder.epoch=1"), "variants.csdn.encoder.epoch: unknown key"),
    "a variant that is not there": (
        settings("datasets.llcm.variants=[cdsn]"),
        "no variant 'cdsn'; did you mean",
    ),
    "a split that is not there": (settings("datasets.regdb.splits=['11']"), "splits ['11'] do not exist in layout"),
    "a template without a place": (settings("prompts.template=a person"), "prompts.template: must contain {} exactly"),
    "small weights in a large model": (settings("clip.weights=mini"), "`mini` goes with model: mini only"),
    "a table of a name that is taken": (
        settings("tables.costs={caption: Costs, variants: [csdn]}"),
        "tables.costs: the workflow itself writes a table of that name",
    ),
}


@pytest.fixture(scope="module")
def told():
    """The message of every case so far."""
    return {}


@pytest.mark.parametrize("name", CASES)
def test_each_wrong_input_is_one_line_and_nothing_is_written(capsys, place, told, name):
    make, words = CASES[name]
    place.restore = lambda: None
    command = make(place)
    before = contents(place.folder)
    line = refused(capsys, *command)
    assert contents(place.folder) == before
    place.restore()
    assert words in line
    told[name] = line.replace(str(place.folder), "")


def test_no_two_messages_are_alike(told):
    assert len(told) in (len(CASES), 0)  # 0: this test was chosen alone
    assert len(set(told.values())) == len(told)


def test_right_input_is_taken(capsys, place):
    """What the cases damage works as it is."""
    code, _, error = run(capsys, *place.prompts())
    assert code == 0, error
    for layout in WRITERS:
        code, _, error = run(capsys, *place.index(layout))
        assert code == 0, error
