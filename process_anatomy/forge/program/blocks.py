"""What user-mode code reads of its own process: PEB, TEB, parameters, the loader's lists, shared data."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

from process_anatomy.forge.ground.actors import Actor
from process_anatomy.forge.ground.generations import (
    hot_patches,
    processors,
    service_pack,
    service_pack_words,
    version_of,
)
from process_anatomy.forge.ground.records import link, pointers, record, text, utf16
from process_anatomy.forge.memory.frames import PAGE
from structs.layout import Build
from structs.peb import LDR_DATA_TABLE_ENTRY, PEB, PEB_LDR_DATA, PROCESS_PARAMETERS
from structs.shared_data import KUSER_SHARED_DATA
from structs.teb import TEB

HEAP_CHECKS = 0x70
"""NtGlobalFlag of a process that was started under a debugger: three checks of its heaps."""
HEAP_LIST = 0x40
"""Bytes for the list of heaps where something follows it."""
DESKTOP = "Winsta0\\Default"
NORMALIZED = 0x6001
WINDOWS, CONSOLE = 2, 3
"""Subsystems of programs."""
LISTS = ("InLoadOrder", "InMemoryOrder", "InInitializationOrder")


def thread_block(
    build: Build, teb: int, peb: int, stack: tuple[int, int], deallocation: int, pid: int, tid: int, small: int = 0
) -> bytes:
    """A TEB; ``stack`` is its base and its limit, ``small`` the 32-bit TEB that it leads to."""
    return record(
        build,
        TEB,
        ExceptionList=small if "WowTebOffset" not in build[TEB] else 0,
        WowTebOffset=small - teb if small else 0,
        StackBase=stack[0],
        StackLimit=stack[1],
        DeallocationStack=deallocation,
        Self=teb,
        UniqueProcess=pid,
        UniqueThread=tid,
        ProcessEnvironmentBlock=peb,
    )


def process_block(
    build: Build, at: int, image: int, ldr: int, parameters: int, heaps: list[int], actor: Actor, kernel: Build
) -> bytes:
    """A PEB and, behind it on the same page as Windows has it, the list of heaps.

    Args:
        build: whose places: an x86 one for a 32-bit PEB.
        at: the PEB's address.
        image: where the program is.
        ldr: the loader's data.
        parameters: the process parameters.
        heaps: the default heap and all others.
        actor: whose it is.
        kernel: the build that runs, which the PEB tells the program of.
    """
    major, minor = version_of(kernel)
    size, words = build[PEB].sizeof, service_pack_words(kernel)
    data = record(
        build,
        PEB,
        BeingDebugged=int(actor.debugged),
        NtGlobalFlag=HEAP_CHECKS if actor.debugged else 0,
        ImageBaseAddress=image,
        Ldr=ldr,
        ProcessParameters=parameters,
        ProcessHeap=heaps[0],
        ProcessHeaps=at + size,
        NumberOfHeaps=len(heaps),
        MaximumNumberOfHeaps=(HEAP_LIST if words else PAGE - size) // build.pointer_size,
        ProcessImagesHotPatched=int(hot_patches(kernel) and bool(actor.patches)),
        NumberOfProcessors=processors(kernel),
        OSMajorVersion=major,
        OSMinorVersion=minor,
        OSBuildNumber=kernel.number,
        OSCSDVersion=service_pack(kernel) << 8,
        OSPlatformId=2,
        ImageSubsystem=CONSOLE if actor.console else WINDOWS,
        SessionId=actor.session or 0,
        CSDVersion=text(words, at + size + HEAP_LIST),
    )
    heap_list = pointers(build, *heaps)
    return data + (heap_list.ljust(HEAP_LIST, b"\0") + utf16(words) if words else heap_list)


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
            "WindowTitle": self.actor.window_title or self.actor.path,
            "DesktopInfo": DESKTOP,
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
            EnvironmentSize=len(environment),
            **places,
        )
        whole = bytearray(data)
        struct.pack_into("<I", whole, 0, size)
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
            Flags=module.get("flags", 0),
            LoadReason=module.get("reason", 0),
            HotPatchState=module.get("hot_patch", 0),
            ActivePatchImageBase=module.get("patch_base", 0),
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
        NtSystemRoot=utf16("C:\\Windows" if (major, minor) >= (6, 0) else "C:\\WINDOWS"),
        NtBuildNumber=build.number,
        NtProductType=3 if server else 1,
        NtMajorVersion=major,
        NtMinorVersion=minor,
        NativeProcessorArchitecture=9 if build.pointer_size == 8 else 0,
    )
