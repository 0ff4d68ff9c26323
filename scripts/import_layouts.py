"""Copy the layout facts that the declarations use into ``structs/offsets/``.

    python scripts/import_layouts.py FACTS_FOLDER

FACTS_FOLDER holds ``layouts/<arch>-<build>-<ubr>.json`` (sizes, offsets and bit positions of kernel
structures, with ``inherits`` for later servicing levels), ``index.json``, ``pdb_index.json`` and ``kernels.tsv``.
Written: one compact file for each layout, ``published.z`` (every structure of all of them, see
:mod:`structs.published`), ``builds.json`` (which layout serves which build number and revision), ``pdbs.json`` (which
layout serves which kernel PDB) and ``kernels.tsv`` (which file has which version).
"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from structs.families import LAYOUTS
from structs.layout import Place
from structs.partial import contradictions
from structs.published import FILE, packed
from structs.symbols import collect

SAME_KERNEL = {"x64": {"18363": "18362", "26200": "26100"}, "x86": {"18363": "18362"}}
"""Windows whose number an enablement package raised, to the build of the kernel files that it runs: 1909 and 25H2.

Source: the table of coverage in the facts' README; the facts name 19042 to 19045 and 22631 themselves.
"""
NO_LAYOUT = {25398: 25398, **dict.fromkeys(range(29531, 29649), 29531)}
"""Builds of which only facts of kernel files are known, to the build that the layout of these is named after: Server
23H2, and what comes after 26H1.
"""
NEWEST = 28000
"""The newest build of which a PDB's facts are known."""
OFFSETS = Path(__file__).resolve().parent.parent / "structs" / "offsets"


