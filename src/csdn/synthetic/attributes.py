"""What distinguishes rendered people: described attributes, body proportions and materials."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from csdn.synthetic.materials import CLOTH_COLORS, HAIR_COLORS, Materials, drawn, sample_materials

ATTRIBUTES: dict[str, tuple[str, ...]] = {
    "gender": ("man", "woman"),
    "build": ("slim", "average", "heavy"),
    "height": ("short", "medium", "tall"),
    "hair": ("bald", "short", "long", "ponytail"),
    "hat": ("none", "cap", "beanie"),
    "upper": ("t-shirt", "shirt", "jacket", "coat", "vest"),
    "upper_pattern": ("plain", "striped", "checked", "dotted", "two-tone"),
    "lower": ("trousers", "shorts", "skirt", "long skirt"),
    "lower_pattern": ("plain", "striped", "two-tone"),
    "shoes": ("sneakers", "boots"),
    "bag": ("none", "backpack", "handbag", "shoulder bag"),
    "scarf": ("none", "scarf"),
    "hair_color": tuple(HAIR_COLORS),
    "upper_color": tuple(CLOTH_COLORS),
    "lower_color": tuple(CLOTH_COLORS),
}
"""Every described attribute and its values; the order is that of the columns of the annotations."""

COLOR_ATTRIBUTES = ("hair_color", "upper_color", "lower_color")
"""Attributes that an infrared image does not show."""

_SHARES: dict[str, tuple[float, ...]] = {
    "build": (0.35, 0.3, 0.35),
    "hat": (0.6, 0.2, 0.2),
    "upper_pattern": (0.22, 0.2, 0.19, 0.16, 0.23),
    "lower_pattern": (0.4, 0.3, 0.3),
    "bag": (0.28, 0.24, 0.24, 0.24),
    "scarf": (0.75, 0.25),
}
_SHARES_OF_GENDER: dict[str, dict[str, tuple[float, ...]]] = {
    "man": {"hair": (0.2, 0.6, 0.12, 0.08), "lower": (0.65, 0.35, 0.0, 0.0)},
    "woman": {"hair": (0.04, 0.26, 0.4, 0.3), "lower": (0.3, 0.25, 0.25, 0.2)},
}


@dataclass(frozen=True, slots=True)
class Body:
    """Proportions and habits of one person, lengths in units of the body's height."""

    shoulder: float  # half width at the shoulders, seen from the front
    waist: float  # half width at the waist
    hip: float  # half width at the hips
    leg: float  # length from hip to sole
    head: float  # half height of the head
    limb: float  # half width of a leg
    arm: float  # half width of an arm
    stance: float  # how far apart the feet are
    stride: float  # amplitude of the gait, in radians
    arm_out: float  # how far the arms are held from the body
    lean: float  # forward or sideways lean
    hem: float  # how far the upper garment extends below (positive) or above the hips
    lapel: float  # how open a jacket or coat is, 0..1
    pattern_period: float  # length of one stripe, check or dot of the upper garment
    pattern_duty: float  # share of the period that has the second colour
    pattern_split: float  # where a two-tone upper garment changes colour, 0 (shoulder) .. 1 (hem)
    lower_period: float  # length of one stripe of the lower garment
    lower_split: float  # where a two-tone lower garment changes colour, 0 (hip) .. 1 (foot)
    bag_width: float  # half width of a bag
    bag_height: float  # height of a bag


@dataclass(frozen=True, slots=True)
class Identity:
    """One person of the benchmark.

    Attributes:
        attributes: a value of every attribute in ATTRIBUTES.
        body: proportions and habits.
        materials: what every part looks like in each spectrum.
    """

    attributes: dict[str, str]
    body: Body
    materials: Materials

    def __getitem__(self, attribute: str) -> str:
        """The value of one attribute."""
        return self.attributes[attribute]


def sample_identity(rng: np.random.Generator, luminance_share: float) -> Identity:
    """Draw one person; `luminance_share`, 0..1, is the share of visible luminance in near-infrared reflectance."""
    attributes = sample_attributes(rng)
    body = sample_body(attributes, rng)
    return Identity(attributes, body, sample_materials(attributes, luminance_share, rng))


def sample_attributes(rng: np.random.Generator) -> dict[str, str]:
    """Draw a value of every attribute; hair and lower garment depend on the gender, the others are independent."""
    gender = drawn(rng, ATTRIBUTES["gender"])
    shares = _SHARES | _SHARES_OF_GENDER[gender]
    others = {name: drawn(rng, values, shares.get(name)) for name, values in ATTRIBUTES.items() if name != "gender"}
    return {"gender": gender} | others


def sample_body(attributes: dict[str, str], rng: np.random.Generator) -> Body:
    """Draw proportions that fit the described gender, build and height, and habits that no attribute describes."""
    woman = attributes["gender"] == "woman"
    weight = {"slim": -1.0, "average": 0.0, "heavy": 1.0}[attributes["build"]]
    tallness = {"short": 0.0, "medium": 1.0, "tall": 2.0}[attributes["height"]]
    u = rng.uniform
    return Body(
        shoulder=(0.098 if woman else 0.112) * (1 + 0.17 * weight) * u(0.92, 1.08),
        waist=(0.066 if woman else 0.080) * (1 + 0.34 * weight) * u(0.90, 1.10),
        hip=(0.088 if woman else 0.078) * (1 + 0.25 * weight) * u(0.92, 1.08),
        leg=0.445 + 0.038 * tallness + u(0.0, 0.036),
        head=0.0625 - 0.006 * tallness + u(0.0, 0.0065),
        limb=(0.026 + 0.009 * weight) * u(0.85, 1.15),
        arm=(0.022 + 0.007 * weight) * u(0.85, 1.15),
        stance=u(0.0, 0.045),
        stride=u(0.2, 0.5),
        arm_out=u(0.0, 0.15),
        lean=u(-0.02, 0.02),
        hem=u(-0.05, 0.07),
        lapel=u(0.0, 1.0),
        pattern_period=u(0.058, 0.12),
        pattern_duty=u(0.25, 0.72),
        pattern_split=u(0.2, 0.8),
        lower_period=u(0.055, 0.115),
        lower_split=u(0.2, 0.75),
        bag_width=u(0.05, 0.11),
        bag_height=u(0.05, 0.16),
    )
