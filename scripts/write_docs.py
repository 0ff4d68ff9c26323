"""Write the generated parts of the documentation: real output of commands, and tables of columns.

    python scripts/write_docs.py            # rewrite README.md and docs/*.md
    python scripts/write_docs.py --check    # say which are out of date, status 1 if any is

A generated part follows a marker and is a code block or a table:

    <!-- vol: -f samples/... windows.anatomy.processes -->     the command and what it prints
    <!-- anatomy: show samples/... findings -->                 the same of the command anatomy
    <!-- columns: processes -->                                 the view's columns and what they mean
    <!-- options: handles -->                                   the view's own options
    <!-- python: samples/open_image.py -->                      a program, without its first line
    <!-- python-output: samples/open_image.py -->               what it prints
    <!-- rules -->                                              all rules of findings with their notes
    <!-- samples -->                                            the catalogue of public memory images
    <!-- texts -->                                          explanations of the sample, as they were and as they are
    <!-- leading columns -->                                    the columns in front of those of every view
    <!-- flat views -->                                         of each view what is named alike in all
    <!-- hunts --> ... <!-- end of hunts -->                    every hunting query with its SQL
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from process_anatomy import open_image, views
from process_anatomy.command.samples import row
from process_anatomy.findings import RULES
from process_anatomy.fleet.hunting import every
from process_anatomy.notes import default
from process_anatomy.samples.catalogue import PublicImage, load
from process_anatomy.views.all import exported
from process_anatomy.views.declaration import BOOLEAN
from process_anatomy.views.flat import LEADING
from scripts.generated import renewed

ROOT = Path(__file__).resolve().parent.parent
FENCE = re.compile(r"<!-- vol: (?P<arguments>.+?) -->\n```text\n.*?```\n", re.DOTALL)
COMMAND = re.compile(r"<!-- anatomy: (?P<arguments>.+?) -->\n```text\n.*?```\n", re.DOTALL)
TABLE = re.compile(r"<!-- columns: (?P<plugin>\w+) -->\n(?:\|.*\n)+")
OPTION_TABLE = re.compile(r"<!-- options: (?P<plugin>\w+) -->\n(?:\|.*\n)+")
PROGRAM = re.compile(r"<!-- python: (?P<path>\S+) -->\n```python\n(?:.*\n)*?```\n")
PROGRAM_OUTPUT = re.compile(r"<!-- python-output: (?P<path>\S+) -->\n```text\n(?:.*\n)*?```\n")
RULE_TABLE = re.compile(r"<!-- rules -->\n(?:\|.*\n)+")
TEXT_TABLE = re.compile(r"<!-- texts -->\n(?:\|.*\n)+")
LEADING_TABLE = re.compile(r"<!-- leading columns -->\n(?:\|.*\n)+")
FLAT_TABLE = re.compile(r"<!-- flat views -->\n(?:\|.*\n)+")
HUNTS = re.compile(r"<!-- hunts -->\n.*?<!-- end of hunts -->\n", re.DOTALL)
SAMPLE_TABLE = re.compile(r"<!-- samples -->\n(?:\|.*\n)+")
ATTACK = "https://attack.mitre.org/techniques/"
SAMPLE = ROOT / "samples" / "lab-win11-22621.dmp"
TEXTS = ROOT / "scripts" / "texts.toml"
SMALL = 0xFFFFF
"""A greater number is an address."""
ESCAPED = "\\|"
WIDTH = "100"
BANNER = "Volatility 3 Framework"


def run_vol(arguments: list[str]) -> str:
    """What `vol` prints with these arguments, and what it complains of where it fails."""
    program = shutil.which("vol", path=str(Path(sys.executable).parent)) or "vol"
    command = [program, "-q", "--offline", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, encoding="utf-8", check=False)
    return done.stdout + (done.stderr if done.returncode else "")


def fence(found: re.Match[str], run: Callable[[list[str]], str]) -> str:
    """A code block with a command and its output, without the banner and empty lines at its ends."""
    arguments = found["arguments"]
    lines = run(shlex.split(arguments)).splitlines()
    kept = [line.rstrip() for line in lines if not line.startswith(BANNER)]
    output = "\n".join(kept).strip("\n")
    return f"<!-- vol: {arguments} -->\n```text\n$ vol -q {arguments}\n{output}\n```\n"


def command(found: re.Match[str]) -> str:
    """A code block with the command ``anatomy`` and its output, on a page's width."""
    arguments = found["arguments"]
    asked = [sys.executable, "-m", "process_anatomy.command", *shlex.split(arguments)]
    width = os.environ | {"COLUMNS": WIDTH}
    done = subprocess.run(asked, cwd=ROOT, env=width, capture_output=True, text=True, encoding="utf-8", check=False)
    return f"<!-- anatomy: {arguments} -->\n```text\n$ anatomy {arguments}\n{done.stdout}```\n"


