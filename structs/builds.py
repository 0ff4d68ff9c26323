"""Which layout applies: by PDB GUID, by build number, or the nearest build, marked as estimated."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cache
from importlib.resources import files
from typing import Any, cast

from structs import partial
from structs.anchored import demoted, with_anchors
from structs.families import LAYOUTS
from structs.handle import FIVE_LEVEL_PLACES, HANDLE_TABLE_ENTRY
from structs.kernel_files import KernelFile
from structs.later_sizes import LATER_SIZES
from structs.layout import Build, LayoutError, Place
from structs.machines import KERNELS
from structs.mending import NEIGHBOUR, PARTIAL, settled
from structs.published import published
from structs.section import SEGMENT
from structs.symbols import Types, collect

UNPUBLISHED = [layout for layout in LAYOUTS.values() if layout.widths]


def _read(name: str) -> Any:
    return json.loads(files("structs").joinpath("offsets", f"{name}.json").read_text("utf-8"))


@cache
def _index() -> dict[str, dict[str, Any]]:
    return cast("dict[str, dict[str, Any]]", _read("builds"))


@cache
def names() -> list[str]:
    """The names of every layout that ships, for instance ``x64-19041-3324``, sorted."""
    folder = files("structs").joinpath("offsets")
    stems = (entry.name.removesuffix(".json") for entry in folder.iterdir() if entry.name.startswith("x"))
    return sorted(stems)


@cache
def load(name: str) -> Build:
    """One layout that ships, by its name.

    Raises:
        LayoutError: no such layout ships.
    """
    if name in partial.names():
        return _of_partial_facts(name)
    if name not in names():
        raise LayoutError(f"no layout is named {name}")
    data = _read(name)
    build = _build(
        name,
        data["arch"],
        data["build"],
        {structure: entry[0] for structure, entry in data["structs"].items()},
        {
            structure: {field: Place(*place) for field, place in entry[1].items()}
            for structure, entry in data["structs"].items()
        },
    )
    return replace(build, later_sizes=LATER_SIZES.get(name, {}))


def offsets(structure: str, fields: Sequence[str]) -> Iterator[tuple[int, tuple[int, ...]]]:
    """Pointer size and offsets of some fields of a structure, of each layout that has them all; it loads none."""
    for name in names():
        data = _read(name)
        places = data["structs"].get(structure, (0, {}))[1]
        if all(field in places for field in fields):
            yield data["pointer_size"], tuple(places[field][0] for field in fields)


def _build(
    name: str, arch: str, number: int, sizes: dict[str, int], places: dict[str, dict[str, Place]], origin: str = ""
) -> Build:
    """A build of what its symbols tell, and of the structures that no kernel's public symbols describe."""
    pointer_size = KERNELS[arch].pointer_size
    missing = [layout for layout in UNPUBLISHED if layout.name not in sizes]
    for layout in missing:
        sizes[layout.name], places[layout.name] = layout.natural(pointer_size)
    natural = frozenset(layout.name for layout in missing)
    return Build(name, arch, number, pointer_size, sizes, places, origin=origin, natural=natural)


def _of_partial_facts(name: str) -> Build:
    """A layout of which only some facts are published: the nearest whole one, with these over it."""
    of, number, facts = partial.named(name)
    near = load(of)
    if near.base:
        near = demoted(near)
    build = replace(near, name=name, number=number, base=near.base or near.name, estimated=True, later_sizes={})
    words = f"{len(facts)} facts of this kernel over the layout {of}, the nearest"
    return replace(with_facts(build, facts, number), origin=words)


def with_facts(build: Build, facts: partial.Facts, number: int) -> Build:
    """A layout with what is known of its kernel.

    Args:
        build: estimated.
        facts: sizes and offsets of the kernel.
        number: its build number.
    """
    whole = base_of(build)
    types = published(whole.name)
    source = PARTIAL if settled(whole.number, number) else NEIGHBOUR
    known = partial.anchors(types, facts, source)
    added = {
        name: {field: (source, Place(at, build.pointer_size)) for field, at in partial.lacking(types, facts, name)}
        for name in LAYOUTS
        if name in types and name in build.places
    }
    return with_anchors(build, whole, {**{name: [] for name, each in added.items() if each}, **known}, number, added)


