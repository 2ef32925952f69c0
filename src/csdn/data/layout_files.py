"""Shared by the readers of the official layouts: list images, read label files and report what is wrong.

Every function appends one line to `problems` for each thing that is wrong and continues, so users see all at once.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from csdn.data.records import ImageRecord
from csdn.errors import UserError

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp"})
_NUMBER = re.compile(r"[0-9]{1,9}")  # a longer number is not an identity and would not fit the index's column
_LINES = re.compile(r"\r\n|\n|\r")  # str.splitlines also splits at Unicode separators, which may be part of a name


@dataclass(frozen=True, slots=True)
class Inspection:
    """What a reader found.

    Attributes:
        records: the images that could be identified.
        problems: one line for everything that must be fixed.
        warnings: one line for everything that differs from the lists but does no harm.
    """

    records: list[ImageRecord]
    problems: list[str]
    warnings: list[str] = field(default_factory=list)

    def checked(self) -> list[ImageRecord]:
        """The images.

        Raises:
            UserError: something is wrong; the first problem and the number of the others.
        """
        if self.problems:
            raise UserError(first_problem(self.problems))
        return self.records


@dataclass(frozen=True, slots=True)
class Labelled:
    """A line of a list of images: `where` is file and line."""

    path: str
    label: int
    where: str


def is_folder(path: Path) -> bool:
    """Whether `path` is a folder; False if a folder above it cannot be read, for which Path.is_dir raises."""
    return os.path.isdir(path)  # noqa: PTH112


def is_file(path: Path) -> bool:
    """Whether `path` is a file; False if a folder above it cannot be read, for which Path.is_file raises."""
    return os.path.isfile(path)  # noqa: PTH113


def first_problem(problems: list[str]) -> str:
    """The first problem in one line, with the number of other problems."""
    if len(problems) == 1:
        return problems[0]
    return f"{problems[0]} (and {len(problems) - 1} more: `csdn index-images --check` lists all)"


def require(root: Path, folders: list[str], files: list[str], layout: str, problems: list[str]) -> bool:
    """Whether a dataset's folder exists; everything its layout needs but the folder lacks is one problem."""
    if not is_folder(root):
        problems.append(f"{root}: no such folder; give the root of {layout} (see docs/data.md)")
        return False
    missing = [f"{name}/" for name in folders if not is_folder(root / name)]
    missing += [name for name in files if not is_file(root / name)]
    if missing:
        problems.append(f"{root}: missing {', '.join(missing)}; expected {layout} (see docs/data.md)")
    return True


def list_images(folder: Path, problems: list[str]) -> list[str]:
    """Names of the images in `folder`, sorted as text; hidden files and files that are not images are left out."""
    try:
        names = sorted(entry.name for entry in folder.iterdir() if not entry.name.startswith("."))
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        problems.append(f"{folder}: cannot be read ({error.strerror}); change its permissions")
        return []
    images = []
    for name in names:
        if PurePosixPath(name).suffix.lower() not in IMAGE_SUFFIXES:
            continue
        if _is_text(name):
            images.append(name)
        else:
            problems.append(f"{folder}: {name!r} is not a UTF-8 name; rename the file")
    return images


def read_text(path: Path, problems: list[str]) -> str:
    """Text of a label file; empty if it cannot be read. `require` has already reported a missing file."""
    try:
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        return ""
    except UnicodeDecodeError:
        problems.append(f"{path}: is not UTF-8 text; copy the dataset's label files again")
    except OSError as error:
        problems.append(f"{path}: cannot be read ({error.strerror}); change its permissions or copy it again")
    return ""


def read_identities(path: Path, problems: list[str]) -> list[int]:
    """Identities of a list such as `exp/test_id.txt`, ascending and without repetition.

    The official lists are one comma-separated line; spaces, line ends of any kind and trailing commas do no harm.
    """
    identities = set()
    for number, line in enumerate(_LINES.split(read_text(path, problems)), start=1):
        for entry in filter(None, re.split(r"[,\s]+", line)):
            if _NUMBER.fullmatch(entry) and int(entry) > 0:
                identities.add(int(entry))
            else:
                problems.append(
                    f"{path}:{number}: {_short(entry)} is not an identity; "
                    "expected positive whole numbers separated by commas"
                )
    return sorted(identities)


