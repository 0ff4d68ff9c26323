"""The tree of virtual address descriptors: balanced, linked both ways, one node for each region."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from process_anatomy.forge.kernel_image import PROTECT_TO_VALUE
from process_anatomy.forge.memory import PAGE
from process_anatomy.forge.objects import ObjectManager
from process_anatomy.forge.records import link, record
from process_anatomy.forge.sections import Section
from structs.vad import MMVAD, MMVAD_SHORT

VAD_TYPES = {0: "VadNone", 2: "VadImageMap", 5: "VadLargePages"}
PAGE_NAMES = {
    0x01: "PAGE_NOACCESS", 0x02: "PAGE_READONLY", 0x04: "PAGE_READWRITE", 0x08: "PAGE_WRITECOPY",
    0x10: "PAGE_EXECUTE", 0x20: "PAGE_EXECUTE_READ", 0x40: "PAGE_EXECUTE_READWRITE",
    0x80: "PAGE_EXECUTE_WRITECOPY", 0x100: "PAGE_GUARD", 0x200: "PAGE_NOCACHE", 0x400: "PAGE_WRITECOMBINE",
}  # fmt: skip


@dataclass
class Region:
    """One range of a process's address space.

    Attributes:
        start: first address.
        size: bytes, whole pages.
        protection: index into the protection table.
        note: what the range is for.
        section: what it maps, ``None`` for private memory.
        kind: VAD type.
        commit: committed pages.
        mem_commit: committed as a whole when it was reserved.
    """

    start: int
    size: int
    protection: int
    note: str
    section: Section | None = None
    kind: int = 0
    commit: int = 0
    mem_commit: bool = False


def protection_name(index: int) -> str:
    """A protection index in words, as the PAGE_ constants are named."""
    value = PROTECT_TO_VALUE[index]
    return "|".join(name for mask, name in PAGE_NAMES.items() if value & mask)


class _Node:
    def __init__(self, region: Region, address: int) -> None:
        self.region, self.address = region, address
        self.left: _Node | None = None
        self.right: _Node | None = None
        self.parent = 0
        self.balance = 0
        self.height = 1


class VadTrees:
    """Makes VAD trees."""

    def __init__(self, objects: ObjectManager) -> None:
        self.objects, self.build, self.kernel = objects, objects.build, objects.kernel

    def _grow(self, nodes: list[_Node], parent: int) -> _Node | None:
        """A subtree whose halves differ by one node at most, so that it is balanced as an AVL tree must be."""
        if not nodes:
            return None
        middle = (len(nodes) - self.objects.dice.below(2)) // 2
        node = nodes[middle]
        node.parent = parent
        node.left = self._grow(nodes[:middle], node.address)
        node.right = self._grow(nodes[middle + 1 :], node.address)
        left, right = (side.height if side else 0 for side in (node.left, node.right))
        node.height = 1 + max(left, right)
        node.balance = (right - left) & 3
        return node

    def make(self, process: int, regions: list[Region]) -> tuple[int, list[dict[str, Any]]]:
        """The tree of a process; gives its root's address and the nodes' facts by address range."""
        regions = sorted(regions, key=lambda region: region.start)
        for before, after in pairwise(regions):
            assert before.start + before.size <= after.start, (before.note, after.note)
        nodes = []
        for region in regions:
            layout, tag = (MMVAD, b"Vad ") if region.section else (MMVAD_SHORT, b"VadS")
            nodes.append(_Node(region, self.objects.nonpaged.allocate(self.build[layout].sizeof, tag)))
        root = self._grow(nodes, 0)
        for node in nodes:
            self._write(node, process)
        return root.address if root else 0, [self._facts(node) for node in nodes]

    def _write(self, node: _Node, process: int) -> None:
        region = node.region
        first, last = region.start // PAGE, (region.start + region.size) // PAGE - 1
        short = record(
            self.build,
            MMVAD_SHORT,
            Left=node.left.address if node.left else 0,
            Right=node.right.address if node.right else 0,
            ParentValue=node.parent | node.balance,
            StartingVpn=first & 0xFFFFFFFF,
            EndingVpn=last & 0xFFFFFFFF,
            StartingVpnHigh=first >> 32,
            EndingVpnHigh=last >> 32,
            VadType=region.kind,
            Protection=region.protection,
            PrivateMemory=int(region.section is None),
            CommitCharge=region.commit,
            MemCommit=int(region.mem_commit),
        )
        self.kernel.write(node.address, short)
        if region.section is None:
            return
        pages = region.size // PAGE
        views = node.address + self.build[MMVAD].offset("ViewLinks") if "ViewLinks" in self.build[MMVAD] else 0
        whole = record(
            self.build,
            MMVAD,
            Subsection=region.section.subsection,
            FirstPrototypePte=region.section.prototypes,
            LastContiguousPte=region.section.prototypes + 8 * (pages - 1),
            ViewLinks=link(views, views),
            VadsProcess=process | 1,
        )
        core = self.build[MMVAD_SHORT].sizeof
        self.kernel.write(node.address + core, whole[core:])

    def _facts(self, node: _Node) -> dict[str, Any]:
        region = node.region
        return {
            "commit": region.commit,
            "end": region.start + region.size - 1,
            "file": region.section.file if region.section else None,
            "mem_commit": region.mem_commit,
            "node": node.address,
            "note": region.note,
            "pagefile_backed": region.section is not None and region.section.file is None,
            "parent": node.parent,
            "private": region.section is None,
            "protection": protection_name(region.protection),
            "protection_index": region.protection,
            "start": region.start,
            "tag": "Vad " if region.section else "VadS",
            "type": VAD_TYPES[region.kind],
            "type_index": region.kind,
        }
