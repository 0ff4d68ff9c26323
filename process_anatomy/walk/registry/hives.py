"""The registry in memory, without symbols: the hives, the profile list and the services.

The head of the list of hives is a variable that no kernel exports.  It lies in a section of the kernel's image
that can be written, so every word there that could be a pointer is followed to where a hive would begin, and
believed only where the hive's signature stands.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from process_anatomy.absent import Absent, Kind
from process_anatomy.kernel.identify import Kernel
from process_anatomy.kernel.lists import follow
from process_anatomy.kernel.variables import variables
from process_anatomy.memory.address_space import AddressSpace
from process_anatomy.memory.space import Space
from process_anatomy.memory.view import Records, addresses_of, unreadable
from process_anatomy.walk.processes.listed import Process
from process_anatomy.walk.registry.cells import Cells, Storage, shortened
from process_anatomy.walk.registry.keys import Data, Key, key_in
from structs.layout import Layout
from structs.registry import CM_KEY_INDEX, CM_KEY_NODE, CM_KEY_VALUE, CMHIVE, DUAL, HBASE_BLOCK, HMAP_ENTRY

SIGNATURE, BASE_BLOCK_SIGNATURE = 0xBEE0BEE0, int.from_bytes(b"regf", "little")
FIRST_CELL = 0x20
"""The cell behind the first bin's header, where the topmost key of nearly every hive lies."""
HIVE_LIMIT, LIST_TRIES = 1 << 12, 64
TRIED = 8
"""Hives of one name that are opened; a machine has one, and a forged one may hold as many keys as it likes."""
NAMES = ("FileFullPath", "FileUserName", "HiveRootPath")
"""Where a hive's name may stand, in the order in which stock Volatility takes it."""
CONTROL_SETS = range(1, 1000)
PROFILE_LIST = "Microsoft\\Windows NT\\CurrentVersion\\ProfileList"
NEEDED: tuple[tuple[Layout, tuple[str, ...]], ...] = (
    (CMHIVE, ("Signature", "Storage", "HiveList")),
    (DUAL, ("Length", "Map")),
    (CM_KEY_NODE, ("Flags", "Parent", "SubKeyCounts", "SubKeyLists", "ValueCount", "ValueList", "NameLength", "Name")),
    (CM_KEY_VALUE, ("NameLength", "DataLength", "Data", "Type", "Flags", "Name")),
    (CM_KEY_INDEX, ("Count", "List")),
)


@dataclass(frozen=True, slots=True)
class Hive:
    """A loaded hive.

    Attributes:
        address: of the _CMHIVE.
        name: the first name that it has and that can be read: of its file, as loaded, else its place in the registry.
        names: all of them.
        root_cell: cell of the key that everything in the hive is below.
        problems: what is odd or could not be read, one line each.
        cells: the door to its contents.
    """

    address: int
    name: str | Absent
    names: tuple[str, ...]
    root_cell: int
    problems: tuple[str, ...]
    cells: Cells = field(repr=False, compare=False)

    def root(self) -> Key | Absent:
        """The topmost key."""
        return key_in(self.cells, self.root_cell)

    def open(self, path: str) -> Key | Absent:
        """The key at a path below the topmost one, names in any case; absent with the reason."""
        key = self.root()
        for name in path.split("\\"):
            if isinstance(key, Absent):
                return key
            listed = key.subkeys()
            wanted = name.casefold()
            found = next((k for k in listed.rows if isinstance(k.name, str) and k.name.casefold() == wanted), None)
            if found is None:
                if listed.problems:
                    return Absent(Kind.UNREADABLE, f"the key {name} was not found: {listed.problems[0]}")
                return Absent(Kind.NOT_APPLICABLE, f"there is no key {name}")
            key = found
        return key


