"""A sweep gives every whole page that may hold anything once, and leaves out no octet but zeros."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from process_anatomy.forge import LAB, forge, write_raw
from process_anatomy.memory.physical import PAGE, CachedMemory, MappedMemory, Run
from process_anatomy.memory.sweep import sweep
from process_anatomy.volatility import open_path
from process_anatomy.volatility.layers import holes
from process_anatomy.walk.processes.scan import scan

PAGES = 12


@given(st.data())
def test_what_is_left_out_is_zeros_and_the_rest_comes_once(data: st.DataObject) -> None:
    """Runs in any order and at any place of the file, holes wherever there are zeros, not always at pages."""
    full = data.draw(st.lists(st.booleans(), min_size=PAGES, max_size=PAGES))
    octets = np.zeros(PAGES * PAGE, dtype=np.uint8)
    for number, there in enumerate(full):
        octets[number * PAGE + 100] = number + 1 if there else 0
    ends = sorted(data.draw(st.sets(st.integers(0, PAGES * PAGE), max_size=12)))
    given_holes = [(a, b) for a, b in zip(ends[::2], ends[1::2], strict=False) if not octets[a:b].any()]
    order = data.draw(st.permutations(range(PAGES)))
    runs = [Run(3 * PAGE * place, PAGE, number * PAGE) for place, number in enumerate(order[: PAGES // 2])]
    runs += [Run(100 * PAGE, PAGES // 2 * PAGE, order[-1] // 2 * PAGE)]
    memory = MappedMemory(octets, runs, holes=given_holes)
    seen = {int(at): page for pages, block in sweep(memory, 4) for at, page in zip(pages, block, strict=True)}
    assert sum(len(pages) for pages, _ in sweep(memory, 4)) == len(seen)
    everything = {
        int(at): page
        for pages, block in sweep(MappedMemory(octets, runs))
        for at, page in zip(pages, block, strict=True)
    }
    assert seen.keys() <= everything.keys()
    for at, page in everything.items():
        assert bytes(seen[at]) == bytes(page) if at in seen else not page.any()


def test_contents_stay_what_they_are_while_other_pages_are_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache that is emptied meanwhile writes over its buffer."""
    monkeypatch.setattr("process_anatomy.memory.physical.CACHE_PAGES", 4)
    memory = CachedMemory(lambda address, size: bytes([address // PAGE + 1]) * size, 8 * PAGE)
    for pages, block in sweep(memory, 4):
        for other in range(8):
            memory.locate(np.array([other * PAGE], dtype=np.uint64), 8)
        assert [int(page[7]) for page in block] == [int(at) // PAGE + 1 for at in pages]


def layer_of(path: Path) -> Any:
    return SimpleNamespace(location=path.as_uri())


@pytest.mark.skipif(not hasattr(os, "SEEK_HOLE"), reason="this system tells of no holes")
def test_the_holes_of_a_file_hold_zeros_and_nothing_that_was_written(tmp_path: Path) -> None:
    path = tmp_path / "sparse"
    with path.open("wb") as file:
        for place in (1, 700, 701, 2000):
            file.seek(place * PAGE)
            file.write(b"\x01" * PAGE)
        file.truncate(3000 * PAGE)
    octets = path.read_bytes()
    found = holes(layer_of(path))
    assert not any(octets[start:end].strip(b"\0") for start, end in found)
    assert all(start < end for start, end in found)
    assert [end for _, end in found[:-1]] < [start for start, _ in found[1:]]
    if found:  # a file system may know of none
        assert sum(end - start for start, end in found) > 2000 * PAGE


def test_what_is_no_file_has_no_holes(tmp_path: Path) -> None:
    assert holes(layer_of(tmp_path / "none")) == []
    assert holes(SimpleNamespace(location="https://example.org/image.raw")) == []  # type: ignore[arg-type]


@pytest.mark.skipif(sys.platform != "linux", reason="files with holes are made so on Linux")
def test_a_sparse_image_and_a_copy_of_it_without_holes_are_searched_alike(tmp_path: Path) -> None:
    sparse, dense = tmp_path / "sparse.raw", tmp_path / "dense.raw"
    write_raw(forge(LAB), sparse)
    with sparse.open("rb") as whole, dense.open("wb") as copy:
        shutil.copyfileobj(whole, copy)
    one, other = scan(open_path(sparse)), scan(open_path(dense))
    assert (one.processes, one.threads, one.problems) == (other.processes, other.threads, other.problems)
    assert one.processes
    assert one.pages <= other.pages
