"""The answers of a search as one self-contained page."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

from csdn.artifacts.files import write_text
from csdn.errors import UserError

HEIGHT = 144  # pixels of a picture on the page


def write_page(path: Path, answers: list[dict[str, Any]], root: Path | None, note: str) -> None:
    """Write the page.

    Args:
        answers: see `csdn.jobs.search.run_search`.
        root: folder of the gallery's images; None shows their names only.
        note: text shown above the answers.
    """
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("csdn.search", "templates"), autoescape=True, undefined=jinja2.StrictUndefined
    )
    shown = []
    for answer in answers:
        found = [one | {"picture": _picture(root / one["path"]) if root else None} for one in answer["found"]]
        shown.append({"query": answer["query"], "picture": _picture(Path(answer["query"])), "found": found})
    write_text(path, environment.get_template("search.html.jinja").render(answers=shown, note=note))


def _picture(path: Path) -> str | None:
    """The image as a data URI; None if it cannot be read, since the page is useful without it."""
    from csdn.data.image_files import decode

    try:
        image = decode(path.read_bytes(), path)
    except (OSError, UserError):
        return None
    image.thumbnail((2 * HEIGHT, HEIGHT))
    held = io.BytesIO()
    image.save(held, "JPEG", quality=85)
    return "data:image/jpeg;base64," + base64.b64encode(held.getvalue()).decode()