@dataclass(frozen=True, slots=True)
class HiveTable:
    """Every hive found.

    Attributes:
        rows: in the order of the list.
        problems: what was wrong with the list itself, or why no hive was found, one line each.
    """

    rows: tuple[Hive, ...]
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Profiles:
    """The profile list: who has logged on here.

    Attributes:
        paths: SID as text to the folder of its profile.
        problems: what is odd or could not be read, or why there is none, one line each.
    """

    paths: Mapping[str, str | Absent]
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Service:
    """A service or a driver, as the service control manager starts it.

    Attributes:
        name: of its key.
        address: of that key's _CM_KEY_NODE.
        account: who a service runs as (ObjectName); not applicable where it is not said, as for most drivers.
        image_path: its command line, as it is written.
    """

    name: str
    address: int
    account: str | Absent
    image_path: str | Absent


@dataclass(frozen=True, slots=True)
class Services:
    """The services that Windows knows.

    Attributes:
        rows: name to service.
        problems: what is odd or could not be read, or why there is none, one line each.
    """

    rows: Mapping[str, Service]
    problems: tuple[str, ...]


def hives(kernel: Kernel, processes: Sequence[Process]) -> HiveTable:
    """Every loaded hive that the kernel's list reaches, in either direction.

    Args:
        kernel: where to look.
        processes: among them the process Registry, through which Windows since 10 reads most hives.
    """
    lack = _lacking(kernel)
    if lack:
        return HiveTable((), (lack,))
    links, problem = _candidates(kernel)
    inside = kernel.build[CMHIVE].offset("HiveList")
    notes: dict[int, list[str]] = {}
    problems: list[str] = []
    for link in links[:LIST_TRIES]:
        if link - inside in notes:
            continue
        ring = follow(kernel.space, link, lambda here: _implausible(kernel, here, here - inside))
        problems += ring.problems
        head = next((place for place, here in enumerate(ring.links) if kernel.inside(here)), -1)
        for here in ring.links[head + 1 :] + ring.links[: max(head, 0)]:
            if not kernel.inside(here):
                notes.setdefault(here - inside, ring.notes.get(here, []))
    if len(notes) > HIVE_LIMIT:
        problems.append(f"{len(notes)} hives are in the list; no more than {HIVE_LIMIT} are read")
    if not notes:
        return HiveTable((), shortened([f"no hive was found: {problem}", *problems]))
    rows = _read_hives(kernel, dict(list(notes.items())[:HIVE_LIMIT]), _registry_space(kernel, processes))
    return HiveTable(tuple(rows), shortened(problems))


def _lacking(kernel: Kernel) -> str:
    """What the layout must have and does not, in words; empty where nothing is missing."""
    for layout, fields in NEEDED:
        if layout not in kernel.build:
            return f"no hive was found: the layout {kernel.build.name} has no {layout.name}"
        missing = [name for name in fields if name not in kernel.build[layout]]
        if missing:
            return f"no hive was found: the layout {kernel.build.name} has no {layout.name}.{missing[0]}"
    if HMAP_ENTRY in kernel.build:
        entry = kernel.build[HMAP_ENTRY]
        if "BlockAddress" in entry or ("BlockOffset" in entry and "PermanentBinAddress" in entry):
            return ""
    return f"no hive was found: the layout {kernel.build.name} does not say where blocks of hives lie"


def _candidates(kernel: Kernel) -> tuple[list[int], str]:
    """Words of the kernel's writable sections that point to the list entry of a hive, and else why there are none."""
    found = variables(kernel)
    if found.problem:
        return [], found.problem
    links = found.pointers(kernel, kernel.build.pointer_size)
    structure = kernel.build[CMHIVE]
    place = structure.place("Signature")
    marks, _ = kernel.space.read_many(
        links - np.uint64(structure.offset("HiveList")) + np.uint64(place.offset), place.size
    )
    listed: list[int] = links[marks.view(f"<u{place.size}").reshape(-1) == SIGNATURE].tolist()
    gone = f" ({found.missing} of them cannot be read)" if found.missing else ""
    return listed, f"no pointer to one in {len(found.pages)} pages of the kernel's writable sections{gone}"


