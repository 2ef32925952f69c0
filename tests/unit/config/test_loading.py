"""Settings: layers, overrides, and errors that name the key and the remedy, all at once."""

from pathlib import Path

import pytest
import yaml

from csdn.config.loading import check_paths, load_params
from csdn.errors import UserError

ROOT = Path(__file__).parents[3]
PARAMS = ROOT / "params.yaml"


def problems(*overrides, layers=(PARAMS,)):
    with pytest.raises(UserError) as caught:
        load_params(layers, overrides)
    return str(caught.value).splitlines()


@pytest.mark.parametrize("layer", ["smoke", "paper"])
def test_the_layers_that_come_along_are_valid(layer):
    params = load_params([PARAMS, ROOT / "config" / f"{layer}.yaml"])
    assert "csdn" in params.variants


def test_later_layers_win_and_overrides_win_over_them(tmp_path):
    (tmp_path / "a.yaml").write_text("encoder: {epochs: 3, images: 2}\nseeds: [5]\n")
    params = load_params([PARAMS, tmp_path / "a.yaml"], ["encoder.epochs=4", "seeds=[1, 2]", "encoder.text=none"])
    assert (params.encoder.epochs, params.encoder.images, params.seeds) == (4, 2, [1, 2])
    assert params.encoder.text == "none"
    assert params.encoder.identities == 8


def test_null_removes_what_a_layer_below_has():
    params = load_params([PARAMS], ["datasets.regdb=null"])
    assert list(params.datasets) == ["sysu_mm01"]


def test_all_problems_are_reported_at_once_with_key_and_remedy():
    assert problems(
        "encoder.epoch=3",
        "encoder.epochs=-3",
        "encoder.text=lerned",
        "encoder.learning_rate=fast",
        "clip.mini.lyers=2",
        "datasets.other.root=here",
        "datasets.regdb.splits=[11]",
    ) == [
        "datasets.regdb: splits ['11'] do not exist in layout regdb; known: 1, 2, 3, 4, 5, 6, 7, 8, 9, 10",
        "datasets.other.layout: missing; give it a value",
        "clip.mini.lyers: unknown key; did you mean `layers`?",
        "encoder.text: must be 'none', 'learned', 'permuted' or 'random', not 'lerned'",
        "encoder.epochs: must be greater than or equal to 0, not -3",
        "encoder.learning_rate: must be a valid number, unable to parse string as a number, not 'fast'",
        "encoder.epoch: unknown key; did you mean `epochs`?",
    ]


def test_overrides_of_variants_are_checked_too():
    assert problems(
        "variants.mspl.encodr={}",
        "variants.csdn.encoder={epoch: 3}",
        "variants.csdn.prompts={tokens: 0}",
        "variants.baseline.clip={weights: mini, mini: {width: 32}}",
        "datasets.regdb.variants=[csnd]",
        "tables.components={variants: [mspl], differences: [[mspl, cdsn]]}",
    ) == [
        "variants.baseline.clip: all variants share one small CLIP; set mini, image_size, pretraining in section clip",
        "variants.csdn.prompts.tokens: must be greater than or equal to 1, not 0",
        "variants.csdn.encoder.epoch: unknown key; did you mean `epochs`?",
        "variants.mspl.encodr: unknown key; did you mean `encoder`?",
        "datasets.regdb.variants: no variant 'csnd'; did you mean `csdn`?",
        "tables.components.differences: 'cdsn' is not a row of the table; known: mspl",
    ]


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("epochs", "--set epochs: is not of the form key.path=value"),
        ("=3", "--set =3: is not of the form key.path=value"),
        ("encoder..epochs=3", "is not of the form key.path=value"),
        ("encoder.epochs=[", "the value is not YAML"),
    ],
)
def test_an_invalid_override_is_reported(override, message):
    assert message in problems(override)[0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [1,\nb: 2", "line 2 is not YAML"),
        ("- 1", "contains a list; write `key: value` lines"),
        ("a: !!python/object:os.system {}", "is not YAML"),
        ("\x00", "the file is not YAML"),
        (b"\xff\xfe", "the file is not YAML"),
    ],
)
def test_an_invalid_layer_is_reported(tmp_path, text, message):
    (tmp_path / "wrong.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
    (line,) = problems(layers=[PARAMS, tmp_path / "wrong.yaml"])
    assert line.startswith(f"{tmp_path}/wrong.yaml: ")
    assert message in line


def test_missing_layers_are_reported(tmp_path):
    assert "no such file" in problems(layers=[tmp_path / "absent.yaml"])[0]
    assert problems(layers=[]) == [
        "datasets: missing; give it a value",
        "variants: missing; give it a value",
    ]


def test_paths_are_checked_before_anything_runs(tmp_path):
    layers = [PARAMS, ROOT / "config" / "paper.yaml"]
    with pytest.raises(UserError) as caught:
        check_paths(load_params(layers))
    assert [line.split(":")[0] for line in str(caught.value).splitlines()] == [
        "datasets.sysu_mm01.root",
        "datasets.regdb.root",
        "datasets.llcm.root",
        "clip.weights",
    ]
    (tmp_path / "RN50.pt").write_text("")
    roots = [f"datasets.{name}.root={tmp_path}" for name in ("sysu_mm01", "regdb", "llcm")]
    check_paths(load_params(layers, [*roots, f"clip.weights={tmp_path}/RN50.pt"]))
    check_paths(load_params(layers, [*roots, "clip.weights=openai"]))
    check_paths(load_params([PARAMS]))


def test_every_key_of_params_yaml_is_written_as_it_is_meant():
    """Nothing in params.yaml is changed by validation, but for numbers written without a point."""
    written = yaml.safe_load(PARAMS.read_text())
    resolved = load_params([PARAMS]).model_dump(mode="json")

    def compare(part, whole, path):
        for key, value in part.items():
            if isinstance(value, dict):
                compare(value, whole[key], f"{path}.{key}")
            else:
                assert whole[key] == value, f"{path}.{key}"

    compare({k: v for k, v in written.items() if k != "variants"}, resolved, "params")
