"""Small dumps: synthetic ones for every rule, real ones (where they are at hand) for the truth."""

from __future__ import annotations

import json
import mmap
import subprocess
import sys
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from process_anatomy.kernel.small_dump import disagreements, matching_build
from process_anatomy.memory.fragments import NOT_HERE
from process_anatomy.memory.small_dump import SmallDump, SmallDumpError
from process_anatomy.memory.small_dump_file import Driver, is_small_dump
from structs import builds, machines
from structs.debugger import KDBG_TAG, KDDEBUGGER_DATA64, statements
from structs.dump import (
    DUMP_DRIVER_ENTRY64,
    DUMP_HEADER64,
    DUMP_STRING,
    DUMP_TYPE_OFFSET32,
    DUMP_TYPE_OFFSET64,
    TRIAGE_DATA_BLOCK,
    TRIAGE_DATA_BLOCKS,
    TRIAGE_DUMP64,
    TRIAGE_OFFSET,
    TRIAGE_VALID,
)
from structs.eprocess import EPROCESS
from structs.ethread import ETHREAD

ROOT = Path(__file__).resolve().parents[2]
REAL = ROOT.parent / "shared" / "real"
MANIFEST = REAL / "MANIFEST.json"

BUILD = builds.load("x64-19041-3324")
PROCESS_AT = 0xFFFF_A00D_1000_0080
THREAD_AT = 0xFFFF_A00D_2000_0080
STACK_AT = 0xFFFF_8504_2989_0000
HEAD_AT = 0xFFFF_F804_7C61_E200
MODULES_AT = 0xFFFF_F804_7C60_0000
KDBG_AT = 0xFFFF_F804_7C60_0B20
KERNEL = 0xFFFF_F804_7BA0_0000
PRCB_SIZE = 0x200
DRIVERS = [
    Driver("ntoskrnl.exe", KERNEL, 0x104_6000, 0x0D83_33E6, 0xA5_938C),
    Driver("\\SystemRoot\\system32\\hal.dll", KERNEL + 0x200_0000, 0x6000, 1, 2),
]


def record(layout: Any, address: int, link: str, **values: Any) -> bytes:
    """A record of BUILD with some fields set and one empty list head."""
    structure = BUILD[layout]
    fields = structure.struct.parse(bytes(structure.sizeof))
    here = address + structure.offset(link)
    fields.update(values | {link: {"Flink": here, "Blink": here}})
    return bytes(structure.struct.build(fields))


def debugger_block(**values: int) -> bytes:
    process, thread = BUILD[EPROCESS], BUILD[ETHREAD]
    fields = {
        "Flink": 0,
        "Blink": 0,
        "OwnerTag": KDBG_TAG,
        "Size": 896,
        "KernBase": KERNEL,
        "PsLoadedModuleList": MODULES_AT,
        "PsActiveProcessHead": HEAD_AT,
        "PspCidTable": 0,
        "OffsetKThreadTeb": thread.offset("Teb"),
        "OffsetKThreadApcProcess": thread.offset("ApcStateProcess"),
        "SizeEProcess": process.sizeof,
        "OffsetEprocessPeb": process.offset("Peb"),
        "OffsetEprocessParentCID": process.offset("InheritedFromUniqueProcessId"),
        "OffsetEprocessDirectoryTableBase": process.offset("DirectoryTableBase"),
        "SizePrcb": PRCB_SIZE,
        "OffsetPrcbCurrentThread": 8,
        "SizeEThread": thread.sizeof,
    }
    return bytes(KDDEBUGGER_DATA64.build(fields | values)).ljust(896, b"\0")


