"""Every trace of tampering changes something, and names rules that there are."""

from __future__ import annotations

import pytest

from process_anatomy.findings import RULES
from process_anatomy.forge import INTRUSION, forge
from process_anatomy.forge.traces.findings import findings
from process_anatomy.forge.traces.table import TRACES


@pytest.mark.parametrize("name", sorted(TRACES))
def test_a_trace_is_made_at_one_stage_at_least(name: str) -> None:
    trace = TRACES[name]
    assert [stage for stage in (trace.first, trace.memory, trace.told, trace.written) if stage]


@pytest.mark.parametrize("name", sorted(TRACES))
def test_the_rules_that_find_a_trace_exist(name: str) -> None:
    assert TRACES[name].rules
    assert {*TRACES[name].rules} <= RULES.keys()


def test_a_trace_that_came_later_is_left_out_of_an_older_windows() -> None:
    """Flags of AppContainers in Windows 7: neither in the token nor expected to be found."""
    flagged = next(actor for actor in INTRUSION.cast if "forged flags" in actor.misfits)
    truth = {p["pid"]: p for p in forge(INTRUSION, 3, "x64-7601-24540").truth["processes"]}
    assert truth[flagged.pid]["findings"] == []
    assert findings(flagged, frozenset()) == ["inconsistent-token"]
