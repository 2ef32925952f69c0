"""The small datasets of `fixtures`, whose images are empty files: what reads them only lists them."""

import shutil
from pathlib import Path

FIXTURES = Path(__file__).parents[1] / "fixtures"


def write_fake_sysu(root: Path) -> Path:
    """SYSU-MM01 with 252 images of 13 identities, as `fake_sysu_images.txt` names them."""
    shutil.copytree(FIXTURES / "fake_sysu", root)
    for line in (FIXTURES / "fake_sysu_images.txt").read_text().splitlines():
        folder, *numbers = line.split()
        _touch(root / folder / f"{number}.jpg" for number in numbers)
    return root


def write_fake_regdb(root: Path) -> Path:
    """RegDB with the images that its lists name."""
    shutil.copytree(FIXTURES / "fake_regdb", root)
    for path in (root / "idx").iterdir():
        _touch(root / line.split()[0] for line in path.read_text().splitlines())
    return root


def _touch(paths) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
