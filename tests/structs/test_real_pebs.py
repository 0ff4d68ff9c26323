"""Real PEBs, parameters and TEBs: user-mode dumps that programs of Windows 10 and 11 wrote of themselves."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from process_anatomy.absent import Absent
from process_anatomy.memory.space import SYSTEM_START, Addresses, Mask, Octets
from process_anatomy.memory.view import View
from structs import builds
from structs.peb import PEB, PROCESS_PARAMETERS
from structs.teb import TEB

THREADS, MODULES, MEMORY = 3, 4, 5
"""Stream types (Microsoft Learn, MINIDUMP_STREAM_TYPE)."""
DUMPS = {
    "mdmp-x64-18362-peb-zphixon.dmp": 18362,
    "mdmp-x64-22631-crashpad-peb-rustminidump.dmp": 22631,
}
"""Files and the builds that their PEBs tell (18363 and 22631 share the kernels of 18362 and 22621)."""


class Thread(NamedTuple):
    """A thread of a dump."""

    tid: int
    teb: int
    stack: int
    stack_size: int


class UserDump:
    """A user-mode minidump as a space: ranges of one process's memory."""

    pointer_size, system_start, room = 8, SYSTEM_START[8], 1 << 24

    def __init__(self, path: Path) -> None:
        self.data = path.read_bytes()
        count, directory = struct.unpack_from("<II", self.data, 8)
        entries = [struct.unpack_from("<III", self.data, directory + 12 * index) for index in range(count)]
        self.streams = {kind: at for kind, _, at in entries}
        self.ranges = [
            struct.unpack_from("<QII", self.data, self.streams[MEMORY] + 4 + 16 * index)
            for index in range(self._count(MEMORY))
        ]
        self.threads = []
        for index in range(self._count(THREADS)):
            row = struct.unpack_from("<IIIIQQII", self.data, self.streams[THREADS] + 4 + 48 * index)
            self.threads.append(Thread(row[0], row[4], row[5], row[6]))
        self.program = struct.unpack_from("<Q", self.data, self.streams[MODULES] + 4)[0]
        name = struct.unpack_from("<I", self.data, self.streams[MODULES] + 4 + 20)[0]
        length = struct.unpack_from("<I", self.data, name)[0]
        self.program_path = self.data[name + 4 : name + 4 + length].decode("utf-16-le")

    def _count(self, stream: int) -> int:
        return int(struct.unpack_from("<I", self.data, self.streams[stream])[0])

    def read(self, address: int, size: int) -> bytes | None:
        """Bytes of one range."""
        for start, length, at in self.ranges:
            if start <= address and address + size <= start + length:
                return self.data[at + address - start : at + address - start + size]
        return None

    def root_in(self, dtb: int) -> int:
        """As it is."""
        return dtb

    def through(self, root: int) -> UserDump:
        """One space for all."""
        return self

    def read_many(self, addresses: Addresses, size: int, roots: Addresses | None = None) -> tuple[Octets, Mask]:
        """Not needed: single structures are read."""
        return np.zeros((len(addresses), size), np.uint8), np.zeros(len(addresses), np.bool_)

    def why(self, address: int, size: int = 1) -> str:
        """Why bytes are not there."""
        return "not in the dump"


@pytest.fixture(params=DUMPS)
def case(request: pytest.FixtureRequest, shared: Path) -> tuple[UserDump, View, dict[str, Any]]:
    """A dump, a view of it in its build's layout, and what is known of it."""
    name = str(request.param)
    manifest = json.loads((shared / "real" / "MANIFEST.json").read_text())
    known = next(entry for entry in manifest["files"] if entry["file"] == name)["structures"]
    dump = UserDump(shared / "real" / name)
    build = builds.by_number("x64", DUMPS[name])
    assert build is not None
    return dump, View(dump, build), known | {"build": DUMPS[name]}


@pytest.mark.proves("real")
def test_a_real_peb_tells_build_program_and_heaps(case: tuple[UserDump, View, dict[str, Any]]) -> None:
    """Build, base of the program and Windows version are those that the dump's own lists name."""
    dump, view, known = case
    peb = view.parse(PEB, int(known["PEB"]["va"], 16))
    assert peb["OSBuildNumber"] & ~1 == known["PEB"]["OSBuildNumber"] & ~1 == known["build"] & ~1
    assert peb["ImageBaseAddress"] == dump.program
    assert (peb["OSMajorVersion"], peb["OSMinorVersion"], peb["OSPlatformId"]) == (10, 0, 2)
    assert peb["ImageSubsystem"] in (2, 3)
    assert (peb["BeingDebugged"], peb["NtGlobalFlag"]) == (0, 0)
    assert 0 < peb["NumberOfHeaps"] <= peb["MaximumNumberOfHeaps"]
    assert peb["NumberOfProcessors"] == 8
    assert peb["IsProtectedProcess"] == 0
    assert peb["ProcessHeaps"] % 8 == 0
    for field in ("ProcessHeap", "ApiSetMap", "ReadOnlySharedMemoryBase"):
        assert 0 < peb[field] < 1 << 47
        assert peb[field] % 0x10000 == 0


@pytest.mark.proves("real")
def test_real_parameters_lie_where_the_peb_says(case: tuple[UserDump, View, dict[str, Any]]) -> None:
    """The address is the one that was found by other means; sizes, flags and strings make sense."""
    dump, view, known = case
    peb = view.parse(PEB, int(known["PEB"]["va"], 16))
    if "RTL_USER_PROCESS_PARAMETERS" not in known:
        assert dump.read(peb["ProcessParameters"], 8) is None
        return
    assert peb["ProcessParameters"] == int(known["RTL_USER_PROCESS_PARAMETERS"]["va"], 16)
    told = view.parse(PROCESS_PARAMETERS, peb["ProcessParameters"])
    assert told["Flags"] & 1
    assert told["Length"] >= view.build[PROCESS_PARAMETERS].sizeof
    assert isinstance(told["RedirectionDllName"], Absent), "the dump keeps the first part only"
    path = view.string(told["ImagePathName"].Buffer, told["ImagePathName"].Length)
    assert path == dump.program_path
    line = view.string(told["CommandLine"].Buffer, told["CommandLine"].Length)
    assert isinstance(line, str)
    assert dump.program_path.rpartition("\\")[2].lower() in line.lower()


@pytest.mark.proves("real")
def test_real_tebs_name_their_threads_and_the_peb(case: tuple[UserDump, View, dict[str, Any]]) -> None:
    """Each TEB that is in the dump repeats its own address, its thread's id and the PEB's address."""
    dump, view, known = case
    checked, owners = 0, set()
    for thread in dump.threads:
        teb = view.parse(TEB, thread.teb)
        if isinstance(teb["Self"], Absent):
            continue
        checked += 1
        owners.add(teb["UniqueProcess"])
        assert (teb["Self"], teb["UniqueThread"]) == (thread.teb, thread.tid)
        assert teb["ProcessEnvironmentBlock"] == int(known["PEB"]["va"], 16)
        assert teb["StackLimit"] < teb["StackBase"]
        if thread.stack:
            assert teb["StackLimit"] <= thread.stack + thread.stack_size <= teb["StackBase"]
        if not isinstance(teb["DeallocationStack"], Absent):
            assert teb["DeallocationStack"] < teb["StackLimit"]
    assert checked == known["TEB"]["count"]
    assert len(owners) == 1
