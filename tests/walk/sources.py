"""Sources of facts that can be taken away from an image, each on its own, as a capture that missed them would."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from process_anatomy.findings import RULES, Severity, judged
from process_anatomy.findings.standing import Standing
from process_anatomy.kernel.identify import Kernel
from process_anatomy.kernel.objects import object_types
from process_anatomy.walk.across.tables import Tables
from process_anatomy.walk.crossview.csr_processes import csrss
from process_anatomy.walk.crossview.verdicts import CONSISTENT, ENDED, HIDDEN, REMNANT, SMEARED
from process_anatomy.walk.handles.tables import cid_table
from process_anatomy.walk.processes.listed import Process, processes
from process_anatomy.walk.program.drivers import drivers
from process_anatomy.walk.registry.hives import hives
from structs.eprocess import EPROCESS
from structs.handle import HANDLE_TABLE
from structs.object import OBJECT_TYPE
from structs.peb import LDR_DATA_TABLE_ENTRY, PEB
from structs.registry import CMHIVE
from structs.shared_data import KUSER_SHARED_DATA_ADDRESS
from tests.walk.overlay import PAGE, Overlay

SUBSYSTEM = "csrss.exe"
VICTIMS = ("explorer.exe", "svchost.exe", "lsass.exe")
"""Programs of which one process loses what is its own: a person's, a service, and one that others are judged by."""
SEED = 23
"""Of the forged images that sources are taken from."""
Damage = Callable[[Overlay], None]


def running(over: Overlay) -> list[Process]:
    """The processes on the active list that have memory of their own."""
    return [row for row in processes(over.whole).rows if row.own_space and row.lives]


def victims(over: Overlay) -> list[Process]:
    """The first process of each of some programs."""
    rows = running(over)
    found = [next((row for row in rows if str(row.name) == name), None) for name in VICTIMS]
    return [row for row in found if row is not None]


def servers(over: Overlay) -> list[Process]:
    """Each csrss.exe."""
    return [row for row in running(over) if row.name == SUBSYSTEM]


def _point_nowhere(over: Overlay, rows: list[Process], field: str) -> None:
    """A pointer of process objects leads where nothing is; who has none keeps none."""
    size = over.build.pointer_size
    for row in rows:
        place = over.build[EPROCESS].offset(field)
        if any(over.space.read(row.address + place, size) or b""):
            over.write(row.address + place, over.nowhere.to_bytes(size, "little"))


def _all(field: str) -> Damage:
    return lambda over: _point_nowhere(over, list(processes(over.whole).rows), field)


def _some(field: str) -> Damage:
    return lambda over: _point_nowhere(over, victims(over), field)


def without_ids(over: Overlay) -> None:
    """The table of ids leads nowhere."""
    table = cid_table(over.whole).address
    assert isinstance(table, int)
    over.set(HANDLE_TABLE, table, "TableCode", 0)


def without_handles_of_csrss(over: Overlay) -> None:
    """The handle table of each csrss.exe lies where nothing is."""
    _point_nowhere(over, servers(over), "ObjectTable")


def without_page_tables_of_csrss(over: Overlay) -> None:
    """The root of one csrss.exe's page tables is not in the image, and so no memory of its own."""
    _without_root(over, servers(over)[0])


def without_page_tables(over: Overlay) -> None:
    """The roots of some processes' page tables are not in the image."""
    for row in victims(over):
        _without_root(over, row)