def read_labels(path: Path, problems: list[str]) -> list[Labelled]:
    """The lines `path label` of a list such as `idx/train_vis.txt`; blank lines are skipped.

    Paths may contain spaces and backslashes and start with `./`; they may not lead out of the dataset.
    """
    rows: list[Labelled] = []
    found = len(problems)
    line_of: dict[str, int] = {}
    for number, line in enumerate(_LINES.split(read_text(path, problems)), start=1):
        fields = line.strip().rsplit(maxsplit=1)
        if not fields:
            continue
        where = f"{path}:{number}"
        if len(fields) != 2 or not _NUMBER.fullmatch(fields[1]):
            problems.append(f"{where}: expected `path label` but found {_short(line.strip())}; fix the line")
            continue
        image = fields[0].replace("\\", "/")
        wrong = _leads_out(image)
        if wrong:
            problems.append(f"{where}: {_short(image)} {wrong}; write it relative to the dataset's root")
            continue
        image = str(PurePosixPath(image))
        if line_of.setdefault(image, number) != number:
            problems.append(f"{where}: repeats {_short(image)} of line {line_of[image]}; delete one of them")
            continue
        rows.append(Labelled(image, int(fields[1]), where))
    if not rows and len(problems) == found and is_file(path):
        problems.append(f"{path}: lists no image; copy the dataset's label files again (see docs/data.md)")
    return rows


def identity_of_folder(row: Labelled, problems: list[str]) -> int | None:
    """Identity of an image: the number of its folder."""
    folder = row.path.split("/")[-2] if "/" in row.path else ""
    if _NUMBER.fullmatch(folder):
        return int(folder)
    problems.append(
        f"{row.where}: {_short(row.path)} is not in a folder named by an identity number; "
        "expected .../<identity>/<image>"
    )
    return None


def check_labels(labelled: Iterable[tuple[int, Labelled]], problems: list[str]) -> None:
    """Check that labels and identities correspond one to one; each contradiction is reported once."""
    label_of: dict[int, int] = {}
    identity_of: dict[int, int] = {}
    reported: set[tuple[str, int]] = set()
    for identity, row in labelled:
        first_identity = identity_of.setdefault(row.label, identity)
        first_label = label_of.setdefault(identity, row.label)
        if first_identity != identity and ("label", row.label) not in reported:
            reported |= {("label", row.label), ("folder", identity)}
            what = f"label {row.label} is used for folders {first_identity} and {identity}"
        elif first_label != row.label and ("folder", identity) not in reported:
            reported.add(("folder", identity))
            what = f"folder {identity} has labels {first_label} and {row.label}"
        else:
            continue
        problems.append(f"{row.where}: {what}; labels and folders must correspond one to one")


def check_disjoint(first: set[int], second: set[int], names: tuple[str, str], where: Path, problems: list[str]) -> None:
    """Check that two groups of identities have none in common."""
    common = sorted(first & second)
    if common:
        problems.append(
            f"{where}: identities {first_few(common)} are in {names[0]} and in {names[1]}; they must be disjoint"
        )


def warn_without_images(listed: Iterable[int], found: set[int], where: Path, warnings: list[str]) -> None:
    """Warn about listed identities without an image: the authors' readers skip them, and so do these."""
    missing = sorted(set(listed) - found)
    if missing:
        warnings.append(f"{where}: identities {first_few(missing)} have no image; unpack again if they should")


def require_images(root: Path, rows: list[Labelled], where: Path, problems: list[str]) -> None:
    """Check that listed images exist; one problem gives the number of missing images and the first one."""
    missing = [row for row in rows if not is_file(root / row.path)]
    if missing:
        problems.append(
            f"{where}: {len(missing)} of {len(rows)} images are missing, first {root / missing[0].path} "
            f"(line {missing[0].where.rpartition(':')[2]}); unpack again"
        )


def first_few(numbers: list[int]) -> str:
    """The first numbers of a list."""
    return ", ".join(map(str, numbers[:5])) + (", ..." if len(numbers) > 5 else "")


def _leads_out(path: str) -> str | None:
    if path.startswith("/") or re.match(r"[A-Za-z]:", path):
        return "is an absolute path"
    if ".." in path.split("/"):
        return "leads out of the dataset"
    return None if path.isprintable() else "has characters that cannot be printed"


def _is_text(name: str) -> bool:
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return name.isprintable()


def _short(text: str) -> str:
    shown = repr(text)
    return shown if len(shown) <= 100 else f"{shown[:97]}..."
