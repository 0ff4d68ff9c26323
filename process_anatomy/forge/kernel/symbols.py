"""A minimal symbol table for the forged kernel, so that stock Volatility plugins can read the image.

The structures come from the same declarations that the forge builds with, placed by the same build: the
dotted paths of a declaration become nested types again.  Only what a declaration leaves out is data here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from process_anatomy.forge.ground.generations import version_of
from process_anatomy.forge.kernel.image import KernelImage
from process_anatomy.forge.pe.headers import MACHINES
from structs.eprocess import EPROCESS
from structs.ethread import ETHREAD
from structs.families import LAYOUTS
from structs.layout import Build, Layout, Place
from structs.vad import MM_AVL_TABLE

Json = dict[str, Any]

MEMBER_TYPES = {
    ("_EPROCESS", "Pcb"): "_KPROCESS",
    ("_EPROCESS", "Protection"): "_PS_PROTECTION",
    ("_EPROCESS", "SeAuditProcessCreationInfo"): "_SE_AUDIT_PROCESS_CREATION_INFO",
    ("_EPROCESS", "VadRoot"): "_RTL_AVL_TREE",
    ("_ETHREAD", "Tcb"): "_KTHREAD",
    ("_ETHREAD", "Cid"): "_CLIENT_ID",
    ("_KPROCESS", "Header"): "_DISPATCHER_HEADER",
    ("_KTHREAD", "Header"): "_DISPATCHER_HEADER",
    ("_KTHREAD", "ApcState"): "_KAPC_STATE",
    ("_TOKEN", "Privileges"): "_SEP_TOKEN_PRIVILEGES",
    ("_TOKEN", "TokenSource"): "_TOKEN_SOURCE",
    ("_MMVAD_SHORT", "VadNode"): "_RTL_BALANCED_NODE",
    ("_RTL_USER_PROCESS_PARAMETERS", "CurrentDirectory"): "_CURDIR",
    ("_CMHIVE", "Hive"): "_HHIVE",
    ("_CM_KEY_NODE", "ValueList"): "_CHILD_LIST",
    ("_OBJECT_TYPE", "TypeInfo"): "_OBJECT_TYPE_INITIALIZER",
}
"""(structure, member) to the name of the member's own type, where it has one."""
AT_ZERO = {"Pcb", "Tcb", "VadNode", "Hive", "BalancedRoot"}
"""Members that start their structure; other nested members start where their first known field does."""
PATHS: tuple[tuple[str, str, tuple[int, int], tuple[int, int], str], ...] = (
    ("_HANDLE_TABLE", "HandleCount", (6, 2), (99, 0), "FreeLists.HandleCount"),
    ("_MMVAD_SHORT", "Left", (6, 2), (6, 2), "VadNode.LeftChild"),
    ("_MMVAD_SHORT", "Right", (6, 2), (6, 2), "VadNode.RightChild"),
    ("_MMVAD_SHORT", "ParentValue", (6, 2), (6, 2), "VadNode.u1.Parent"),
    ("_MMVAD_SHORT", "Left", (0, 0), (6, 1), "LeftChild"),
    ("_MMVAD_SHORT", "Right", (0, 0), (6, 1), "RightChild"),
    ("_MMVAD_SHORT", "ParentValue", (5, 2), (6, 1), "u1.Parent"),
    ("_MMVAD_SHORT", "CommitCharge", (0, 0), (6, 1), "u.VadFlags.CommitCharge"),
    ("_MMVAD_SHORT", "MemCommit", (0, 0), (6, 1), "u.VadFlags.MemCommit"),
    ("_EPROCESS", "VadRoot", (0, 0), (5, 1), "VadRoot"),
    ("_ETHREAD", "Process", (0, 0), (5, 1), "ThreadsProcess"),
    ("_LDR_DATA_TABLE_ENTRY", "ObsoleteLoadCount", (0, 0), (6, 1), "LoadCount"),
    ("_TOKEN", "AuditPolicy", (6, 0), (6, 0), "AuditPolicy.PerUserPolicy"),
)
"""Structure, field, first and last version of Windows, and the field's path there, if not the declaration's first."""
ONLY_IN = {"_WOW64_PROCESS": ((5, 2), (6, 0)), "_PS_IMPERSONATION_INFORMATION": ((5, 1), (5, 2))}
"""Structure to the first and last version that has it; stock Volatility goes by the presence of the first."""
TREE_FIELDS = {"VadRoot", "VadCount", "DepthOfTree"}
"""Fields of a process that are in the tree's own record, where there is one."""
LAST_WITHOUT_CORE = (6, 1)
"""Up to this version a VAD that maps a section has the fields of a short one itself."""
LAST_WITH_OTHER_NAME = 10240
"""Up to this build WoW64Process is spelled Wow64Process."""

