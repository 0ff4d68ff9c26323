"""The page's script of its modules: each keeps names of its own, and has from the others what it imports.

A bundler would be a dependency, and its output nobody's to read.  The modules import and export by name alone, one line
each, so that a few lines of Python join them; Node runs them as they are.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

IMPORT = re.compile(r'^import \{ ([\w, ]+) \} from "\./(\w+)\.js";\n', re.MULTILINE)
EXPORT = re.compile(r"^export (?=(?:async function|function|class|const) (\w+))", re.MULTILINE)
STRANGE = re.compile(r"^(?:import|export)\b.*$", re.MULTILINE)
CLOSING = re.compile(r"</script", re.IGNORECASE)
FOLDER = Path(__file__).parent / "script"
FIRST = "main"


class JoiningError(ValueError):
    """The modules cannot be joined; the message says which, and why."""


def modules(folder: Path = FOLDER) -> dict[str, str]:
    """The modules of a folder, by name."""
    return {path.stem: path.read_text("utf-8") for path in sorted(folder.glob("*.js"))}


def joined(sources: Mapping[str, str], first: str = FIRST) -> str:
    """One script that does what a module does, those that it imports before it.

    Args:
        sources: text of each module, by name.
        first: the module that is run.

    Raises:
        JoiningError: a module is missing, imports in a circle or a name that is not exported, or is written otherwise.
    """
    order: list[str] = []
    _visit(first, sources, order, ())
    return "\n".join(_part(name, sources) for name in order)


def _visit(name: str, sources: Mapping[str, str], order: list[str], above: tuple[str, ...]) -> None:
    if name in above:
        raise JoiningError(f"modules import one another in a circle: {', '.join((*above, name))}")
    if name not in sources:
        raise JoiningError(f"there is no module {name}, which {above[-1] if above else 'the page'} imports")
    if name not in order:
        for _, imported in IMPORT.findall(sources[name]):
            _visit(imported, sources, order, (*above, name))
        order.append(name)


def _part(name: str, sources: Mapping[str, str]) -> str:
    source = sources[name]
    for wanted, imported in IMPORT.findall(source):
        missing = set(wanted.split(", ")) - set(EXPORT.findall(sources[imported]))
        if missing:
            raise JoiningError(f"{name} imports {', '.join(sorted(missing))}, which {imported} does not export")
    body = EXPORT.sub("", IMPORT.sub(lambda found: f"const {{ {found[1]} }} = of_{found[2]};\n", source))
    if strange := STRANGE.search(body):
        raise JoiningError(f"{name}: only names are imported and exported, one line each: {strange[0]}")
    if CLOSING.search(body):
        raise JoiningError(f"{name} would end the script that it is in")
    return f"const of_{name} = (() => {{\n{body}return {{ {', '.join(EXPORT.findall(source))} }};\n}})();"
