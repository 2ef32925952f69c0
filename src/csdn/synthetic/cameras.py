"""Cameras: where they look, how they respond to light, and the photographs that they take of people."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image

from csdn.synthetic.attributes import Identity
from csdn.synthetic.drawing import Frame, palette, parts_of
from csdn.synthetic.hours import NOON, Hour
from csdn.synthetic.materials import PARTS, Part
from csdn.synthetic.pedestrians import draw_person
from csdn.synthetic.poses import sample_pose
from csdn.synthetic.scenes import Spectrum, fractal_noise, sample_scene

_HEADINGS = np.array([0.0, math.pi, math.pi / 2, -math.pi / 2])
_MINIMUM_CONTRAST = {"visible": 40.0, "near_infrared": 52.0, "thermal": 52.0}
_EXPOSURES_OF_SCENE = (1.0, 0.7, 1.35, 0.5, 1.7, 0.35, 2.1, 0.25)


@dataclass(frozen=True, slots=True)
class Camera:
    """One camera; `background` and `horizon` are the scene it looks at (see `sample_scene`).

    Attributes:
        spectrum: the light that it records.
        background: float32 (2 height, 4 width, 3).
        horizon: row of `background` where the floor begins.
        heading: direction of people's paths relative to it, radians.
        heading_shares: how often people approach, leave, and cross to the right or left.
        pitch: how far it looks down.
        gain: colour cast, (3,).
        brightness: exposure.
        gamma: exponent of the response.
        saturation: 1 keeps colours, 0 is grey.
        blur: strength of the blur at the reference size.
        noise: standard deviation of the sensor noise, grey levels.
        vignette: how much darker the corners are.
    """

    spectrum: Spectrum
    background: np.ndarray
    horizon: int
    heading: float
    heading_shares: np.ndarray
    pitch: float
    gain: np.ndarray
    brightness: float
    gamma: float
    saturation: float
    blur: float
    noise: float
    vignette: float

    @property
    def image_size(self) -> tuple[int, int]:
        """Height and width of its photographs."""
        return self.background.shape[0] // 2, self.background.shape[1] // 4


@dataclass(frozen=True, slots=True)
class Photograph:
    """A photograph and where the person is.

    Attributes:
        pixels: uint8 (height, width, 3); infrared ones have three equal channels.
        mask: float32 (height, width), share of each pixel covered by the person or by what is in front of it.
    """

    pixels: np.ndarray
    mask: np.ndarray


def sample_camera(
    rng: np.random.Generator, spectrum: Spectrum, image_size: tuple[int, int], noise: float = 1.0
) -> Camera:
    """Draw a camera and its place; `noise` multiplies sensor noise and blur."""
    background, horizon = sample_scene(rng, spectrum, *image_size)
    u = rng.uniform
    visible = spectrum == "visible"
    return Camera(
        spectrum=spectrum,
        background=background,
        horizon=horizon,
        heading=u(-0.4, 0.4),
        heading_shares=rng.dirichlet((9.0, 9.0, 3.0, 3.0)),
        pitch=u(0.0, 0.08),
        gain=u(0.87, 1.13, 3) if visible else np.ones(3),
        brightness=u(0.86, 1.12) if visible else u(0.98, 1.15),
        gamma=u(0.85, 1.18) if visible else u(0.85, 1.1),
        saturation=u(0.7, 1.05) if visible else 0.0,
        blur=noise * (u(0.0, 0.2) if visible else u(0.05, 0.25)),
        noise=noise * (u(1.0, 2.5) if visible else u(1.5, 3.5)),
        vignette=u(0.0, 0.15) if visible or spectrum == "thermal" else u(0.15, 0.4),
    )


def photograph(
    person: Identity, camera: Camera, rng: np.random.Generator, occlusion: float = 0.0, hour: Hour = NOON
) -> Photograph:
    """Take one photograph: pose, light, crop of the scene, blur and noise are drawn from `rng`."""
    height, width = camera.image_size
    scale = 3 if height <= 96 else 2
    heading = camera.heading + rng.choice(_HEADINGS, p=camera.heading_shares) + rng.normal(0, 0.25)
    pose = sample_pose(heading, camera.pitch, rng)
    occluder = rng if rng.uniform() < occlusion else None
    labels, frame = draw_person(person, pose, height * scale, width * scale, occluder)
    mask = np.asarray(_reduced(parts_of(labels) > 0, scale), dtype=np.float32)[..., None] / 255
    body = _lit(_painted(labels, person, camera.spectrum, scale, rng), mask, frame, scale, rng)
    scene = _shaded_ground(_cropped(camera, rng), frame, scale, camera.spectrum)
    scene = scene * _scene_exposure(body, mask, scene, camera.spectrum)
    pixels = _exposed(body + (1 - mask) * scene, camera, hour, rng)
    if rng.uniform() < 0.5:
        pixels, mask = pixels[:, ::-1], mask[:, ::-1]
    return Photograph(np.ascontiguousarray(pixels), mask[..., 0])


def contrast(pixels: np.ndarray, mask: np.ndarray) -> float:
    """Mean distance (grey levels) of the person's pixels from the mean background around it.

    Args:
        pixels: (height, width, channels), 0..255.
        mask: (height, width), share of person.
    """
    grey = pixels.mean(axis=-1)
    inside, outside = mask > 0.5, mask < 0.1
    if not inside.any() or not outside.any():
        return 0.0
    return float(np.abs(grey[inside] - grey[outside].mean()).mean())


def _reduced(values: np.ndarray, scale: int) -> Image.Image:
    return Image.fromarray(values.astype(np.uint8) * 255).reduce(scale)


def _painted(
    labels: np.ndarray, person: Identity, spectrum: Spectrum, scale: int, rng: np.random.Generator
) -> np.ndarray:
    """Colours of the body at image size, background black: float32 (height, width, 3)."""
    if spectrum == "visible":
        colors = person.materials.visible.copy()
        colors[Part.OBSTACLE] = rng.uniform(0.5, 1.0) * np.array([110, 130, 80])
    else:
        grey = person.materials.near_infrared if spectrum == "near_infrared" else person.materials.thermal
        wobble = rng.normal(0, 0.015, PARTS)
        wobble[Part.SLEEVE], wobble[Part.SLEEVE_SECOND] = wobble[Part.UPPER], wobble[Part.UPPER_SECOND]
        grey = np.clip(grey + wobble, 0.03, 1.0)
        grey[Part.OBSTACLE] = rng.uniform(0.3, 0.7) if spectrum == "near_infrared" else rng.uniform(0.12, 0.2)
        grey[Part.BACKGROUND] = 0.0
        colors = np.repeat(235 * grey[:, None], 3, axis=1)
    image = Image.fromarray(labels, mode="P")
    image.putpalette(np.clip(palette(colors) + 0.5, 0, 255).astype(np.uint8).tobytes())
    return np.asarray(image.convert("RGB").reduce(scale), dtype=np.float32)


def _lit(body: np.ndarray, mask: np.ndarray, frame: Frame, scale: int, rng: np.random.Generator) -> np.ndarray:
    """Light from one side and from above, folds of cloth, and darker edges that make the body look round."""
    height, width = mask.shape[:2]
    x = ((np.arange(width) + 0.5) * scale - frame.center) / (0.12 * frame.scale)
    y = ((np.arange(height) + 0.5) * scale - frame.top) / frame.scale
    side, above = rng.uniform(-0.13, 0.13), rng.uniform(-0.03, 0.12)
    light = (1 + side * np.clip(x, -1.5, 1.5))[None] * (1 + above * (0.5 - y))[:, None]
    folds = 1 + 0.05 * fractal_noise(rng, height, width, height * 0.1, octaves=1)
    thick = Image.fromarray(mask[..., 0] * 255).resize((width // 2, height // 2), Image.Resampling.BOX)
    inner = np.asarray(thick.resize((width, height), Image.Resampling.BICUBIC), dtype=np.float32) / 255
    rim = 0.86 + 0.14 * np.clip(inner, 0, 1)
    return (body * (light * folds * rim).astype(np.float32)[..., None]).astype(np.float32)


def _cropped(camera: Camera, rng: np.random.Generator) -> np.ndarray:
    height, width = camera.image_size
    top = int(np.clip(camera.horizon - rng.uniform(0.4, 0.8) * height, 0, height))
    left = int(rng.integers(0, 3 * width + 1))
    return camera.background[top : top + height, left : left + width]


def _shaded_ground(scene: np.ndarray, frame: Frame, scale: int, spectrum: Spectrum) -> np.ndarray:
    """A soft shadow under the feet; in the thermal band a faint reflection of the body's heat."""
    height, width = scene.shape[:2]
    x = ((np.arange(width) + 0.5) * scale - frame.center) / (0.15 * frame.scale)
    y = ((np.arange(height) + 0.5) * scale - frame.top - 0.985 * frame.scale) / (0.035 * frame.scale)
    shadow = np.exp(-(x[None] ** 2) - (y[:, None] ** 2)).astype(np.float32)
    return scene * (1 + (0.25 if spectrum == "thermal" else -0.4) * shadow)[..., None]


