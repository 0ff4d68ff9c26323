"""A machine at two moments, and images of which some kernel pages are of the later one.

A capture takes minutes, in which the machine goes on: what the first pages say and what the last ones say was never
true together.  Between the two moments programs ended and others began where they had lain, handle tables and the
lists that run through all of them were written anew, VAD trees were turned and lost nodes.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, replace
from random import Random

from process_anatomy.errors import Error
from process_anatomy.findings import Severity, findings
from process_anatomy.forge import Image, forge
from process_anatomy.forge.cast.clean import BROKERS, CORE
from process_anatomy.forge.cast.paths import SERVICE_HOST
from process_anatomy.forge.ground.actors import TRIMMED, Actor, ThreadPlan
from process_anatomy.forge.ground.paths import SYSTEM32
from process_anatomy.kernel.identify import Kernel, identify
from process_anatomy.walk.across.tables import Tables
from structs.eprocess import EPROCESS
from structs.vad import MMVAD_SHORT
from tests.walk.damaged import kernel_of, memory_of, mode_of
from tests.walk.overlay import PAGE, Overlay
from tests.walk.sources import TELLS_LACKS

SHARES = (0.3, 1, 3, 10)
"""Percent of the kernel's pages that are of the second moment."""


def _service(pid: int, arguments: str) -> Actor:
    return Actor(pid, 716, SERVICE_HOST, "system", 14, 0, arguments, console=True, threads=1, memory=TRIMMED)


STEADY = (*CORE, *(_service(6_000 + 40 * number, f"-k netsvcs -p -s Service{number:02}") for number in range(12)))
"""Who runs at both moments."""
PASSING = BROKERS.cast[len(CORE) :]
"""Who runs at the first; at the second some of them have ended, and others lie where some of them lay."""
ENDED = {5200: 9_100, 5240: 9_110}
"""Those of them that have ended by the second moment, with when they did (seconds from boot)."""
BEGUN = {
    5280: Actor(5360, 3920, SYSTEM32 + "mspaint.exe", "limited", 9_120, 1, threads=1),
    5320: Actor(5400, 1480, SYSTEM32 + "taskhostw.exe", started=9_125, session=0, threads=1),
}
"""Those that lie, by the second moment, where others lay that are gone."""
SCENARIO = replace(BROKERS, name="smeared", cast=STEADY + PASSING, powers=())
FRAME, VALID, LARGE = 0xFFFFFFFFFF000, 1, 0x80
FEW_NODES = 8
"""Trees that are smaller stay as they are."""
KERNEL_ENTRIES = range(256, 512)


def _later(actor: Actor) -> Actor:
    if actor.pid in ENDED:
        plans = tuple(
            ThreadPlan(number, state=4, ended=ENDED[actor.pid], exit_status=1, flags=("Terminated", "RundownFail"))
            for number in range(actor.threads)
        )
        return replace(actor, ended=ENDED[actor.pid], plans=plans)
    return BEGUN.get(actor.pid, actor)


@dataclass(frozen=True)
class Machine:
    """A machine at two moments.

    Attributes:
        first: its image at the first.
        second: its image at the second.
        shared: kernel pages that there are at both: frame at the first to contents at the second.
        given_back: ranges that are not there any more at the second: pid, start and end (last byte).
    """

    first: Image
    second: Image
    shared: Mapping[int, bytes]
    given_back: frozenset[tuple[int, int, int]] = frozenset()

    def smeared(self, percent: float, draw: int) -> Kernel | None:
        """The kernel of an image of which so many of the shared pages, drawn by lot, are of the second moment.

        ``None`` where no kernel could be identified in it.
        """
        frames = dict(self.first.physical)
        count = round(len(self.shared) * percent / 100)
        for frame in Random(draw * 1_000 + count).sample(sorted(self.shared), count):
            frames[frame] = self.shared[frame]
        memory = memory_of(frames, self.first.memory_size)
        try:
            return identify(memory, self.first.truth["dtb"], mode=mode_of(self.first))
        except Error:
            return None


def machine(seed: int = 5) -> Machine:
    """The machine at two moments."""
    first = forge(SCENARIO, seed)
    second = forge(replace(SCENARIO, cast=tuple(_later(actor) for actor in SCENARIO.cast)), seed)
    over = Overlay(kernel_of(second))
    given_back = turn_trees(over, second)
    at_second = dict(second.physical) | {number: page for number, page in over.pages.items() if page is not None}
    old, new = kernel_pages(first), kernel_pages(second)
    shared = {
        old[page]: at_second[new[page]]
        for page in sorted(old.keys() & new.keys())
        if old[page] in first.physical and new[page] in at_second
    }
    return Machine(first, replace(second, physical=at_second), shared, given_back)


