"""Images forged of every generation are read back through the layout that they were made with."""

from __future__ import annotations

from dataclasses import replace

import pytest

from process_anatomy.forge import LAB, forge
from process_anatomy.forge.generations import mode_of
from process_anatomy.kernel.identify import identify
from process_anatomy.kernel.selfproof import Verdict
from process_anatomy.memory.paging import MODES
from process_anatomy.walk.processes import processes
from process_anatomy.walk.selfcheck import selfcheck
from structs import builds
from structs.eprocess import EPROCESS
from structs.ethread import ETHREAD
from structs.token import TOKEN
from tests.generations import GENERATIONS
from tests.walk.damaged import listed_truth, memory_of

SHOWN = {4, 512, 716, 5212}
SCENARIO = replace(LAB, cast=tuple(actor for actor in LAB.cast if actor.pid in SHOWN))
"""A few processes of the lab, for what differs between Windows is the same in all of them."""
FORMATS = {"x86": "32-bit", "PAE": "PAE", "x64": "4-level"}
"""What the forge calls a format of page tables, to what the reader does."""


@pytest.mark.proves("forged")
@pytest.mark.parametrize("build", GENERATIONS)
def test_a_forged_image_is_read_through_a_layout_that_fits_in_every_field(build: str) -> None:
    """Neither build nor format of page tables is told; no check fails, and processes are those of the answer key."""
    made = forge(SCENARIO, 29, build)
    mode = MODES[FORMATS[mode_of(builds.load(build)).name]]
    kernel = identify(memory_of(made.physical, made.memory_size), made.truth["dtb"], None, mode)
    right = builds.load(build)
    for layout in (EPROCESS, ETHREAD, TOKEN):
        assert kernel.build.places[layout.name] == right.places[layout.name]
    proof = selfcheck(kernel)
    assert proof.verdict is not Verdict.DOUBTFUL
    assert {check.id for check in proof.checks if check.failed} <= {"debugger-size"}
    assert len(proof.checks) >= 45
    told = [(row.pid, row.name, row.dtb) for row in processes(kernel).rows]
    assert told == [(p["pid"], p["image_file_name"], p["dtb"]) for p in listed_truth(made.truth)]
