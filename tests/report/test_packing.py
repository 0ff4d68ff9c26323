"""What is packed for the page is what the page's modules unpack."""

from __future__ import annotations

import json
import random
from datetime import datetime, timedelta, timezone
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from process_anatomy.notes.library import Words, _fill
from process_anatomy.report.packing import DAY, EPOCH, EXACT, choices, packed, sealed
from process_anatomy.views.ranges import hexadecimal
from process_anatomy.walk.address_space.range_bytes import Beginning
from tests.report.node import unpacked

TIMES = [datetime(1601, 1, 1, tzinfo=timezone.utc), EPOCH - timedelta(microseconds=1), EPOCH,
         datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=timezone.utc)]  # fmt: skip
DUMPS = [b"MZ\x90\0", bytes(16), bytes(range(0x18, 0x28)), b"text, and space ", b"\xff", b" "]
POOLS: dict[str, list[Any]] = {
    "integer": [0, 1, 5, 77, 1 << 31, EXACT],
    "signed": [-1, 0, 5, EXACT, -EXACT, -(1 << 63), (1 << 63) - 1],
    "address": [0, 1, EXACT, EXACT + 1, (1 << 64) - 1, 0xFFFFD9BFD4A117B0],
    "text": ["", "a", "</script><script>alert(1)", "\ud800", "\u202e", "日本", '"', "a\x00b"],
    "boolean": [True, False],
    "time": TIMES,
    "list": [[], ["a"], ["a", "b"], ["a;b"]],
    "dump": [list(hexadecimal(Beginning(data, frozenset()))) for data in DUMPS],
    "almost a dump": [
        ["0000  41  ."],
        ["0000  41 42  AB"],
        ["0000  zz"],
        ["0010  " + "41 " * 15 + "41  AAAAAAAAAAAAAAAA"],
    ],
}


def plain(value: Any, texts: bool) -> Any:
    """A value as the modules print it."""
    if isinstance(value, datetime):
        micros = (value - EPOCH) // timedelta(microseconds=1)
        return [micros // DAY, micros % DAY]
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value) if texts else value if abs(value) <= EXACT else f"n{value}"
    return value


def test_every_kind_of_cell_comes_back_as_it_was(node: str) -> None:
    """Numbers of 64 bits, half pairs of surrogates, times at both ends, with gaps anywhere."""
    dice = random.Random(5)
    cases, wanted = [], []
    for kind, pool in POOLS.items():
        for count in (1, 2, 7, 40):
            for gaps in (0.0, 0.5, 1.0):
                values = [None if dice.random() < gaps else dice.choice(pool) for _ in range(count)]
                made = packed(values)
                texts = kind == "signed" and any(
                    isinstance(v, str) for v in [*made.get("values", ()), made.get("value")]
                )
                cases.append({"packed": made, "count": count, "kind": kind})
                wanted.append([None if value is None else plain(value, texts) for value in values])
    assert unpacked(node, "columns", json.dumps(cases)) == wanted


def test_dumps_are_packed_as_their_bytes() -> None:
    """No more than a line for each is stored twice: what differs is 32 letters of sixteen bytes."""
    made = packed(POOLS["dump"])
    assert made["octets"] is True
    assert made["values"] == [data.hex() for data in DUMPS]
    assert "octets" not in packed(POOLS["almost a dump"])


def test_sentences_are_those_of_the_library(node: str) -> None:
    """Words of ours get a capital at the beginning, and no full stop is doubled."""
    dice = random.Random(7)
    facts = ["a.", "x", "B", "", "{y}", Words("an unknown"), Words("no. one."), "...", "e. "]
    pieces = ["{a}", "{b}", ". ", ".", " has ", "! ", "{c}", "? "]
    cases, wanted = [], []
    for _ in range(3000):
        template = "".join(dice.choice(pieces) for _ in range(dice.randint(0, 7)))
        given_facts = {name: dice.choice(facts) for name in "abc"}
        plain_facts = {name: [str(fact)] if isinstance(fact, Words) else fact for name, fact in given_facts.items()}
        cases.append({"template": template, "facts": plain_facts})
        wanted.append(_fill(template, given_facts))
    assert unpacked(node, "words", json.dumps(cases)) == wanted


@given(st.lists(st.sampled_from([None, "", "a", "b", "\ud800"]), max_size=12))
def test_what_is_alike_is_stored_once(values: list[str | None]) -> None:
    """The different texts, and as many numbers as there are cells with one."""
    made = packed(values)
    present = [value for value in values if value is not None]
    if made["form"] == "choice":
        assert made["values"] == list(dict.fromkeys(present))
        assert len(made["steps"]) == len(present)
    else:
        assert len(set(present)) <= 1


def test_a_sealed_value_is_the_same_each_time_and_holds_no_mark_up() -> None:
    """Gzip's time is zero, base64 has no angle brackets, and half a surrogate pair is no error."""
    value = {"a": ["</script>", "\udc00"]}
    assert sealed(value) == sealed(value)
    assert "<" not in sealed(value)
    assert choices([["a"], ["a"]]) == {"form": "choice", "values": [["a"]], "steps": [0, 0]}
