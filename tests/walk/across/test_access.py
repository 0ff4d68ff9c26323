"""Who can touch whom: the steps and the shortest ways, against the answer key and a plain search."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from process_anatomy.absent import Absent, Kind
from process_anatomy.forge import LAB, Image, forge
from process_anatomy.kernel.identify import Kernel
from process_anatomy.walk.across.access import POWERS, RANKS, Side, Step, _ways, access
from process_anatomy.walk.handles.opened import Handle
from process_anatomy.walk.handles.targets import NO_TARGET
from process_anatomy.walk.processes.listed import Process, processes
from structs.eprocess import EPROCESS
from tests.notes.test_coverage import PROCESS
from tests.walk.damaged import Editor, kernel_of, listed_truth, process_truth


@pytest.fixture(scope="module")
def image() -> Image:
    """The lab image."""
    return forge(LAB, 37)


def test_the_ways_of_the_lab_are_those_of_the_answer_key(image: Image) -> None:
    """Directly, over two steps, by a token and by the section of a program."""
    kernel = kernel_of(image)
    table = access(kernel, processes(kernel).rows)
    found = [
        (
            way.end.integrity,
            (way.steps[0].handle.process.pid, *(s.target.process.pid for s in way.steps if s.target.process)),
        )
        for way in table.ways
    ]
    assert sorted(found) == sorted((way["integrity"], tuple(way["pids"])) for way in image.truth["ways"])
    assert {step.kind for way in table.ways for step in way.steps} == {"Process", "Thread", "Token", "Section"}
    direct = next(way for way in table.ways if way.start.process and way.start.process.pid == 6420)
    assert direct.text == "renderer.exe (6420) -[PROCESS_CREATE_THREAD,PROCESS_VM_WRITE]-> cmd.exe (5740)"
    assert direct.steps[0].upwards


def test_a_handle_to_oneself_or_without_power_is_no_step(image: Image) -> None:
    """Of the answer key's handles exactly those to another process, or its threads or token, with power."""
    kernel = kernel_of(image)
    steps = {(s.handle.process.pid, s.handle.value) for s in access(kernel, processes(kernel).rows).steps}
    owner = {t: p["pid"] for p in image.truth["processes"] for t in (x["ethread"] for x in p["threads"])}
    owner |= {p["eprocess"]: p["pid"] for p in image.truth["processes"]}
    owner |= {p["token"]["va"]: p["pid"] for p in image.truth["processes"]}
    expected = {
        (p["pid"], h["handle"])
        for p in listed_truth(image.truth)
        for h in p["handles"]
        if h["type"] in ("Process", "Thread", "Token") and owner.get(h["object"]) != p["pid"]
    }
    expected.add((6808, process_truth(image, "invoice.exe")["handles"][-1]["handle"]))
    assert steps == expected


@pytest.mark.parametrize("name", ["win10-19041", "srv2019-17763", "srv2016-14393"])
def test_no_foreign_image_has_a_way_up(name: str, opened: Callable[[str], Kernel]) -> None:
    """They were made clean; csrss.exe holds every process of its session, from above."""
    kernel = opened(name)
    table = access(kernel, processes(kernel).rows)
    assert table.ways == ()
    assert table.steps
    assert not any(step.upwards for step in table.steps)
    assert "csrss.exe" in {step.handle.process.name for step in table.steps}


