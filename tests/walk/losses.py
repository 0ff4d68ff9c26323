"""Single losses: one page or one field of an image changed, and what every view then says beside what it said before.

A change that costs a row, or changes what another field says, is told where a line says something of it that was not
said of the whole image: among the problems of that view, in ``completeness``, or by the rules that judge the image
itself (``smear``, ``not-judged``).  What nobody tells is a silent loss.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from process_anatomy.errors import Error
from process_anatomy.forge import LAB, Image
from process_anatomy.forge.ground.actors import Scenario
from process_anatomy.kernel.identify import Kernel
from process_anatomy.memory import view as memory_view
from process_anatomy.memory.paging import translate_one
from process_anatomy.memory.space import Addresses, Space
from process_anatomy.views import view as view_named
from process_anatomy.views.image import Image as OpenImage
from structs.families import LAYOUTS
from structs.layout import Layout, LayoutError, Place, Structure
from tests.walk.damaged import PAGE, Editor, Frames, kernel_of

KEYS: dict[str, tuple[str, ...]] = {
    "processes": ("Offset(V)",),
    "vads": ("PID", "Offset"),
    "pages": ("PID", "Start"),
    "privileges": ("PID", "TID", "Value"),
    "tokens": ("PID", "TID"),
    "groups": ("PID", "TID", "SID", "Kind"),
    "claims": ("PID", "TID", "Kind", "Name", "Index"),
    "dacls": ("PID", "TID", "Entry"),
    "creation": ("Offset(V)",),
    "workingset": ("PID",),
    "modules": ("PID", "Base", "Bits"),
    "images": ("PID", "Base"),
    "crossview": ("Offset(Virtual)",),
    "completeness": ("Offset",),
    "peb": ("PID", "Bits"),
    "envars": ("PID", "Block", "Variable"),
    "tebs": ("PID", "TID", "Bits"),
    "handles": ("PID", "HandleValue"),
    "access": ("PID", "HandleValue", "TargetPID"),
    "threads": ("Offset",),
    "csrss": ("PID", "Offset"),
}
"""Every view of processes, and the columns that tell its rows apart."""
TELLING = ("completeness",)
"""Views that tell of what others lack."""
TOLD = frozenset({"Problems", "Obstacles", "Absences"})
NOT_COMPARED = TOLD | {"Explanation"}
"""Columns that tell of the walk, or only say in words what others say."""
RULES = "smear,not-judged"

Cells = dict[str, str]
Key = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Loss:
    """One change of an image.

    Attributes:
        what: it in words: ``_TOKEN.Privileges: zero``, ``page of _ETHREAD: missing``.
        kind: ``zero``, ``garbage``, ``other``, ``missing`` or ``blank``.
        structure: whose field it is; of a page, all that lie in it.
        field: its name; empty for a page.
        address: of the structure or page.
        root: page-table root that it is reached through.
        value: what the field becomes.
        views: those that read the structure.
    """

    what: str
    kind: str
    structure: str
    field: str
    address: int
    root: int
    value: int = 0
    views: frozenset[str] = frozenset()


@dataclass(slots=True)
class Said:
    """What some views say.

    Attributes:
        rows: by view, then by key: their cells as text.
        lines: by view: lines that tell of trouble, with how often each is said.
        refused: why nothing is said; empty where something is.
    """

    rows: dict[str, dict[Key, Cells]] = field(default_factory=dict)
    lines: dict[str, Counter[str]] = field(default_factory=dict)
    refused: str = ""


@dataclass(frozen=True, slots=True)
class Silence:
    """What a loss took from a view without a word.

    Attributes:
        loss: the change.
        view: which view.
        lost: keys of rows that went.
        changed: columns that say something else, with how many rows of each.
        sample: one change of each column: key, before and after.
    """

    loss: Loss
    view: str
    lost: tuple[Key, ...]
    changed: Mapping[str, int]
    sample: Mapping[str, tuple[Key, str, str]]

    @property
    def indirect(self) -> tuple[str, ...]:
        """Changed columns that are not said to show the very field that was changed."""
        sources = {column.name: column.source for column in view_named(self.view).columns}
        own = self.loss.field
        return tuple(name for name in self.changed if not own or not re.search(rf"\b{own}\b", sources[name]))


def heard(kernel: Kernel, names: Iterable[str]) -> Said:
    """What these views say of an image, and what tells of trouble in it."""
    image, said = OpenImage(kernel), Said()
    doubt = image.doubt
    for name in names:
        answer = image.view(name, explain="off")
        rows, lines = said.rows.setdefault(name, {}), said.lines.setdefault(name, Counter())
        seen: Counter[Key] = Counter()
        for _, cells in answer.rows():
            texts = {column: str(value) for column, value in cells.items()}
            key = tuple(texts[column] for column in KEYS[name])
            seen[key] += 1
            rows[(*key, str(seen[key]))] = texts
            for column in TOLD & cells.keys():
                if isinstance(cells[column], tuple | list):
                    lines.update(map(str, cells[column]))
        lines.update(answer.problems)
        lines.update(kernel.doubts)
        if doubt:
            lines[doubt] += 1
    return said


def judged(kernel: Kernel) -> Counter[str]:
    """What the rules over the image itself say."""
    answer = OpenImage(kernel).view("findings", explain="off", rule=RULES)
    lines = Counter(f"{c['PID']} {line}" for _, c in answer.rows() for line in (*c["Evidence"], *(c["Problems"] or ())))
    lines.update(answer.problems)
    return lines


def silences(loss: Loss, image: Image, before: Said, rules: Counter[str]) -> list[Silence]:
    """What a loss takes from the views that read what it changes, without a word."""
    names = sorted({*loss.views, *TELLING} & KEYS.keys())
    frames = changed(image, loss)
    try:
        kernel = kernel_of(image, frames)
        after = heard(kernel, names)
        if any(after.lines[name] - before.lines[name] for name in TELLING):
            return []
        found = [
            s for name in names if not after.lines[name] - before.lines[name] and (s := _of(loss, name, before, after))
        ]
        if found and judged(kernel) - rules:
            return []
    except (Error, LayoutError):
        return []
    return found


def _of(loss: Loss, name: str, before: Said, after: Said) -> Silence | None:
    rows = after.rows[name]
    lost, columns, sample = [], Counter[str](), {}
    for key, cells in before.rows[name].items():
        if key not in rows:
            lost.append(key)
            continue
        for column, text in cells.items():
            if column not in NOT_COMPARED and rows[key][column] != text:
                columns[column] += 1
                sample.setdefault(column, (key, text[:120], rows[key][column][:120]))
    return Silence(loss, name, tuple(lost), columns, sample) if lost or columns else None


def changed(image: Image, loss: Loss) -> Frames:
    """The frames of an image with a loss."""
    edit = Editor(image)
    if loss.field:
        place = edit.build[LAYOUTS[loss.structure]].place(loss.field)
        data = edit.space.through(loss.root).read(loss.address + place.offset, place.size)
        assert data is not None
        value = loss.value
        if place.bit is not None and place.bits is not None:
            mask = ((1 << place.bits) - 1) << place.bit
            value = int.from_bytes(data, "little") & ~mask | value << place.bit & mask
        edit.write(loss.address + place.offset, value.to_bytes(place.size, "little"), loss.root)
        return edit.frames
    physical, _ = translate_one(edit.space.memory, loss.address, loss.root, edit.space.mode)
    frames = dict(image.physical)
    if loss.kind == "missing":
        del frames[physical // PAGE]
    else:
        frames[physical // PAGE] = bytes(PAGE)
    return frames


Places = dict[str, dict[tuple[int, int], set[str]]]
"""Structure to the places (address, page-table root) that it was read at, with the views that did."""


@contextmanager
def followed(places: Places, now: list[str]) -> Iterator[None]:
    """Notes where structures are read, and by which view."""
    records, parse = memory_view.Records.__init__, memory_view.View.parse

    def note(name: str, address: int, root: int) -> None:
        places.setdefault(name, {}).setdefault((address, root), set()).add(now[0])

    def many(
        self: Any, space: Space, structure: Structure, addresses: Addresses, roots: Addresses | None = None
    ) -> None:
        for row, address in enumerate(addresses.tolist()):
            note(structure.name, address, int(roots[row]) if roots is not None else space.root)  # type: ignore[attr-defined]
        records(self, space, structure, addresses, roots)

    def one(self: Any, layout: Layout, address: int) -> dict[str, Any]:
        note(layout.name, address, self.space.root)
        return parse(self, layout, address)

    memory_view.Records.__init__, memory_view.View.parse = many, one  # type: ignore[method-assign]
    try:
        yield
    finally:
        memory_view.Records.__init__, memory_view.View.parse = records, parse  # type: ignore[method-assign]


def read_by(image: Image) -> Places:
    """Where every view reads which structures; each is asked by itself, so that none has them from another."""
    places: Places = {}
    now = [""]
    with followed(places, now):
        for now[0] in KEYS:
            heard(kernel_of(image), [now[0]])
    return places


def page_losses(image: Image, places: Places) -> Iterator[Loss]:
    """Each page of system space that holds what a view reads: missing, and with zeros only."""
    kernel = kernel_of(image)
    pages: dict[int, tuple[int, set[str], set[str]]] = {}
    for name, read in places.items():
        if name not in LAYOUTS:
            continue
        for (address, root), views in read.items():
            if address < kernel.system_start or kernel.inside(address):
                continue
            held = pages.setdefault(address // PAGE * PAGE, (root, set(), set()))
            held[1].add(name)
            held[2].update(views)
    for page, (root, names, views) in sorted(pages.items()):
        if kernel.space.through(root).read(page, 1) is None:  # type: ignore[union-attr]
            continue
        said = " ".join(sorted(names - {"_POOL_HEADER", "_OBJECT_HEADER"})) or "headers"
        for kind in ("missing", "blank"):
            yield Loss(f"{kind} page of {said}", kind, said, "", page, root, 0, frozenset(views))


def field_losses(image: Image, places: Places, chosen: Mapping[str, Sequence[tuple[int, int]]]) -> Iterator[Loss]:
    """Each field of some structures: zero, garbage, and where it leads to an object, to another of its kind."""
    kernel = kernel_of(image)
    for name, objects in sorted(chosen.items()):
        structure = kernel.build[LAYOUTS[name]]
        for address, root in objects:
            views = frozenset(places[name][address, root])
            data = kernel.space.through(root).read(address, structure.sizeof)  # type: ignore[union-attr]
            if data is None:
                continue
            for field_name, place in structure.places.items():
                now = _number(data, place)
                values = [*_values(now, place), *_another(kernel, places, name, structure, place, now, views)]
                for kind, value in values:
                    yield Loss(f"{name}.{field_name}: {kind}", kind, name, field_name, address, root, value, views)


def _number(data: bytes, place: Place) -> int:
    whole = int.from_bytes(data[place.offset : place.offset + place.size], "little")
    return whole if place.bit is None or place.bits is None else whole >> place.bit & (1 << place.bits) - 1


def _values(now: int, place: Place) -> Iterator[tuple[str, int]]:
    bits = 8 * place.size if place.bits is None else place.bits
    if now:
        yield "zero", 0
    garbage = 0x5A5AA5A5C3C33C3C7E7E_1234_5678_9ABC_DEF1 & (1 << bits) - 1
    if bits > 128:
        garbage = int.from_bytes((b"\x5a\xa5\xc3" * place.size)[: place.size], "little")
    if garbage != now:
        yield "garbage", garbage


def _another(
    kernel: Kernel, places: Places, name: str, structure: Structure, place: Place, now: int, views: frozenset[str]
) -> Iterator[tuple[str, int]]:
    """Where another object of the kind leads to by the same field, if the field leads anywhere."""
    if place.bit is not None or place.size != kernel.build.pointer_size or now < LOWEST:
        return
    for address, root in sorted(places[name], key=lambda at: -len(places[name][at])):
        data = kernel.space.through(root).read(address, structure.sizeof)
        if data is not None and (value := _number(data, place)) != now and value >= LOWEST:
            yield "other", value
            return


LOWEST = 0x10000
"""Numbers below are no addresses of anything."""
SMALL = frozenset({4, 124, 388, 512, 596, 716, 728, 868, 3920, 4476, 5212, 6044})
"""The processes of the lab that a small one has: one of each kind."""
VICTIMS = frozenset({5212, 3920, 4476, 6044, 512, 728})


SMALL_POWERS = tuple(p for p in LAB.powers if {p.holder, p.target} <= SMALL)
SMALL_WAYS = tuple(way for way in LAB.ways if SMALL.issuperset(way.pids))


def small_lab() -> Scenario:
    """The lab with one process of each kind, so that an image can be judged in a second."""
    return replace(LAB, cast=tuple(a for a in LAB.cast if a.pid in SMALL), powers=SMALL_POWERS, ways=SMALL_WAYS)


def of_victims(image: Image, places: Places, number: int) -> dict[str, list[tuple[int, int]]]:
    """Objects of each structure that are changed: the last that most views read, spread over those there are."""
    chosen = {}
    for name, read in places.items():
        if name not in LAYOUTS:
            continue
        ranked = sorted(read, key=lambda place: (-len(read[place]), place))
        best = [place for place in ranked if len(read[place]) == len(read[ranked[0]])]
        if len(best) < len(ranked) // 2:
            best = ranked[: max(1, len(ranked) // 2)]
        chosen[name] = (
            [best[(len(best) - 1) * (step + 1) // (number + 1)] for step in range(number)]
            if number < len(best)
            else best
        )
    return chosen
