"""Every structure of the published facts, field by field, with the types that symbols have: what `dt` shows.

The declarations need a few hundred of these fields, and their places lie ready in ``offsets/<layout>.json``.  All
others are in one compressed file, which is read only when somebody asks for a structure as a whole.

Source: the same facts that the layouts come from (``scripts/import_layouts.py``).
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from functools import cache, cached_property
from importlib.resources import files
from typing import Any

from structs.symbols import Types

FILE = "published.z"
TRUNCATED = "t"
"""In the kind of a structure: its facts have only some of its fields."""
UNION = "u"
"""In the kind of a structure: its fields share their bytes."""


class Published(Mapping[str, Mapping[str, Any]]):
    """The structures of one layout, in the shape of :data:`structs.symbols.Types`, each parsed when it is asked for.

    A structure has ``size``, ``fields`` and ``kind``, letters of which are :data:`TRUNCATED` and :data:`UNION`.

    Args:
        lines: of the structures' versions that the layout has.
    """

    def __init__(self, lines: list[bytes]) -> None:
        self._lines = lines
        self._known: dict[str, Mapping[str, Any]] = {}

    @cached_property
    def _places(self) -> dict[str, int]:
        """Name of each structure to its line."""
        return {line[: line.index(b"\t")].decode("ascii"): at for at, line in enumerate(self._lines)}

    def __getitem__(self, name: str) -> Mapping[str, Any]:
        if name not in self._known:
            self._known[name] = parsed(self._lines[self._places[name]])
        return self._known[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._lines)


def parsed(line: bytes) -> dict[str, Any]:
    """A structure from its line: name, kind, size and then each field, parted by tabs; see :func:`written`."""
    _, kind, size, *members = line.decode("ascii").split("\t")
    fields: dict[str, Any] = {}
    for member in members:
        name, offset, length, type_, *bits = member.split(",")
        fields[name] = {"offset": int(offset), "size": int(length), "type": type_}
        if bits:
            fields[name] |= {"bit": int(bits[0]), "bits": int(bits[1])}
    return {"size": int(size), "kind": kind, "fields": fields}


def written(name: str, structure: Mapping[str, Any]) -> str:
    """The line of a structure: the inverse of :func:`parsed`."""
    kind = (UNION if structure["kind"] == "union" else "s") + (TRUNCATED if structure.get("truncated") else "")
    parts = [name, kind, str(structure["size"])]
    for field, member in structure["fields"].items():
        numbers = [member["bit"], member["bits"]] if member.get("bit") is not None else []
        parts.append(",".join(map(str, (field, member["offset"], member["size"], member["type"], *numbers))))
    return "\t".join(parts)


def packed(layouts: Mapping[str, Types]) -> bytes:
    """All layouts as one compressed file: each version of a structure once, and which of them a layout has."""
    whole = {name: [written(each, types[each]) for each in sorted(types)] for name, types in sorted(layouts.items())}
    lines = sorted({line for each in whole.values() for line in each})
    number = {line: at for at, line in enumerate(lines)}
    heads = [f"{name} {' '.join(str(number[line]) for line in each)}" for name, each in whole.items()]
    return zlib.compress("\n".join([*heads, "", *lines]).encode("ascii"), 9)


@cache
def _file() -> tuple[dict[str, list[int]], list[bytes]]:
    """Layout to the numbers of its structures' lines, and the lines."""
    text = zlib.decompress(files("structs").joinpath("offsets", FILE).read_bytes())
    heads, _, body = text.partition(b"\n\n")
    layouts: dict[str, list[int]] = {}
    for head in heads.decode("ascii").splitlines():
        name, *numbers = head.split(" ")
        layouts[name] = list(map(int, numbers))
    return layouts, body.splitlines()


@cache
def published(name: str) -> Types:
    """Every structure of a layout that ships, by its name; empty for any other name."""
    layouts, lines = _file()
    return Published([lines[at] for at in layouts.get(name, ())])
