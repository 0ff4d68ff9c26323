"""The tree of virtual address descriptors: balanced, linked both ways, one node for each region."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from process_anatomy.forge.ground.records import link, record
from process_anatomy.forge.memory.frames import PAGE
from process_anatomy.forge.memory.page_tables import Space
from process_anatomy.forge.memory.protections import PROTECT_TO_VALUE
from process_anatomy.forge.objects.object_manager import ObjectManager
from process_anatomy.forge.parts.region import Region
from structs.eprocess import EPROCESS
from structs.layout import Build, Layout
from structs.section import CONTROL_AREA
from structs.vad import MM_AVL_TABLE, MMVAD, MMVAD_LONG, MMVAD_SHORT

IMAGE_MAP, LARGE_PAGES = 2, 5
VAD_TYPES = {0: "VadNone", 2: "VadImageMap", 5: "VadLargePages"}
PAGE_NAMES = {
    0x01: "PAGE_NOACCESS", 0x02: "PAGE_READONLY", 0x04: "PAGE_READWRITE", 0x08: "PAGE_WRITECOPY",
    0x10: "PAGE_EXECUTE", 0x20: "PAGE_EXECUTE_READ", 0x40: "PAGE_EXECUTE_READWRITE",
    0x80: "PAGE_EXECUTE_WRITECOPY", 0x100: "PAGE_GUARD", 0x200: "PAGE_NOCACHE", 0x400: "PAGE_WRITECOMBINE",
}  # fmt: skip


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


def tree_of(build: Build, process: int) -> int:
    """Address of the tree's record inside a process object (Server 2003 SP1 to Windows 8)."""
    return process + build[EPROCESS].offset("VadRoot") - build[MM_AVL_TABLE].offset("RightChild")


def close_tree(build: Build, kernel: Space, process: int, root: int, count: int, depth: int) -> None:
    """Fill the tree's record inside a process object, where there is one.

    Args:
        build: where the fields are.
        kernel: the space of the process object.
        process: its address.
        root: address of the topmost node.
        count: nodes of the tree.
        depth: levels of the tree.
    """
    if MM_AVL_TABLE not in build:
        return
    address = tree_of(build, process)
    fields = {
        "Parent": address, "RightChild": root, "DepthOfTree": depth, "NumberGenericTableElements": count,
        "NodeHint": root,
    }  # fmt: skip
    kernel.write(address, record(build, MM_AVL_TABLE, **fields))


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

    def make(self, process: int, regions: list[Region]) -> tuple[int, list[dict[str, Any]], int]:
        """The tree of a process; gives its root's address, the nodes' facts by address range, and its height."""
        regions = sorted(regions, key=lambda region: region.start)
        for before, after in pairwise(regions):
            assert before.start + before.size <= after.start, (before.note, after.note)
        nodes = []
        for region in regions:
            layout, tag = self.kind_of(region)
            nodes.append(_Node(region, self.objects.nonpaged.allocate(self.build[layout].sizeof, tag.encode())))
        root = self._grow(nodes, self._above(process))
        for node in nodes:
            self._write(node, process)
        return root.address if root else 0, [self._facts(node) for node in nodes], root.height if root else 0

    def kind_of(self, region: Region) -> tuple[Layout, str]:
        """Which structure describes a region, and under which pool tag."""
        if region.long and MMVAD_LONG in self.build:
            return MMVAD_LONG, "Vadl"
        return (MMVAD, "Vad ") if region.section else (MMVAD_SHORT, "VadS")

    def _above(self, process: int) -> int:
        """What the root names as its parent: nothing, or the node in the process that stands for no range."""
        if MM_AVL_TABLE not in self.build:
            return 0
        return tree_of(self.build, process)

    def _write(self, node: _Node, process: int) -> None:
        region = node.region
        first, last = region.start // PAGE, (region.start + region.size) // PAGE - 1
        short = record(
            self.build,
            MMVAD_SHORT,
            Left=node.left.address if node.left else 0,
            Right=node.right.address if node.right else 0,
            Parent=node.parent,
            ParentValue=node.parent | node.balance,
            StartingVpn=first & 0xFFFFFFFF,
            EndingVpn=last & 0xFFFFFFFF,
            StartingVpnHigh=first >> 32,
            EndingVpnHigh=last >> 32,
            VadType=region.kind,
            ImageMap=int(region.kind == IMAGE_MAP),
            LargePages=int(region.kind == LARGE_PAGES),
            Protection=region.protection,
            PrivateMemory=int(region.section is None),
            CommitCharge=region.commit,
            MemCommit=int(region.mem_commit),
        )
        self.kernel.write(node.address, short)
        if region.section is None:
            return
        area = region.section.subsection - self.build[CONTROL_AREA].sizeof
        pages = region.size // PAGE - region.extension
        views = node.address + self.build[MMVAD].offset("ViewLinks") if "ViewLinks" in self.build[MMVAD] else 0
        whole = record(
            self.build,
            MMVAD,
            Subsection=region.section.subsection,
            ControlArea=area,
            FirstPrototypePte=region.section.prototypes,
            LastContiguousPte=region.section.prototypes + self.kernel.mode.entry_size * (pages - 1),
            ImageMappingExtended=int(region.extension > 0),
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
            "tag": self.kind_of(region)[1],
            "type": VAD_TYPES[region.kind],
            "type_index": region.kind,
        } | ({"extension": region.extension} if region.extension else {})