def effective_types(facts: Path, name: str, cache: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The whole type information of a layout: what it inherits, less what it removed, with its own."""
    if name not in cache:
        own = json.loads((facts / "layouts" / f"{name}.json").read_text())
        types: dict[str, Any] = {}
        if "inherits" in own:
            parent = own["inherits"].removesuffix(".json")
            types = {k: v for k, v in effective_types(facts, parent, cache).items() if k not in own["removed"]}
        cache[name] = types | own["structs"]
    return cache[name]


def compact(place: Place) -> list[int]:
    """A place as ``[offset, size]`` or ``[offset, size, bit, bits]``."""
    whole = [place.offset, place.size]
    if place.bit is not None and place.bits is not None:
        whole += [place.bit, place.bits]
    return whole


def write(path: Path, lines: dict[str, Any], head: dict[str, Any]) -> None:
    """JSON with one line for each entry of ``lines``, so that a change shows as a short difference."""
    parts = [f"{json.dumps(k)}: {json.dumps(v, separators=(',', ':'))}" for k, v in head.items()]
    body = ",\n".join(f"{json.dumps(k)}: {json.dumps(v, separators=(',', ':'))}" for k, v in lines.items())
    parts.append(f'"structs": {{\n{body}\n}}')
    path.write_text("{\n" + ",\n".join(parts) + "\n}\n")


def main(facts: Path) -> None:
    """Write every layout, the build index and the PDB index."""
    OFFSETS.mkdir(exist_ok=True)
    for old in (*OFFSETS.glob("*.json"), *OFFSETS.glob("*.tsv"), OFFSETS / FILE):
        old.unlink(missing_ok=True)
    cache: dict[str, dict[str, Any]] = {}
    shapes: dict[str, str] = {}
    names = sorted(p.stem for p in (facts / "layouts").glob("x*.json"))
    for name in names:
        types = effective_types(facts, name, cache)
        own = json.loads((facts / "layouts" / f"{name}.json").read_text())
        sizes, places = collect(types, LAYOUTS.values(), own["pointer_size"])
        structs = {s: [sizes[s], {f: compact(p) for f, p in places[s].items()}] for s in sorted(sizes)}
        shapes[name] = json.dumps(structs)
        write(
            OFFSETS / f"{name}.json",
            structs,
            {"arch": own["arch"], "build": own["build"], "pointer_size": own["pointer_size"]},
        )

    whole = packed({name: cache[name] for name in names})
    (OFFSETS / FILE).write_bytes(whole)

    index = json.loads((facts / "index.json").read_text())
    builds = {
        arch: {
            number: [
                [entry["file"].removesuffix(".json"), entry["use_from"]] for entry in entries if "use_from" in entry
            ]
            for number, entries in index[arch].items()
        }
        for arch in ("x64", "x86")
    }
    aliases = {
        arch: SAME_KERNEL[arch]
        | {
            str(nt): number
            for number, entries in index[arch].items()
            for entry in entries
            for nt in entry.get("ntbuilds", [])
            if str(nt) != number
        }
        for arch in ("x64", "x86")
    }
    lines = [
        f'"{arch}": {{\n' + ",\n".join(f'"{n}": {json.dumps(e)}' for n, e in builds[arch].items()) + "\n}"
        for arch in builds
    ]
    lines.append(f'"aliases": {json.dumps(aliases)}')
    seen = {
        arch: {number: max(entry["ubr"][1] for entry in entries) for number, entries in index[arch].items()}
        for arch in builds
    }
    lines.append(f'"seen": {json.dumps(seen)}')
    without_pae = [
        entry["file"].removesuffix(".json") for e in index["x86"].values() for entry in e if not entry["pae"]
    ]
    lines.append(f'"without PAE": {json.dumps(without_pae)}')
    (OFFSETS / "builds.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")

    parts = partial_layouts(facts, cache)
    pdbs: dict[str, list[Any]] = {}
    for entry in json.loads((facts / "pdb_index.json").read_text()):
        candidates = [entry["layout"]] if entry.get("layout") else entry.get("layout_candidates") or []
        some = entry.get("partial_layout")
        candidates = [c for c in candidates if c in shapes] or ([parts[some][0]] if some in parts else [])
        if not candidates:
            continue
        same = len({shapes[c] for c in candidates}) == 1
        proved = same and "differ" not in (entry.get("evidence") or "")
        told: list[Any] = [candidates[-1], int(proved), entry.get("ubr") or 0]
        pdbs[f"{entry['guid']}-{entry['age']}"] = told + [some] * (not proved and some in parts)
    body = ",\n".join(f"{json.dumps(k)}: {json.dumps(v)}" for k, v in sorted(pdbs.items()))
    (OFFSETS / "pdbs.json").write_text("{\n" + body + "\n}\n")
    known = kernel_files(facts)
    print(f"{len(names)} layouts, all their structures in {len(whole)} bytes, {len(pdbs)} PDBs, {known} kernel files")


Parts = dict[str, tuple[str, int, dict[str, int]]]
"""Name of a layout of partial facts to the nearest whole layout, its build number, and the facts."""


def partial_layouts(facts: Path, whole: Mapping[str, Mapping[str, Any]]) -> Parts:
    """Write the partial facts; what they are.

    Left out are those of 32-bit kernels with PAE whose nearest layout is of one without, which differ in nothing else
    (:func:`structs.builds.with_entries`), and those of which nobody tells the build.
    """
    found: Parts = {}
    for path in sorted((facts / "layouts-partial").glob("x*.json")):
        told = json.loads(path.read_text())
        known = {name: entry["size"] for name, entry in told["structs"].items() if "size" in entry}
        for name, entry in told["structs"].items():
            known |= {f"{name}.{field}": member["offset"] for field, member in entry["fields"].items()}
        other_entries = any(fact == "_MMPFN" for fact, *_ in told["differs_from_nearest"]) and told["arch"] == "x86"
        if told["build"] is not None and not other_entries:
            near = [name for name in told["nearest_layouts"] if name in whole]
            found[path.stem] = agreeing(whole, known, told["arch"], told["build"], near), told["build"], known
    sets = {
        number: {fact: value for fact, value in told.items() if ":" not in fact}
        for number, told in json.loads((facts / "kernel_fields.json").read_text()).items()
    }
    alone: set[tuple[int, str]] = set()
    for row in kernel_rows(facts):
        number = int(row["version"].partition(".")[0])
        if number in NO_LAYOUT and row["file"] == "ntoskrnl.exe" and sets.get(row["fields"]):
            alone.add((NO_LAYOUT[number], row["fields"]))
    facts_named = sorted({fact for _, _, known in found.values() for fact in known})
    lines = {name: [of, number, [known.get(f) for f in facts_named]] for name, (of, number, known) in found.items()}
    for number, fields in sorted(alone):
        nearest = agreeing(whole, sets[fields], "x64", number, [])
        newest = min((name for name, (_, build, _) in found.items() if build == NEWEST), default=nearest)
        lines[f"x64-{number}-f{fields}"] = [newest if number > NEWEST else nearest, number, int(fields)]
    body = ",\n".join(f"{json.dumps(k)}: {json.dumps(v, separators=(',', ':'))}" for k, v in lines.items())
    (OFFSETS / "partial.json").write_text(
        f'{{"facts": {json.dumps(facts_named)},\n"sets": {json.dumps(sets)},\n"layouts": {{\n{body}\n}}\n}}\n'
    )
    return found


def agreeing(
    whole: Mapping[str, Mapping[str, Any]], known: Mapping[str, int], arch: str, build: int, near: Sequence[str]
) -> str:
    """The layout that contradicts fewest of some facts; of equals, of the nearest build, the newest."""

    def order(name: str) -> tuple[int, int]:
        return contradictions(whole[name], known), abs(int(name.split("-")[1]) - build)

    names = sorted(near or [name for name in whole if name.startswith(f"{arch}-")], key=revision)
    return min(reversed(names), key=order)


def revision(name: str) -> tuple[int, int]:
    """Build and revision that a layout is named after."""
    return int(name.split("-")[1]), int(name.split("-")[2])


def kernel_rows(facts: Path) -> list[dict[str, str]]:
    """The kernel files of 64-bit Windows."""
    with (facts / "kernels.tsv").open(newline="") as table:
        return [row for row in csv.DictReader(table, delimiter="\t") if row["arch"] == "x64"]


def kernel_files(facts: Path) -> int:
    """Write the kernel files of 64-bit Windows; how many there are."""
    rows = kernel_rows(facts)
    lines = [
        "\t".join(
            (
                *(f"{int(row[mark], 16):x}" for mark in ("timestamp", "size_of_image")),
                row["file"],
                row["version"],
                row["pdb"],
                row["fields"],
            )
        )
        for row in sorted(rows, key=lambda row: (*map(int, row["version"].split(".")), row["file"]))
    ]
    (OFFSETS / "kernels.tsv").write_text("\n".join(lines) + "\n")
    return len(lines)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
