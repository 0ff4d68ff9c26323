"""Write the tables of ``docs/trust.md``: what is concluded where a source of facts is taken away.

    python scripts/write_trust.py            # rewrite the tables
    python scripts/write_trust.py --check    # say whether they are out of date, status 1 if they are

A table follows the heading with its image's name.  Tables of images that are not beside the checkout stay as they are.
"""

from __future__ import annotations

import lzma
import re
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from process_anatomy.forge import INTRUSION, LAB, forge
from process_anatomy.forge.cast.hiding import HIDING
from process_anatomy.kernel.identify import Kernel
from process_anatomy.volatility import open_path
from scripts.generated import ROOT, renewed
from tests.walk.damaged import kernel_of
from tests.walk.sources import COLUMNS, SEED, SOURCES, conclude, loss, taken

PAGE = ROOT / "docs" / "trust.md"
IMAGES = ROOT.parent / "shared" / "images"
SCENARIOS = {"lab": LAB, "intrusion": INTRUSION, "hiding": HIDING}
SECTION = re.compile(r"### (?P<name>\S+)\n(?:.*\n)*?(?=#|\Z)")


def table(kernel: Kernel) -> str:
    """The table of one image, a row for each source."""
    whole = conclude(kernel)
    rows = [f"| without | {' | '.join(COLUMNS)} |", "|---" * (1 + len(COLUMNS)) + "|"]
    rows += [f"| {source} | {loss(whole, conclude(taken(kernel, source))).row} |" for source in SOURCES]
    return "\n".join(rows) + "\n"


def opened(name: str, folder: Path) -> Kernel | None:
    """The kernel of an image by its name; ``None`` where the image is not there."""
    if name in SCENARIOS:
        return kernel_of(forge(SCENARIOS[name], SEED))
    packed = IMAGES / f"{name}.raw.xz"
    if not packed.is_file():
        return None
    path = folder / f"{name}.raw"
    path.write_bytes(lzma.decompress(packed.read_bytes()))
    return open_path(path)


def main(check: bool, find: Callable[[str, Path], Kernel | None] = opened) -> int:
    """Rewrite or check the page; 1 if it was out of date."""
    text = PAGE.read_text("utf-8")
    with tempfile.TemporaryDirectory(prefix="trust-") as folder:

        def section(found: re.Match[str]) -> str:
            kernel = find(found["name"], Path(folder))
            return found[0] if kernel is None else f"### {found['name']}\n\n{table(kernel)}\n"

        fresh = SECTION.sub(section, text).rstrip("\n") + "\n"
    return int(renewed(PAGE, fresh, check))


if __name__ == "__main__":
    if sys.argv[1:] not in ([], ["--check"]):
        sys.exit(__doc__)
    checking = sys.argv[1:] == ["--check"]
    sys.exit(1 if main(checking) and checking else 0)
