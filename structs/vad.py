"""Virtual address descriptors: the tree that says what each range of a process's land is for.

Every node starts with what _MMVAD_SHORT has; a node that maps a section is a whole _MMVAD, and up to Windows 7 a
_MMVAD_LONG where it is secured or may grow.  The tree is a splay tree on Windows XP, a balanced one since; each node
is linked by its own first fields, by _MM_AVL_NODE on Windows 8, by _RTL_BALANCED_NODE since 8.1; the paths say where.
"""

from __future__ import annotations

from structs.field_types import ListEntry, Pointer, UInt
from structs.layout import Layout, at

MMVAD_SHORT = Layout(
    "_MMVAD_SHORT",
    "a node of the VAD tree: one range of pages of one process",
    {
        "Left": at(Pointer, "child with lower addresses", "VadNode.Left", "VadNode.LeftChild", "LeftChild"),
        "Right": at(Pointer, "child with higher addresses", "VadNode.Right", "VadNode.RightChild", "RightChild"),
        "ParentValue": at(
            Pointer,
            "parent node; the lowest bits hold the balance of the tree",
            "VadNode.ParentValue",
            "VadNode.u1.Parent",
            "u1.Parent",
        ),
        "Parent": at(Pointer, "parent node, in a splay tree, which keeps no balance (Windows XP)"),
        "StartingVpn": at(UInt, "first page number of the range, low part"),
        "EndingVpn": at(UInt, "last page number of the range, low part"),
        "StartingVpnHigh": at(UInt, "first page number, high part"),
        "EndingVpnHigh": at(UInt, "last page number, high part"),
        "CommitChargeHigh": at(UInt, "committed pages, high part"),
        "ReferenceCount": at(UInt, "threads that hold on to the node"),
        "VadType": at(UInt, "kind of range: none, image map, AWE, large pages ...", "u.VadFlags.VadType"),
        "PhysicalMapping": at(UInt, "1: maps physical memory (before there was VadType)", "u.VadFlags.PhysicalMapping"),
        "ImageMap": at(UInt, "1: maps an image (before there was VadType)", "u.VadFlags.ImageMap"),
        "UserPhysicalPages": at(UInt, "1: an AWE window (before there was VadType)", "u.VadFlags.UserPhysicalPages"),
        "WriteWatch": at(UInt, "1: written pages are noted (before there was VadType)", "u.VadFlags.WriteWatch"),
        "LargePages": at(UInt, "1: made of large pages (before there was VadType)", "u.VadFlags.LargePages"),
        "Protection": at(UInt, "index into the protection table", "u.VadFlags.Protection"),
        "PrivateMemory": at(UInt, "1: private to the process, 0: mapped from a section", "u.VadFlags.PrivateMemory"),
        "NoChange": at(UInt, "1: the protection may not be changed", "u.VadFlags.NoChange"),
        "DeleteInProgress": at(UInt, "1: the range is being freed", "u.VadFlags.DeleteInProgress"),
        "Graphics": at(
            UInt, "1: shared with the graphics adapter", "u.VadFlags.Graphics", "u.PrivateVadFlags.Graphics"
        ),
        "Enclave": at(UInt, "1: belongs to an enclave", "u.VadFlags.Enclave", "u.PrivateVadFlags.Enclave"),
        "Teb": at(UInt, "1: made for a TEB (older builds)", "u.VadFlags.Teb"),
        "ShadowStack": at(
            UInt, "1: a shadow stack for return addresses", "u.VadFlags.ShadowStack", "u.PrivateVadFlags.ShadowStack"
        ),
        "PrivateFixup": at(
            UInt, "1: relocated for this process alone", "u.VadFlags.PrivateFixup", "u.SharedVadFlags.PrivateFixup"
        ),
        "CommitCharge": at(
            UInt, "committed pages, low part", "u1.VadFlags1.CommitCharge", "u.VadFlags.CommitCharge", "CommitCharge"
        ),
        "MemCommit": at(
            UInt,
            "1: committed as a whole when it was reserved",
            "u1.VadFlags1.MemCommit",
            "u.VadFlags1.MemCommit",
            "u.VadFlags.MemCommit",
            "u.PrivateVadFlags.MemCommit",
        ),
    },
)

MMVAD = Layout(
    "_MMVAD",
    "a node of the VAD tree that maps a section: a file, an image, shared memory",
    {
        "Subsection": at(Pointer, "the part of the section that is mapped", "Subsection"),
        "ControlArea": at(Pointer, "control area of the section (before Windows Vista)", "ControlArea"),
        "FirstPrototypePte": at(Pointer, "first prototype page-table entry of the range"),
        "LastContiguousPte": at(Pointer, "last prototype page-table entry that follows on"),
        "ImageMappingExtended": at(
            UInt,
            "1: pages behind the image's end are mapped with it (since Windows 11 24H2)",
            "VadFlags2.ImageMappingExtended",
        ),
        "ViewLinks": at(ListEntry, "link in the control area's list of views"),
        "VadsProcess": at(Pointer, "the process the node belongs to, flags in the lowest bits"),
        "FileObject": at(Pointer, "file object kept with the node"),
    },
)

MMVAD_LONG = Layout(
    "_MMVAD_LONG",
    "a node of the VAD tree with more room: secured ranges, and views that are extended (up to Windows 7)",
    {
        "StartingVpn": at(UInt, "first page number of the range"),
        "EndingVpn": at(UInt, "last page number of the range"),
    },
)

MM_AVL_TABLE = Layout(
    "_MM_AVL_TABLE",
    "a process's VAD tree, inside its _EPROCESS: the root is the right child of a node that stands for no range "
    "(Server 2003 SP1 to Windows 8)",
    {
        "Parent": at(Pointer, "the node that stands for no range is its own parent", "BalancedRoot.u1.Parent"),
        "LeftChild": at(Pointer, "always zero", "BalancedRoot.LeftChild"),
        "RightChild": at(Pointer, "root of the tree", "BalancedRoot.RightChild"),
        "DepthOfTree": at(UInt, "levels of the tree"),
        "NumberGenericTableElements": at(UInt, "number of nodes"),
        "NodeHint": at(Pointer, "the node that was looked up last"),
        "NodeFreeHint": at(Pointer, "the node behind which free room was found last"),
    },
)