POINTS_TO = {
    ("_EPROCESS", "ObjectTable"): "_HANDLE_TABLE",
    ("_EPROCESS", "Peb"): "_PEB",
    ("_EPROCESS", "WoW64Process"): "_EWOW64PROCESS",
    ("_SE_AUDIT_PROCESS_CREATION_INFO", "ImageFileName"): "_OBJECT_NAME_INFORMATION",
    ("_EPROCESS", "Wow64Process"): "_WOW64_PROCESS",
    ("_KTHREAD", "Process"): "_KPROCESS",
    ("_RTL_AVL_TREE", "Root"): "_RTL_BALANCED_NODE",
    ("_RTL_BALANCED_NODE", "Left"): "_RTL_BALANCED_NODE",
    ("_RTL_BALANCED_NODE", "Right"): "_RTL_BALANCED_NODE",
    ("_MMVAD", "Subsection"): "_SUBSECTION",
    ("_SUBSECTION", "ControlArea"): "_CONTROL_AREA",
    ("_SUBSECTION", "NextSubsection"): "_SUBSECTION",
    ("_CONTROL_AREA", "Segment"): "_SEGMENT",
    ("_SEGMENT", "ControlArea"): "_CONTROL_AREA",
    ("_TOKEN", "UserAndGroups"): "_SID_AND_ATTRIBUTES",
    ("_TOKEN", "LogonSession"): "_SEP_LOGON_SESSION_REFERENCES",
    ("_PEB", "Ldr"): "_PEB_LDR_DATA",
    ("_PEB", "ProcessParameters"): "_RTL_USER_PROCESS_PARAMETERS",
    ("_HHIVE", "BaseBlock"): "_HBASE_BLOCK",
    ("_DUAL", "Map"): "_HMAP_DIRECTORY",
    ("_FILE_OBJECT", "DeviceObject"): "_DEVICE_OBJECT",
    ("_DEVICE_OBJECT", "AttachedDevice"): "_DEVICE_OBJECT",
    ("_DEVICE_OBJECT", "NextDevice"): "_DEVICE_OBJECT",
    ("_CM_KEY_BODY", "KeyControlBlock"): "_CM_KEY_CONTROL_BLOCK",
    ("_CM_KEY_CONTROL_BLOCK", "ParentKcb"): "_CM_KEY_CONTROL_BLOCK",
    ("_CM_KEY_CONTROL_BLOCK", "NameBlock"): "_CM_NAME_CONTROL_BLOCK",
    ("_OBJECT_HEADER_NAME_INFO", "Directory"): "_OBJECT_DIRECTORY",
    ("_OBJECT_DIRECTORY_ENTRY", "ChainLink"): "_OBJECT_DIRECTORY_ENTRY",
    ("_SECTION", "ControlArea"): "_CONTROL_AREA",
    ("_MMVAD", "ControlArea"): "_CONTROL_AREA",
    ("_MMADDRESS_NODE", "LeftChild"): "_MMADDRESS_NODE",
    ("_MMADDRESS_NODE", "RightChild"): "_MMADDRESS_NODE",
    ("_MM_AVL_NODE", "LeftChild"): "_MM_AVL_NODE",
    ("_MM_AVL_NODE", "RightChild"): "_MM_AVL_NODE",
    ("_MMVAD_SHORT", "LeftChild"): "_MMVAD",
    ("_MMVAD_SHORT", "RightChild"): "_MMVAD",
    ("_OBJECT_HEADER", "Type"): "_OBJECT_TYPE",
    ("_TOKEN", "Privileges"): "_LUID_AND_ATTRIBUTES",
    ("_ETHREAD", "ThreadsProcess"): "_EPROCESS",
}
NUMBERS = {("_RTL_BALANCED_NODE", "ParentValue"), ("_HANDLE_TABLE", "TableCode")} | {
    ("_HMAP_ENTRY", name) for name in ("BlockAddress", "BinAddress", "PermanentBinAddress")
}
"""Declared as pointers, but their lowest bits say something else, so Windows calls them numbers."""