@pytest.mark.parametrize("name", ["winxp-2600-pae", "win7-7601-x86-pae"])
def test_handles_with_power_in_32_bit_images_are_those_of_the_answer_key(
    name: str, opened: Callable[[str], Kernel], truth: Callable[[str], dict[str, Any]]
) -> None:
    """Given out at random there; before Windows Vista nobody has an integrity level, so that no way leads up."""
    kernel, answers = opened(name), truth(name)
    table = access(kernel, processes(kernel).rows)
    owner = {t["ethread"]: p["pid"] for p in answers["processes"] for t in p["threads"]}
    owner |= {p["eprocess"]: p["pid"] for p in answers["processes"]}
    owner |= {p["token"]["va"]: p["pid"] for p in answers["processes"]}
    assert {(step.handle.process.pid, step.handle.value) for step in table.steps} == {
        (p["pid"], h["handle"])
        for p in answers["processes"]
        for h in p.get("handles", ())
        if h["access"] & POWERS.get(h["type"], 0) and h["type"] != "Section" and owner.get(h["object"]) != p["pid"]
    }
    assert bool(table.ways) is any(isinstance(step.holder.integrity, str) for step in table.steps)
    assert all(step.upwards == (0 <= step.holder.rank < step.target.rank) for step in table.steps)


def test_a_process_on_no_list_is_a_target_and_said_to_be_on_none(image: Image) -> None:
    """Unlinked from both sides, it is found by the handle to it."""
    edit = Editor(image)
    victim = process_truth(image, "cmd.exe")
    links = edit.build[EPROCESS].offset("ActiveProcessLinks")
    around = edit.space.read(victim["eprocess"] + links, 16)
    assert around is not None
    following, before = around[:8], around[8:]
    edit.write(int.from_bytes(before, "little"), following)
    edit.write(int.from_bytes(following, "little") + 8, before)
    kernel = kernel_of(image, edit.frames)
    listed = processes(kernel).rows
    assert victim["pid"] not in {row.pid for row in listed}
    way = next(w for w in access(kernel, listed).ways if w.start.process and w.start.process.pid == 6420)
    assert way.end.label == "cmd.exe (5740; missing from the active list)"
    assert way.end.integrity == "high"


LEVELS = list(RANKS)


def side(number: int, level: int) -> Side:
    """A process of that number and integrity level."""
    process = Process(
        **{f: getattr(PROCESS, f) for f in Process.__dataclass_fields__}
        | {"address": 0x1000 + number, "pid": 4 * number}
    )
    return Side(process, f"p{number}", "", "", LEVELS[level])


@given(
    levels=st.lists(st.integers(0, 5), min_size=2, max_size=7),
    edges=st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=20),
)
def test_ways_are_the_shortest_that_a_plain_search_finds(levels: list[int], edges: list[tuple[int, int]]) -> None:
    """For each process and each higher level that it can reach at all, as few steps as there can be."""
    sides = [side(number, level) for number, level in enumerate(levels)]
    pairs = [(a, b) for a, b in edges if a != b and max(a, b) < len(levels)]
    steps = [
        Step(
            Handle(sides[a].process or PROCESS, 4, 1, 2, 1, "Process", 2, 0, NO_TARGET, ()),
            sides[a],
            sides[b],
            ("P",),
            (),
        )
        for a, b in pairs
    ]
    expected: dict[tuple[int, int], int] = {}
    for start, level in enumerate(levels):
        reached, wave, distance = {start}, {start}, 0
        while wave:
            distance += 1
            wave = {b for a, b in pairs if a in wave} - reached
            reached |= wave
            for node in wave:
                if levels[node] > level:
                    expected.setdefault((start, levels[node]), distance)
    ways = _ways(steps)
    found = {(sides.index(way.start), way.end.rank): len(way.steps) for way in ways}
    assert found == expected
    assert len(ways) == len(expected)
    for way in ways:
        assert all(a.target.process is b.holder.process for a, b in zip(way.steps, way.steps[1:], strict=False))


def test_an_unknown_integrity_level_is_never_above_another() -> None:
    """What could not be read is no way up."""
    low, unknown = side(1, 1), Side(None, "x", "", "", Absent(Kind.UNREADABLE, "gone"))
    handle = Handle(low.process or PROCESS, 4, 1, 2, 1, "Process", 2, 0, NO_TARGET, ())
    step = Step(handle, low, unknown, ("P",), ())
    assert not step.upwards
    assert _ways([step]) == []