def make_dump(
    blocks: list[tuple[int, bytes]] | None = None,
    header: dict[str, Any] | None = None,
    triage: dict[str, Any] | None = None,
    debugger: dict[str, int] | None = None,
    process_at: int = PROCESS_AT,
) -> bytes:
    """A small dump of a process named System; the keyword arguments overwrite fields of its headers."""
    blocks = blocks or []
    process = record(
        EPROCESS,
        PROCESS_AT,
        "ThreadListHead",
        UniqueProcessId=4,
        ImageFileName=b"System".ljust(15, b"\0"),
        DirectoryTableBase=0x1AD002,
        ActiveProcessLinks={"Flink": HEAD_AT, "Blink": HEAD_AT},
    )
    thread = record(ETHREAD, THREAD_AT, "ThreadListEntry", UniqueProcess=4, ApcStateProcess=process_at)
    parts = bytearray()

    def put(octets: bytes) -> int:
        place: int = TRIAGE_OFFSET + TRIAGE_DUMP64.sizeof() + len(parts)
        parts.extend(octets)
        return place

    fields: dict[str, Any] = dict.fromkeys((sub.name for sub in TRIAGE_DUMP64.subcons if sub.name), 0)
    fields["PrcbOffset"] = put(bytes(8) + THREAD_AT.to_bytes(8, "little"))
    put(bytes(PRCB_SIZE - 16))
    fields["ProcessOffset"] = put(process)
    fields["ThreadOffset"] = put(thread)
    stack = bytes(range(256))
    fields |= {"CallStackOffset": put(stack), "SizeOfCallStack": len(stack), "TopOfStack": STACK_AT}
    fields |= {"DebuggerDataOffset": put(debugger_block(**(debugger or {}))), "DebuggerDataSize": 896}
    names = [put(DUMP_STRING.build({"Length": len(d.name)}) + d.name.encode("utf-16-le") + b"\0\0") for d in DRIVERS]
    entries = [
        {
            "DriverNameOffset": name,
            "DllBase": d.base,
            "SizeOfImage": d.size,
            "CheckSum": d.checksum,
            "TimeDateStamp": d.timestamp,
        }
        for name, d in zip(names, DRIVERS, strict=True)
    ]
    fields["DriverListOffset"] = put(b"".join(DUMP_DRIVER_ENTRY64.build(entry) for entry in entries))
    fields["DriverCount"] = len(DRIVERS)
    table = [(address, put(octets), len(octets)) for address, octets in blocks]
    fields["DataBlocksOffset"] = put(
        b"".join(TRIAGE_DATA_BLOCK.build({"Address": a, "Offset": o, "Size": s}) for a, o, s in table)
    )
    fields["DataBlocksCount"] = len(table)
    fields["ValidOffset"] = put(TRIAGE_VALID)
    fields["SizeOfDump"] = fields["ValidOffset"] + 4
    head = {
        "MajorVersion": 15,
        "MinorVersion": 19041,
        "DirectoryTableBase": 0x1AD000,
        "PfnDataBase": 0,
        "PsLoadedModuleList": MODULES_AT,
        "PsActiveProcessHead": HEAD_AT,
        "MachineImageType": machines.X64.number,
        "NumberProcessors": 2,
        "BugCheckCode": 0x50,
        "BugCheckParameters": [1, 2, 3, 4],
        "VersionUser": bytes(32),
        "KdDebuggerDataBlock": KDBG_AT,
        "PhysicalMemoryBlock": b"PAGE" * 0xB0,
        "ContextRecord": bytes(3000),
        "Exception": bytes(0x98),
        "DumpType": 4,
        "RequiredDumpSpace": fields["SizeOfDump"],
        "SystemTime": 132_583_451_029_877_657,
        "Comment": b"PAGE" * 32,
        "SystemUpTime": 37_470_697,
        "MiniDumpFields": 0xCFF,
        "SecondaryDataState": 0,
        "ProductType": 1,
        "SuiteMask": 0x110,
    }
    built = DUMP_HEADER64.build(head | (header or {})) + TRIAGE_DUMP64.build(fields | (triage or {}))
    return bytes(built + parts)


def memory_at(address: int, size: int) -> bytes:
    """What a made-up memory holds: every fragment of it agrees with every other."""
    places = np.arange(size, dtype=np.uint64) + np.uint64(address)
    return ((places * np.uint64(0x9E37_79B9_7F4A_7C15)) >> np.uint64(56)).astype(np.uint8).tobytes()


BASE = 0xFFFF_C000_0000_0000
HOLE = 0xFFFF_D000_0000_0000


def test_declared_sizes_are_the_formats() -> None:
    assert DUMP_HEADER64.sizeof() == TRIAGE_OFFSET
    assert TRIAGE_DUMP64.sizeof() == 0x80
    assert TRIAGE_DATA_BLOCK.sizeof() == TRIAGE_DATA_BLOCKS.itemsize == 16
    assert DUMP_DRIVER_ENTRY64.sizeof() == 144
    assert make_dump()[DUMP_TYPE_OFFSET64] == 4