UNSIGNED = {1: "unsigned char", 2: "unsigned short", 4: "unsigned long", 8: "unsigned long long"}
SIGNED = {1: "char", 2: "short", 4: "long", 8: "long long"}
SIZES = {"_LARGE_INTEGER": 8, "_LUID": 8}
TWO_POINTERS = {"_LIST_ENTRY", "_UNICODE_STRING"}
P, PP = "P", "PP"
"""Offsets of one pointer and of two."""
STRUCTURES: dict[str, dict[str, tuple[Any, ...]]] = {
    "_LIST_ENTRY": {"Flink": (0, "*_LIST_ENTRY"), "Blink": (P, "*_LIST_ENTRY")},
    "_UNICODE_STRING": {
        "Length": (0, "unsigned short"), "MaximumLength": (2, "unsigned short"), "Buffer": (P, "*wchar"),
    },
    "_LARGE_INTEGER": {"LowPart": (0, "unsigned long"), "HighPart": (4, "long"), "QuadPart": (0, "long long")},
    "_LUID": {"LowPart": (0, "unsigned long"), "HighPart": (4, "long")},
    "_EX_FAST_REF": {"Object": (0, "*void"), "Value": (0, "unsigned pointer")},
    "_KSYSTEM_TIME": {"LowPart": (0, "unsigned long"), "High1Time": (4, "long"), "High2Time": (8, "long")},
    "_CELL_DATA": {"u": (0, "_CELL_CONTENT")},
    "_CELL_CONTENT": {
        "KeyNode": (0, "_CM_KEY_NODE"), "KeyValue": (0, "_CM_KEY_VALUE"), "KeyIndex": (0, "_CM_KEY_INDEX"),
        "KeySecurity": (0, "unsigned long"), "ValueData": (0, "unsigned long"), "KeyList": (0, "[1]unsigned long"),
    },
    "_HMAP_DIRECTORY": {"Directory": (0, "[1024]*_HMAP_TABLE")},
    "_HMAP_TABLE": {"Table": (0, "[512]_HMAP_ENTRY")},
    "_HANDLE_TABLE_ENTRY": {},
    "_DBGKD_GET_VERSION64": {
        "MajorVersion": (0, "unsigned short"), "MinorVersion": (2, "unsigned short"),
        "MachineType": (8, "unsigned short"), "KernBase": (16, "unsigned long long"),
        "PsLoadedModuleList": (24, "unsigned long long"), "DebuggerDataList": (32, "unsigned long long"),
    },
}  # fmt: skip
"""Types that structs does not declare: offset and type of each field (``*`` a pointer, ``[n]`` an array; then bit and
bits)."""
WIDE_ENTRY: dict[str, tuple[Any, ...]] = {
    "VolatileLowValue": (0, "pointer"), "LowValue": (0, "pointer"), "HighValue": (P, "pointer"),
}  # fmt: skip
"""What a handle has besides its bit-fields, since Windows 8."""
EXTRA_SIZES = {
    "_KSYSTEM_TIME": 12, "_HANDLE_TABLE_ENTRY": 0, "_DBGKD_GET_VERSION64": 40, "_CELL_DATA": 80,
    "_CELL_CONTENT": 80, "_HMAP_TABLE": 0,
}  # fmt: skip
NAMED_ONLY = [
    "_ERESOURCE",
    "_KMUTANT",
    "_DRIVER_OBJECT",
    "_SHARED_CACHE_MAP",
    "_VACB",
    "_IMAGE_DOS_HEADER",
    "_KTIMER",
    "_KPROCESS",
    "_KTHREAD",
]
"""Types that Volatility wants to exist in every kernel; nothing of them is forged."""

