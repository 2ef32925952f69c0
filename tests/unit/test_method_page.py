"""docs/method.md: its constants are those of the settings and the code, and every switch has a variant that can run."""

import inspect
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch
import yaml

from csdn.config.encoder import Augmentation, Encoder, LossWeights
from csdn.config.fidelity import Fidelity
from csdn.config.fusion import Fusion
from csdn.config.loading import load_params
from csdn.config.prompts import Prompts
from csdn.config.shared_keys import semantics_key
from csdn.data import transforms
from csdn.losses import supervised_contrastive_loss
from csdn.losses.distances import euclidean_distances
from csdn.models.pooling import GeneralizedMeanPooling
from csdn.models.prompts import PromptBank, TextTower
from csdn.models.reid_network import IdentityHead
from csdn.models.resnet_tower import STRIDE
from csdn.steps.registry import step_settings
from csdn.steps.selection import Selection
from csdn.training import schedules, stage_one_images

ROOT = Path(__file__).parents[2]
EMBEDDED = load_params([ROOT / "params.yaml"])
PAPER = load_params([ROOT / "params.yaml", ROOT / "config" / "paper.yaml"])
ABLATIONS = load_params([ROOT / "params.yaml", ROOT / "config" / "ablations.yaml"])
SECTIONS = {
    "prompts": Prompts,
    "fusion": Fusion,
    "encoder": Encoder,
    "encoder.weights": LossWeights,
    "encoder.augmentation": Augmentation,
}
# Keys that choose what runs or how it is computed, and keys that the paper's setting does not use.
NO_CONSTANTS = {
    *("prompts.kind", "prompts.scale", "prompts.gradient_clip"),
    *("fusion.heads", "fusion.scale", "fusion.gradient_clip"),
    *("encoder.text", "encoder.classifier_scale", "encoder.semantic_scale", "encoder.semantic_margin"),
    *("encoder.gradient_clip", "encoder.precision", "encoder.selection", "encoder.validate_every"),
}


def tables() -> list[list[list[str]]]:
    """Cells of every table of the page, headers and group titles left out."""
    found, current = [], []
    for line in [*(ROOT / "docs" / "method.md").read_text().splitlines(), ""]:
        if line.startswith("|"):
            current.append([cell.strip() for cell in line.strip("|").split(" | ")])
        elif current:
            found.append(current[2:])
            current = []
    return found


CONSTANTS, IN_CODE = tables()[-2:]
ROWS = [row for row in CONSTANTS if not row[0].startswith("**")]


def value(cell):
    assert cell.startswith("`") and cell.endswith("`"), cell
    return yaml.safe_load(cell.strip("`"))


def at(params, key):
    found = params.model_dump(mode="json")
    for part in key.split("."):
        found = found[part]
    return found


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[3].strip("`"))
def test_constants_are_those_of_the_settings(row):
    _, paper, embedded, key, source = row
    assert at(PAPER, key.strip("`")) == value(paper)
    assert at(EMBEDDED, key.strip("`")) == value(embedded)
    assert source


def test_every_constant_of_the_stages_has_a_row():
    keys = {
        f"{path}.{name}"
        for path, section in SECTIONS.items()
        for name in section.model_fields
        if f"{path}.{name}" not in SECTIONS
    }
    listed = {row[3].strip("`") for row in ROWS}
    assert keys >= NO_CONSTANTS, "a key that is gone"
    assert keys - NO_CONSTANTS == {key for key in listed if key.split(".")[0] in ("prompts", "fusion", "encoder")}
    assert not listed & NO_CONSTANTS


def drawn_tokens() -> torch.Tensor:
    from csdn.config.clip import Clip
    from csdn.models.clip_backbone import create_clip

    make = dict(banks=1, identities=400, tokens=4, template="A {}.", generator=torch.Generator().manual_seed(0))
    return PromptBank(TextTower(create_clip(Clip().architecture, (32, 16))), **make).contexts


