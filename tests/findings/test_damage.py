"""Damaged memory: no rule takes a value that could not be read for evidence, and none breaks."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from process_anatomy.errors import Error
from process_anatomy.findings import Finding, Severity, findings
from process_anatomy.forge import Image, forge
from process_anatomy.kernel.identify import Kernel
from process_anatomy.walk.across.tables import Tables
from tests.walk.damaged import GARBAGE, kernel_of, spoiled

Key = tuple[str, int]


@pytest.fixture(scope="module")
def image() -> Image:
    return forge()


def judged(kernel: Kernel) -> list[Finding]:
    """Everything that does not fit together in an image."""
    return findings(Tables(kernel, hidden=True))


def accusations(found: list[Finding]) -> set[Key]:
    """What is told of whom, but for smear and what says nothing against anybody."""
    return {
        (f.rule, f.process.address)
        for f in found
        if f.severity > Severity.INFO and f.rule != "smear" and f.process is not None
    }


@pytest.fixture(scope="module")
def known(image: Image) -> set[Key]:
    return accusations(judged(kernel_of(image)))


@settings(max_examples=6, deadline=None)
@given(missing=st.sets(st.integers(0, 1 << 16), min_size=1, max_size=120))
def test_pages_that_are_missing_never_accuse_anybody(missing: set[int], image: Image, known: set[Key]) -> None:
    """Whatever is left out of an image, nothing above info is told but what the whole image tells, and smear."""
    numbers = sorted(image.physical)
    gone = {numbers[number % len(numbers)] for number in missing}
    try:
        kernel = kernel_of(image, {frame: data for frame, data in image.physical.items() if frame not in gone})
    except Error:
        return  # the kernel itself could not be identified, and said so
    assert accusations(judged(kernel)) <= known


@settings(max_examples=6, deadline=None)
@example(damage={1186: 0})  # a loader entry of zeros: a module without a name
@given(damage=st.dictionaries(st.integers(0, 1 << 16), st.sampled_from(range(len(GARBAGE))), min_size=1, max_size=30))
def test_garbage_never_breaks_a_rule(damage: dict[int, int], image: Image) -> None:
    """Random bytes over random places: every rule ends, and each finding has its evidence."""
    frames = spoiled(image, damage)
    try:
        kernel = kernel_of(image, frames)
    except Error:
        return
    assert all(found.evidence and found.about for found in judged(kernel))
