"""What the fuzzer kept is read again, and the fuzzer finds what is wrong with a reader that is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from random import Random

import pytest

from fuzz import targets
from fuzz.__main__ import Count, run, shorter, tried
from fuzz.recipes import Recipe, drawn, kept, load, words_of
from fuzz.targets import TARGETS, Target, WrongError

SEED: Mapping[str, bytes] = {"seed": bytes(range(256))}


@pytest.mark.parametrize("path", kept(), ids=lambda path: path.stem)
def test_a_case_that_was_kept_is_read_or_refused(path: Path) -> None:
    recipe = load(path)
    target = TARGETS[recipe.target]
    assert tried(target, recipe.applied(target.seeds()[recipe.seed])) == ""


@pytest.mark.parametrize("name", [name for name, target in TARGETS.items() if not target.slow])
def test_an_undamaged_seed_is_no_fault(name: str) -> None:
    target = TARGETS[name]
    assert [tried(target, data) for data in list(target.seeds().values())[:1]] == [""]


def test_a_recipe_is_kept_and_read_back(tmp_path: Path) -> None:
    recipe = Recipe("zdmp", "dump", *drawn(Random(3), SEED["seed"], words_of(SEED["seed"])), told="what")
    assert load(recipe.save(tmp_path)) == recipe
    assert recipe.applied(SEED["seed"]) != SEED["seed"]
    assert recipe.save(tmp_path) == recipe.save(tmp_path)


def breaks(data: bytes) -> None:
    if data[7:8] != b"\x07":
        raise IndexError("the eighth octet")


def lies(data: bytes) -> None:
    if data[:1] != b"\0":
        raise WrongError("another")


def refuses(data: bytes) -> None:
    if data[:1] != b"\0":
        raise ValueError("damaged")


@pytest.mark.parametrize(("read", "fault"), [(breaks, "IndexError: the eighth octet"), (lies, "WrongError: another")])
def test_a_reader_that_breaks_or_lies_is_found(read: object, fault: str) -> None:
    target = Target(lambda: SEED, read, (ValueError,))  # type: ignore[arg-type]
    assert tried(target, b"\1" * 256) == fault
    assert tried(target, SEED["seed"]) == ""


def test_a_reader_that_refuses_is_no_fault() -> None:
    assert tried(Target(lambda: SEED, refuses, (ValueError,)), b"\1") == ""


def test_a_reader_that_takes_too_long_is_found() -> None:
    def spins(_: bytes) -> None:
        while True:
            pass

    assert tried(Target(lambda: SEED, spins), b"", seconds=1) == "more than 1 seconds"


def test_of_what_broke_a_reader_only_what_broke_it_is_kept() -> None:
    recipe = Recipe("zdmp", "seed", ((3, "ffff"), (7, "00"), (90, "01")))
    assert shorter(Target(lambda: SEED, breaks), recipe, SEED["seed"], "IndexError: x").patches == ((7, "00"),)


def test_workers_find_a_fault_and_count_what_they_ran(monkeypatch: pytest.MonkeyPatch) -> None:
    """In processes of their own, one of which ends itself."""
    monkeypatch.setitem(TARGETS, "page-tables", Target(lambda: SEED, breaks))
    found: Count = run("page-tables", 0.2, 1)
    assert found.executions > 100
    assert any("the eighth octet" in recipe.told for recipe in found.faults.values())


def test_a_change_to_processes_that_were_not_damaged_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel's own page of a process is taken for memory of nobody's."""
    numbers, data = targets._numbers(), bytearray(targets._memory()["small lab"])
    monkeypatch.setattr(targets, "_private", lambda: dict.fromkeys(numbers, -1))
    named = next(p for p in targets._machine().truth["processes"] if p["name"] == "services.exe")
    page = numbers.index(named["eprocess_pa"] // targets.PAGE) * targets.PAGE
    assert tried(TARGETS["others"], bytes(data)) == ""
    data[page : page + targets.PAGE] = bytes(targets.PAGE)
    assert "another process's memory was damaged" in tried(TARGETS["others"], bytes(data), 60)
