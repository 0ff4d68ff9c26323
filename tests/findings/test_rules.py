"""Every rule fires where it must and nowhere else, on forged images and on images that we did not make."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import process_anatomy.findings as room
from process_anatomy.absent import NOT_APPLICABLE
from process_anatomy.errors import RequestError
from process_anatomy.findings import RULES, Finding, Severity, findings
from process_anatomy.forge import INTRUSION, LAB, Image, Scenario, forge
from process_anatomy.forge.__main__ import write_all
from process_anatomy.forge.cast.clean import CONTAINER_HOST
from process_anatomy.forge.cast.hiding import HIDING
from process_anatomy.forge.ground.holdings import Power
from process_anatomy.forge.traces.findings import (
    NEED_CREATOR,
    NEED_EXECUTE_BIT,
    NEED_HOT_PATCHES,
    NEED_PROTECTION,
    NEED_VISTA,
)
from process_anatomy.volatility import open_path
from process_anatomy.walk.across.tables import Tables
from structs.eprocess import EPROCESS
from structs.ethread import ETHREAD
from structs.vad import MMVAD_SHORT
from tests.conftest import Stock, Vol
from tests.walk.damaged import Editor, kernel_of, process_truth

FOREIGN = ["win10-19041.raw", "srv2019-17763.raw", "srv2016-14393.raw"]
ODD_FOREIGN: dict[str, set[str]] = {
    "winxp-2600-pae": set(),
    "win7-7601-x86-pae": {"impossible-privileges", "power-over-higher"},
}
"""Foreign images with oddities to the rules that find more in them: the second has a token of medium integrity with
SeLoadDriverPrivilege enabled, and handles of every program to processes and tokens picked by chance."""
NEWEST, PLAIN_PAGING = "x64-26100-1742", "x86-2600-2180"
BUILDS = [PLAIN_PAGING, "x64-3790-3959", "x86-6000-16386", "x64-7601-24540", "x64-9600-16384", "x64-17763-0", NEWEST]
UNSHOWN = {"impossible-privileges", "inconsistent-token"}
"""Rules whose misfits are forged in what came later: bitmaps of privileges, and AppContainers."""
LACKING = {
    "x64-17763-0": NEED_HOT_PATCHES,
    PLAIN_PAGING: NEED_CREATOR | NEED_PROTECTION | NEED_VISTA | NEED_EXECUTE_BIT | UNSHOWN | NEED_HOT_PATCHES,
    "x64-3790-3959": NEED_CREATOR | NEED_PROTECTION | NEED_VISTA | UNSHOWN | NEED_HOT_PATCHES,
    "x86-6000-16386": NEED_CREATOR | NEED_PROTECTION | NEED_HOT_PATCHES | {"inconsistent-token"},
    "x64-7601-24540": NEED_CREATOR | NEED_PROTECTION | NEED_HOT_PATCHES | {"inconsistent-token"},
    "x64-9600-16384": NEED_CREATOR | NEED_HOT_PATCHES,
}
"""Build to the rules that nothing can be told by in it, or that its intrusion does not show."""
INFORMATION = {rule.id for rule in RULES.values() if rule.severity is Severity.INFO}
Judged = tuple[Image, list[Finding]]


@pytest.fixture(scope="module")
def judged() -> Callable[..., Judged]:
    """An image of a scenario, and what does not fit together in it."""
    known: dict[tuple[str, str], Judged] = {}

    def of(scenario: Scenario, build: str = "x64-22621-382") -> Judged:
        key = scenario.name, build
        if key not in known:
            image = forge(scenario, build=build)
            known[key] = image, findings(Tables(kernel_of(image), hidden=True))
        return known[key]

    return of


@pytest.fixture(scope="module")
def foreign_findings(foreign: Callable[[str], Path]) -> Callable[[str], list[Finding]]:
    """What does not fit together in a foreign image."""
    known: dict[str, list[Finding]] = {}

    def of(name: str) -> list[Finding]:
        if name not in known:
            known[name] = findings(Tables(open_path(foreign(name if name in FOREIGN else f"{name}.raw")), hidden=True))
        return known[name]

    return of


def accusations(found: list[Finding]) -> dict[int, set[str]]:
    """The rules above information by process id."""
    told: dict[int, set[str]] = {}
    for each in found:
        if each.severity > Severity.INFO:
            assert each.process is not None, each
            assert isinstance(each.process.pid, int)
            told.setdefault(each.process.pid, set()).add(each.rule)
    return told


def expected(image: Image) -> dict[int, set[str]]:
    """The same, as the answer key has it."""
    return {p["pid"]: set(p["findings"]) for p in image.truth["processes"] if p["findings"]}


@pytest.mark.parametrize("scenario", [LAB, INTRUSION], ids=lambda scenario: scenario.name)
def test_each_process_has_the_findings_of_the_answer_key_and_no_others(
    scenario: Scenario, judged: Callable[..., Judged]
) -> None:
    """No more and no fewer above information."""
    image, found = judged(scenario)
    assert accusations(found) == expected(image)
    assert len(expected(image)) >= 3


@pytest.mark.parametrize("build", BUILDS)
def test_the_intrusion_is_found_on_other_builds(build: str, judged: Callable[..., Judged]) -> None:
    """Nothing is said where it takes what this Windows does not know: creators, integrity, protection."""
    image, found = judged(INTRUSION, build)
    assert accusations(found) == expected(image)
    told = {each.rule for each in found}
    unsaid = LACKING.get(build, set())
    assert told | INFORMATION >= RULES.keys() - unsaid
    assert not told & unsaid


@pytest.mark.parametrize("build", BUILDS)
def test_the_lab_is_judged_alike_on_other_builds(build: str, judged: Callable[..., Judged]) -> None:
    image, found = judged(LAB, build)
    assert accusations(found) == expected(image)


def test_every_rule_fires_on_one_forged_image_and_not_on_another(judged: Callable[..., Judged]) -> None:
    """Each rule above information fires in the intrusion, and passes by processes there and on clean machines."""
    image, found = judged(INTRUSION)
    fired = {each.rule for each in found}
    ordinary = {each.rule for scenario in (LAB, CONTAINER_HOST) for each in judged(scenario)[1]}
    newest = {each.rule for each in judged(INTRUSION, NEWEST)[1]} & NEED_HOT_PATCHES
    assert fired | ordinary | newest == RULES.keys()
    for rule in RULES.keys() - INFORMATION - NEED_HOT_PATCHES:
        holders = {each.process.address for each in found if each.rule == rule and each.process}
        assert 0 < len(holders) <= 3, rule
        assert len(holders) < len(image.truth["processes"]) - 30


def test_hidden_processes_are_found_and_each_is_judged_as_any_other(judged: Callable[..., Judged]) -> None:
    """One that is missing in one direction of the list is where the list was torn: smear, of it and its neighbours."""
    image, found = judged(HIDING)
    assert accusations(found) == expected(image)
    hidden = [each.process.pid for each in found if each.rule == "hidden-process" and each.process]
    assert hidden == sorted(p["pid"] for p in image.truth["processes"] if "hidden-process" in p["findings"])
    assert len(hidden) == 2
    assert any(each.process and each.process.pid in hidden for each in found if each.rule == "not-judged")


@pytest.mark.parametrize("name", FOREIGN)
def test_nothing_above_information_is_told_of_a_clean_image(
    name: str, foreign_findings: Callable[[str], list[Finding]]
) -> None:
    """False alarms on healthy systems that we did not make: none."""
    found = foreign_findings(name)
    assert [each for each in found if each.severity > Severity.INFO] == []
    assert found


@pytest.mark.parametrize("name", ODD_FOREIGN)
def test_what_is_told_of_a_foreign_32_bit_image_stands_in_its_answer_key(
    name: str, foreign_findings: Callable[[str], list[Finding]], truth: Callable[[str], dict[str, Any]]
) -> None:
    """A program written into private memory, threads that start where no image is, and what ODD_FOREIGN explains."""
    wanted: set[tuple[int, str, str]] = set()
    for process in truth(name)["processes"]:
        notes = [v["start"] for v in process.get("vads", []) if v.get("note") == "injected pe"]
        wanted |= {(process["pid"], "injected-image", f"{start:#x}") for start in notes}
        images = [(v["start"], v["end"]) for v in process.get("vads", []) if v["type"] == "VadImageMap"]
        for thread in process.get("threads", []):
            places = (thread["start"], thread["win32_start"])
            if any(0 < at < 1 << 31 and not any(a <= at <= b for a, b in images) for at in places):
                wanted.add((process["pid"], "thread-outside-images", f"thread {thread['tid']}"))
    told = {
        (f.process.pid, f.rule, f.about) for f in foreign_findings(name) if f.severity > Severity.INFO and f.process
    }
    assert {each for each in told if each[1] not in ODD_FOREIGN[name]} == wanted
    assert {rule for _, rule, _ in told} == ODD_FOREIGN[name] | {"injected-image", "thread-outside-images"}


@pytest.mark.parametrize("name", FOREIGN)
def test_ranges_of_stock_malfind_are_among_ours_on_foreign_images(
    name: str,
    foreign: Callable[[str], Path],
    published_symbols: Callable[[str], Path],
    foreign_findings: Callable[[str], list[Finding]],
    vol: Vol,
) -> None:
    """On a clean image these are the ranges of just-in-time compilers, which we list as information."""
    answer = vol("-s", published_symbols(name), "-r", "json", "-f", foreign(name), "windows.malware.malfind")
    assert answer.status == 0, answer.err
    stock = {(row["PID"], row["Start VPN"]) for row in answer.rows}
    assert len(stock) == 2
    assert stock <= ranges(foreign_findings(name))


@pytest.fixture(scope="module")
def stock(
    judged: Callable[..., Judged], tmp_path_factory: pytest.TempPathFactory, stock_plugin: Stock
) -> Callable[[str], list[dict[str, Any]]]:
    """Rows of a stock plugin over the intrusion."""
    folder = tmp_path_factory.mktemp("intrusion")
    image, _ = judged(INTRUSION)
    path = write_all(image, folder, "intrusion", "raw")[0]
    return partial(stock_plugin, path, folder / "symbols")


def holders(found: list[Finding], rule: str) -> set[Any]:
    """Process ids in which a rule found something."""
    return {each.process.pid for each in found if each.rule == rule and each.process is not None}


def test_ranges_of_stock_malfind_are_among_ours_on_the_intrusion(
    judged: Callable[..., Judged], stock: Callable[[str], list[dict[str, Any]]]
) -> None:
    """What stock malfind shows of the intruders, rules tell; its note of an image is our finding."""
    found = judged(INTRUSION)[1]
    rows = stock("windows.malware.malfind")
    assert len(rows) == 3
    assert {(row["PID"], row["Start VPN"]) for row in rows} <= ranges(found)
    assert {row["PID"] for row in rows if row["Notes"] == "MZ header"} == holders(found, "injected-image")
    assert {row["PID"] for row in rows if row["Notes"] is None} == holders(found, "injected-code")


def test_programs_that_stock_calls_hollow_are_ours_but_for_one_that_was_written_over(
    judged: Callable[..., Judged], stock: Callable[[str], list[dict[str, Any]]]
) -> None:
    """Stock does not look whether the header is still the file's."""
    image, found = judged(INTRUSION)
    overwritten = {p["pid"] for p in image.truth["processes"] if p["name"] == "overwritten.exe"}
    hollow = {row["PID"] for row in stock("windows.malware.hollowprocesses")}
    assert hollow | overwritten == holders(found, "hollowed-program")
    assert not hollow & overwritten


