"""Handles: what each process has open, what it may do with it, and what that is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from process_anatomy.absent import Absent
from process_anatomy.errors import RequestError
from process_anatomy.kernel.handle_entries import AUDIT, INHERIT, PROTECT
from process_anatomy.kernel.identify import Kernel
from process_anatomy.kernel.objects import ObjectHeaders, ObjectTypes, object_headers, object_types
from process_anatomy.memory.physical import PAGE
from process_anatomy.memory.space import Addresses, among, distinct
from process_anatomy.walk.handles.entries import Entries
from process_anatomy.walk.handles.known import known_objects
from process_anatomy.walk.handles.rights import rights_text
from process_anatomy.walk.handles.tables import HandleTable, HandleTables, handle_tables
from process_anatomy.walk.handles.targets import NO_TARGET, Target, targets
from process_anatomy.walk.processes.listed import Process

ALWAYS_VALID = 0x01000000
"""ACCESS_SYSTEM_SECURITY, which can be granted on objects of every type."""
STRAYS, FEW = 5, 2
"""A page of entries is doubted where one in five leads to what is no object, and two do at least.

One alone may be the fault of the page that its object lay on.
"""


class Handle(NamedTuple):
    """One open handle.

    Attributes:
        process: whose it is.
        value: the number that the process knows it by.
        entry: address of the _HANDLE_TABLE_ENTRY.
        object: address of the object's body.
        header: address of the object's _OBJECT_HEADER, 0 where there can be none.
        type: name of the object's type.
        access: GrantedAccess.
        attributes: a sum of :data:`~process_anatomy.walk.handle_entries.PROTECT`, ``INHERIT`` and ``AUDIT``.
        target: what it leads to.
        problems: what is odd or could not be read, one line each.
    """

    process: Process
    value: int
    entry: int
    object: int
    header: int
    type: str | Absent
    access: int
    attributes: int
    target: Target
    problems: tuple[str, ...]

    @property
    def rights(self) -> str:
        """What the holder may do with the object, by name."""
        return rights_text(self.type if isinstance(self.type, str) else "", self.access)

    @property
    def inherit(self) -> bool:
        """Whether children get it too, if they are made to inherit handles."""
        return bool(self.attributes & INHERIT)

    @property
    def protect(self) -> bool:
        """Whether closing it is refused."""
        return bool(self.attributes & PROTECT)

    @property
    def audit(self) -> bool:
        """Whether closing it is audited."""
        return bool(self.attributes & AUDIT)


@dataclass(frozen=True, slots=True)
class Handles:
    """The handles of some processes.

    Attributes:
        rows: in the order of the processes and of the handle values.
        tables: the handle table of each process, in their order.
        problems: what was wrong with a table, or with the types of objects, one line each.
    """

    rows: tuple[Handle, ...]
    tables: tuple[HandleTable, ...]
    problems: tuple[str, ...]


def handles(
    kernel: Kernel,
    processes: Sequence[Process],
    types: frozenset[str] = frozenset(),
    walked: HandleTables | None = None,
) -> Handles:
    """The handles of these processes; only those to objects of some types, where any are named.

    Objects of other types are not looked at beyond their headers.

    Args:
        kernel: whose memory.
        processes: whose handles.
        types: names of types, in any case.
        walked: the handle tables of these processes, where they are walked already.

    Raises:
        RequestError: this Windows has no type of that name.
    """
    known = object_types(kernel)
    others = known_objects(kernel, processes)
    wanted = _wanted(known, types, frozenset(others.values()))
    found = handle_tables(kernel, processes) if walked is None else walked
    entries = found.entries
    bodies, back = distinct(entries.object)
    headers = object_headers(kernel, bodies)
    strays = _strays(entries, headers, back, others)
    untold = 0
    if types:
        kinds = {name.casefold() for name in types}
        by_others = [others.get(body, "").casefold() for body in bodies.tolist()]
        lost = ~among(headers.index, np.array(sorted(known.rows), dtype=np.int64))
        untold = int(np.count_nonzero((lost & np.array([not name for name in by_others], dtype=np.bool_))[back]))
        kept = among(headers.index, np.array(sorted(wanted), dtype=np.int64))
        kept |= lost & np.array([name in kinds for name in by_others], dtype=np.bool_)
        entries = entries.where(kept[back])
        bodies, back = distinct(entries.object)
        headers = object_headers(kernel, bodies)
    names = [
        others.get(body, name) if isinstance(name, Absent) else name
        for body, name in zip(bodies.tolist(), headers.type_names(), strict=True)
    ]
    told = targets(kernel, _by_type(headers, names))
    facts = [_facts(known, headers, names, row, told) for row in range(len(bodies))]
    rows = []
    pages = (entries.entry // np.uint64(PAGE)).tolist()
    for owner, value, entry, page, access, attributes, which in zip(
        entries.owner.tolist(), entries.value.tolist(), entries.entry.tolist(), pages, entries.access.tolist(),
        entries.attributes.tolist(), back.tolist(), strict=True,
    ):  # fmt: skip
        body, header, name, target, valid = facts[which]
        doubts = (*found.tables[owner].doubts, *strays.get((owner, page), ())) if strays else found.tables[owner].doubts
        problems = (*doubts, *target.problems) if doubts else target.problems
        if isinstance(name, Absent):
            problems = (str(name), *problems)
        elif access & ~valid:
            problems = (f"it grants {access & ~valid:#x}, rights that objects of its type do not have", *problems)
        rows.append(
            Handle(processes[owner], value, entry, body, header, name, access, attributes, target, problems)
        )  # fmt: skip
    problems = [
        f"process {process.pid}: {problem}"
        for process, table in zip(processes, found.tables, strict=True)
        for problem in table.problems
    ]
    if untold:
        problems.append(f"{untold} handles are not shown, because the types of their objects could not be told")
    return Handles(tuple(rows), found.tables, (*known.problems, *problems))


def _strays(
    entries: Entries, headers: ObjectHeaders, back: npt.NDArray[np.intp], others: Mapping[int, str]
) -> dict[tuple[int, int], tuple[str]]:
    """What puts a page of entries in doubt as a whole, by table and number of the page.

    A handle keeps its object alive, so that entries and objects of one moment agree.  Entries that lead to what can be
    read and is no object are of another moment, or the page is no page of handles; then so may the others on it be.
    """
    stray = headers.contradicted & ~among(headers.bodies, np.array(sorted(others), dtype=np.uint64))
    if not stray.any():
        return {}
    used: Counter[tuple[int, int]] = Counter(zip(entries.owner.tolist(), (entries.entry // PAGE).tolist(), strict=True))
    rows = entries.where(stray[back])
    lost = Counter(zip(rows.owner.tolist(), (rows.entry // PAGE).tolist(), strict=True))
    return {
        page: (f"{count} of the {used[page]} handles on its page lead to no object, so that it may be of another time",)
        for page, count in lost.items()
        if count >= FEW and count * STRAYS >= used[page]
    }


def _wanted(known: ObjectTypes, types: frozenset[str], others: frozenset[str]) -> set[int]:
    """Indexes of the types of these names; types that objects are known to have otherwise need none."""
    by_name = {row.name.casefold(): index for index, row in known.rows.items()}
    named = by_name.keys() | {name.casefold() for name in others}
    missing = sorted(name for name in types if name.casefold() not in named)
    if missing:
        listed = ", ".join(sorted(row.name for row in known.rows.values())) or "none could be read"
        raise RequestError(f"no object type is called {missing[0]!r}; this Windows has: {listed}")
    return {by_name[name.casefold()] for name in types if name.casefold() in by_name}


def _by_type(headers: ObjectHeaders, names: Sequence[str | Absent]) -> dict[str, Addresses]:
    """Type name to the addresses of its objects."""
    rows: dict[str, list[int]] = {}
    for row, name in enumerate(names):
        if isinstance(name, str):
            rows.setdefault(name, []).append(row)
    return {name: headers.bodies[numbers] for name, numbers in rows.items()}


def _facts(
    known: ObjectTypes, headers: ObjectHeaders, names: Sequence[str | Absent], row: int, told: dict[int, Target]
) -> tuple[int, int, str | Absent, Target, int]:
    """What every handle to one object shares: address, header, type, target, and the rights that there can be."""
    body, name = int(headers.bodies[row]), names[row]
    kind = known.rows.get(int(headers.index[row]))
    valid = kind.valid_access if kind is not None else 0
    every = valid | ALWAYS_VALID if isinstance(valid, int) and valid else 0xFFFFFFFF
    return body, int(headers.addresses[row]), name, told.get(body, NO_TARGET), every