def _scene_exposure(body: np.ndarray, mask: np.ndarray, scene: np.ndarray, spectrum: Spectrum) -> float:
    """The factor closest to 1 on the scene's brightness with which the person stands out."""
    share = mask[..., 0]
    inside = share > 0.5
    if not inside.any():
        return 1.0
    person = body[inside].mean(axis=-1) / share[inside]
    around = float(scene[share < 0.1].mean()) if (share < 0.1).any() else float(scene.mean())
    contrasts = [float(np.abs(person - factor * around).mean()) for factor in _EXPOSURES_OF_SCENE]
    enough = [f for f, c in zip(_EXPOSURES_OF_SCENE, contrasts, strict=True) if c >= _MINIMUM_CONTRAST[spectrum]]
    return enough[0] if enough else _EXPOSURES_OF_SCENE[int(np.argmax(contrasts))]


def _exposed(light: np.ndarray, camera: Camera, hour: Hour, rng: np.random.Generator) -> np.ndarray:
    """The light at that time of day, and the sensor: colour cast, exposure, response, blur and noise."""
    height, width = light.shape[:2]
    u = rng.uniform
    noisy = camera.noise
    if camera.spectrum == "visible":
        noisy *= hour.noise
        light = light * hour.color * hour.cone(height, width)
        grey = light.mean(axis=-1, keepdims=True)
        light = (grey + (light - grey) * (camera.saturation * hour.saturation)) * (
            camera.gain * (camera.brightness * hour.brightness) * u(0.87, 1.13) * u(0.96, 1.04, 3)
        )
    else:
        y, x = np.ogrid[-0.6 : 0.6 : height * 1j, -0.4 : 0.4 : width * 1j]
        lamp = 1.1 - camera.vignette * 2 * u(0.7, 1.1) * (x**2 + y**2)
        light = light * (camera.brightness * u(0.92, 1.12) * lamp)[..., None]
    pixels = (255 * np.clip(light / 255, 0, 1) ** (camera.gamma * u(0.94, 1.06))).astype(np.float32)
    pixels = _blurred(pixels, camera.blur * u(0.3, 1.5) * (width / 48 if width > 32 else 0.7))
    noise = rng.standard_normal((height, width, 3 if camera.spectrum == "visible" else 1), dtype=np.float32)
    return np.clip(pixels + noisy * noise + 0.5, 0, 255).astype(np.uint8)


def _blurred(pixels: np.ndarray, strength: float) -> np.ndarray:
    if strength <= 0.2:
        return pixels
    height, width = pixels.shape[:2]
    small = max(8, round(width / (1 + strength))), max(16, round(height / (1 + strength)))
    reduced = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).resize(small, Image.Resampling.BILINEAR)
    return np.asarray(reduced.resize((width, height), Image.Resampling.BILINEAR), dtype=np.float32)
