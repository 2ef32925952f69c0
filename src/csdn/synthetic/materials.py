"""Appearance of the parts of a person: visible colour, near-infrared reflectance and thermal radiance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np

Color = tuple[int, int, int]

CLOTH_COLORS: dict[str, Color] = {
    "black": (28, 28, 32), "white": (228, 228, 226), "grey": (128, 130, 132), "red": (176, 34, 38),
    "blue": (36, 62, 158), "green": (38, 116, 58), "yellow": (214, 182, 52), "brown": (112, 74, 44),
    "pink": (216, 132, 160), "purple": (96, 50, 128), "orange": (214, 112, 34), "beige": (198, 178, 142),
}  # fmt: skip
HAIR_COLORS: dict[str, Color] = {
    "black": (24, 20, 20), "brown": (84, 54, 32), "blond": (196, 164, 96), "grey": (150, 150, 150),
}  # fmt: skip
_SKIN_COLORS: tuple[Color, ...] = ((224, 184, 156), (196, 148, 116), (150, 104, 76), (96, 66, 50))
_SHOE_COLORS = ("black", "white", "brown", "grey", "red", "blue")
_LUMINANCE = np.array([0.299, 0.587, 0.114])

_INSULATED = {"t-shirt": 0.66, "shirt": 0.60, "vest": 0.63, "jacket": 0.46, "coat": 0.38}
_INSULATED_LOWER = {"trousers": 0.56, "shorts": 0.60, "skirt": 0.52, "long skirt": 0.46}


class Part(IntEnum):
    """The part of a drawn person that a pixel belongs to; a second colour is always its first colour plus one."""

    BACKGROUND, SKIN, HAIR, UPPER, UPPER_SECOND, SLEEVE, SLEEVE_SECOND, LOWER, LOWER_SECOND = range(9)
    LINING, SHOES, SOLES, BAG, BAG_TRIM, HAT, SCARF, OBSTACLE = range(9, 17)


PARTS = len(Part)
_CLOTHS = [Part.UPPER, Part.LINING, Part.LOWER, Part.SHOES, Part.BAG, Part.HAT, Part.SCARF]


@dataclass(frozen=True, slots=True)
class Materials:
    """Appearance of every part of one person.

    Attributes:
        visible: (PARTS, 3) colours, 0..255.
        near_infrared: (PARTS,) reflectance under an infrared lamp, 0..1.
        thermal: (PARTS,) radiance in the thermal band relative to bare skin, 0..1.
    """

    visible: np.ndarray
    near_infrared: np.ndarray
    thermal: np.ndarray


def sample_materials(attributes: dict[str, str], luminance_share: float, rng: np.random.Generator) -> Materials:
    """Draw the materials of a person with these attributes, including colours that no attribute describes."""
    visible = _sample_colors(attributes, rng)
    return Materials(visible, _sample_reflectance(visible, luminance_share, rng), _sample_radiance(attributes, rng))


def drawn(rng: np.random.Generator, values: Sequence[str], shares: Sequence[float] | None = None) -> str:
    """One of `values`, as likely as `shares` say (None: all equally): what `rng.choice` draws, without an array."""
    if shares is None:
        return values[int(rng.integers(len(values)))]
    reached = np.cumsum(shares)
    return values[int(np.searchsorted(reached / reached[-1], rng.random(), side="right"))]


def luminance(colors: np.ndarray) -> np.ndarray:
    """Luminance 0..1 of (..., 3) colours 0..255 (ITU-R BT.601 weights)."""
    return colors @ _LUMINANCE / 255


def mix_reflectance(brightness: np.ndarray, independent: np.ndarray, luminance_share: float) -> np.ndarray:
    """Near-infrared reflectance: `luminance_share` of visible luminance, the rest drawn independently of colour."""
    return luminance_share * brightness + (1 - luminance_share) * independent


def _sample_colors(attributes: dict[str, str], rng: np.random.Generator) -> np.ndarray:
    def jittered(color: Color, spread: float = 14.0) -> np.ndarray:
        return np.clip(np.asarray(color) + rng.normal(0, spread, 3), 8, 245)

    def cloth(but: str = "") -> np.ndarray:
        return jittered(CLOTH_COLORS[drawn(rng, [name for name in CLOTH_COLORS if name != but])])

    colors = np.zeros((PARTS, 3))
    colors[Part.SKIN] = jittered(_SKIN_COLORS[int(rng.integers(len(_SKIN_COLORS)))], 6)
    colors[Part.HAIR] = jittered(HAIR_COLORS[attributes["hair_color"]], 8)
    colors[Part.UPPER] = jittered(CLOTH_COLORS[attributes["upper_color"]])
    colors[Part.UPPER_SECOND] = cloth(but=attributes["upper_color"])
    colors[Part.LOWER] = jittered(CLOTH_COLORS[attributes["lower_color"]])
    colors[Part.LOWER_SECOND] = cloth(but=attributes["lower_color"])
    colors[Part.LINING] = cloth(but=attributes["upper_color"])
    colors[Part.SHOES] = jittered(CLOTH_COLORS[drawn(rng, _SHOE_COLORS)])
    colors[Part.SOLES] = (200, 198, 192) if attributes["shoes"] == "sneakers" else (50, 44, 40)
    for part in (Part.BAG, Part.HAT, Part.SCARF):
        colors[part] = cloth()
    colors[Part.BAG_TRIM] = 0.6 * colors[Part.BAG]
    colors[Part.SLEEVE], colors[Part.SLEEVE_SECOND] = colors[Part.UPPER], colors[Part.UPPER_SECOND]
    return colors


def _sample_reflectance(visible: np.ndarray, luminance_share: float, rng: np.random.Generator) -> np.ndarray:
    reflectance = np.zeros(PARTS)
    independent = rng.uniform(0.12, 0.95, len(_CLOTHS))
    reflectance[_CLOTHS] = mix_reflectance(luminance(visible[_CLOTHS]), independent, luminance_share)
    reflectance[Part.SKIN] = rng.uniform(0.58, 0.80)
    reflectance[Part.HAIR] = rng.uniform(0.12, 0.50)
    reflectance[Part.SOLES] = 0.25
    reflectance[Part.BAG_TRIM] = 0.65 * reflectance[Part.BAG]
    # A pattern is nearly always visible in the infrared too; only some dyes vanish there.
    contrast = rng.uniform(0.28, 0.55) if rng.uniform() < 0.94 else rng.uniform(0.06, 0.12)
    reflectance[Part.UPPER_SECOND] = _apart(reflectance[Part.UPPER], contrast)
    reflectance[Part.LOWER_SECOND] = _apart(reflectance[Part.LOWER], rng.uniform(0.28, 0.55))
    return _with_sleeves(np.clip(reflectance, 0.06, 0.97))


def _sample_radiance(attributes: dict[str, str], rng: np.random.Generator) -> np.ndarray:
    u = rng.uniform
    radiance = np.zeros(PARTS)
    radiance[Part.SKIN] = u(0.86, 0.96)
    radiance[Part.HAIR] = u(0.42, 0.62)
    radiance[Part.UPPER] = _INSULATED[attributes["upper"]] + u(-0.18, 0.18)
    radiance[Part.LOWER] = _INSULATED_LOWER[attributes["lower"]] + u(-0.18, 0.18)
    radiance[Part.LINING] = u(0.5, 0.8)
    radiance[Part.SHOES] = u(0.22, 0.5)
    radiance[Part.SOLES] = 0.25
    radiance[Part.BAG] = u(0.16, 0.34)
    radiance[Part.BAG_TRIM] = radiance[Part.BAG] + 0.06
    radiance[Part.HAT] = u(0.3, 0.55)
    radiance[Part.SCARF] = u(0.3, 0.6)
    # Prints hardly change the radiance of cloth, but sewn-in panels and thick dyes change it a little.
    radiance[Part.UPPER_SECOND] = _apart(radiance[Part.UPPER], u(0.08, 0.22))
    radiance[Part.LOWER_SECOND] = _apart(radiance[Part.LOWER], u(0.08, 0.22))
    return _with_sleeves(np.clip(radiance, 0.1, 1.0))


def _apart(value: float, distance: float) -> float:
    return value + distance if value < 0.5 else value - distance


def _with_sleeves(values: np.ndarray) -> np.ndarray:
    values[Part.BACKGROUND] = 0.0
    values[Part.SLEEVE], values[Part.SLEEVE_SECOND] = values[Part.UPPER], values[Part.UPPER_SECOND]
    return values