@given(st.binary(min_size=16, max_size=16))
def test_a_data_block_reads_the_same_both_ways(octets: bytes) -> None:
    parsed, row = TRIAGE_DATA_BLOCK.parse(octets), np.frombuffer(octets, TRIAGE_DATA_BLOCKS)[0]
    assert (parsed.Address, parsed.Offset, parsed.Size) == tuple(int(value) for value in row)


def test_what_was_written_is_read() -> None:
    dump = SmallDump(make_dump())
    assert (dump.build_number, dump.machine, dump.processors) == (19041, "x64", 2)
    assert (dump.bugcheck_code, dump.bugcheck_parameters) == (0x50, (1, 2, 3, 4))
    assert (dump.system_time, dump.uptime) == (132_583_451_029_877_657, 37_470_697)
    assert (dump.directory_table_base, dump.kernel_base) == (0x1AD000, KERNEL)
    assert (dump.ps_active_process_head, dump.ps_loaded_module_list) == (HEAD_AT, MODULES_AT)
    assert (dump.process_address, dump.thread_address) == (PROCESS_AT, THREAD_AT)
    assert (dump.process_proved, dump.thread_proved, dump.complete, dump.problems) == (True, True, True, [])
    assert dump.drivers == DRIVERS
    assert dump.stack == range(STACK_AT, STACK_AT + 256)
    assert len(dump.prcb) == PRCB_SIZE
    assert BUILD[EPROCESS].struct.parse(dump.process).ImageFileName.startswith(b"System")
    assert dump.read(PROCESS_AT, len(dump.process)) == dump.process
    assert dump.read(THREAD_AT, len(dump.thread)) == dump.thread
    assert dump.read(STACK_AT + 16, 4) == b"\x10\x11\x12\x13"
    assert dump.read(KDBG_AT + 16, 4) == KDBG_TAG


def test_any_buffer_will_do(tmp_path: Path) -> None:
    path = tmp_path / "small.dmp"
    path.write_bytes(make_dump())
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        assert is_small_dump(mapped)
        dump = SmallDump(mapped)
        assert dump.thread_address == SmallDump(memoryview(make_dump())).thread_address
        del dump


def test_unwritten_uptime_is_unknown() -> None:
    assert SmallDump(make_dump(header={"SystemUpTime": int.from_bytes(b"PAGEPAGE", "little")})).uptime is None


def test_adjoining_fragments_are_joined() -> None:
    dump = SmallDump(make_dump([(BASE + 8, memory_at(BASE + 8, 8)), (BASE, memory_at(BASE, 8))]))
    assert dump.read(BASE, 16) == memory_at(BASE, 16)
    assert dump.read(BASE, 17) is None
    assert (dump.why(BASE, 16), dump.why(BASE, 17), dump.why(BASE - 1)) == ("", NOT_HERE, NOT_HERE)
    octets, whole = dump.read_many(np.array([BASE + 4, BASE + 12, BASE - 4, HOLE], dtype=np.uint64), 8)
    assert whole.tolist() == [True, False, False, False]
    assert octets[0].tobytes() == memory_at(BASE + 4, 8)
    assert octets[1].tobytes() == memory_at(BASE + 12, 4) + bytes(4)
    assert octets[2].tobytes() == bytes(4) + memory_at(BASE, 4)
    assert not octets[3].any()


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 200), st.integers(0, 60)), max_size=12),
    st.lists(st.integers(-20, 280), max_size=8),
    st.integers(0, 80),
)
def test_reading_equals_the_memory_behind(spans: list[tuple[int, int]], places: list[int], size: int) -> None:
    dump = SmallDump(make_dump([(BASE + start, memory_at(BASE + start, length)) for start, length in spans]))
    assert dump.problems == []
    held = {BASE + start + i for start, length in spans for i in range(length)}
    octets, whole = dump.read_many(np.array([BASE + place for place in places], dtype=np.uint64), size)
    assert octets.shape == (len(places), size)
    for row, place in enumerate(places):
        wanted = range(BASE + place, BASE + place + size)
        expected = bytes(memory_at(a, 1)[0] if a in held else 0 for a in wanted)
        assert octets[row].tobytes() == expected
        assert whole[row] == (held.issuperset(wanted))
        assert dump.read(wanted.start, size) == (expected if whole[row] else None)
        assert bool(dump.why(wanted.start, size)) != whole[row]