def test_suspicious_threads_of_stock_are_our_threads_in_private_memory(
    judged: Callable[..., Judged], stock: Callable[[str], list[dict[str, Any]]]
) -> None:
    found = judged(INTRUSION)[1]
    ours = {
        (each.process.pid, int(each.about.removeprefix("thread ")))
        for each in found
        if each.rule == "thread-in-private-memory" and each.process is not None
    }
    assert {(row["PID"], row["TID"]) for row in stock("windows.malware.suspicious_threads")} == ours


def ranges(found: list[Finding]) -> set[tuple[Any, int]]:
    """Process ids and the beginnings of ranges of what the rules over executable memory list."""
    return {
        (each.process.pid, int(each.about, 16))
        for each in found
        if each.rule == "executable-memory" and each.process is not None
    }


def test_a_small_dump_is_judged_by_what_it_holds(shared: Path) -> None:
    """Real crash dumps of healthy systems: nothing above information, and nothing raised."""
    dumps = sorted((shared / "real").glob("triage-x64-*.dmp"))
    assert dumps
    for path in dumps:
        found = findings(Tables(open_path(path), hidden=True))
        assert [each for each in found if each.severity > Severity.INFO] == [], path.name


def test_no_rule_can_be_forgotten() -> None:
    """Each function over tables in a module of the room is a rule, and each module is loaded with the room."""
    judges = set()
    for module in pkgutil.iter_modules(room.__path__):
        loaded = importlib.import_module(f"process_anatomy.findings.{module.name}")
        for name, function in inspect.getmembers(loaded, inspect.isfunction):
            own = function.__module__ == loaded.__name__ and not name.startswith("_")
            if own and list(inspect.signature(function).parameters) == ["tables"]:
                judges.add(function)
                assert function.__doc__
    assert judges == {rule.judge for rule in RULES.values()}
    assert all(rule.id == name for name, rule in RULES.items())
    assert all(rule.judge.__name__.replace("_", "-") == rule.id for rule in RULES.values())


