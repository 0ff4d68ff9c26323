"""What is expected of Windows' own processes, and names that only look like theirs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from process_anatomy.findings.expected import NEWEST, expectations
from process_anatomy.findings.names import one_step, resembled
from process_anatomy.findings.places import from_volume
from process_anatomy.walk.processes.listed import PROTECTED_SIGNERS, PROTECTED_TYPES

SESSIONS, KINDS = {None, "none", "zero", "user"}, {None, "system", "session"}


@pytest.mark.parametrize("number", [2600, 7601, NEWEST])
def test_expectations_are_well_formed(number: int) -> None:
    """Names in lower case, paths from a volume's root, parents that are known or System; in every build."""
    known = expectations(number)
    assert {"smss.exe", "csrss.exe", "wininit.exe", "services.exe", "lsass.exe", "svchost.exe"} <= known.keys()
    for name, each in known.items():
        assert name == each.name == name.lower()
        assert each.session in SESSIONS
        assert each.unique in KINDS
        for path in each.path or ():
            assert path == path.lower()
            assert path.startswith("\\windows\\")
            assert path.endswith("\\" + name)
        assert set(each.parents or ()) <= known.keys()
        if each.protection is not None:
            assert each.protection[0] in PROTECTED_TYPES
            assert each.protection[1] in PROTECTED_SIGNERS
            assert each.since >= 9600


def test_winlogon_starts_the_services_before_windows_vista_and_shares_session_zero_with_the_user() -> None:
    old, new = expectations(3790), expectations(6000)
    for name in ("services.exe", "lsass.exe"):
        assert (old[name].parents, new[name].parents) == (("winlogon.exe",), ("wininit.exe",))
        assert (old[name].session, new[name].session) == ("zero", "zero")
    assert (old["explorer.exe"].session, new["explorer.exe"].session) == (None, "user")


@pytest.mark.parametrize("name", sorted(expectations()))
def test_one_of_windows_own_names_resembles_none(name: str) -> None:
    assert resembled(name) is None
    assert resembled(name.upper()) is None


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("scvhost.exe", "svchost.exe"),
        ("svch0st.exe", "svchost.exe"),
        ("svchosts.exe", "svchost.exe"),
        ("svhost.exe", "svchost.exe"),
        ("lsaas.exe", "lsass.exe"),
        ("1sass.exe", "lsass.exe"),
        ("Isass.exe", "lsass.exe"),
        ("csrsss.exe", "csrss.exe"),
        ("cssrs.exe", "csrss.exe"),
        ("exp1orer.exe", "explorer.exe"),
        ("iexplore.exe", None),
        ("exploner.exe", "explorer.exe"),
        ("lsass\u0435.exe", "lsass.exe"),
        ("s\u0435rvices.exe", "services.exe"),
        ("taskrngr.exe", "taskmgr.exe"),
        ("vvinlogon.exe", "winlogon.exe"),
        ("winlog0n.exe", "winlogon.exe"),
        ("smss.exe", None),
        ("dwm1.exe", None),
        ("notepad.exe", None),
        ("splwow64.exe", None),
        ("SearchHost.exe", None),
        ("services", None),
        ("", None),
        (".exe", None),
    ],
)
def test_likeness(name: str, model: str | None) -> None:
    """One letter, two that changed places, or letters that look the same; short names need more than chance."""
    assert resembled(name) == model


@given(st.sampled_from([n for n in expectations() if n.endswith(".exe") and len(n) > 8]), st.data())
def test_one_letter_more_or_less_is_one_step(name: str, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(name) - 5))
    longer = name[:place] + data.draw(st.sampled_from("qzjx")) + name[place:]
    assert one_step(name, longer)
    assert one_step(longer, name)
    assert not one_step(name, name)
    assert resembled(longer) is not None


@given(st.text(max_size=40))
def test_any_name_at_all_is_judged(name: str) -> None:
    """Names are the attacker's: none breaks the rule."""
    model = resembled(name)
    assert model is None or model in expectations()


@pytest.mark.parametrize(
    ("path", "plain"),
    [
        ("\\Device\\HarddiskVolume2\\Windows\\System32\\lsass.exe", "\\windows\\system32\\lsass.exe"),
        ("\\Device\\HarddiskVolume12\\Windows\\explorer.exe", "\\windows\\explorer.exe"),
        ("C:\\Windows\\explorer.exe", "\\windows\\explorer.exe"),
        ("\\??\\C:\\Windows\\explorer.exe", "\\windows\\explorer.exe"),
        ("\\SystemRoot\\System32\\smss.exe", "\\windows\\system32\\smss.exe"),
        (
            "\\Device\\HarddiskVolume2\\evil\\Device\\HarddiskVolume2\\Windows\\explorer.exe",
            "\\evil\\device\\harddiskvolume2\\windows\\explorer.exe",
        ),
        ("\\Device\\Mup\\host\\Windows\\System32\\svchost.exe", "\\device\\mup\\host\\windows\\system32\\svchost.exe"),
    ],
)
def test_a_path_begins_at_the_root_of_its_volume(path: str, plain: str) -> None:
    """Only a disk's own root counts: a folder of the same names further down, or on a share, is another place."""
    assert from_volume(path) == plain
