"""Names of prompts and semantics: after what they depend on, not after a variant, so that variants share them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from typing import Any

from csdn.config.base import MINI
from csdn.config.clip import Clip
from csdn.config.fidelity import Fidelity
from csdn.config.params import Params, Variant


def prompt_key(params: Params, variant: str) -> str:
    """The name of the prompts that `variant` uses: their kind, and whatever it changes from the defaults.

    Variants with equal keys have equal settings of `learn_prompts`, so their prompts are learned once.
    """
    base, own = _section(params, None), _section(params, variant)
    changed = _differences("", base.prompts, own.prompts, skip=("kind",)) if own.prompts.learned else []
    if own.prompts.learned:
        changed += _differences("", prompt_fidelity(base.fidelity), prompt_fidelity(own.fidelity))
    changed += _differences("clip_", backbone(base.clip), backbone(own.clip))
    changed += _differences("", image_fidelity(base.fidelity), image_fidelity(own.fidelity))
    return "-".join([own.prompts.kind, *changed])


def semantics_key(params: Params, variant: str) -> str | None:
    """The name of the semantics that `variant` uses, or None if no description can influence its encoder."""
    base, own = _section(params, None), _section(params, variant)
    if not own.uses_descriptions:
        return None
    changed = []
    if own.fusion.trained:
        changed += _differences("", base.fusion, own.fusion, skip=("kind",))
        changed += _differences("", fusion_fidelity(base.fidelity), fusion_fidelity(own.fidelity))
    return "-".join([prompt_key(params, variant), own.fusion.kind, *changed])


def _section(params: Params, variant: str | None) -> Variant:
    if variant is not None:
        return params.variant(variant)
    return Variant(**{name: getattr(params, name) for name in Variant.model_fields})


def dump(section: Any) -> dict[str, Any]:
    """A section of the settings as JSON values."""
    return section.model_dump(mode="json")


def flatten(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted name and value of everything in nested mappings."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from flatten(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def backbone(clip: Clip) -> dict[str, Any]:
    """The settings that a network starting from CLIP depends on; how CLIP was pre-trained shows in its file."""
    keys = {"model", "weights"} | ({"mini", "image_size"} if clip.model == MINI else set())
    return clip.model_dump(mode="json", include=keys)


def image_fidelity(fidelity: Fidelity) -> dict[str, Any]:
    """The switches that change the image features of stage 1, which trains prompts and fusion only."""
    return fidelity.model_dump(mode="json", include={"stem", "normalization", "stage_one_images"})


def prompt_fidelity(fidelity: Fidelity) -> dict[str, Any]:
    """The further switches that change learned prompts."""
    return fidelity.model_dump(mode="json", include={"stage_one_pairs"})


def fusion_fidelity(fidelity: Fidelity) -> dict[str, Any]:
    """The further switches that change a trained fusion."""
    return fidelity.model_dump(mode="json", include={"fusion_mode"})


def encoder_fidelity(fidelity: Fidelity) -> dict[str, Any]:
    """The switches that change stage 2."""
    keys = {"stem", "normalization", "triplet_denominator_floor", "decay_everything"}
    return fidelity.model_dump(mode="json", include=keys)


def _differences(prefix: str, base: Any, own: Any, skip: tuple[str, ...] = ()) -> list[str]:
    """`name_value` for each value of `own` that differs from `base`."""
    base = base if isinstance(base, dict) else dump(base)
    own = own if isinstance(own, dict) else dump(own)
    out = []
    for name in sorted(set(base) | set(own)):
        if name in skip or base.get(name) == own.get(name):
            continue
        if isinstance(own.get(name), dict):
            out += _differences(f"{prefix}{name}_", base.get(name) or {}, own[name])
        elif name in own:
            out.append(f"{prefix}{name}_{_slug(own[name])}")
    return out


def _slug(value: Any) -> str:
    """A value as part of a file name; one that cannot be spelt in a file name gets a digest, to stay distinct."""
    text = str(value)
    plain = re.sub(r"[^a-z0-9.-]+", "_", text.lower()).strip("_.-")
    if plain == text and len(plain) <= 24:
        return plain
    return f"{plain[:16].strip('_.')}_{hashlib.sha256(text.encode()).hexdigest()[:6]}"
