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
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from structs.families import LAYOUTS
from structs.layout import Place
from structs.published import FILE, packed
from structs.symbols import collect

SAME_KERNEL = {"x64": {"18363": "18362", "26200": "26100"}, "x86": {"18363": "18362"}}
"""Windows whose number an enablement package raised, to the build of the kernel files that it runs: 1909 and 25H2.

Source: the table of coverage in the facts' README; the facts name 19042 to 19045 and 22631 themselves.
"""
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

    pdbs: dict[str, list[Any]] = {}
    for entry in json.loads((facts / "pdb_index.json").read_text()):
        candidates = [entry["layout"]] if entry.get("layout") else entry.get("layout_candidates") or []
        candidates = [c for c in candidates if c in shapes]
        if not candidates:
            continue
        same = len({shapes[c] for c in candidates}) == 1
        proved = same and "differ" not in (entry.get("evidence") or "")
        pdbs[f"{entry['guid']}-{entry['age']}"] = [candidates[-1], int(proved), entry.get("ubr") or 0]
    body = ",\n".join(f"{json.dumps(k)}: {json.dumps(v)}" for k, v in sorted(pdbs.items()))
    (OFFSETS / "pdbs.json").write_text("{\n" + body + "\n}\n")
    known = kernel_files(facts)
    print(f"{len(names)} layouts, all their structures in {len(whole)} bytes, {len(pdbs)} PDBs, {known} kernel files")


def kernel_files(facts: Path) -> int:
    """Write the kernel files of 64-bit Windows; how many there are."""
    with (facts / "kernels.tsv").open(newline="") as table:
        rows = [row for row in csv.DictReader(table, delimiter="\t") if row["arch"] == "x64"]
    lines = [
        "\t".join(
            (
                *(f"{int(row[mark], 16):x}" for mark in ("timestamp", "size_of_image")),
                row["file"],
                row["version"],
                row["pdb"],
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
