"""Make the pictures of README and docs from the report of the sample, in the Chromium that the system has.

    python scripts/write_screenshots.py            # rewrite docs/pictures/*.png

Another version of the browser, or other fonts, draw other pixels: the pictures are renewed by hand, where the report
looks otherwise.  It needs the extra ``dev`` (playwright, pillow), and fails where a picture is larger than pages should
load.
"""

from __future__ import annotations

import io
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from process_anatomy.command.program import main as anatomy

ROOT = Path(__file__).resolve().parent.parent
SAMPLE = ROOT / "samples" / "lab-win11-22621.dmp"
FOLDER = ROOT / "docs" / "pictures"
PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
LARGEST = 150_000
"""Bytes of a picture."""
COLOURS = 128
STILL = "*, *::before, *::after { animation: none !important; transition: none !important; caret-color: transparent }"


class Picture(NamedTuple):
    """A picture of the report.

    Attributes:
        name: of its file.
        place: in the page.
        ready: an element that is there when the place is shown.
        size: of the window, in pixels.
        scheme: light or dark.
        clip: the element that is shown; empty for the window.
    """

    name: str
    place: str
    ready: str
    size: tuple[int, int]
    scheme: str = "light"
    clip: str = ""


PICTURES = (
    Picture("overview", "overview", "#findings .finding", (1280, 800)),
    Picture("diagram", "process/5212", "#diagram-drawn", (1280, 900), clip="#diagram-drawn"),
    Picture("map", "process/5212/address-space/0x15943a40000", "#first-bytes", (1280, 1000)),
    Picture("dark", "view/findings/1", '[data-view="findings"] .chosen', (1280, 600), "dark"),
)


def pictured(browser: Any, page: Path, picture: Picture) -> bytes:
    """A picture of the page of a report, as PNG."""
    width, height = picture.size
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme=picture.scheme, bypass_csp=True, offline=True
    )
    shown = context.new_page()
    shown.goto(f"{page.as_uri()}#{picture.place}")
    shown.wait_for_selector("html[data-ready]")
    shown.wait_for_selector(picture.ready)
    shown.add_style_tag(content=STILL)
    found = shown.locator(picture.clip) if picture.clip else shown
    data: bytes = found.screenshot(type="png")
    context.close()
    return small(data)


def small(png: bytes) -> bytes:
    """A picture with as many colours as eyes tell apart in it."""
    from PIL import Image

    out = io.BytesIO()
    Image.open(io.BytesIO(png)).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(
        out, "PNG", optimize=True
    )
    return out.getvalue()


def main() -> int:
    """Make every picture; the number of those that are too large."""
    from playwright.sync_api import sync_playwright

    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        sys.exit("no Chromium is installed")
    FOLDER.mkdir(exist_ok=True)
    large = 0
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        page = Path(folder) / "report.html"
        if status := anatomy(["report", str(SAMPLE), "-o", str(page)]):
            return status
        browser = driver.chromium.launch(executable_path=program)
        for picture in PICTURES:
            data = pictured(browser, page, picture)
            (FOLDER / f"{picture.name}.png").write_bytes(data)
            print(f"docs/pictures/{picture.name}.png: {len(data):,} bytes")
            large += len(data) > LARGEST
        browser.close()
    return large


if __name__ == "__main__":
    if sys.argv[1:]:
        sys.exit(__doc__)
    sys.exit(main())