def test_rules_that_are_not_asked_for_walk_nothing() -> None:
    """A rule over one table leaves all others unread, and a rule above the least severity is not run."""
    tables = Tables(kernel_of(forge()))
    assert [each.rule for each in findings(tables, rules=["debugged"])] == ["debugged"]
    asked = {"kernel", "pids", "hidden", "listed", "searched", "unlisted", "everyone", "processes"}
    assert vars(tables).keys() - asked == {"programs", "debuggers", "handle_tables"}
    assert [each.rule for each in findings(tables, Severity.CRITICAL, ["debugged"])] == []


def test_without_a_handle_to_the_debug_object_nobody_is_named_and_that_is_said() -> None:
    (found,) = findings(Tables(kernel_of(forge())), rules=["debugged"])
    assert "no handle that was read leads to it, so who debugs is not known" in found.evidence
    assert "held by" not in found.about


@pytest.mark.proves("forged")
@pytest.mark.parametrize("build", ["x64-22621-382", "x86-2600-5512"])
def test_who_holds_the_debug_object_of_a_process_is_named(build: str) -> None:
    """Every handle to it counts, in whatever process, also where only the debugged one is asked about."""
    debugger, reader = (Power(pid, "DebugObject", 6612, access) for pid, access in ((5740, 0x1F000F), (3920, 0x1)))
    image = forge(replace(LAB, powers=(*LAB.powers, debugger, reader)), build=build)
    by_pid = {process["pid"]: process for process in image.truth["processes"]}
    held = {pid: next(each for each in by_pid[pid]["handles"] if each["type"] == "DebugObject") for pid in (5740, 3920)}
    assert {each["object"] for each in held.values()} == {by_pid[6612]["debug_port"]}
    kernel = kernel_of(image)
    for pids in ((), (6612,)):
        (found,) = findings(Tables(kernel, frozenset(pids)), rules=["debugged"])
        assert sorted(line for line in found.evidence if line.startswith("handle ")) == sorted(
            f"handle {held[pid]['handle']:#x} of {by_pid[pid]['image_file_name']} ({pid}) leads to it: {rights}"
            for pid, rights in ((5740, "DEBUG_ALL_ACCESS"), (3920, "DEBUG_READ_EVENT"))
        )
        assert "held by " in found.about
        assert "cmd.exe (5740)" in found.about
    (row,) = (row for row in Tables(kernel).handles().rows if row.type == "DebugObject" and row.process.pid == 5740)
    assert (row.object, row.rights) == (by_pid[6612]["debug_port"], "DEBUG_ALL_ACCESS")