def program(found: re.Match[str]) -> str:
    """A program, without its docstring."""
    _, _, text = (ROOT / found["path"]).read_text("utf-8").partition("\n\n")
    return f"<!-- python: {found['path']} -->\n```python\n{text}```\n"


def program_output(found: re.Match[str]) -> str:
    """What a program prints."""
    done = subprocess.run(
        [sys.executable, found["path"]], cwd=ROOT, capture_output=True, text=True, encoding="utf-8", check=True
    )
    return f"<!-- python-output: {found['path']} -->\n```text\n{done.stdout}```\n"


def table(found: re.Match[str]) -> str:
    """A table of a view's columns."""
    rows = [f"<!-- columns: {found['plugin']} -->", "| column | kind | what it says |", "|---|---|---|"]
    for column in views.view(found["plugin"]).columns:
        kind = f"{column.kind.value}, {column.unit}" if column.unit else column.kind.value
        rows.append(f"| {column.name} | {kind} | {column.meaning} |")
    return "\n".join(rows) + "\n"


def leading_table(_: re.Match[str]) -> str:
    """A table of the columns in front of those of every view."""
    rows = ["<!-- leading columns -->", "| column | kind | what it says |", "|---|---|---|"]
    rows += [f"| {column.name} | {column.kind.value} | {column.meaning} |" for column in LEADING]
    return "\n".join(rows) + "\n"


def flat_table(_: re.Match[str]) -> str:
    """A table of the views that are written, and of what is named alike in all of them."""
    rows = ["<!-- flat views -->", "| view | version | `process` is | `address` is |", "|---|---|---|---|"]
    for view in map(views.view, exported()):
        version = ".".join(map(str, view.version))
        rows.append(f"| [{view.name}]({view.name}.md) | {version} | {view.process} | {view.address} |")
    return "\n".join(rows) + "\n"


def hunt_pages() -> str:
    """Every hunting query: its question, its SQL, what an answer means, and what else gives the same picture."""
    parts = []
    for hunt in every().values():
        many = f"Compares at least {hunt.images} images. " if hunt.images > 1 else ""
        parts += [
            f"## {hunt.name}\n",
            f"{hunt.question}\n",
            f"{hunt.means}\n",
            f"- Innocent causes: {hunt.innocent}.",
            f"- Silent: {hunt.silent}.",
            f"- {many}Asks {', '.join(f'[{name}]({name}.md)' for name in hunt.views)}.\n",
            f"```sql\n{hunt.sql}\n```\n",
        ]
    return "\n".join(["<!-- hunts -->", *parts, "<!-- end of hunts -->"]) + "\n"


def option_table(found: re.Match[str]) -> str:
    """A table of a view's own options."""
    rows = [f"<!-- options: {found['plugin']} -->", "| option | takes | what it does |", "|---|---|---|"]
    for option in views.view(found["plugin"]).options:
        takes = " ".join(option.choices) or ("" if option.kind is BOOLEAN else option.kind.value)
        default_ = f" (default {option.default})" if option.default else ""
        rows.append(f"| `--{option.name}` | {takes} | {option.meaning}{default_} |")
    return "\n".join(rows) + "\n"