@pytest.mark.parametrize("address", [0, 1, PROCESS_AT - 1, (1 << 64) - 8, 1 << 64, -1])
def test_memory_that_is_not_there_is_an_answer(address: int) -> None:
    dump = SmallDump(make_dump())
    assert dump.read(address, 8) is None
    assert dump.read(address, -1) is None
    assert dump.why(address, 8) in (NOT_HERE, "not an address")
    assert not dump.read_many(np.array([address % (1 << 64)], dtype=np.uint64), 8)[1].any()
    assert not dump.read_many(np.array([BASE], dtype=np.uint64), 1 << 20)[1].any()


def test_the_end_of_the_address_space_is_readable() -> None:
    end = (1 << 64) - 8
    dump = SmallDump(make_dump([(end, b"abcdefgh"), (end + 4, b"efghijkl")]))
    assert dump.read(end, 8) == b"abcdefgh"
    octets, whole = dump.read_many(np.array([end, end + 4], dtype=np.uint64), 8)
    assert whole.tolist() == [True, False]
    assert octets[1].tobytes() == b"efgh\0\0\0\0"
    assert dump.problems == ["1 stretches of memory leave the file or the address space"]


def test_fragments_that_disagree_are_a_problem() -> None:
    same = SmallDump(make_dump([(BASE, b"abcd"), (BASE + 2, b"cdef")]))
    assert (same.overlaps, same.problems) == (1, [])
    assert same.read(BASE, 6) == b"abcdef"
    other = SmallDump(make_dump([(BASE, b"abcd"), (BASE + 2, b"xyef")]))
    assert other.problems == ["1 stretches of memory are in the dump twice and differ"]
    assert other.read(BASE, 6) == b"abcdef"


def test_blocks_outside_the_file_are_left_out() -> None:
    table = [
        TRIAGE_DATA_BLOCK.build({"Address": BASE, "Offset": offset, "Size": size})
        for offset, size in ((0xFFFF_FFFF, 8), (0x3000, 0xFFFF_FFFF), (0, 16))
    ]
    dump = bytearray(make_dump([(BASE, b"12345678")]))
    where = len(dump)
    dump += b"".join(table)
    triage = {"DataBlocksOffset": where, "DataBlocksCount": 3}
    fields = TRIAGE_DUMP64.parse(bytes(dump[TRIAGE_OFFSET:])) | triage
    dump[TRIAGE_OFFSET : TRIAGE_OFFSET + 0x80] = TRIAGE_DUMP64.build(fields)
    small = SmallDump(bytes(dump))
    assert small.problems == ["3 stretches of memory leave the file or the address space"]
    assert small.read(BASE, 1) is None


def test_blocks_may_not_claim_the_same_bytes_over_and_over() -> None:
    whole = make_dump([(BASE, bytes(0x1000))])
    block = next(f for f in SmallDump(whole).fragments if f.address == BASE)
    blocks = [
        TRIAGE_DATA_BLOCK.build({"Address": BASE + i * 0x1000, "Offset": block.offset, "Size": 0x1000})
        for i in range(1000)
    ]
    fields = TRIAGE_DUMP64.parse(whole[TRIAGE_OFFSET:])
    fields.update({"DataBlocksOffset": len(whole), "DataBlocksCount": len(blocks)})
    small = SmallDump(whole[:TRIAGE_OFFSET] + TRIAGE_DUMP64.build(fields) + whole[0x2080:] + b"".join(blocks))
    assert sum(f.size for f in small.fragments) < 3 * len(whole)
    assert any("claim more bytes than the file has" in problem for problem in small.problems)


def test_a_missing_mark_is_a_problem() -> None:
    dump = SmallDump(make_dump(triage={"ValidOffset": 0x2000}))
    assert not dump.complete
    assert "cut short" in dump.problems[0]