def test_an_unknown_rule_is_told_with_those_that_there_are() -> None:
    tables = Tables(kernel_of(forge()))
    with pytest.raises(RequestError, match=r"no rule nonsense; the rules are .*hidden-process"):
        findings(tables, rules=["nonsense"])


def test_findings_come_by_weight_then_by_process(judged: Callable[..., Judged]) -> None:
    _, found = judged(INTRUSION)
    keys = [(-each.severity, each.process.pid if each.process else -1) for each in found]
    assert keys == sorted(keys)
    assert {each.severity for each in found} == set(Severity)


def test_every_finding_has_evidence_with_an_address(judged: Callable[..., Judged]) -> None:
    for each in judged(INTRUSION)[1] + judged(LAB)[1]:
        assert each.evidence
        assert any("0x" in line for line in each.evidence) or each.rule == "not-judged", each


@pytest.mark.parametrize("layout", ["vad", "thread", "link"])
def test_a_record_that_contradicts_another_is_smear_and_accuses_nobody(layout: str) -> None:
    """A tree that loops, a thread that names another process, a list that is broken in one direction."""
    image = forge()
    known = accusations(findings(Tables(kernel_of(image))))
    edit, victim = Editor(image), process_truth(image, "explorer.exe")
    if layout == "vad":
        leaf = next(vad["node"] for vad in victim["vads"] if edit.space.read(vad["node"], 16) == bytes(16))
        edit.set(MMVAD_SHORT, leaf, "Left", victim["vad_root"])
    elif layout == "thread":
        edit.set(ETHREAD, victim["threads"][1]["ethread"], "UniqueProcess", 8)
    else:
        link = victim["eprocess"] + edit.build[EPROCESS].offset("ActiveProcessLinks")
        edit.write(link, link.to_bytes(8, "little"))
    found = findings(Tables(kernel_of(image, edit.frames)))
    told = [each for each in found if each.rule == "smear"]
    assert told
    others = accusations([each for each in found if each not in told])
    assert all(others[pid] <= known.get(pid, set()) for pid in others)


def test_a_process_that_ended_is_not_held_to_what_is_expected_of_a_running_one() -> None:
    """Its records are what is left of it."""
    actor = next(a for a in INTRUSION.cast if a.name == "svchost.exe" and "wrong-path" in a.findings)
    ended = replace(actor, ended=actor.started + 9, threads=1, memory="all")
    cast = tuple(ended if a is actor else a for a in INTRUSION.cast)
    found = findings(Tables(kernel_of(forge(replace(INTRUSION, cast=cast))), hidden=True))
    assert not {each.rule for each in found if each.process and each.process.pid == actor.pid}
    processes = [each.process for each in found if each.process and each.process.pid == actor.pid]
    assert all(process.exit_time != NOT_APPLICABLE for process in processes)


def test_the_answer_key_names_the_rules_of_each_process() -> None:
    """The forge and the reader share no code: the names are the only thing that binds them."""
    image = forge(INTRUSION)
    assert all(set(p["findings"]) <= RULES.keys() - INFORMATION for p in image.truth["processes"])