FIRST_PADDED, COOKIE_PAD = (6, 1), 0x334
"""Version since which _KUSER_SHARED_DATA has CookiePad, behind its Cookie, and where."""
GLOBAL_TYPES = {
    "KdVersionBlock": "_DBGKD_GET_VERSION64",
    "PsActiveProcessHead": "_LIST_ENTRY",
    "PsLoadedModuleList": "_LIST_ENTRY",
    "PsInitialSystemProcess": "*_EPROCESS",
}
ENUMS = {"_NT_PRODUCT_TYPE": {"NtProductWinNt": 1, "NtProductLanManNt": 2, "NtProductServer": 3}}


def _integer(size: int, *, signed: bool, kind: str = "int") -> Json:
    return {"endian": "little", "kind": kind, "signed": signed, "size": size}


def _named(name: str) -> Json:
    if name.startswith("*"):
        return {"kind": "pointer", "subtype": _named(name[1:])}
    if name.startswith("["):
        count, _, element = name[1:].partition("]")
        return {"count": int(count), "kind": "array", "subtype": _named(element)}
    if name.startswith("_"):
        return {"kind": "struct", "name": name}
    return {"kind": "base", "name": name}


class _Table:
    """Types in the making: structure name to its fields and size."""

    def __init__(self, build: Build) -> None:
        self.build, self.version = build, version_of(build)
        self.pointer = build.pointer_size
        self.types: dict[str, Json] = {}
        for name, fields in STRUCTURES.items():
            made = self.structure(name, self._size(name))
            self.add(made, fields)
        if self.version >= (6, 2):
            self.add(self.types["_HANDLE_TABLE_ENTRY"], WIDE_ENTRY)
            if self.pointer == 4:
                self.add(self.types["_HANDLE_TABLE_ENTRY"], {"InfoTable": (0, "*void")})
        for name in NAMED_ONLY:
            self.structure(name, 0)
        for layout in LAYOUTS.values():
            if layout in build and self._is_of(layout):
                self._layout(layout)

    def _is_of(self, layout: Layout) -> bool:
        """Whether a structure that no kernel's symbols describe is of this Windows; of others the build decides."""
        first, last = ONLY_IN.get(layout.name, ((0, 0), self.version))
        return first <= self.version <= last and not (layout.name == "_WOW64_PROCESS" and self.pointer == 4)

    def _size(self, name: str) -> int:
        if name in TWO_POINTERS:
            return 2 * self.pointer
        if name == "_EX_FAST_REF":
            return self.pointer
        return 1024 * self.pointer if name == "_HMAP_DIRECTORY" else SIZES.get(name) or EXTRA_SIZES[name]

    def add(self, made: Json, fields: Mapping[str, tuple[Any, ...]]) -> None:
        """Give a type fields that are written by hand."""
        words = {"pointer": SIGNED[self.pointer], "unsigned pointer": UNSIGNED[self.pointer]}
        for field, (offset, kind, *bits) in fields.items():
            place = {P: self.pointer, PP: 2 * self.pointer}.get(offset, offset)
            made["fields"][field] = {"offset": place, "type": self._bits(words.get(kind, kind), bits)}

    @staticmethod
    def _bits(kind: str, bits: list[int]) -> Json:
        if not bits:
            return _named(kind)
        return {"kind": "bitfield", "bit_position": bits[0], "bit_length": bits[1], "type": _named(kind)}

    def structure(self, name: str, size: int) -> Json:
        """The type of that name, at least ``size`` bytes long."""
        made = self.types.setdefault(name, {"fields": {}, "kind": "struct", "size": 0})
        made["size"] = max(made["size"], size)
        return made

    def _path(self, layout: Layout, field: str) -> str:
        if (layout.name, field) == ("_EPROCESS", "WoW64Process") and self.build.number <= LAST_WITH_OTHER_NAME:
            return "Wow64Process"
        for structure, name, first, last, path in PATHS:
            if (structure, name) == (layout.name, field) and first <= self.version <= last:
                return path
        return layout.paths(field)[0]

    def _layout(self, layout: Layout) -> None:
        bound = self.build[layout]
        self.structure(layout.name, bound.sizeof)
        table = layout is EPROCESS and MM_AVL_TABLE in self.build
        fields = [field for field in bound.places if not (table and field in TREE_FIELDS)]
        paths = {field: self._path(layout, field).split(".") for field in fields}
        starts: dict[tuple[str, ...], int] = {}
        for field, steps in paths.items():
            for depth in range(1, len(steps)):
                prefix = tuple(steps[:depth])
                offset = 0 if steps[depth - 1] in AT_ZERO else bound.offset(field)
                starts[prefix] = min(starts.get(prefix, offset), offset)
        for field, steps in paths.items():
            place, owner, base = bound.places[field], layout.name, 0
            for depth in range(1, len(steps)):
                start = starts[tuple(steps[:depth])]
                inner = self._member(owner, steps[depth - 1])
                self.types[owner]["fields"][steps[depth - 1]] = {"offset": start - base, "type": _named(inner)}
                if not inner.startswith("_"):
                    raise AssertionError(inner)
                self.structure(inner, place.offset + place.size - start)
                owner, base = inner, start
            kind = self._kind(owner, steps[-1], layout.fields[field].type.name, place)
            self.types[owner]["fields"][steps[-1]] = {"offset": place.offset - base, "type": kind}

    def _member(self, owner: str, member: str) -> str:
        """The type of a member that has members of its own."""
        if member == "BalancedRoot" or (member == "VadNode" and MM_AVL_TABLE in self.build):
            return "_MM_AVL_NODE" if self.version == (6, 2) else "_MMADDRESS_NODE"
        return MEMBER_TYPES.get((owner, member), f"{owner}.{member}")

    def _kind(self, owner: str, member: str, declared: str, place: Place) -> Json:
        if declared == "FILETIME":
            return _named("_LARGE_INTEGER")
        if place.bit is not None:
            return self._bits(UNSIGNED[place.size], [place.bit, place.bits or 0])
        if (owner, member) in NUMBERS:
            return _named(UNSIGNED[place.size])
        if declared == "Pointer":
            return _named("*" + POINTS_TO.get((owner, member), "void"))
        if (owner, member) == ("_CONTROL_AREA", "FilePointer") and self.version < (6, 0):
            return _named("*_FILE_OBJECT")
        if declared in STRUCTURES:
            return _named(declared)
        if declared == "Bytes":
            return self._bytes(owner, member, place)
        return _named((SIGNED if declared == "Int" else UNSIGNED)[place.size])

    def _bytes(self, owner: str, member: str, place: Place) -> Json:
        element, size = "unsigned char", 1
        if owner == "_SID":
            if member == "IdentifierAuthority":
                array = {"count": place.size, "kind": "array", "subtype": _named(element)}
                made = self.structure("_SID_IDENTIFIER_AUTHORITY", place.size)
                made["fields"]["Value"] = {"offset": 0, "type": array}
                return _named("_SID_IDENTIFIER_AUTHORITY")
            element, size = UNSIGNED[4], 4
        elif owner == "_KUSER_SHARED_DATA":
            if member != "NtSystemRoot":
                return _named("_KSYSTEM_TIME")
            element, size = "wchar", 2
        elif owner == "_OBJECT_HEADER":
            return _named("_QUAD")
        elif owner == "_HHIVE":
            element, size = "_DUAL", place.size // 2
        elif owner == "_CM_KEY_NODE" and member != "Name":
            element, size = UNSIGNED[4], 4
        return {"count": place.size // size, "kind": "array", "subtype": _named(element)}


def symbol_table(build: Build, image: KernelImage, padded: bool = False) -> Json:
    """A symbol table in Volatility's format (6.2.0) for a forged kernel.

    Args:
        build: which Windows.
        image: the kernel, for its places.
        padded: name the padding by which stock ``windows.registry.userassist`` knows the form of its entries.
    """
    table = _Table(build)
    types = table.types
    types["_QUAD"] = {"fields": {"UseThisFieldToCopy": {"offset": 0, "type": _named("long long")}}, "kind": "struct",
                      "size": 8}  # fmt: skip
    types["_HMAP_TABLE"]["size"] = 512 * types["_HMAP_ENTRY"]["size"]
    types["_CM_KEY_INDEX"]["fields"]["List"]["type"] = _named(f"[1]{UNSIGNED[4]}")
    if table.version > LAST_WITHOUT_CORE:
        types["_MMVAD"]["fields"]["Core"] = {"offset": 0, "type": _named("_MMVAD_SHORT")}
    else:
        types["_MMVAD"]["fields"] = types["_MMVAD_SHORT"]["fields"] | types["_MMVAD"]["fields"]
    if MM_AVL_TABLE in build:
        tree = build[EPROCESS].offset("VadRoot") - build[MM_AVL_TABLE].offset("RightChild")
        types["_EPROCESS"]["fields"]["VadRoot"] = {"offset": tree, "type": _named("_MM_AVL_TABLE")}
    module = types["_LDR_DATA_TABLE_ENTRY"]["fields"]
    for name in ("ObsoleteLoadCount", "LoadCount"):
        if name in module:
            module[name]["type"] = _named("unsigned short")
    flags = build[ETHREAD].offset("Terminated")
    types["_ETHREAD"]["fields"]["CrossThreadFlags"] = {"offset": flags, "type": _named("unsigned long")}
    types["_KUSER_SHARED_DATA"]["fields"]["NtProductType"]["type"] = {"kind": "enum", "name": "_NT_PRODUCT_TYPE"}
    if padded and table.version >= FIRST_PADDED:
        table.add(types["_KUSER_SHARED_DATA"], {"CookiePad": (COOKIE_PAD, "[1]unsigned long")})
    for name in NAMED_ONLY:
        types[name]["size"] = max(types[name]["size"], 1)
    base_types = {name: _integer(size, signed=False) for size, name in UNSIGNED.items()}
    base_types |= {name: _integer(size, signed=True) for size, name in SIGNED.items()}
    base_types |= {name: _integer(1, signed=name == "char", kind="char") for name in ("char", "unsigned char")}
    base_types |= {
        "int": _integer(4, signed=True),
        "unsigned int": _integer(4, signed=False),
        "pointer": _integer(build.pointer_size, signed=False),
        "void": {"endian": "little", "kind": "void", "signed": False, "size": 0},
        "wchar": _integer(2, signed=False),
        "float": {"endian": "little", "kind": "float", "signed": True, "size": 4},
        "double": {"endian": "little", "kind": "float", "signed": True, "size": 8},
    }
    return {
        "base_types": base_types,
        "enums": {
            name: {"base": "unsigned long", "constants": constants, "size": 4} for name, constants in ENUMS.items()
        },
        "metadata": {
            "format": "6.2.0",
            "producer": {"datetime": "2023-01-01T00:00:00", "name": "process-anatomy forge", "version": "1.0.0"},
            "windows": {
                "pdb": {"GUID": image.guid, "age": image.age, "database": image.pdb,
                        "machine_type": MACHINES[8 * build.pointer_size]},
                "pe": {"build": 0, "major": table.version[0], "minor": table.version[1], "revision": build.number},
            },
        },
        "symbols": {
            name: {"address": rva} | ({"type": _named(GLOBAL_TYPES[name])} if name in GLOBAL_TYPES else {})
            for name, rva in sorted(image.rvas.items()) if name not in image.absent
        },
        "user_types": dict(sorted(types.items())),
    }  # fmt: skip
