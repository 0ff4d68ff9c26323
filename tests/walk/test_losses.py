"""A row that goes is told, a value that changes is told: single changes of a small lab, and what every view says then.

``benchmarks/losses.py`` tries every page and every field; here are one change of each kind that is told, and a few of
all others, with the list of those that nothing else in memory contradicts.
"""

from __future__ import annotations

from collections import Counter

import pytest

from process_anatomy.forge import Image, forge
from tests.walk.damaged import kernel_of
from tests.walk.losses import (
    KEYS,
    Loss,
    Places,
    Said,
    field_losses,
    heard,
    judged,
    of_victims,
    page_losses,
    read_by,
    silences,
    small_lab,
)
from tests.walk.silent_losses import SILENT

SEED = 7
EVERY = 53
"""Of all losses, one in so many is tried."""
TOLD = [
    "_ACL.AceCount: zero",
    "_CM_KEY_BODY.KeyControlBlock: zero",
    "_CM_KEY_CONTROL_BLOCK.ParentKcb: zero",
    "_CM_NAME_CONTROL_BLOCK.NameLength: zero",
    "_CONTROL_AREA.Segment: zero",
    "_CONTROL_AREA.Flags: zero",
    "_EPROCESS.HeaderType: zero",
    "_EPROCESS.InheritedFromUniqueProcessId: zero",
    "_EPROCESS.OwnerProcessId: garbage",
    "_EPROCESS.ImageFileName: zero",
    "_EPROCESS.ImageFileName: garbage",
    "_EPROCESS.ProtectionType: zero",
    "_ETHREAD.Teb: zero",
    "_ETHREAD.ApcStateProcess: garbage",
    "_ETHREAD.StartAddress: zero",
    "_ETHREAD.UniqueThread: zero",
    "_ETHREAD.Process: other",
    "_HANDLE_TABLE.TableCode: zero",
    "_HANDLE_TABLE.TableCode: other",
    "_MMVAD.Subsection: zero",
    "_MMVAD_SHORT.StartingVpn: garbage",
    "_OBJECT_HEADER_NAME_INFO.Name: zero",
    "_OBJECT_NAME_INFORMATION.Name: zero",
    "_OBJECT_SYMBOLIC_LINK.LinkTarget: zero",
    "_PEB.ProcessParameters: zero",
    "_RTL_USER_PROCESS_PARAMETERS.Environment: zero",
    "_SECTION.ControlArea: zero",
    "_TEB.Self: zero",
    "_TOKEN.DefaultDacl: zero",
    "_TOKEN.LogonSession: zero",
    "_TOKEN.PrivilegesPresent: zero",
    "_TOKEN.TokenSourceName: zero",
]
"""Losses that took rows or changed values without a word before there was a second witness for each of them."""


@pytest.fixture(scope="module")
def image() -> Image:
    """The small lab."""
    return forge(small_lab(), SEED)


@pytest.fixture(scope="module")
def places(image: Image) -> Places:
    """Where its structures are read."""
    return read_by(image)


@pytest.fixture(scope="module")
def losses(image: Image, places: Places) -> list[Loss]:
    """Every loss of it."""
    return [*page_losses(image, places), *field_losses(image, places, of_victims(image, places, 1))]


@pytest.fixture(scope="module")
def before(image: Image) -> tuple[Said, Counter[str]]:
    """What the views and the rules over the image say of the whole of it."""
    return heard(kernel_of(image), KEYS), judged(kernel_of(image))


@pytest.mark.parametrize("what", TOLD)
def test_what_has_a_second_witness_is_told(
    what: str, image: Image, losses: list[Loss], before: tuple[Said, Counter[str]]
) -> None:
    """No view loses a row, or changes a value elsewhere, without a word."""
    (loss,) = [each for each in losses if each.what == what]
    found = silences(loss, image, *before)
    assert [(s.view, s.lost, s.indirect) for s in found if s.lost or s.indirect] == []


def test_a_few_of_all_losses_are_told(image: Image, losses: list[Loss], before: tuple[Said, Counter[str]]) -> None:
    """What is lost in silence is on the list of what nothing else confirms, and takes no row with it."""
    tried = losses[::EVERY]
    assert len(tried) > 15
    for loss in tried:
        for silence in silences(loss, image, *before):
            unexplained = silence.indirect and loss.what.partition(":")[0] not in SILENT
            assert not silence.lost, (loss.what, silence.view, silence.lost)
            assert not unexplained, (loss.what, silence.view, silence.indirect)


def test_what_is_silent_is_still_silent(image: Image, losses: list[Loss], before: tuple[Said, Counter[str]]) -> None:
    """One of the list: were it told, it should not stand there."""
    loss = next(each for each in losses if each.what == "_TOKEN.PrivilegesEnabled: zero")
    assert any(s.indirect for s in silences(loss, image, *before))
    assert "_TOKEN.PrivilegesEnabled" in SILENT
