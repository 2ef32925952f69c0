"""The page in a real browser: no error, nothing missing, readable on a phone, sorted by a click."""

from __future__ import annotations

import base64
import html
import json
import re
import shutil
import subprocess
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from csdn.reporting.page import write_report
from helpers.result_tree import Tree

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --enable-logging=stderr --dump-dom"
)
# Nothing in it waits: the page is written out as soon as what listens to `load` has returned.
PROBE = """
<script>
addEventListener("load", () => {
  const found = [...document.querySelectorAll("svg image")].map(image => image.href.baseVal);
  const table = document.querySelector("table.sortable"), body = table.tBodies[0], column = 2;
  const cells = () => [...body.rows].slice(1).map(row => row.cells[column].textContent);
  const before = cells(); table.tHead.rows[0].cells[column].querySelector("button").click();
  const result = {images: found, before, after: cells(),
    first: body.rows[0].className, sort: table.tHead.rows[0].cells[column].getAttribute("aria-sort"),
    page: document.documentElement.scrollWidth, window: innerWidth,
    figures: [...document.querySelectorAll("figure svg")].filter(svg => svg.checkVisibility())
      .every(svg => svg.getBoundingClientRect().height > 50),
    captions: [...document.querySelectorAll("figure")].every(figure => figure.querySelector("figcaption").textContent)};
  document.body.insertAdjacentHTML("beforeend", `<pre id="probe">${JSON.stringify(result)}</pre>`);
});
</script>
"""


def visit(page: Path, folder: Path, width: int) -> tuple[dict[str, Any], str]:
    """What the probe saw, and the console."""
    probed = folder / "probed.html"
    probed.write_text(page.read_text().replace("</body>", f"{PROBE}</body>"))
    command = [str(BROWSER), *FLAGS.split(), f"--window-size={width},900"]
    profile = f"--user-data-dir={folder / 'profile'}"
    done = subprocess.run([*command, profile, probed.as_uri()], capture_output=True, text=True, timeout=120, check=True)
    match = re.search(r'<pre id="probe">(\{.*\})</pre>', done.stdout, re.DOTALL)
    assert match, done.stderr[-2000:]
    return json.loads(html.unescape(match[1])), "\n".join(
        line for line in done.stderr.splitlines() if "CONSOLE" in line
    )


@pytest.mark.skipif(BROWSER is None, reason="no chromium or chrome on this machine")
@pytest.mark.parametrize("width", [500, 1280])
def test_the_page_in_a_browser(tree: Tree, tmp_path: Path, width: int):
    write_report(tree.params, tmp_path / "report.html")
    seen, console = visit(tmp_path / "report.html", tmp_path, width)
    assert console == ""
    assert len(seen["images"]) > 50
    for source in seen["images"]:
        kind, data = source.split(";base64,")
        assert kind.startswith("data:image/")
        Image.open(BytesIO(base64.b64decode(data))).load()
    assert seen["figures"] and seen["captions"]
    assert seen["page"] <= seen["window"]
    values = [float(text.split()[0]) for text in seen["after"]]
    assert values == sorted(values, reverse=True)
    assert sorted(seen["before"]) == sorted(seen["after"])
    assert (seen["first"], seen["sort"]) == ("group", "descending")
