"""A few images in each official layout, no two alike, to be damaged in tests."""

from pathlib import Path

import numpy as np
from PIL import Image

SYSU = {"train": (1, 2, 7), "val": (3,), "test": (4, 5)}
LLCM_CAMERAS = {"vis": range(1, 10), "nir": (1, 2, 4, 5, 6, 7, 8, 9)}


def noise(*key: int, size: tuple[int, int] = (16, 8)) -> np.ndarray:
    """uint8 (H, W, 3), different for each key."""
    return np.random.default_rng(key).integers(0, 256, (*size, 3), dtype=np.uint8)


def write_image(path: Path, *key: int) -> Path:
    """Write an image of its own."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(noise(*key)).save(path)
    return path


def write_text(path: Path, text: str) -> Path:
    """Write a list."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def write_sysu(root: Path) -> Path:
    """SYSU-MM01: an image of each identity and infrared camera, two of each identity and visible camera."""
    for subset, persons in SYSU.items():
        write_text(root / f"exp/{subset}_id.txt", ",".join(map(str, persons)) + "\n")
        for person in persons:
            for camera in range(1, 7):
                for number in (1,) if camera in (3, 6) else (1, 2):
                    write_image(root / f"cam{camera}/{person:04d}/{number:04d}.jpg", person, camera, number)
    return root


def write_regdb(root: Path) -> Path:
    """RegDB: four identities, two images in each modality, splits 1 and 2."""
    for split, (train, test) in enumerate((((1, 2), (3, 4)), ((3, 4), (1, 2))), start=1):
        for subset, persons in (("train", train), ("test", test)):
            for modality, (folder, name) in enumerate((("Visible", "visible"), ("Thermal", "thermal"))):
                lines = []
                for label, person in enumerate(persons):
                    for number in (1, 2):
                        path = f"{folder}/{person}/{name[0]}_{number}.bmp"
                        write_image(root / path, modality, person, number)
                        lines.append(f"{path} {label}\n")
                write_text(root / f"idx/{subset}_{name}_{split}.txt", "".join(lines))
    return root


def write_llcm(root: Path) -> Path:
    """LLCM: two training and two test identities, two cameras each."""
    for modality, (name, cameras) in enumerate(LLCM_CAMERAS.items()):
        lines = []
        for label, person in enumerate((1, 5)):
            for camera in (1, 4):
                path = f"{name}/{person:04d}/{person:04d}_c{camera:02d}_s1_f2_{name}.png"
                write_image(root / path, modality, person, camera)
                lines.append(f"{path} {label}\n")
        write_text(root / f"idx/train_{name}.txt", "".join(lines))
        for camera in cameras:
            (root / f"test_{name}/cam{camera}").mkdir(parents=True)
        for person in (3, 12):
            for camera in (2, 5):
                write_image(root / f"test_{name}/cam{camera}/{person:04d}/a.png", modality, person, camera)
    write_text(root / "idx/test_id.txt", "12,3\n")
    return root
