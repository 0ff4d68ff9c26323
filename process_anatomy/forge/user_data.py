"""What user-mode code reads of its own process: PEB, TEB, parameters, the loader's lists, shared data."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

from process_anatomy.forge.records import link, record, text, utf16
from process_anatomy.forge.scenario import Actor
from structs.layout import Build
from structs.peb import LDR_DATA_TABLE_ENTRY, PEB, PEB_LDR_DATA, PROCESS_PARAMETERS
from structs.shared_data import KUSER_SHARED_DATA

ENVIRONMENT_SIZE = 0x3F0
"""Place of EnvironmentSize in _RTL_USER_PROCESS_PARAMETERS, the same in every x64 Windows from 8.1 on."""
NORMALIZED = 0x6001
LISTS = ("InLoadOrder", "InMemoryOrder", "InInitializationOrder")


def thread_block(teb: int, peb: int, stack_base: int, stack_limit: int, pid: int, tid: int) -> bytes:
    """The beginning of a TEB; its places are the same in every x64 Windows."""
    data = bytearray(0x100)
    struct.pack_into("<QQ", data, 0x08, stack_base, stack_limit)
    struct.pack_into("<Q", data, 0x30, teb)
    struct.pack_into("<QQ", data, 0x40, pid, tid)
    struct.pack_into("<Q", data, 0x60, peb)
    return bytes(data)


def version_of(build: Build) -> tuple[int, int]:
    """Major and minor version of Windows."""
    return (10, 0) if build.number >= 10240 else (6, 3)


def process_block(build: Build, image: int, ldr: int, parameters: int, heap: int, session: int) -> bytes:
    """A PEB."""
    major, minor = version_of(build)
    return record(
        build,
        PEB,
        ImageBaseAddress=image,
        Ldr=ldr,
        ProcessParameters=parameters,
        ProcessHeap=heap,
        NumberOfHeaps=2,
        OSMajorVersion=major,
        OSMinorVersion=minor,
        OSBuildNumber=build.number,
        SessionId=session,
    )


@dataclass
class ParameterBlock:
    """Process parameters with their strings and the environment behind them."""

    address: int
    actor: Actor
    command_line: str
    current_directory: str
    environment: dict[str, str]

    def build(self, build: Build) -> bytes:
        """The bytes that belong at the block's address."""
        size = build[PROCESS_PARAMETERS].sizeof
        strings = {
            "CurrentDirectory": self.current_directory,
            "ImagePathName": self.actor.path,
            "CommandLine": self.command_line,
            "WindowTitle": self.actor.path,
            "DesktopInfo": "Winsta0\\Default",
        }
        blob, places = b"", {}
        for name, characters in strings.items():
            places[name] = text(characters, self.address + size + len(blob))
            blob += utf16(characters)
        blob += bytes(-len(blob) % 16)
        environment = b"".join(utf16(f"{name}={value}") for name, value in self.environment.items()) + b"\0\0"
        data = record(
            build,
            PROCESS_PARAMETERS,
            Length=size,
            Flags=NORMALIZED,
            Environment=self.address + size + len(blob),
            **places,
        )
        whole = bytearray(data)
        struct.pack_into("<I", whole, 0, size)
        struct.pack_into("<Q", whole, ENVIRONMENT_SIZE, len(environment))
        return bytes(whole) + blob + environment


def loader_lists(build: Build, at: int, modules: list[dict[str, Any]]) -> tuple[int, bytes]:
    """The loader's data and its three lists, to be placed at ``at``; gives the address of _PEB_LDR_DATA too."""
    entry = build[LDR_DATA_TABLE_ENTRY]
    head = build[PEB_LDR_DATA]
    first = at + (head.sizeof + 15 & -16)
    step = entry.sizeof + 15 & -16
    entries = [first + step * index for index in range(len(modules))]
    links: dict[str, dict[int, dict[str, int]]] = {}
    heads: dict[str, dict[str, int]] = {}
    for order in LISTS:
        members = entries if order != "InInitializationOrder" else entries[1:]
        inside = entry.offset(f"{order}Links")
        ring = [at + head.offset(f"{order}ModuleList"), *(member + inside for member in members)]
        joined = {place: link(ring[(index + 1) % len(ring)], ring[index - 1]) for index, place in enumerate(ring)}
        heads[f"{order}ModuleList"] = joined[ring[0]]
        links[f"{order}Links"] = {member: joined[member + inside] for member in members}
    data = record(build, PEB_LDR_DATA, Length=head.sizeof, Initialized=1, **heads)
    data = data.ljust(first - at, b"\0")
    blob, blob_at = b"", first + step * len(modules)
    for place, module in zip(entries, modules, strict=True):
        names = {}
        for field, characters in (("FullDllName", module["path"]), ("BaseDllName", module["name"])):
            names[field] = text(characters, blob_at + len(blob))
            blob += utf16(characters)
        data += record(
            build,
            LDR_DATA_TABLE_ENTRY,
            DllBase=module["base"],
            EntryPoint=module["entry"],
            SizeOfImage=module["size"],
            TimeDateStamp=module["timestamp"],
            **{name: members[place] for name, members in links.items() if place in members},
            **names,
        ).ljust(step, b"\0")
    return at, data + blob


def shared_data(build: Build, now: int, server: bool = False) -> bytes:
    """_KUSER_SHARED_DATA at the time ``now`` (a FILETIME)."""
    major, minor = version_of(build)
    clock = struct.pack("<IiI", now & 0xFFFFFFFF, now >> 32, now >> 32)
    return record(
        build,
        KUSER_SHARED_DATA,
        SystemTime=clock,
        NtSystemRoot=utf16("C:\\Windows"),
        NtBuildNumber=build.number,
        NtProductType=3 if server else 1,
        NtMajorVersion=major,
        NtMinorVersion=minor,
        NativeProcessorArchitecture=9,
    )