def tables_at_second(both: Machine) -> dict[int, bytes]:
    """The page tables of system space as they are at the second moment: frame to contents.

    What is mapped at both moments keeps its frame; what is gone is not mapped any more.
    """
    gone = kernel_pages(both.first).keys() - kernel_pages(both.second).keys()
    root = both.first.truth["dtb"] // PAGE
    level = {entry << 39: frame for entry, frame in _entries(both.first, root, KERNEL_ENTRIES) if frame != root}
    tables = {root: both.first.physical[root]} | {frame: both.first.physical[frame] for frame in level.values()}
    for shift in (30, 21):
        level = {
            base + (number << shift): (value & FRAME) // PAGE
            for base, table in level.items()
            for number, value in _raw(both.first, table, range(512))
            if not value & LARGE
        }
        tables |= {frame: both.first.physical[frame] for frame in level.values()}
    for base, frame in level.items():
        entries = bytearray(tables[frame])
        for page in gone:
            if 0 <= page - base < 512 * PAGE:
                at = (page - base) // PAGE * 8
                entries[at : at + 8] = bytes(8)
        tables[frame] = bytes(entries)
    return tables


def kernel_pages(image: Image) -> dict[int, int]:
    """Addresses of the pages of system space to their frames, without the tables that map them (x64)."""
    root = image.truth["dtb"] // PAGE
    level = {entry << 39: frame for entry, frame in _entries(image, root, KERNEL_ENTRIES) if frame != root}
    found: dict[int, int] = {}
    for shift in (30, 21, 12):
        below: dict[int, int] = {}
        for base, table in level.items():
            for number, value in _raw(image, table, range(512)):
                at, frame = base + (number << shift), (value & FRAME) // PAGE
                if shift == 12:
                    found[at] = frame
                elif value & LARGE:
                    found |= {at + PAGE * step: frame + step for step in range((1 << shift) // PAGE)}
                else:
                    below[at] = frame
        level = below
    return found


def _raw(image: Image, frame: int, numbers: range) -> list[tuple[int, int]]:
    page = image.physical.get(frame, bytes(PAGE))
    values = struct.unpack("<512Q", page)
    return [(number, values[number]) for number in numbers if values[number] & VALID]


def _entries(image: Image, frame: int, numbers: range) -> list[tuple[int, int]]:
    return [(number, (value & FRAME) // PAGE) for number, value in _raw(image, frame, numbers)]


def turn_trees(over: Overlay, image: Image) -> frozenset[tuple[int, int, int]]:
    """VAD trees as they are once ranges came and went: other nodes are on top, and a range was given back.

    Gives the ranges that were given back: pid, start, end.
    """
    dice = Random(len(image.physical))
    given_back = set()
    for process in image.truth["processes"]:
        nodes = [vad["node"] for vad in sorted(process["vads"], key=lambda vad: vad["start"])]
        if len(nodes) < FEW_NODES:
            continue
        plain = next(
            n for n, vad in enumerate(process["vads"]) if vad["private"] and "EXECUTE" not in vad["protection"]
        )
        nodes.remove(process["vads"][plain]["node"])
        given_back.add((process["pid"], process["vads"][plain]["start"], process["vads"][plain]["end"]))
        root, _ = _grow(over, dice, nodes, 0)
        over.set(EPROCESS, process["eprocess"], "VadRoot", root)
        over.set(EPROCESS, process["eprocess"], "VadCount", len(nodes))
    return frozenset(given_back)


def _grow(over: Overlay, dice: Random, nodes: list[int], parent: int) -> tuple[int, int]:
    """Write a balanced tree of these nodes, in order of their ranges; gives its root and its height."""
    if not nodes:
        return 0, 0
    middle = (len(nodes) - dice.randrange(2)) // 2
    node = nodes[middle]
    left, left_height = _grow(over, dice, nodes[:middle], node)
    right, right_height = _grow(over, dice, nodes[middle + 1 :], node)
    over.set(MMVAD_SHORT, node, "Left", left)
    over.set(MMVAD_SHORT, node, "Right", right)
    over.set(MMVAD_SHORT, node, "ParentValue", parent | right_height - left_height & 3)
    return node, 1 + max(left_height, right_height)


def told(kernel: Kernel) -> frozenset[tuple[Severity, str, int | None]]:
    """Findings above info that accuse somebody: severity, rule, and the process that each is about."""
    return frozenset(
        (each.severity, each.rule, each.process.address if each.process else None)
        for each in findings(Tables(kernel, hidden=True), Severity.LOW)
        if each.rule not in TELLS_LACKS
    )


def made_up(
    kernel: Kernel, whole: frozenset[tuple[Severity, str, int | None]]
) -> frozenset[tuple[Severity, str, int | None]]:
    """What is told of a smeared image and of neither moment by itself."""
    return told(kernel) - whole
