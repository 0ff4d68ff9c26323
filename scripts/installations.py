"""Install Volatility and our wheel in the ways that people do, and see that every `vol` goes on working.

python scripts/installations.py            # the whole matrix, a Markdown table; status 1 if a cell fails
python scripts/installations.py --quick    # what the tests run: from a wheel and from a checkout
python scripts/installations.py --write    # put the table into docs/installation.md, with the date
"""

from __future__ import annotations

import argparse
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from scripts.environments import (
    ROOT,
    VOLATILITY,
    WAYS,
    CommandError,
    Kit,
    Place,
    Way,
    editable,
    editable_by_path,
    from_wheel,
    prepare,
    user_site,
)  # fmt: skip

PAGE = ROOT / "docs" / "installation.md"
TABLE = re.compile(r"<!-- installations -->\n.*?<!-- end of installations -->\n", re.DOTALL)
PROGRAM = "notepad.exe"
ORIGIN = "import volatility3; print(volatility3.__file__, list(volatility3.__path__))"
LATER, EARLIER, UPGRADED = "after Volatility", "before Volatility", "over the first wheel"
CASES = (
    *((way, LATER) for way in WAYS),
    *((way, EARLIER) for way in (from_wheel, editable, editable_by_path, user_site)),
    *((way, UPGRADED) for way in (from_wheel, editable)),
)
QUICK = ((from_wheel, LATER), (editable, EARLIER), (editable, UPGRADED))
HEADINGS = (
    "Volatility", "ours", "`import`", "`vol -h`", "stock plugin", "ours, plain `vol`", '`-p "$(anatomy plugins)"`',
    "ours uninstalled",
)  # fmt: skip


def examine(kit: Kit, folder: Path, way: Way, order: str) -> dict[str, str]:
    """Install in this way and order, look, uninstall ours, look again.

    Returns:
        Heading of the table to what is wrong, empty where nothing is.
    """
    place = way(kit, folder)
    wrong = dict.fromkeys(HEADINGS[2:], "")
    if order == EARLIER:
        place.run(*place.install, kit.ours)
    if place.volatility:
        place.run(*place.volatility)
    before = place.run(place.python, "-c", ORIGIN) if order != EARLIER else None
    if order == UPGRADED:
        place.run(*place.install, kit.first)
    if order != EARLIER:
        place.run(*place.install, kit.ours)
    with_ours = place.run(place.python, "-c", ORIGIN)
    if before not in (None, with_ours):
        wrong["`import`"] = f"{before} became {with_ours}"
    for heading, checks in (("`import`", _of_environment), *zip(HEADINGS[3:7], SEEN, strict=True)):
        wrong[heading] = wrong[heading] or "; ".join(_tried(checks, place))
    place.run(*place.uninstall)
    gone = [f"{path} is left" for path in leftovers(place.site)]
    if place.run(place.python, "-c", ORIGIN) != (before or with_ours):
        gone.append("another Volatility is imported")
    wrong["ours uninstalled"] = "; ".join([*gone, *_tried(_stock, place)])
    return wrong


def _tried(check: Callable[[Place], str], place: Place) -> Iterator[str]:
    """What the check finds wrong, at most one thing."""
    try:
        found = check(place)
    except CommandError as error:
        found = str(error)
    if found:
        yield found


def _of_environment(place: Place) -> str:
    """The Volatility that is imported is the one that the way of installing means, not a folder without a program."""
    return "" if "None" not in place.run(place.python, "-c", ORIGIN).split() else "volatility3 has no file"


def _start(place: Place) -> str:
    return "" if "windows.pslist" in place.run(*place.vol, "-h") else "it lists no stock plugins"


def _stock(place: Place) -> str:
    return "" if PROGRAM in place.analyse("windows.pslist") else "no rows"


def _plain(place: Place) -> str:
    return "" if PROGRAM in place.analyse("windows.anatomy.processes") else "no rows"


def _by_option(place: Place) -> str:
    folder = place.run(place.anatomy, "plugins").rstrip("\n")
    if not Path(folder, "windows", "anatomy").is_dir():
        return f"{folder} holds no plugins"
    return "" if PROGRAM in place.analyse("windows.anatomy.processes", "-p", folder) else "no rows"


SEEN = (_start, _stock, _plain, _by_option)


def leftovers(site: Path) -> list[Path]:
    """What lies in a folder of packages and is ours, and any folder that would hide Volatility."""
    ours = [path for path in site.iterdir() if "anatomy" in path.name or path.name == "structs"]
    hiding = site / "volatility3"
    return [*ours, *([hiding] if hiding.is_dir() and not (hiding / "__init__.py").is_file() else [])]


def row(way: Way, order: str, wrong: Mapping[str, str]) -> str:
    """A line of the table."""
    words = (way.__doc__ or "").split("\n")[0].rstrip(".")
    return "| " + " | ".join([words, order, *(fault or "yes" for fault in wrong.values())]) + " |"


def tabulate(cases: Sequence[tuple[Way, str]]) -> Iterator[tuple[str, bool]]:
    """The lines of the table, each with whether all is well in it."""
    yield "| " + " | ".join(HEADINGS) + " |", True
    yield "|" + "---|" * len(HEADINGS), True
    with tempfile.TemporaryDirectory(prefix="installations-") as made:
        kit = prepare(Path(made))
        for number, (way, order) in enumerate(cases):
            folder = Path(made) / str(number)
            folder.mkdir()
            try:
                wrong = examine(kit, folder, way, order)
            except CommandError as error:
                wrong = {heading: str(error) if heading == HEADINGS[2] else "not tried" for heading in HEADINGS[2:]}
            yield row(way, order, wrong), not any(wrong.values())
            shutil.rmtree(folder)


def main() -> int:
    """The command line."""
    asked = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    asked.add_argument("--quick", action="store_true", help="from a wheel and from a checkout only")
    asked.add_argument("--write", action="store_true", help="put the table into docs/installation.md")
    chosen = asked.parse_args()
    lines, well = [], True
    for line, good in tabulate(QUICK if chosen.quick else CASES):
        print(line, flush=True)
        lines.append(line)
        well &= good
    if chosen.write:
        version = sys.version.split()[0]
        said = f"{VOLATILITY.replace('==', ' ')}, Python {version}, {sys.platform}, {date.today().isoformat()}:"
        text = "\n".join(["<!-- installations -->", said, "", *lines, "<!-- end of installations -->", ""])
        PAGE.write_text(TABLE.sub(lambda _: text, PAGE.read_text("utf-8")), "utf-8")
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