def _implausible(kernel: Kernel, link: int, hive: int) -> str:
    """Why no hive can have its link at this address; empty where one can, or where it is the list's head."""
    if kernel.inside(link):
        return ""
    if link % kernel.build.pointer_size or hive < kernel.system_start:
        return "is no kernel address"
    place = kernel.build[CMHIVE].place("Signature")
    data = kernel.space.read(hive + place.offset, place.size)
    if data is None:
        return f"cannot be read: {kernel.space.why(hive + place.offset, place.size) or 'its hive is not there'}"
    found = int.from_bytes(data, "little")
    return "" if found == SIGNATURE else f"is no hive: signature {found:#x}"


def _registry_space(kernel: Kernel, processes: Sequence[Process]) -> Space | Absent:
    """The address space of the process Registry, or why there is none."""
    if not isinstance(kernel.space, AddressSpace):
        return kernel.space
    for process in sorted(processes, key=lambda p: p.minimal is not True):
        if process.name == "Registry" and process.ppid == 4 and isinstance(process.dtb, int) and process.dtb:
            return kernel.space.through(process.dtb)
    return Absent(Kind.UNREADABLE, "the process Registry, where the hive is mapped, was not found")


def _read_hives(kernel: Kernel, notes: Mapping[int, list[str]], registry: Space | Absent) -> Iterator[Hive]:
    records = kernel.view.records(CMHIVE, addresses_of(list(notes)))
    names = [records.texts(name) for name in NAMES if name in records.structure]
    roots = _root_cells(kernel, records)
    for row, (address, storage) in enumerate(zip(notes, records.values("Storage"), strict=True)):
        strings = [column[row] for column in names]
        readable = tuple(s for s in strings if isinstance(s, str) and s)
        unreadable_name = next((s for s in strings if isinstance(s, Absent)), Absent(Kind.NOT_APPLICABLE, "no name"))
        root, problem = roots[row]
        problems = notes[address] + [f"name: {s}" for s in strings if isinstance(s, Absent)]
        yield Hive(
            address,
            readable[0] if readable else unreadable_name,
            readable,
            root,
            shortened(problems + [problem] * bool(problem)),
            Cells(kernel.build, kernel.space, registry, _storages(kernel, storage)),
        )


def _storages(kernel: Kernel, storage: bytes | Absent) -> tuple[Storage, Storage]:
    structure = kernel.build[DUAL]
    if isinstance(storage, bytes) and len(storage) < 2 * structure.sizeof:
        storage = Absent(Kind.IMPLAUSIBLE, f"two storages in {len(storage)} bytes")
    if isinstance(storage, Absent):
        return Storage(storage, storage), Storage(storage, storage)
    both = (structure.struct.parse(storage[structure.sizeof * kind :][: structure.sizeof]) for kind in range(2))
    stable, volatile = (Storage(dual.Length, dual.Map) for dual in both)
    return stable, volatile


def _root_cells(kernel: Kernel, records: Records) -> list[tuple[int, str]]:
    """The root cell that each hive's header names; where that cannot be read, the first cell, and a word on it."""
    if HBASE_BLOCK not in kernel.build or not {"Signature", "RootCell"} <= kernel.build[HBASE_BLOCK].places.keys():
        return [(FIRST_CELL, "the layout knows no hive header; the first cell is taken for the root")] * len(records)
    found: list[tuple[int, str]] = []
    structure = kernel.build[HBASE_BLOCK]
    size = max(structure.places[name].offset + structure.places[name].size for name in ("Signature", "RootCell"))
    for pointer in records.values("BaseBlock"):
        at = pointer if isinstance(pointer, int) else 0
        data = kernel.space.read(at, size) or b""
        number = {n: int.from_bytes(data[p.offset : p.offset + p.size], "little") for n, p in structure.places.items()}
        if data and number["Signature"] == BASE_BLOCK_SIGNATURE:
            found.append((number["RootCell"], ""))
        else:
            why = "no hive header" if data else str(unreadable(kernel.space, at, size))
            found.append((FIRST_CELL, f"header: {why}; the first cell is taken for the root"))
    return found