def rule_table(_: re.Match[str]) -> str:
    """A table of all rules, the weightiest first."""
    library = default()
    rows = [
        "<!-- rules -->",
        "| rule | severity | technique | what it finds | what would be innocent |",
        "|---|---|---|---|---|",
    ]
    for rule in sorted(RULES.values(), key=lambda rule: -rule.severity):
        note = library[f"finding/{rule.id}"]
        link = f"[{note.technique}]({ATTACK}{note.technique.replace('.', '/')}/)" if note.technique else ""
        rows.append(f"| `{rule.id}` | {rule.severity} | {link} | {note.title} | {note.innocent} |")
    return "\n".join(rows) + "\n"


def text_table(_: re.Match[str]) -> str:
    """A table of explanations of the sample that were mended: each as it was, what was wrong with it, and as it is.

    Raises:
        ValueError: a row that is named is not there, or is not the only one.
    """
    rows = ["<!-- texts -->", "| row | as it was | what was wrong | as it is |", "|---|---|---|---|"]
    image = open_image(SAMPLE)
    for each in tomllib.loads(TEXTS.read_text("utf-8"))["text"]:
        wanted = {name: value if value != "" else None for name, value in each["row"].items()}
        told = image.view(each["view"], explain=each["level"], pid=int(each["row"]["PID"]))
        found = [row for row in told if all(row[name] == value for name, value in wanted.items())]
        if len(found) != 1:
            raise ValueError(f"{each['view']} has {len(found)} rows with {wanted}")
        named = ", ".join(
            f"{name} {value:#x}" if isinstance(value, int) and value > SMALL else f"{name} {value}"
            for name, value in wanted.items() if value is not None
        )  # fmt: skip
        cells = (f"`{each['view']}`, {named}", each["before"], each["wrong"], str(found[0]["Explanation"]))
        rows.append(f"| {' | '.join(cell.replace('|', ESCAPED) for cell in cells)} |")
    return "\n".join(rows) + "\n"


def sample_table(_: re.Match[str]) -> str:
    """A table of the public images."""
    rows = [
        "<!-- samples -->",
        "| name | what it is | Windows | download | checked by | fetched | facts | known to contain |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for image in load():
        name, windows, size, hashes, way, facts = row(image)
        known = "; ".join(f"[{one.value}]({one.source})" for one in image.known)
        cells = (
            f"`{name}`",
            f"[{image.title}]({image.page})",
            windows,
            offered(image, size),
            hashes,
            way,
            facts,
            known,
        )
        rows.append(f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |")
    return "\n".join(rows) + "\n"


def offered(image: PublicImage, size: str) -> str:
    """The download of an image: its size, its form and the password of it."""
    download = image.download
    if download is None:
        return ""
    password = "" if download.password is None else f", password `{download.password.value}`"
    return f"{size} {'' if download.form == 'none' else download.form}".strip() + password


def main(check: bool, run: Callable[[list[str]], str] = run_vol) -> int:
    """Rewrite or check every page; the number of pages that were out of date."""
    stale = 0
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        text = page.read_text("utf-8")
        fresh = RULE_TABLE.sub(rule_table, TABLE.sub(table, FENCE.sub(partial(fence, run=run), text)))
        fresh = COMMAND.sub(command, fresh)
        fresh = OPTION_TABLE.sub(option_table, SAMPLE_TABLE.sub(sample_table, fresh))
        fresh = TEXT_TABLE.sub(text_table, fresh)
        fresh = LEADING_TABLE.sub(leading_table, FLAT_TABLE.sub(flat_table, fresh))
        fresh = HUNTS.sub(lambda _: hunt_pages(), fresh)
        fresh = PROGRAM_OUTPUT.sub(program_output, PROGRAM.sub(program, fresh))
        stale += renewed(page, fresh, check)
    return stale


if __name__ == "__main__":
    if sys.argv[1:] not in ([], ["--check"]):
        sys.exit(__doc__)
    checking = sys.argv[1:] == ["--check"]
    sys.exit(1 if main(checking) and checking else 0)