def _without_root(over: Overlay, row: Process) -> None:
    assert isinstance(row.dtb, int)
    over.pages[over.whole.root_in(row.dtb) // PAGE] = None


def without_half_of_the_list(over: Overlay) -> None:
    """The active list ends in its middle, followed either way."""
    rows = processes(over.whole).rows
    link = rows[len(rows) // 2].address + over.build[EPROCESS].offset("ActiveProcessLinks")
    over.write(link, bytes(2 * over.build.pointer_size))


def without_table_of_types(over: Overlay) -> None:
    """The table of object types holds nothing."""
    types = object_types(over.whole)
    assert isinstance(types.table, int)
    size = over.build.pointer_size
    over.write(types.table + size * min(types.rows), bytes(size * len(types.rows)))


def without_types(over: Overlay) -> None:
    """The object types themselves are not in the image."""
    for row in object_types(over.whole).rows.values():
        over.write(row.address, bytes(over.build[OBJECT_TYPE].sizeof))


def without_header_of_the_kernel(over: Overlay) -> None:
    """The kernel's first page, which says where its variables are, is not in the image."""
    over.lose(over.whole.base)


def without_drivers(over: Overlay) -> None:
    """The kernel's list of its modules leads nowhere."""
    inside = over.build[LDR_DATA_TABLE_ENTRY].offset("InLoadOrderLinks")
    first = drivers(over.whole).rows[0].address
    assert isinstance(first, int)
    head = over.whole.view.pointer(first + inside + over.build.pointer_size)
    assert head is not None
    over.write(head, over.nowhere.to_bytes(over.build.pointer_size, "little") * 2)


def without_half_of_the_drivers(over: Overlay) -> None:
    """The kernel's list of its modules is cut in its middle."""
    rows = drivers(over.whole).rows
    middle = rows[len(rows) // 2].address
    assert isinstance(middle, int)
    over.write(middle, bytes(over.build[LDR_DATA_TABLE_ENTRY].sizeof))


def without_hives(over: Overlay) -> None:
    """The registry's hives are not in the image."""
    for row in hives(over.whole, processes(over.whole).rows).rows:
        over.write(row.address, bytes(over.build[CMHIVE].sizeof))


def without_records_of_csrss(over: Overlay) -> None:
    """The memory in which each csrss.exe keeps its records of processes is not in the image."""
    for row in csrss(over.whole, processes(over.whole).rows).rows:
        assert isinstance(row.server.dtb, int)
        over.lose(row.address, row.server.dtb)


def without_pebs(over: Overlay) -> None:
    """The PEBs of some processes are not in the image."""
    for row in victims(over):
        assert isinstance(row.peb, int)
        assert isinstance(row.dtb, int)
        over.lose(row.peb, row.dtb)


def without_loaders(over: Overlay) -> None:
    """The loader's records of some processes lie where nothing is."""
    for row in victims(over):
        assert isinstance(row.peb, int)
        assert isinstance(row.dtb, int)
        over.set(PEB, row.peb, "Ldr", 0x7FF0_0000, row.dtb)


def without_threads(over: Overlay) -> None:
    """The lists of threads of some processes begin with nothing."""
    for row in victims(over):
        at = row.address + over.build[EPROCESS].offset("ThreadListHead")
        over.write(at, bytes(2 * over.build.pointer_size))


def without_all_threads(over: Overlay) -> None:
    """The list of threads of every process leads nowhere."""
    size = over.build.pointer_size
    for row in processes(over.whole).rows:
        at = row.address + over.build[EPROCESS].offset("ThreadListHead")
        over.write(at, over.nowhere.to_bytes(size, "little") * 2)


def without_shared_page(over: Overlay) -> None:
    """The page that the kernel shares with every process is not in the image: nobody says where Windows lies."""
    over.lose(KUSER_SHARED_DATA_ADDRESS[over.build.pointer_size])


def without_objects_of(name: str) -> Damage:
    """The objects of processes of this name are not in the image."""

    def damage(over: Overlay) -> None:
        for row in running(over):
            if row.name == name:
                over.write(row.address, bytes(over.build[EPROCESS].sizeof))

    return damage


SOURCES: dict[str, Damage] = {
    "the table of ids": without_ids,
    "the handles of csrss.exe": without_handles_of_csrss,
    "the handles of some processes": _some("ObjectTable"),
    "the handles of all processes": _all("ObjectTable"),
    "sessions": _all("Session"),
    "jobs": _all("Job"),
    "the page tables of csrss.exe": without_page_tables_of_csrss,
    "the page tables of some processes": without_page_tables,
    "half of the active list": without_half_of_the_list,
    "the table of object types": without_table_of_types,
    "the object types": without_types,
    "the kernel's header": without_header_of_the_kernel,
    "the list of drivers": without_drivers,
    "half of the list of drivers": without_half_of_the_drivers,
    "the registry's hives": without_hives,
    "the VAD trees of some processes": _some("VadRoot"),
    "the VAD trees of all processes": _all("VadRoot"),
    "csrss.exe's records": without_records_of_csrss,
    "the PEBs of some processes": without_pebs,
    "the loader's records of some processes": without_loaders,
    "the threads of some processes": without_threads,
    "the threads of all processes": without_all_threads,
    "the tokens of some processes": _some("Token"),
    "the tokens of all processes": _all("Token"),
    "the audited names of all processes": _all("SeAuditProcessCreationInfo"),
    "the program's section of all processes": _all("SectionObject"),
    "the shared page": without_shared_page,
    "the object of services.exe": without_objects_of("services.exe"),
    "the objects of csrss.exe": without_objects_of("csrss.exe"),
}
"""What is taken away, by what it is called."""

GRAVITY = {CONSISTENT: 0, ENDED: 0, REMNANT: 0, SMEARED: 1, HIDDEN: 2}
"""Verdicts by what they say; of a smeared process it is said that not all of it could be seen."""
CUTS = frozenset({"half of the active list", "the object of services.exe", "the objects of csrss.exe"})
"""Sources without which the active list is cut, so that who lies behind the cut is smeared."""
TELLS_LACKS = frozenset({"smear", "not-judged"})
"""Rules that tell what could not be judged; they accuse nobody."""
Told = tuple[int | None, str]
"""A finding above info by the process that it is about (``None``: the image) and its rule."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is concluded from an image.

    Attributes:
        verdicts: of each process that is in place, by its address.
        told: findings above info that accuse somebody.
        unjudged: by rule, the processes that run and of which it cannot judge.
    """

    verdicts: Mapping[int, str]
    told: frozenset[Told]
    unjudged: Mapping[str, frozenset[int]]


def conclude(kernel: Kernel) -> Judgement:
    """What cross-view and rules conclude from an image, all views asked."""
    tables = Tables(kernel, hidden=True)
    verdicts = {row.process.address: row.verdict for row in tables.crossings.rows if row.in_place}
    told = frozenset(
        (found.process.address if found.process else None, found.rule)
        for found in judged(tables, Severity.LOW).findings
        if found.rule not in TELLS_LACKS
    )
    standing = Standing(tables)
    running = [process.address for process in tables.processes if process.lives]
    unjudged = {
        name: frozenset(at for at in running if standing.reason(at, rule.rests) is not None)
        for name, rule in RULES.items()
    }
    return Judgement(verdicts, told, unjudged)


COLUMNS = ("now hidden", "now smeared", "new findings", "findings gone", "rules that say they cannot judge")


@dataclass(frozen=True, slots=True)
class Loss:
    """What became of the conclusions as a source was taken away.

    Attributes:
        graver: processes with a graver verdict, with what it was and what it is.
        found: findings above info that the whole image does not have.
        gone: findings above info of the whole image that are not made any more.
        silent: rules that cannot judge some process of which they could.
    """

    graver: Mapping[int, tuple[str, str]]
    found: frozenset[Told]
    gone: frozenset[Told]
    silent: frozenset[str]

    @property
    def row(self) -> str:
        """The cells of a table, as :data:`COLUMNS` names them."""
        smeared = sum(now == SMEARED for _, now in self.graver.values())
        counts = (len(self.graver) - smeared, smeared, len(self.found), len(self.gone), len(self.silent))
        return " | ".join(map(str, counts))


def loss(whole: Judgement, left: Judgement) -> Loss:
    """Compare what is concluded from a whole image and from what is left of it."""
    before = {at: whole.verdicts.get(at, CONSISTENT) for at in left.verdicts}
    return Loss(
        {at: (before[at], now) for at, now in left.verdicts.items() if GRAVITY[now] > GRAVITY[before[at]]},
        left.told - whole.told,
        whole.told - left.told,
        frozenset(name for name, lost in left.unjudged.items() if lost - whole.unjudged[name]),
    )


def taken(kernel: Kernel, source: str) -> Kernel:
    """The kernel of an image without a source."""
    over = Overlay(kernel)
    SOURCES[source](over)
    return over.kernel()
