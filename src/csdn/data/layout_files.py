"""What the readers of the official layouts share: listing images, reading label files and naming what is missing."""

from __future__ import annotations

import re
from pathlib import Path

from csdn.errors import UserError

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp"})


def list_images(folder: Path) -> list[str]:
    """Names of the images in `folder`, sorted as text; hidden files and files that are not images are left out."""
    return sorted(
        entry.name
        for entry in folder.iterdir()
        if entry.suffix.lower() in IMAGE_SUFFIXES and not entry.name.startswith(".")
    )


def require(root: Path, folders: list[str], files: list[str], layout: str) -> None:
    """Check that a dataset's folder holds what its layout needs.

    Raises:
        UserError: `root` is no folder, or some of `folders` and `files` (relative to it) are missing; all are named.
    """
    if not root.is_dir():
        raise UserError(f"{root}: no such folder; give the root of {layout} (see docs/data.md)")
    missing = [f"{name}/" for name in folders if not (root / name).is_dir()]
    missing += [name for name in files if not (root / name).is_file()]
    if missing:
        raise UserError(f"{root}: missing {', '.join(missing)}; expected {layout} (see docs/data.md)")


def read_text(path: Path) -> str:
    """Text of a label file.

    Raises:
        UserError: the file is missing or is not UTF-8 text.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file; copy the dataset's label files again (see docs/data.md)") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: is not UTF-8 text; copy the dataset's label files again") from error


def read_identities(path: Path) -> list[int]:
    """Identities of a list such as `exp/test_id.txt`, ascending and without repetition.

    The official lists are one comma-separated line; blanks, line ends of any kind and trailing commas do no harm.

    Raises:
        UserError: the file is missing, or an entry is not a positive whole number.
    """
    entries = [entry for entry in re.split(r"[,\s]+", read_text(path)) if entry]
    wrong = [entry for entry in entries if not (entry.isdecimal() and int(entry) > 0)]
    if wrong:
        raise UserError(f"{path}: {wrong[0]!r} is no identity; expected positive whole numbers separated by commas")
    return sorted({int(entry) for entry in entries})


def read_labels(path: Path) -> list[tuple[str, int]]:
    """`(POSIX path, label)` of each line `path label` of a list such as `idx/train_vis.txt`; blank lines are skipped.

    Raises:
        UserError: the file is missing, holds no line, or a line is not a path and a whole number (the line is named).
    """
    rows = []
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        fields = line.strip().rsplit(maxsplit=1)
        if not fields:
            continue
        if len(fields) != 2 or not fields[1].isdecimal():
            raise UserError(f"{path}:{number}: expected `path label` but found {line.strip()!r}; mend the line")
        rows.append((fields[0].replace("\\", "/").removeprefix("./"), int(fields[1])))
    if not rows:
        raise UserError(f"{path}: holds no image; copy the dataset's label files again (see docs/data.md)")
    return rows


def identity_of_folder(path: str, where: str) -> int:
    """Identity of an image: the number of the folder that it lies in.

    Raises:
        UserError: that folder is not a number; `where` names the file that listed the image.
    """
    folder = path.split("/")[-2] if "/" in path else ""
    if not folder.isdecimal():
        raise UserError(
            f"{where}: {path!r} lies in no folder named by an identity number; expected .../<identity>/<image>"
        )
    return int(folder)


def check_labels(labelled: list[tuple[int, int]], where: str) -> None:
    """Check that labels and identities of `(identity, label)` pairs correspond one to one.

    Raises:
        UserError: a label stands for two identities, or an identity has two labels; `where` names the label files.
    """
    label_of: dict[int, int] = {}
    identity_of: dict[int, int] = {}
    for identity, label in labelled:
        if identity_of.setdefault(label, identity) != identity:
            raise UserError(
                f"{where}: label {label} stands for folders {identity_of[label]} and {identity}; "
                "labels and folders must correspond one to one"
            )
        if label_of.setdefault(identity, label) != label:
            raise UserError(
                f"{where}: folder {identity} has labels {label_of[identity]} and {label}; "
                "labels and folders must correspond one to one"
            )


def check_disjoint(first: set[int], second: set[int], names: tuple[str, str], where: Path) -> None:
    """Check that two groups of identities share none.

    Raises:
        UserError: they do; the identities are named.
    """
    common = sorted(first & second)
    if common:
        shown = ", ".join(map(str, common[:5])) + (", ..." if len(common) > 5 else "")
        raise UserError(f"{where}: identities {shown} are in {names[0]} and in {names[1]}; they must be disjoint")


def require_images(root: Path, paths: list[str], where: str) -> None:
    """Check that listed images exist.

    Raises:
        UserError: some do not; their number and the first one are named, and `where` names the list.
    """
    missing = [path for path in paths if not (root / path).is_file()]
    if missing:
        raise UserError(
            f"{where}: {len(missing)} of {len(paths)} images are missing, first {root / missing[0]}; unpack again"
        )
