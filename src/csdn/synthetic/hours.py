"""Time of day: the light during a visit to a visible camera, from a low or high sun to street lamps after dark.

Infrared cameras have their own lamps or record heat, so the time of day matters only to visible ones.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_LOW_SUN = np.array([0.10, 0.0, -0.16])
_LAMPS = np.array([[1.14, 1.0, 0.74], [1.05, 1.0, 0.86], [0.9, 1.0, 1.08]])  # sodium lamps, warm and cold LEDs


@dataclass(frozen=True, slots=True)
class Hour:
    """The effect of the light of one visit on photographs.

    Attributes:
        color: the light's colour, (3,), around 1.
        brightness: exposure relative to noon.
        saturation: factor on the camera's; sensors lose colour in the dark.
        noise: factor on the camera's sensor noise.
        falloff: how much darker it is outside a lamp's cone than inside.
    """

    color: np.ndarray
    brightness: float = 1.0
    saturation: float = 1.0
    noise: float = 1.0
    falloff: float = 0.0

    def cone(self, height: int, width: int) -> np.ndarray:
        """Light of a lamp overhead: float32 (height, width, 1), at most 1."""
        y, x = np.ogrid[0 : 1 : height * 1j, -0.5 : 0.5 : width * 1j]
        return (1 - self.falloff * np.clip(2.4 * x**2 + 0.35 * y**2, 0, 1)).astype(np.float32)[..., None]


NOON = Hour(np.ones(3))


def sample_hour(rng: np.random.Generator, night: float) -> Hour:
    """Draw the time of day of a visit; `night` is the probability that it is dark."""
    if rng.uniform() >= night:
        low = np.exp(-4 * rng.uniform())  # how near the horizon the sun is
        return Hour(color=1 + low * _LOW_SUN, brightness=1 - 0.2 * low)
    return Hour(
        color=_LAMPS[rng.integers(len(_LAMPS))],
        brightness=rng.uniform(0.74, 0.86),
        saturation=rng.uniform(0.6, 0.85),
        noise=rng.uniform(1.5, 2.5),
        falloff=rng.uniform(0.15, 0.4),
    )
