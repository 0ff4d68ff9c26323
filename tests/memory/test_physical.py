"""Physical memory against a plain dictionary of bytes."""

from __future__ import annotations

import mmap
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from process_anatomy.memory import physical, resident
from process_anatomy.memory.physical import CachedMemory, MappedMemory, PhysicalMemory, Run, fetched, gather, words
from process_anatomy.memory.resident import KEPT, held, releaser
from tests.strategies import runs

PAGE = 0x1000
BUFFER = bytes(range(1, 65))
Model = dict[int, int]


def model_of(buffer: bytes, given_runs: list[Run]) -> tuple[Model, int]:
    """Every byte by its physical address, the lowest run first to claim it, and how many bytes are not there."""
    held: Model = {}
    lost = 0
    for start, length, offset in sorted(given_runs):
        for i in range(length):
            if offset >= 0 and offset + i < len(buffer):
                held.setdefault(start + i, buffer[offset + i])
            else:
                lost += 1
    return held, lost


def expected(held: Model, address: int, size: int) -> bytes | None:
    found = [held.get(a) for a in range(address, address + size)]
    return None if None in found else bytes(b for b in found if b is not None)


def mapped(given_runs: list[Run], buffer: bytes = BUFFER) -> MappedMemory:
    return MappedMemory(np.frombuffer(buffer, dtype=np.uint8), given_runs)


def gathered(memory: PhysicalMemory, addresses: list[int], size: int) -> list[bytes | None]:
    """What locate and gather give for each address."""
    offsets = memory.locate(np.array(addresses, dtype=np.uint64), size)
    rows = gather(memory.octets(), offsets, size)
    assert (len(addresses), size) == rows.shape
    assert not rows[offsets < 0].any()
    return [row.tobytes() if at >= 0 else None for row, at in zip(rows, offsets, strict=True)]


@settings(max_examples=200, deadline=None)
@given(runs(len(BUFFER)))
@example([Run(10, 30, 0), Run(0, 20, 20), Run(12, 4, 60), Run(90, 10, 60), Run(50, 5, -1), Run(60, 5, 64)])
@example([])
def test_every_byte_is_that_of_the_first_run_to_claim_it(given_runs: list[Run]) -> None:
    held, lost = model_of(BUFFER, given_runs)
    memory = mapped(given_runs)
    assert lost == memory.lost
    assert max(held, default=-1) + 1 == memory.end
    everywhere = list(range(150))
    assert [expected(held, a, 1) for a in everywhere] == [memory.read(a, 1) for a in everywhere]
    assert [expected(held, a, 1) for a in everywhere] == gathered(memory, everywhere, 1)


@settings(max_examples=200, deadline=None)
@given(runs(len(BUFFER)), st.integers(1, 24))
def test_locate_words_and_read_give_what_is_there_and_nothing_else(given_runs: list[Run], size: int) -> None:
    held, _ = model_of(BUFFER, given_runs)
    memory = mapped(given_runs)
    everywhere = list(range(150))
    read = [memory.read(a, size) for a in everywhere]
    assert read == gathered(memory, everywhere, size)
    # what lies in one piece of the file can be read; what does not is left alone, though every octet is there
    one_piece = {a for run in memory.runs for a in range(run.start, run.start + run.length - size + 1)}
    assert [expected(held, a, size) if a in one_piece else None for a in everywhere] == read
    values, found = words(memory, np.arange(150, dtype=np.uint64))
    eights = gathered(memory, everywhere, 8)
    assert [e is not None for e in eights] == found.tolist()
    assert [int.from_bytes(e or b"", "little") for e in eights] == values.tolist()