def _called(table: HiveTable, name: str) -> list[Hive]:
    """The hives that may be the machine's hive of that name, likeliest first; those without any name come last."""
    mounted, file = f"\\registry\\machine\\{name}".casefold(), f"\\config\\{name}".casefold()
    ranked: list[tuple[int, Hive]] = []
    for hive in table.rows:
        names = [each.casefold() for each in hive.names]
        if mounted in names:
            ranked.append((0, hive))
        elif any(each.endswith(file) for each in names):
            ranked.append((1, hive))
        elif not names:
            ranked.append((2, hive))
    return [hive for _, hive in sorted(ranked, key=lambda pair: pair[0])]


def _text(data: Data) -> str | Absent:
    if isinstance(data, str | Absent):
        return data
    return Absent(Kind.IMPLAUSIBLE, "the value is no text")


def profiles(kernel: Kernel, processes: Sequence[Process], found: HiveTable | None = None) -> Profiles:
    r"""The profile list of the machine (SOFTWARE\Microsoft\Windows NT\CurrentVersion\ProfileList).

    Args:
        kernel: where to look.
        processes: as for :func:`hives`.
        found: the hives, where they were looked for already.
    """
    table = hives(kernel, processes) if found is None else found
    listed, problems = _listed(table, "SOFTWARE", lambda _: (PROFILE_LIST, []), "profile", "the profile list")
    paths: dict[str, str | Absent] = {}
    for name, profile in listed:
        paths.setdefault(name, _text(profile.data(("ProfileImagePath",))["ProfileImagePath"]))
    return Profiles(paths, problems)


def services(kernel: Kernel, processes: Sequence[Process], found: HiveTable | None = None) -> Services:
    r"""The services of the control set that is current (SYSTEM\ControlSet001\Services, or another number).

    Args:
        kernel: where to look.
        processes: as for :func:`hives`.
        found: the hives, where they were looked for already.
    """
    table = hives(kernel, processes) if found is None else found
    listed, problems = _listed(table, "SYSTEM", _services_key, "service", "the list of services")
    rows: dict[str, Service] = {}
    for name, service in listed:
        data = service.data(("ObjectName", "ImagePath"))
        account, image = _text(data["ObjectName"]), _text(data["ImagePath"])
        rows.setdefault(name, Service(name, service.address, account, image))
    return Services(rows, problems)


def _listed(
    table: HiveTable, called: str, place: Callable[[Hive], tuple[str, list[str]]], one: str, whole: str
) -> tuple[list[tuple[str, Key]], tuple[str, ...]]:
    """The named keys below a key, from the first of the hives with a name that has it, and what was wrong.

    Args:
        table: the hives.
        called: name of the hive.
        place: path of the key in a hive, and what is doubtful about it.
        one: what each key below is, in words.
        whole: what they are together, in words.
    """
    problems = list(table.problems)
    found = _called(table, called)
    if len(found) > TRIED:
        problems.append(f"{len(found)} hives could be {called}; {TRIED} of them were tried")
    for hive in found[:TRIED]:
        path, doubt = place(hive)
        key = hive.open(path)
        if isinstance(key, Absent):
            problems.append(f"hive {hive.address:#x}: {key}")
            continue
        listed = key.subkeys()
        problems += [f"the name of a {one}: {each.name}" for each in listed.rows if isinstance(each.name, Absent)]
        named = [(each.name, each) for each in listed.rows if isinstance(each.name, str)]
        return named, shortened([*problems, *hive.problems, *doubt, *listed.problems])
    return [], shortened([*problems, f"{whole} was not found"])


def _services_key(hive: Hive) -> tuple[str, list[str]]:
    """Path of the services of the current control set, and what is doubtful about which that is."""
    number, doubt = _control_set(hive)
    return f"ControlSet{number:03}\\Services", doubt


def _control_set(hive: Hive) -> tuple[int, list[str]]:
    """Number of the current control set; the first where that cannot be read, and a word on it."""
    select = hive.open("Select")
    number = select if isinstance(select, Absent) else select.data(("Current",))["Current"]
    if isinstance(number, int) and number in CONTROL_SETS:
        return number, []
    why = number if isinstance(number, Absent) else f"its number is {number!r}"
    return 1, [f"the current control set is not known, so ControlSet001 is taken: {why}"]
