"""Facts that could not be had: they have no truth value, and their reasons are told once."""

from __future__ import annotations

import pytest

from process_anatomy.absent import NOT_APPLICABLE, Absent, Kind, reasons


@pytest.mark.parametrize("kind", list(Kind))
def test_an_absent_fact_is_neither_true_nor_false(kind: Kind) -> None:
    """Whoever asks is told what to ask instead."""
    fact: object = Absent(kind, "why")
    with pytest.raises(TypeError, match=r"neither true nor false; ask isinstance\(x, Absent\)"):
        bool(fact)
    with pytest.raises(TypeError):
        any([fact])


def test_what_does_not_apply_and_what_no_build_has_is_no_loss() -> None:
    """All else may exist, and could not be had."""
    assert {kind for kind in Kind if not kind.lost} == {Kind.NOT_APPLICABLE, Kind.NOT_IN_BUILD}
    assert not NOT_APPLICABLE.kind.lost


def test_forty_facts_that_lack_for_one_reason_are_one_line() -> None:
    """Addresses differ, the reason does not."""
    facts = [(f"fact{n}", Absent(Kind.NOT_IN_DUMP, f"{0xFFFF8000 + 8 * n:#x}: not in a small dump")) for n in range(40)]
    assert reasons(facts) == ["fact0, fact1 and 38 more: not in a small dump"]


def test_few_facts_keep_their_addresses_and_the_same_reason_is_told_once() -> None:
    """One line for each distinct reason, with the names that it concerns."""
    one, other = Absent(Kind.UNREADABLE, "0x10: gone"), Absent(Kind.UNREADABLE, "0x20: no page")
    assert reasons([("a", one), ("b", other), ("c", one)]) == ["a and c: 0x10: gone", "b: 0x20: no page"]