def of_file(build: Build, file: KernelFile | None) -> Build:
    """An estimated layout with the facts that are published of this very kernel file, over what it rested on before."""
    facts = partial.of_set(file.facts) if file is not None and build.estimated else {}
    if file is None or not facts:
        return build
    found = with_facts(build, facts, file.build)
    return replace(found, origin=f"{build.origin}; {len(facts)} facts of {file} over it")


def agreeing(found: Iterable[Build], file: KernelFile | None) -> Iterator[Build]:
    """Of layouts, those that contradict the facts of a kernel file least, in their order; all where it has none."""
    facts = partial.of_set(file.facts) if file is not None else {}
    if not facts:
        yield from found
        return
    counted = [(partial.contradictions(published(base_of(build).name), facts), build) for build in found]
    least = min((count for count, _ in counted), default=0)
    yield from (build for count, build in counted if count == least)


def base_of(build: Build) -> Build:
    """The layout that ships which a layout was mended from; the layout itself where it is none of these."""
    name = build.base or build.name
    return load(name) if name in names() else build


def by_pdb(guid: str, age: int) -> Build | None:
    """The layout of the kernel with this PDB, or ``None`` where the PDB is not known.

    The layout is marked as estimated where the facts only say which layout comes closest.

    Args:
        guid: 32 hexadecimal digits, capital letters.
        age: the PDB's age.
    """
    entry = _read("pdbs").get(f"{guid}-{age}")
    if entry is None:
        return None
    name, proved, _, *other = entry
    origin = f"kernel PDB {guid}-{age}"
    if other:
        build = load(other[0])
        return replace(build, origin=f"{origin}, {build.origin}")
    if not proved:
        origin += ", nearest layout known for it"
    return replace(load(name), estimated=not proved, origin=origin)


def published_pdbs(name: str) -> Iterator[tuple[str, int]]:
    """GUID and age of each PDB known to have exactly the layout of this name, or its partial facts; in order."""
    for pdb, (layout, proved, _, *other) in sorted(_read("pdbs").items()):
        if (layout == name and proved) or other == [name]:
            guid, _, age = pdb.partition("-")
            yield guid, int(age)


def of_kernel(arch: str, number: int) -> int:
    """The build of the kernel files that a Windows of this number runs, for instance 19041 for 19045."""
    return int(_index()["aliases"].get(arch, {}).get(str(number), number))


def by_number(arch: str, number: int, revision: int | None = None) -> Build | None:
    """The layout of a build number, or ``None`` where no layout of that build ships.

    Args:
        arch: ``x64`` or ``x86``.
        number: NtBuildNumber, for instance 19045 (served by the layouts of 19041).
        revision: the update build revision if it is known; without it the newest layout of the build
            is taken and marked as estimated, for an update may have moved fields that no layout here shows.
            So it is with a revision that is newer than any that the facts were taken from.
    """
    if arch not in KERNELS:
        return None
    number = of_kernel(arch, number)
    entries = _index()[arch].get(str(number))
    if not entries:
        return next((_unsure(name) for name in _only_partial(arch).get(number, ())), None)
    if revision is None:
        return replace(load(entries[-1][0]), estimated=True, origin=f"build number {number}, update unknown")
    chosen = next((name for name, start in reversed(entries) if start <= revision), entries[0][0])
    later = revision > int(_index()["seen"][arch][str(number)])
    origin = f"build number {number}, revision {revision}" + (", newer than the newest known" if later else "")
    return replace(load(chosen), estimated=later, origin=origin)


@cache
def _only_partial(arch: str) -> dict[int, list[str]]:
    """Build numbers without a whole layout to those of partial facts, by name."""
    whole = {int(number) for number in _index().get(arch, {})}
    found: dict[int, list[str]] = {}
    for name in partial.names():
        number = partial.named(name).number
        if name.startswith(f"{arch}-") and number not in whole:
            found.setdefault(number, []).append(name)
    return found


