"""What the steps depend on that train: the small CLIP, prompts, their fusion and the encoder."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field

from csdn.config.base import MINI, PROTOCOLS, Count, Layout, Strict
from csdn.config.clip import Clip
from csdn.config.fidelity import Fidelity
from csdn.config.fusion import Fusion
from csdn.config.prompts import Prompts
from csdn.config.shared_keys import dump, fusion_fidelity, image_fidelity, prompt_fidelity, semantics_key
from csdn.errors import UserError
from csdn.steps.selection import SHARED, SelectedParams
from csdn.steps.settings import Computed, Machine, StepSettings, WithEncoder
from csdn.study.paths import CLIP_OF_DRAW_KEY, PROMPTS_KEY, SEMANTICS_KEY, SMALL_CLIP_KEY


class PretrainClip(StepSettings):
    """Pre-trains the small CLIP, that of all draws or (`split`) that of one."""

    VERSION: ClassVar = 4
    KEY: ClassVar = SMALL_CLIP_KEY
    step: Literal["pretrain_clip"]
    clip: Clip
    runtime: Machine
    split: str | None = Field(None, exclude_if=lambda split: split is None)

    @property
    def key(self) -> str:
        """That of the draw's run in MLflow, where it is of a draw."""
        return CLIP_OF_DRAW_KEY.format(split=self.split) if self.split else super().key

    @classmethod
    def _values(cls, chosen: SelectedParams) -> dict[str, Any]:
        runtime = SHARED["runtime"](chosen) | {"threads": chosen.params.runtime.pretraining_threads}
        clip = dump(chosen.params.clip) | {"model": MINI, "weights": MINI}
        clip["pretraining"].pop("one_per_draw", None)  # `split` says it
        drawn = {"split": chosen.pretrained_draw} if chosen.pretrained_draw else {}
        return {"clip": clip, "runtime": runtime, **drawn}


class LearnPrompts(Computed):
    """Stage 1a. Shared by the variants with this prompt key, so it does not know their names."""

    VERSION: ClassVar = 2
    KEY: ClassVar = PROMPTS_KEY
    step: Literal["learn_prompts"]
    prompt_key: str
    train_subsets: list[Literal["train", "val"]]
    prompts: Prompts
    fidelity: Fidelity

    @classmethod
    def _values(cls, chosen: SelectedParams) -> dict[str, Any]:
        shared, own = super()._values(chosen), chosen.variant_sections
        prompts = dump(own.prompts) if own.prompts.learned else {"kind": own.prompts.kind}
        if not own.prompts.own_modality:
            prompts.pop("positives", None)  # named only where it changes something
        fidelity = image_fidelity(own.fidelity)
        if own.prompts.learned and own.fidelity.stage_one_pairs != "drawn":  # this, too
            fidelity |= prompt_fidelity(own.fidelity)
        return {**shared, "prompts": prompts, "fidelity": fidelity}


class FuseSemantics(Computed):
    """Stage 1b. Shared by the variants with this semantics key, so it does not know their names."""

    VERSION: ClassVar = 2
    KEY: ClassVar = SEMANTICS_KEY
    step: Literal["fuse_semantics"]
    semantics_key: str
    train_subsets: list[Literal["train", "val"]]
    prompts: Prompts
    fusion: Fusion
    fidelity: Fidelity

    @classmethod
    def _values(cls, chosen: SelectedParams) -> dict[str, Any]:
        key = semantics_key(chosen.params, chosen.variant)
        if key is None:
            raise UserError(
                f"variants.{chosen.variant}: uses no descriptions, so there is nothing to fuse; choose another variant"
            )
        own = chosen.variant_sections
        described_by = {"kind", "template", "tokens"} if own.prompts.learned else {"kind"}
        return {
            **super()._values(chosen),
            "semantics_key": key,
            "prompts": own.prompts.model_dump(mode="json", include=described_by),
            "fusion": dump(own.fusion) if own.fusion.trained else {"kind": own.fusion.kind},
            "fidelity": image_fidelity(own.fidelity) | (fusion_fidelity(own.fidelity) if own.fusion.trained else {}),
        }


class TestSelection(Strict):
    """How epochs are compared on the test set."""

    protocol: str
    trials: Count


class TrainEncoder(WithEncoder):
    """Stage 2. `test_selection` is there only where the epoch is chosen on the test set."""

    VERSION: ClassVar = 4
    step: Literal["train_encoder"]
    layout: Layout
    train_subsets: list[Literal["train", "val"]]
    test_selection: TestSelection | None = None

    @classmethod
    def _values(cls, chosen: SelectedParams) -> dict[str, Any]:
        out = super()._values(chosen)
        if chosen.params.runtime.compile:
            out["runtime"]["compile"] = True  # named only where it changes something
        if chosen.variant_sections.encoder.selection == "best_on_test":
            protocol = PROTOCOLS[chosen.dataset_section.layout][0]
            out["test_selection"] = {"protocol": protocol, "trials": chosen.dataset_section.trials}
        return out


Training = PretrainClip | LearnPrompts | FuseSemantics | TrainEncoder