def test_a_record_that_does_not_confirm_its_address_is_a_problem() -> None:
    dump = SmallDump(make_dump(process_at=PROCESS_AT + 0x1000))
    assert not dump.process_proved
    assert dump.thread_proved
    assert dump.problems == ["nothing in the process's record confirms its address"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"header": {"MachineImageType": 0xAA64}}, "ARM64 small dump, not supported"),
        ({"header": {"MachineImageType": 0x200}}, "IA64 small dump, not supported"),
        ({"header": {"MachineImageType": 7}}, "machine 0x0007 small dump, not supported"),
        ({"header": {"DumpType": 1}}, r"not a small dump: a full dump \(type 1\)"),
        ({"header": {"DumpType": 6}}, r"not a small dump: a kernel \(bitmap\) dump \(type 6\)"),
        ({"triage": {"SizeOfDump": 1 << 31}}, r"truncated: \d+ bytes, the dump has 2147483648"),
        ({"triage": {"ProcessOffset": 0xFFFF_FFF0}}, r"the process \(_EPROCESS\) .* is not within the file"),
        ({"triage": {"ThreadOffset": 0}}, r"the thread \(_ETHREAD\) .* is not within the file"),
        ({"triage": {"PrcbOffset": 1 << 30}}, r"the processor \(_KPRCB\) .* is not within the file"),
        ({"triage": {"DriverCount": 1 << 31}}, "the list of drivers .* is not within the file"),
        ({"triage": {"DataBlocksCount": 1 << 31}}, "the table of data blocks .* is not within the file"),
        ({"triage": {"CallStackOffset": 1 << 31}}, "the stack .* is not within the file"),
        ({"triage": {"DebuggerDataSize": 8}}, r"the debugger block \(KDBG\) has only 8 bytes"),
        ({"triage": {"DebuggerDataOffset": 0x2000}}, "the debugger block at 0x2000 is not marked KDBG"),
        ({"debugger": {"OffsetPrcbCurrentThread": 0xFFFF}}, "current thread lies outside its record"),
        ({"debugger": {"OffsetPrcbCurrentThread": 16}}, "current thread is 0x0, no kernel address"),
        ({"process_at": 0x7FF0_0000}, "thread's process is 0x7ff00000, no kernel address"),
    ],
)
def test_a_dump_that_cannot_be_read_is_refused_in_one_line(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(SmallDumpError, match=message) as raised:
        SmallDump(make_dump(**changes))
    assert "\n" not in str(raised.value)


def test_other_files_are_refused() -> None:
    small32 = bytearray(b"PAGEDUMP".ljust(0x2000, b"\0"))
    small32[DUMP_TYPE_OFFSET32] = 4
    for data, message in (
        (b"", "not a Windows crash dump"),
        (b"PAGE", "not a Windows crash dump"),
        (b"MZ" + bytes(100), "not a Windows crash dump"),
        (b"MDMP" + bytes(100), "a user-mode minidump"),
        (bytes(small32), "32-bit small dump, not supported"),
        (b"PAGEDUMP", "32-bit crash dump, not supported"),
        (make_dump()[:0x1FFF], "truncated: the file ends at 0x1fff, within the dump header"),
        (make_dump()[:0x2040], "truncated: the file ends at 0x2040, within the triage header"),
        (make_dump()[:-1], "truncated"),
    ):
        with pytest.raises(SmallDumpError, match=message):
            SmallDump(data)
    assert [is_small_dump(data) for data in (b"", b"MDMP", bytes(small32), make_dump())] == [False, False, True, True]
    assert not is_small_dump(make_dump(header={"DumpType": 5}))


CLEAN = make_dump(
    [(BASE, memory_at(BASE, 64)), (BASE + 64, memory_at(BASE + 64, 32)), (BASE + 80, memory_at(BASE + 80, 32))]
)
STRUCTURAL = st.one_of(
    st.integers(0, len(CLEAN) - 1),
    st.integers(0, 0x88),
    st.integers(TRIAGE_OFFSET, TRIAGE_OFFSET + 0x80 + PRCB_SIZE),
    st.integers(len(CLEAN) - 1600, len(CLEAN) - 1),
)


@settings(max_examples=400, deadline=timedelta(seconds=5))
@given(
    st.lists(st.tuples(STRUCTURAL, st.integers(0, 255)), max_size=12),
    st.one_of(st.none(), st.integers(0, len(CLEAN))),
)
def test_damage_ends_in_an_answer(flips: list[tuple[int, int]], length: int | None) -> None:
    damaged = bytearray(CLEAN)
    for place, value in flips:
        damaged[place] = value
    data = bytes(damaged[:length])
    is_small_dump(data)
    try:
        dump = SmallDump(data)
    except SmallDumpError:
        return
    assert sum(fragment.size for fragment in dump.fragments) <= 3 * len(data)
    ends = [fragment.address + fragment.size for fragment in dump.fragments]
    assert all(end <= following.address for end, following in zip(ends, dump.fragments[1:], strict=False))
    assert all(f.offset >= 0 and f.offset + f.size <= len(data) for f in dump.fragments)
    addresses = [fragment.address for fragment in dump.fragments] + [0, BASE + 60, (1 << 64) - 1]
    for size in (1, 24, 4096):
        octets, whole = dump.read_many(np.array(addresses, dtype=np.uint64), size)
        for row, address in enumerate(addresses):
            assert (dump.read(address, size) is not None) == whole[row]
            assert bool(dump.why(address, size)) != whole[row]
            assert not whole[row] or dump.read(address, size) == octets[row].tobytes()
    assert len(dump.problems) <= 12
    assert matching_build(dump).arch == "x64"


def test_the_layout_is_proved_by_the_debugger_block() -> None:
    build = matching_build(SmallDump(make_dump()))
    assert build.number == 19041
    assert (build.estimated, build.origin) == (
        False,
        "build number 19041, sizes confirmed by the dump's debugger block",
    )
    assert not matching_build(SmallDump(make_dump(header={"MinorVersion": 19045}))).estimated


def test_an_older_layout_is_taken_where_only_it_fits() -> None:
    newest = builds.by_number("x64", 17763)
    older = builds.load("x64-17763-0")
    assert newest is not None
    assert newest.sizes["_EPROCESS"] != older.sizes["_EPROCESS"]
    process, thread = older[EPROCESS], older[ETHREAD]
    sizes = {
        "OffsetKThreadTeb": thread.offset("Teb"),
        "SizeEProcess": process.sizeof,
        "OffsetEprocessPeb": process.offset("Peb"),
        "OffsetEprocessParentCID": process.offset("InheritedFromUniqueProcessId"),
        "SizeEThread": thread.sizeof,
    }
    dump = SmallDump(make_dump(header={"MinorVersion": 17763}, debugger=sizes))
    found = matching_build(dump)
    # the thread's process pointer is where 19041 has it, so that the made-up dump can be read
    same_place = thread.offset("ApcStateProcess") == BUILD[ETHREAD].offset("ApcStateProcess")
    assert same_place
    assert found.sizes["_EPROCESS"] == process.sizeof
    assert not found.estimated


def test_layouts_that_fit_but_differ_are_an_estimate(monkeypatch: pytest.MonkeyPatch) -> None:
    other = replace(BUILD, name="other", sizes={**BUILD.sizes, "_TOKEN": 1})
    monkeypatch.setattr(builds, "nearest", lambda arch, number: iter([other]))
    found = matching_build(SmallDump(make_dump()))
    assert (found.name, found.estimated) == (BUILD.name, True)
    assert "newest of the layouts" in found.origin


def test_a_layout_that_does_not_fit_is_an_estimate() -> None:
    dump = SmallDump(make_dump(debugger={"OffsetEprocessPeb": 8}))
    found = matching_build(dump)
    assert found.estimated
    assert "_EPROCESS.Peb lies at 0x8, not 0x550" in found.origin
    assert disagreements(dump, replace(BUILD, sizes={}, places={})) == []  # what a layout lacks it cannot have wrong


def test_a_size_that_an_update_is_known_to_have_is_no_contradiction() -> None:
    """Of its own build, and its own structure; any other size is, and so is a place."""
    build = builds.load("x64-26100-1742")
    (said,) = statements({"SizeEThread": 0x798}, build)
    assert (said.agrees, said.updated, said.contradicts) == (True, True, False)
    (plain,) = statements({"SizeEThread": build[ETHREAD].sizeof}, build)
    assert (plain.agrees, plain.updated) == (True, False)
    refused = [
        *statements({"SizeEThread": 0x790}, build),
        *statements({"SizeEProcess": 0x798}, build),
        *statements({"OffsetKThreadTeb": 0x798}, build),
        *statements({"SizeEThread": 0x798}, builds.load("x64-22621-382")),
    ]
    assert [statement.contradicts for statement in refused] == [True] * 4
    assert str(refused[0]) == "_ETHREAD has 1936 bytes, not 1928 or 1944"


def test_an_unknown_build_takes_the_nearest_that_fits() -> None:
    found = matching_build(SmallDump(make_dump(header={"MinorVersion": 19999})))
    assert (found.number, found.estimated) == (19041, True)
    assert found.origin == "build 19999 is not known; build 19041 agrees with the dump's debugger block"
    found = matching_build(SmallDump(make_dump(header={"MinorVersion": 19999}, debugger={"OffsetEprocessPeb": 8})))
    assert found.estimated
    assert "disagrees with every layout known" in found.origin


# real dumps


def listed() -> list[dict[str, Any]]:
    if not MANIFEST.exists():
        return []
    found: list[dict[str, Any]] = json.loads(MANIFEST.read_text("utf-8"))["files"]
    return found


SMALL = [entry for entry in listed() if entry["kind"].startswith("kernel triage minidump") and entry["arch"] == "x64"]
X64 = [entry for entry in SMALL if "structures" in entry]
"""Those of which somebody else's reading is written down, structure by structure."""
OTHERS = [entry for entry in listed() if entry not in SMALL]
needs_real = pytest.mark.skipif(not X64, reason="the real dumps are not at hand (../shared/real)")


def either(entries: list[dict[str, Any]]) -> list[Any]:
    return [pytest.param(entry, id=entry["file"]) for entry in entries] or [pytest.param({}, id="none")]


def when(text: str) -> int:
    moment = datetime.fromisoformat(text).replace(tzinfo=timezone.utc)
    return int((moment - datetime(1601, 1, 1, tzinfo=timezone.utc)).total_seconds())


@needs_real
@pytest.mark.parametrize("entry", either(X64))
@pytest.mark.proves("real")
def test_real_dump_says_what_was_recorded(entry: dict[str, Any]) -> None:
    data = (REAL / entry["file"]).read_bytes()
    dump = SmallDump(data)
    recorded, kernel = entry["structures"], entry["kdbg"]
    assert dump.problems == []
    assert (dump.build_number, dump.processors) == (entry["build"], entry["processors"])
    assert dump.bugcheck_code == int(entry["bugcheck"], 16)
    assert dump.system_time // 10_000_000 == when(entry["system_time_utc"])
    assert dump.uptime is not None
    assert dump.complete is entry["triage_valid_trailer"]
    assert dump.kernel_base == int(kernel["KernBase"], 16)
    assert dump.ps_active_process_head == int(kernel["PsActiveProcessHead"], 16)
    assert dump.process_address == int(recorded["ETHREAD"]["ApcState.Process"], 16)
    assert dump.thread_address == int(recorded["KPRCB"]["CurrentThread"], 16)
    assert dump.stack.start == int(recorded["call_stack"]["va"], 16)
    for octets, name in ((dump.process, "EPROCESS"), (dump.thread, "ETHREAD"), (dump.prcb, "KPRCB")):
        place, size = recorded[name]["offset"], recorded[name]["size"]
        assert octets == data[place : place + size]
    nt = entry["nt_module"]
    assert len(dump.drivers) == recorded["driver_list"]["count"]
    assert dump.drivers[0] == Driver(
        nt["name"],
        *(int(nt[key], 16) for key in ("base", "size_of_image", "timestamp", "checksum")),
    )
    assert all(driver.name and driver.base and driver.size for driver in dump.drivers)
    assert dump.triage.DataBlocksCount == recorded["data_blocks"]["count"]


@needs_real
@pytest.mark.parametrize("entry", either(X64))
@pytest.mark.proves("real")
def test_real_process_and_thread_agree_with_all_that_is_known(entry: dict[str, Any]) -> None:
    dump = SmallDump((REAL / entry["file"]).read_bytes())
    recorded = entry["structures"]["EPROCESS"]
    build = matching_build(dump)
    assert not build.estimated
    assert disagreements(dump, build) == []
    assert build[EPROCESS].sizeof == entry["kdbg"]["SizeEProcess"] == len(dump.process)
    assert build[ETHREAD].sizeof == entry["kdbg"]["SizeEThread"] == len(dump.thread)
    process, thread = build[EPROCESS].struct.parse(dump.process), build[ETHREAD].struct.parse(dump.thread)
    assert process.UniqueProcessId == recorded["pid"]
    assert process.InheritedFromUniqueProcessId == recorded["ppid"]
    assert process.ImageFileName.partition(b"\0")[0].decode() == recorded["image"]
    assert process.DirectoryTableBase & ~0xFFF == dump.directory_table_base & ~0xFFF
    assert process.DirectoryTableBase & ~0xFFF == int(recorded["dtb"], 16) & ~0xFFF
    assert process.Peb == int(recorded["peb_va"], 16)
    assert process.ActiveProcessLinks.Flink == int(recorded["flink"], 16)
    assert process.ActiveProcessLinks.Blink == int(recorded["blink"], 16)
    meets = dump.ps_active_process_head in process.ActiveProcessLinks.values()
    assert meets is recorded["links_meet_PsActiveProcessHead"]
    assert meets or process.UniqueProcessId != 4
    assert dump.process_proved
    assert dump.thread_proved
    assert thread.ApcStateProcess == dump.process_address
    if thread.UniqueProcess:
        assert thread.UniqueProcess == process.UniqueProcessId
    else:
        assert entry["file"] == "triage-x64-9600-111217-27671-criticalrocket.dmp"  # an idle thread, attached
    assert process.CreateTime <= dump.system_time
    assert process.ExitTime == 0


@needs_real
@pytest.mark.parametrize("entry", either(X64))
@pytest.mark.proves("real")
def test_real_fragments_agree_and_are_read_alike(entry: dict[str, Any]) -> None:
    dump = SmallDump((REAL / entry["file"]).read_bytes())
    assert dump.overlaps > 0
    assert dump.problems == []
    starts = np.array([fragment.address for fragment in dump.fragments], dtype=np.uint64)
    octets, whole = dump.read_many(starts - np.uint64(4), 24)
    for row, address in enumerate((starts - np.uint64(4)).tolist()):
        assert dump.read(address, 24) == (octets[row].tobytes() if whole[row] else None)
    covered = entry["structures"]["data_blocks"]
    assert not covered["PsActiveProcessHead_covered"] or dump.reach(dump.ps_active_process_head) >= 16


@needs_real
@pytest.mark.parametrize("entry", either([entry for entry in SMALL if entry not in X64]))
@pytest.mark.proves("real")
def test_real_dump_without_its_secondary_data_is_read_as_well(entry: dict[str, Any]) -> None:
    """Cut at SizeOfDump: what is behind it is no memory, so nothing of the process is missed."""
    dump = SmallDump((REAL / entry["file"]).read_bytes())
    assert dump.problems == []
    assert dump.complete
    assert dump.build_number == entry["build"]
    assert dump.bugcheck_code == int(entry["bugcheck"], 16)
    assert dump.system_time // 10_000_000 == when(entry["system_time_utc"])
    assert (dump.process_proved, dump.thread_proved) == (True, True)
    build = matching_build(dump)
    # of August 2025 only the size of _ETHREAD is new; it is known, and that no layout was made of this kernel is said
    updated = entry["file"] == "triage-x64-26100-082325-12593-01-trimmed.dmp"
    assert (build.estimated, "an update whose _ETHREAD has 1944 bytes" in build.origin) == (updated, updated)
    assert disagreements(dump, build) == []
    assert build[EPROCESS].sizeof == len(dump.process)


@needs_real
@pytest.mark.parametrize("entry", either(OTHERS))
def test_real_dumps_of_other_kinds_are_told_apart(entry: dict[str, Any]) -> None:
    data = (REAL / entry["file"]).read_bytes()
    arm64 = entry["arch"] == "arm64"
    assert is_small_dump(data) is arm64
    with pytest.raises(SmallDumpError, match="ARM64 small dump, not supported" if arm64 else "user-mode minidump"):
        SmallDump(data)


@needs_real
def test_the_page_about_real_dumps_is_up_to_date() -> None:
    command = [sys.executable, str(ROOT / "scripts" / "describe_dumps.py"), str(REAL)]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert (ROOT / "docs" / "real-dumps.md").read_text("utf-8").endswith(printed)