@cache
def _unsure(name: str) -> Build:
    """A layout of partial facts for kernels that these are not known to be of."""
    build = demoted(load(name))
    words = f"build number {build.number}, of which only some facts are known, and not whether of this update"
    return replace(build, origin=words)


def without_pae(build: Build) -> bool:
    """Whether a 32-bit layout was made for kernels without PAE, whose page-table entries have half the width.

    What holds such entries (_SEGMENT) lies elsewhere in a kernel with PAE.
    """
    return (build.base or build.name) in _index()["without PAE"]


def nearest(arch: str, number: int) -> Iterator[Build]:
    """Every build's newest layout, nearest build number first, all marked as estimated.

    The caller proves each against the memory before it believes one.
    """
    known = _index()[arch] if arch in KERNELS else {}
    some = _only_partial(arch)
    numbers = sorted({*map(int, known), *some}, key=lambda n: (abs(n - number), -n))
    for candidate in numbers:
        near = f"build {number} is not known, nearest is {candidate}, of which only some facts are"
        for name in some.get(candidate, ()):
            yield _unsure(name) if number == candidate else replace(_unsure(name), origin=near)
        for name, _ in reversed(known.get(str(candidate), [])):
            yield replace(load(name), estimated=True, origin=f"build {number} is not known, nearest is {candidate}")


def with_entries(build: Build, size: int) -> Build:
    """The layout of the same kernel where page-table entries have another size, as 32-bit kernels with PAE have.

    Layouts of 32-bit Windows XP to 7 were made of kernels without it.  Of what is declared, only _SEGMENT keeps
    entries before other fields, up to Windows Server 2003: a template, and at its end the first prototype entry.

    Source: the two kernels of Windows 7 among the layouts (x86-7601-23418 without PAE, x86-7601-24000 with it), which
    differ in nothing else that is declared; a C compiler's alignment.
    """
    other = size == 8 and build.pointer_size == 4 and without_pae(build)
    if other != build.other_entries:
        build = replace(build, other_entries=other)
    segment = build.places.get(SEGMENT.name, {})
    template = segment.get("SegmentPteTemplate")
    if template is None or template.size == size:
        return build
    more = size - template.size
    places = {
        name: replace(place, offset=place.offset + more) if place.offset > template.offset else place
        for name, place in segment.items()
    } | {"SegmentPteTemplate": replace(template, size=size)}
    sizes = {**build.sizes, SEGMENT.name: build.sizes[SEGMENT.name] + 2 * more}
    return replace(build, sizes=sizes, places={**build.places, SEGMENT.name: places}, _bound={})


def with_five_levels(build: Build) -> Build:
    """The layout as the kernel for page tables of five levels packs the entries of its handle tables.

    What is published of layouts was taken from kernels for four levels, so that it is an estimate.
    """
    entry = build.places.get(HANDLE_TABLE_ENTRY.name, {})
    if build.pointer_size != 8 or not entry.keys() >= FIVE_LEVEL_PLACES.keys():
        return build
    places = {**build.places, HANDLE_TABLE_ENTRY.name: {**entry, **FIVE_LEVEL_PLACES}}
    return replace(build, places=places, _bound={})


def wow64(number: int) -> Build:
    """The layout of what 32-bit processes keep in their own memory, on a 64-bit Windows of this build number.

    The x86 layout of the same build, else the nearest: user-mode structures hardly ever differ.
    """
    return by_number("x86", number) or next(nearest("x86", number))


def from_types(types: Types, arch: str, number: int, origin: str) -> Build:
    """A layout from a kernel's type information (see :mod:`structs.symbols`), for instance a user's symbol table.

    Raises:
        LayoutError: the types hold no process structure, so they are not a kernel's.
    """
    sizes, places = collect(types, LAYOUTS.values(), KERNELS[arch].pointer_size)
    if "_EPROCESS" not in sizes:
        raise LayoutError(f"{origin} describes no _EPROCESS, so it is not a Windows kernel's symbol table")
    return replace(_build(origin, arch, number, sizes, places, origin), types=types)