def in_code() -> dict[str, object]:
    """The values that the code has, by the cells that say where."""
    head = IdentityHead(500, 200, None, torch.Generator().manual_seed(0))
    one = torch.ones(1, 2, dtype=torch.float64)
    warm, step = dict(kind="multistep", warmup=10, milestones=[]), dict(kind="multistep", warmup=0, milestones=[1])
    return {
        "`models/resnet_tower.py`, `STRIDE`": STRIDE,
        "`models/pooling.py`, `p`": GeneralizedMeanPooling().p.item(),
        "`models/pooling.py`, `eps`": GeneralizedMeanPooling().eps,
        "`models/reid_network.py`, `IdentityHead`": round(head.weight.std().item(), 4),
        "`models/prompts.py`, `PromptBank`": round(drawn_tokens().std().item(), 3),
        "`losses/contrastive.py`": inspect.signature(supervised_contrastive_loss).parameters["temperature"].default,
        "`losses/distances.py`": pytest.approx(euclidean_distances(one, one).item() ** 2),
        "`training/schedules.py`, `PROMPT_WARMUP_EPOCHS`": schedules.PROMPT_WARMUP_EPOCHS,
        "`training/schedules.py`, `PROMPT_FIRST_RATE`": schedules.PROMPT_FIRST_RATE,
        "`training/schedules.py`, `PROMPT_LAST_RATE`": schedules.PROMPT_LAST_RATE,
        "`training/schedules.py`, warm-up": schedules.encoder_learning_rate(0, 120, 1.0, **warm),
        "`training/schedules.py`, milestones": schedules.encoder_learning_rate(1, 120, 1.0, **step),
        "`data/transforms.py`, `ERASE_FILL`": list(transforms.ERASE_FILL),
        "`data/transforms.py`, `ERASE_TRIES`": transforms.ERASE_TRIES,
        "`data/transforms.py`, `GREY_WEIGHTS`": pytest.approx(np.float64(transforms.GREY_WEIGHTS).tolist(), abs=1e-7),
        "`training/stage_one_images.py`": [stage_one_images.IDENTITIES, stage_one_images.IMAGES],
    }


def test_constants_that_are_no_settings_are_those_of_the_code():
    assert {where: value(cell) for _, cell, where, _ in IN_CODE} == in_code()


def test_every_switch_has_a_variant():
    variants = {name: ABLATIONS.variant(name) for name in ABLATIONS.variants}
    choices = {
        "prompts.kind": {variant.prompts.kind for variant in variants.values()},
        "fusion.kind": {variant.fusion.kind for variant in variants.values()},
        "encoder.text": {variant.encoder.text for variant in variants.values()},
        "encoder.semantic_loss": {variant.encoder.semantic_loss for variant in variants.values()},
    }
    for key, shown in choices.items():
        section, name = key.split(".")
        assert shown == set(get_args(SECTIONS[section].model_fields[name].annotation)), key
    assert variants["authors_code"].fidelity == Fidelity.model_validate("reference")
    assert {name for table in ABLATIONS.tables.values() for name in table.variants} == set(ABLATIONS.variants)


@pytest.mark.parametrize("variant", list(ABLATIONS.variants))
def test_every_switch_can_be_run(variant):
    place = {"dataset": "sysu_mm01", "split": "1", "variant": variant, "seed": 0}
    for step in ("learn_prompts", "train_encoder", "embed_images", "score_retrieval"):
        assert step_settings(ABLATIONS, step, Selection(**place, protocol="sysu_all_single")).step == step
    if semantics_key(ABLATIONS, variant):
        assert step_settings(ABLATIONS, "fuse_semantics", Selection(**place))


def test_the_page_names_every_switch_of_the_authors_code():
    text = (ROOT / "docs" / "method.md").read_text()
    for name in Fidelity.model_fields:
        assert f"`fidelity.{name}: " in text, name


def test_the_file_that_reproduces_is_the_authors_code():
    files = ("params.yaml", "config/paper.yaml", "config/reproduce.yaml")
    own = load_params([ROOT / name for name in files])
    for name in ("csdn", "csdn_best_on_test"):
        chosen = own.variant(name)
        assert chosen.fidelity.model_dump() == {
            "stem": "reference",
            "stage_one_images": "sampler",
            "stage_one_pairs": "fixed",
            "fusion_mode": "training",
            "triplet_denominator_floor": 1e-6,
            "normalization": "imagenet",
            "decay_everything": True,
        }
        encoder = chosen.encoder
        assert (chosen.prompts.kind, chosen.prompts.positives, chosen.fusion.kind) == ("specific", "both", "reference")
        assert (chosen.prompts.logits, chosen.fusion.logits, encoder.semantic_logits) == ("dot", "dot", "dot")
        assert (encoder.metric_features, encoder.classifier, encoder.descriptor) == ("raw", "linear", "reference")
        assert (encoder.precision, own.evaluation.flip, encoder.epochs) == ("fp32", True, 120)
    assert (own.variant("csdn").encoder.selection, encoder.selection) == ("last", "best_on_test")
    assert {name: data.seeds for name, data in own.datasets.items()} == {"sysu_mm01": [0, 1, 2], "regdb": [0, 1, 2]}
    assert len(own.datasets["regdb"].splits) == 10


def test_the_ablations_at_the_papers_size_vary_what_the_paper_sets():
    own = load_params([ROOT / name for name in ("params.yaml", "config/paper.yaml", "config/paper_ablations.yaml")])
    assert own.variant("csdn") == PAPER.variant("csdn")
    assert own.variant("long_csdn").encoder.epochs == 2 * PAPER.encoder.epochs
    swept = {own.variant(name).encoder.weights.semantic_infrared for name in own.tables["infrared_weight"].variants}
    assert min(swept) < PAPER.encoder.weights.semantic_infrared < max(swept)
    ran = {name for table in own.tables.values() for name in table.variants}
    assert all(set(own.variants_of(dataset)) == ran for dataset in own.datasets)
