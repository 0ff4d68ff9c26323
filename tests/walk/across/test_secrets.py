"""Handles that read what lsass.exe keeps: power of their own kind, over one process alone, and no way up."""

from __future__ import annotations

from dataclasses import replace

import pytest

from process_anatomy.forge import LAB, forge
from process_anatomy.forge.ground.holdings import Power
from process_anatomy.walk.across.access import Step
from process_anatomy.walk.across.tables import Tables
from tests.walk.damaged import kernel_of

LSASS, SERVICES, HOLDER = 728, 716, 5740
READ, QUERY, QUERY_LIMITED = 0x10, 0x400, 0x1000


def steps(target: int, access: int) -> tuple[Tables, list[Step]]:
    """What the table of access has of one more handle of the lab."""
    powers = (*LAB.powers, Power(HOLDER, "Process", target, access))
    tables = Tables(kernel_of(forge(replace(LAB, powers=powers))))
    rows = tables.access.steps
    return tables, [row for row in rows if row.handle.process.pid == HOLDER and row.kind == "Process"]


@pytest.mark.parametrize("query", [QUERY, QUERY_LIMITED, QUERY | QUERY_LIMITED])
def test_a_handle_that_can_read_lsass_is_a_power_and_leads_nowhere(query: int) -> None:
    """It is no way up, for nothing can be steered through it."""
    tables, (step,) = steps(LSASS, READ | query)
    assert step.powers == ("PROCESS_VM_READ",)
    assert step.reads_secrets
    assert not step.steers
    assert not step.upwards
    assert not [way for way in tables.access.ways if way.start.process and way.start.process.pid == HOLDER]


@pytest.mark.parametrize(
    ("target", "access"), [(LSASS, READ), (LSASS, QUERY | QUERY_LIMITED), (SERVICES, READ | QUERY)]
)
def test_reading_needs_both_rights_and_counts_for_lsass_alone(target: int, access: int) -> None:
    assert steps(target, access)[1] == []


def test_all_rights_over_lsass_are_read_and_steered() -> None:
    _, (step,) = steps(LSASS, 0x1FFFFF)
    assert "PROCESS_VM_READ" in step.powers
    assert "PROCESS_VM_WRITE" in step.powers
    assert step.reads_secrets
    assert step.steers