@settings(max_examples=60, deadline=None)
@given(runs(len(BUFFER)), st.lists(st.tuples(st.integers(0, 150), st.integers(1, 24)), max_size=12))
def test_locate_takes_a_size_for_each_address(given_runs: list[Run], pieces: list[tuple[int, int]]) -> None:
    memory = mapped(given_runs)
    addresses = np.array([address for address, _ in pieces], dtype=np.uint64)
    sizes = np.array([size for _, size in pieces], dtype=np.int64)
    alone = [memory.locate(addresses[n : n + 1], size)[0] for n, (_, size) in enumerate(pieces)]
    assert alone == memory.locate(addresses, sizes).tolist()


@settings(max_examples=100, deadline=None)
@given(runs(len(BUFFER)), st.randoms(use_true_random=False))
def test_the_order_in_which_runs_are_given_does_not_matter(given_runs: list[Run], dice: object) -> None:
    shuffled = sorted(given_runs, key=lambda _: dice.random())  # type: ignore[attr-defined]
    assert mapped(given_runs).runs == mapped(shuffled).runs


def test_runs_that_follow_on_in_memory_and_file_become_one() -> None:
    memory = mapped([Run(0x20, 16, 16), Run(0x10, 16, 0), Run(0x30, 8, 40)])
    assert [Run(0x10, 32, 0), Run(0x30, 8, 40)] == memory.runs
    assert BUFFER[10:30] == memory.read(0x1A, 20)


def test_a_truncated_file_tells_how_much_is_lost_and_keeps_what_it_has() -> None:
    memory = mapped([Run(0x1000, 48, 0), Run(0x2000, 48, 48), Run(0x3000, 48, 96)])
    assert memory.lost == 32 + 48
    assert memory.end == 0x2010
    assert BUFFER[48:] == memory.read(0x2000, 16)
    assert memory.read(0x2000, 17) is None
    assert memory.read(0x3000, 1) is None


@pytest.mark.parametrize(("address", "size"), [(-1, 1), (0, -1), (1 << 64, 1), (1 << 200, 8), (60, 8), (64, 1)])
def test_what_is_no_address_of_the_image_is_not_read(address: int, size: int) -> None:
    assert mapped([Run(0, 64, 0)]).read(address, size) is None


def test_the_highest_addresses_are_looked_up_without_wrapping_round() -> None:
    top = (1 << 64) - 1
    for memory in (mapped([Run(0, 64, 0)]), mapped([Run(0, 8, 0), Run(32, 8, 8)])):
        assert memory.locate(np.array([top, top - 8, 1 << 63], dtype=np.uint64), 16).tolist() == [-1, -1, -1]


@pytest.mark.parametrize("run", [Run((1 << 64) - 0x10, 0x20, 0), Run(1 << 64, 8, 0), Run(1 << 70, 8, 0)])
def test_a_run_past_the_last_address_is_dropped(run: Run) -> None:
    memory = mapped([Run(0, 16, 0), run])
    assert BUFFER[:16] == memory.read(0, 16)


@pytest.mark.parametrize("length", [1 << 64, (1 << 64) - 0x10, 1 << 80])
def test_a_run_whose_length_is_too_great_keeps_what_the_file_has(length: int) -> None:
    assert mapped([Run(0x10, length, 0)]).read(0x10, 64) == BUFFER


def test_an_image_without_runs_holds_nothing() -> None:
    memory = mapped([])
    assert (memory.end, memory.lost) == (0, 0)
    assert memory.read(0, 1) is None
    assert memory.locate(np.zeros(1, dtype=np.uint64), 1).tolist() == [-1]


