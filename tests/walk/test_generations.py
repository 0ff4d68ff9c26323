"""Images forged of every generation are read back through the layout that they were made with."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from process_anatomy.forge import LAB, Image, forge
from process_anatomy.forge.memory.modes import mode_of
from process_anatomy.kernel.identify import Kernel, identify
from process_anatomy.kernel.selfproof import Verdict
from process_anatomy.memory.paging import MODES
from process_anatomy.walk.across.selfcheck import selfcheck
from process_anatomy.walk.address_space.vads import vads
from process_anatomy.walk.handles.opened import handles
from process_anatomy.walk.processes.listed import processes
from process_anatomy.walk.security.privileges import Privilege, privileges
from process_anatomy.walk.security.tokens import tokens
from process_anatomy.walk.threads.listed import threads
from structs import builds
from structs.eprocess import EPROCESS
from structs.ethread import ETHREAD
from structs.object import POOL_HEADER
from structs.token import TOKEN
from tests.strategies import NAMES
from tests.walk.damaged import listed_truth, memory_of

SHOWN = {4, 512, 716, 5212}
SCENARIO = replace(LAB, cast=tuple(actor for actor in LAB.cast if actor.pid in SHOWN))
"""A few processes of the lab, for what differs between Windows is the same in all of them."""
FORMATS = {"x86": "32-bit", "PAE": "PAE", "x64": "4-level"}
"""What the forge calls a format of page tables, to what the reader does."""


@pytest.mark.proves("forged")
@pytest.mark.parametrize("build", NAMES)
def test_a_forged_image_is_read_through_a_layout_that_fits_in_every_field(build: str) -> None:
    """Every layout that ships.  The build is not told; no check fails, and processes, VADs, handles, threads and the
    privileges of tokens are those of the answer key."""
    made = forge(SCENARIO, 29, build)
    mode = MODES[FORMATS[mode_of(builds.load(build)).name]]
    kernel = identify(memory_of(made.physical, made.memory_size), made.truth["dtb"], None, mode)
    right = builds.load(build)
    for layout in (EPROCESS, ETHREAD, TOKEN):
        assert kernel.build.places[layout.name] == right.places[layout.name]
    agrees_with_the_answer_key(made, kernel, tagged=POOL_HEADER in right)


def agrees_with_the_answer_key(made: Image, kernel: Kernel, tagged: bool) -> None:
    """Nothing that is compared differs; the layouts of 10586 have no pool headers, so that no tag is known there."""
    proof = selfcheck(kernel)
    assert proof.verdict is not Verdict.DOUBTFUL
    assert {check.id for check in proof.checks if check.failed} <= {"debugger-size"}
    assert len(proof.checks) >= 45
    rows, truth = processes(kernel).rows, listed_truth(made.truth)
    assert [(row.pid, row.name, row.dtb) for row in rows] == [(p["pid"], p["image_file_name"], p["dtb"]) for p in truth]
    assert Counter(
        (v.process.pid, v.start, v.end, v.protection, v.tag if tagged else None) for v in vads(kernel, rows).rows
    ) == Counter(
        (p["pid"], v["start"], v["end"], v["protection"], v["tag"] if tagged else None)
        for p in truth
        for v in p["vads"]
    )
    assert [(h.process.pid, h.value, h.object, h.type, h.access) for h in handles(kernel, rows).rows] == [
        (p["pid"], h["handle"], h["object"], h["type"], h["access"]) for p in truth for h in p["handles"]
    ]
    assert Counter((t.process.pid, t.tid) for t in threads(kernel, rows).rows) == Counter(
        (p["pid"], t["tid"]) for p in truth for t in p["threads"]
    )
    held = [row for row in privileges(tokens(kernel, rows)) if isinstance(row, Privilege) and row.present]
    assert Counter((row.token.process.pid, row.name) for row in held) == Counter(
        (p["pid"], name) for p in truth for name in p["token"]["privilege_names"]
    )