def test_a_mapped_file_is_given_back_after_so_many_reads_however_they_come(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(physical, "TOUCHES", 10)
    given_back: list[int] = []
    memory = MappedMemory(np.frombuffer(BUFFER, dtype=np.uint8), [Run(0, 64, 0)], lambda: given_back.append(1))
    for read in range(10):
        assert BUFFER[read : read + 1] == memory.read(read, 1)
    assert given_back == []
    assert memory.read(0, 1) == BUFFER[:1]
    assert given_back == [1]
    assert [BUFFER[n : n + 1] for n in range(40)] == gathered(memory, list(range(40)), 1)
    assert given_back == [1, 1]


@pytest.mark.parametrize("size", [1, 8, 100])
def test_gather_gives_zeros_for_nothing_and_for_a_buffer_that_is_too_small(size: int) -> None:
    nothing = np.zeros(0, dtype=np.int64)
    missing = np.full(3, -1, dtype=np.int64)
    assert (0, size) == gather(np.ones(64, dtype=np.uint8), nothing, size).shape
    assert [[0] * size] * 3 == gather(np.ones(64, dtype=np.uint8), missing, size).tolist()
    assert [[0] * size] * 3 == gather(np.zeros(0, dtype=np.uint8), missing, size).tolist()


def test_gather_copies_so_that_the_image_is_never_written() -> None:
    buffer = np.arange(16, dtype=np.uint8)
    rows = gather(buffer, np.array([0, -1], dtype=np.int64), 4)
    rows[:] = 0xFF
    assert list(range(16)) == buffer.tolist()


# a cache over a reader

HELD = {page: bytes([page]) * 8 + bytes(range(256)) * 15 + bytes([page]) * 248 for page in (0, 1, 2, 5, 6, 9, 11)}
END = 12 * PAGE


def reader(log: list[int]) -> Callable[[int, int], bytes | None]:
    """Whole pages of HELD; page 7 comes short, and every call is noted."""

    def read(address: int, size: int) -> bytes | None:
        log.append(address // PAGE)
        assert (address % PAGE, size) == (0, PAGE)
        return b"short" if address // PAGE == 7 else HELD.get(address // PAGE)

    return read


CACHED: Model = {page * PAGE + i: byte for page, data in HELD.items() for i, byte in enumerate(data)}
NEAR = st.builds(
    lambda page, inside: page * PAGE + inside, st.integers(0, 14), st.sampled_from([0, 1, 7, 2048, 4090, 4095])
)
STEP = st.one_of(
    st.tuples(st.just("read"), st.tuples(NEAR), st.integers(0, 2 * PAGE + 5)),
    st.tuples(st.just("locate"), st.lists(NEAR, max_size=6).map(tuple), st.integers(1, 64)),
)


def test_pages_of_the_model_differ() -> None:
    assert len(HELD) == len(set(HELD.values()))
    assert {PAGE} == {len(data) for data in HELD.values()}


@settings(max_examples=100, deadline=None)
@given(st.lists(STEP, max_size=12), st.sampled_from([0, 1, 3, 0x8000]))
def test_a_cache_equals_the_model_and_stays_bounded_however_small_it_is(
    steps: list[tuple[str, tuple[int, ...], int]], limit: int
) -> None:
    log: list[int] = []
    memory = CachedMemory(reader(log), END)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(physical, "CACHE_PAGES", limit)
        for kind, addresses, size in steps:
            if kind == "read":
                assert expected(CACHED, addresses[0], size) == memory.read(addresses[0], size)
            else:
                wanted = [expected(CACHED, a, size) if a % PAGE + size <= PAGE else None for a in addresses]
                assert wanted == gathered(memory, list(addresses), size)
            assert len(memory.octets()) <= 64 * PAGE
    assert all(page * PAGE < END for page in log)


@settings(max_examples=60, deadline=None)
@given(st.lists(NEAR, max_size=20))
def test_each_page_is_fetched_once_whether_it_is_there_or_not(addresses: list[int]) -> None:
    log: list[int] = []
    memory = CachedMemory(reader(log), END)
    for _ in range(2):
        gathered(memory, addresses, 1)
        for address in addresses:
            memory.read(address, 1)
    touched = {address // PAGE for address in addresses}
    assert sorted(page for page in touched if page * PAGE < END) == sorted(log)
    assert len(touched) == memory.fetched


def test_a_cache_is_emptied_when_it_is_full_and_its_buffer_does_not_grow_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(physical, "CACHE_PAGES", 100)
    memory = CachedMemory(lambda address, size: (address // PAGE).to_bytes(8, "little") * (size // 8), 5000 * PAGE)
    for page in range(5000):
        assert page.to_bytes(8, "little") == memory.read(page * PAGE + 16, 8)
    assert len(memory.octets()) == 128 * PAGE


def test_pages_that_are_not_there_do_not_fill_a_cache_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(physical, "CACHE_PAGES", 4)
    asked: list[int] = []

    def nothing(address: int, size: int) -> bytes | None:
        asked.append(address // PAGE)

    memory = CachedMemory(nothing, 1 << 40)
    for page in range(18):
        assert memory.read(page * PAGE, 1) is None
    assert memory.read(0, 1) is None
    assert len(asked) == 19  # page 0 was forgotten with the rest


def test_a_locate_of_more_pages_than_the_cache_holds_still_gives_each_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(physical, "CACHE_PAGES", 4)
    memory = CachedMemory(lambda address, size: (address // PAGE).to_bytes(8, "little") * (size // 8), 200 * PAGE)
    addresses = [page * PAGE for page in range(199, -1, -1)]
    for _ in range(3):
        assert [page.to_bytes(8, "little") for page in range(199, -1, -1)] == gathered(memory, addresses, 8)
    assert len(memory.octets()) <= 256 * PAGE


def test_a_page_is_not_asked_for_past_the_end() -> None:
    log: list[int] = []
    memory = CachedMemory(reader(log), 2 * PAGE)
    assert memory.read(2 * PAGE, 1) is None
    assert memory.read(PAGE + 4090, 20) is None
    assert log == [1]


def mapped_file(path: Path, pages: int) -> mmap.mmap:
    """A file that is mapped, each page full of its own number."""
    with path.open("wb") as file:
        for first in range(0, pages, 1024):
            file.write(np.arange(first, first + 1024, dtype="<u8").repeat(PAGE // 8).tobytes())
    with path.open("rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def added_by_reading(whole: mmap.mmap) -> int:
    """Bytes of files that this process holds in addition once it has read a number of each page, and read it right."""
    before = held()
    assert before is not None
    pages = len(whole) // PAGE
    memory = MappedMemory(np.frombuffer(whole, dtype=np.uint8), [Run(0, len(whole), 0)], releaser(whole))
    values, there = words(memory, np.arange(pages, dtype=np.uint64) * np.uint64(PAGE) + np.uint64(8))
    assert there.all()
    assert values.tolist() == list(range(pages))
    after = held()
    assert after is not None
    return after.mapped - before.mapped


TELLS = pytest.mark.skipif(not hasattr(mmap, "MADV_DONTNEED") or held() is None, reason="the system does not tell")


@TELLS
def test_a_large_process_holds_little_of_a_file_that_it_reads_whole_and_reads_it_right(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the system counts it: the file is four times as large as what may be held."""
    monkeypatch.setattr(resident, "LARGE", 0)
    assert added_by_reading(mapped_file(tmp_path / "memory.raw", 4 * KEPT // PAGE)) < 2 * KEPT


@TELLS
def test_a_small_process_keeps_what_it_has_read_of_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resident, "LARGE", 1 << 40)
    assert added_by_reading(mapped_file(tmp_path / "memory.raw", 2 * KEPT // PAGE)) > KEPT


def test_many_records_are_copied_as_few_are(monkeypatch: pytest.MonkeyPatch) -> None:
    memory = MappedMemory(np.frombuffer(BUFFER, dtype=np.uint8), [Run(0, 64, 0)])
    places = np.array([0, 3, 60, 61, 200, 7], dtype=np.uint64)
    wanted = np.array([True, True, True, True, True, False])
    octets, there = fetched(memory, places, 4, wanted)
    monkeypatch.setattr(physical, "AT_ONCE", 2)
    again, still = fetched(memory, places, 4, wanted)
    assert there.tolist() == still.tolist() == [True, True, True, False, False, False]
    assert octets.tolist() == again.tolist()
    assert bytes(octets[1]) == BUFFER[3:7]
