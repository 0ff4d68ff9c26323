"""Clean machines accuse nobody: forged ones of every kind that looks strange, and those of an independent generator."""

from __future__ import annotations

import json
import lzma
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from process_anatomy.absent import Absent
from process_anatomy.findings import Finding, Severity, findings, judged
from process_anatomy.findings.places import Places, from_volume, split
from process_anatomy.forge import LAB, Image, forge
from process_anatomy.forge.cast.clean import BROKERS, CLEAN, CONTAINER_DISK, CONTAINER_HOST, SECURITY_PRODUCTS
from process_anatomy.forge.ground.actors import Scenario
from process_anatomy.volatility import open_path
from process_anatomy.walk.across.tables import Tables
from structs.shared_data import KUSER_SHARED_DATA, KUSER_SHARED_DATA_ADDRESS
from tests.walk.damaged import Editor, kernel_of

LAYER = "\\Device\\HarddiskVolume4\\ProgramData\\docker\\windowsfilter\\3f1c2b7a9d10\\Files"
OTHER_BUILDS = [
    ("clean-container-host", "x64-14393-0"),  # no field names the silo of a process
    ("clean-container-host", "x64-17763-0"),
    ("clean-brokers", "x64-26100-1742"),
    ("clean-hot-patched", "x64-26100-1742"),
    ("clean-administrator-protection", "x64-26100-1742"),
    ("clean-security-products", "x64-9600-16384"),
    ("clean-remote-desktop", "x86-6000-16386"),
    ("clean-browsers", "x64-7601-24540"),
    ("clean-compilers", "x86-2600-5512"),
]


def told(image: Image, frames: dict[int, bytes] | None = None) -> list[Finding]:
    return [f for f in findings(Tables(kernel_of(image, frames), hidden=True)) if f.severity > Severity.INFO]


def rules_of(scenario: Scenario) -> dict[int, set[str]]:
    """The rules above information by process id."""
    found: dict[int, set[str]] = {}
    for each in told(forge(scenario)):
        assert each.process is not None
        assert isinstance(each.process.pid, int)
        found.setdefault(each.process.pid, set()).add(each.rule)
    return found


def changed(scenario: Scenario, pid: int, **facts: object) -> Scenario:
    """A scenario with one of its processes otherwise."""
    cast = tuple(replace(actor, **facts) if actor.pid == pid else actor for actor in scenario.cast)  # type: ignore[arg-type]
    return replace(scenario, cast=cast)


@pytest.mark.parametrize("name", CLEAN)
def test_nothing_above_information_is_told_of_a_clean_machine(name: str) -> None:
    assert told(forge(CLEAN[name])) == []


def test_where_nothing_is_hidden_all_views_share_the_tables_that_rules_rest_on() -> None:
    """Each table is walked once; a hidden process makes tables of their own for what has to know of it."""
    clean, lab = (Tables(kernel_of(forge(scenario))) for scenario in (CLEAN["clean-clock-set-back"], LAB))
    assert clean.with_hidden is clean
    assert "crossings" in vars(clean)
    assert lab.with_hidden is not lab
    assert len(lab.with_hidden.processes) > len(lab.processes)


@pytest.mark.parametrize(("name", "build"), OTHER_BUILDS)
def test_nothing_above_information_is_told_of_clean_machines_of_other_builds(name: str, build: str) -> None:
    assert told(forge(CLEAN[name], build=build)) == []


@pytest.fixture(scope="module")
def case(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """An image made after reports from the field, with a list of bytes that are changed in it."""
    folder = tmp_path_factory.mktemp("cases")

    def unpacked(name: str, patch: str = "") -> Path:
        path = folder / f"{name}{patch}.raw"
        if not path.exists():
            data = bytearray(lzma.decompress((shared / "cases" / f"{name}.raw.xz").read_bytes()))
            for at, octets in json.loads((shared / "cases" / f"{patch}.json").read_text())["patches"] if patch else ():
                data[at : at + len(octets) // 2] = bytes.fromhex(octets)
            path.write_bytes(data)
        return path

    return unpacked


@pytest.mark.parametrize(
    ("name", "patch"), [("base-19041", ""), ("base-19041", "winnt"), ("busy-av-17763", ""), ("busy-silo-17763", "")]
)
def test_nothing_above_information_is_told_of_clean_machines_from_the_field(
    name: str, patch: str, case: Callable[..., Path]
) -> None:
    """Another Windows folder, Defender's own service host, a host of a container."""
    found = findings(Tables(open_path(case(name, patch)), hidden=True))
    assert [each for each in found if each.severity > Severity.INFO] == []
    containers = [each for each in found if each.rule == "container"]
    assert [each.about for each in containers] == (["session 3"] if "silo" in name else [])


def test_the_container_of_a_host_is_told_once_with_its_volume() -> None:
    found = findings(Tables(kernel_of(forge(CONTAINER_HOST))), rules=["container"])
    (container,) = found
    assert container.severity == Severity.INFO
    assert container.about == "session 3"
    assert any(CONTAINER_DISK.lower() in line for line in container.evidence)
    assert any("9 processes" in line for line in container.evidence)


def test_a_container_of_several_layers_is_clean() -> None:
    """What an image's lower layer holds is run from the folder that the host keeps that layer in."""
    assert rules_of(changed(CONTAINER_HOST, 5240, volume=LAYER)) == {}
    assert rules_of(changed(CONTAINER_HOST, 5080, volume=LAYER)) == {}
    assert rules_of(changed(CONTAINER_HOST, 1900, volume=LAYER)) == {1900: {"wrong-path"}}


def test_a_host_process_that_runs_from_a_container_s_disk_is_told() -> None:
    """The disk is the container's Windows, and nobody else's: a program there is not the host's."""
    assert rules_of(changed(CONTAINER_HOST, 1900, volume=CONTAINER_DISK)) == {1900: {"wrong-path"}}


def test_a_session_that_is_no_whole_windows_is_no_container() -> None:
    """Somebody who only starts a second wininit.exe from a disk of their own has no Windows of their own."""
    build = "x64-14393-0"
    scenario = replace(
        CONTAINER_HOST, cast=tuple(actor for actor in CONTAINER_HOST.cast if actor.pid not in (5000, 5124, 5160))
    )
    found = told(forge(scenario, build=build))
    assert {"wrong-path", "foreign-protection"} <= {f.rule for f in found if f.process and f.process.pid == 5080}


def test_processes_of_a_container_are_judged_by_its_own_windows() -> None:
    """A service host of the container that lies on neither volume's Windows folder is where none should be."""
    path = "C:\\Temp\\svchost.exe"
    assert rules_of(changed(CONTAINER_HOST, 5200, path=path)) == {5200: {"wrong-path"}}


WINDOWS_FOLDER = re.compile("windows".encode("utf-16-le"), re.IGNORECASE)


def test_another_windows_folder_is_windows_own_and_the_usual_one_then_is_not() -> None:
    """Of two folders the one that Windows names counts."""
    image = forge(BROKERS)
    edit = Editor(image)
    where = KUSER_SHARED_DATA_ADDRESS[8] + edit.build[KUSER_SHARED_DATA].offset("NtSystemRoot")
    edit.write(where, "C:\\WinNT42\0".encode("utf-16-le"))
    accused = {f.rule for f in told(image, edit.frames)}
    assert accused >= {"wrong-path", "foreign-protection"}
    other = "WinNT42".encode("utf-16-le")
    renamed = {frame: WINDOWS_FOLDER.sub(other, data) for frame, data in edit.frames.items()}
    left = {f.rule for f in told(image, renamed)}
    assert not left & {"wrong-path", "foreign-protection"}


@pytest.mark.parametrize("text", ["", "Windows", "C:\\Win|dows", "\\\\?\\"])
def test_where_windows_does_not_say_where_it_lies_nobody_is_in_the_wrong_place(text: str) -> None:
    """A path is held against nothing that was not seen."""
    image = forge(changed(LAB, 1900, path="C:\\Temp\\spoolsv.exe"))
    assert "wrong-path" in {f.rule for f in told(image)}
    edit = Editor(image)
    where = KUSER_SHARED_DATA_ADDRESS[8] + edit.build[KUSER_SHARED_DATA].offset("NtSystemRoot")
    edit.write(where, (text + "\0").encode("utf-16-le") + bytes(32))
    tables = Tables(kernel_of(image, edit.frames))
    assert isinstance(tables.system_root, Absent)
    assert not Places(tables).known
    assert findings(tables, rules=["wrong-path", "foreign-protection"]) == []


@pytest.mark.parametrize(
    ("path", "volume"),
    [
        ("\\Device\\HarddiskVolume12\\Windows\\explorer.exe", "\\device\\harddiskvolume12"),
        ("\\Device\\Harddisk0\\Partition2\\Windows\\explorer.exe", "\\device\\harddisk0\\partition2"),
        (
            "\\Device\\HarddiskDmVolumes\\PhysicalDmVolumes\\BlockVolume1\\Windows\\explorer.exe",
            "\\device\\harddiskdmvolumes\\physicaldmvolumes\\blockvolume1",
        ),
        (CONTAINER_DISK + "\\Windows\\explorer.exe", CONTAINER_DISK.lower()),
        (
            "\\Device\\Ramdisk{d9b257fc-684e-4dcb-ab79-03cfa2f6b750}\\Windows\\explorer.exe",
            "\\device\\ramdisk{d9b257fc-684e-4dcb-ab79-03cfa2f6b750}",
        ),
        ("\\Device\\VeraCryptVolumeF\\Windows\\explorer.exe", "\\device\\veracryptvolumef"),
        (
            "\\ArcName\\multi(0)disk(0)rdisk(0)partition(1)\\Windows\\explorer.exe",
            "\\arcname\\multi(0)disk(0)rdisk(0)partition(1)",
        ),
        (
            "\\Device\\vmsmb\\VSMB-{dcc079ae-60ba-4d07-847c-3493609c0870}\\os\\Windows\\explorer.exe",
            "\\device\\vmsmb\\vsmb-{dcc079ae-60ba-4d07-847c-3493609c0870}\\os",
        ),
        ("D:\\Windows\\explorer.exe", "d:"),
        (LAYER + "\\Windows\\explorer.exe", LAYER.lower()),
    ],
)
def test_volumes_of_every_kind_are_known(path: str, volume: str) -> None:
    assert split(path) == (volume, "\\windows\\explorer.exe")


@pytest.mark.parametrize(
    "path",
    [
        "\\Device\\HarddiskVolumeShadowCopy3\\Windows\\explorer.exe",
        "\\Device\\Mup\\host\\c$\\Windows\\explorer.exe",
        "\\Device\\HarddiskVolume\\Windows\\explorer.exe",
        "\\Device\\VhdHardDisk{..\\..}\\Windows\\explorer.exe",
    ],
)
def test_what_is_no_volume_that_windows_runs_from_stays_whole(path: str) -> None:
    assert from_volume(path) == path.lower()


def test_windows_on_a_disk_of_any_kind_is_where_it_is() -> None:
    """All of Windows runs from a RAM disk."""
    disk = "\\Device\\Ramdisk{d9b257fc-684e-4dcb-ab79-03cfa2f6b750}"
    cast = tuple(replace(actor, volume=disk) if ":" in actor.path else actor for actor in BROKERS.cast)
    assert not {"wrong-path", "foreign-protection"} & {f.rule for f in told(forge(replace(BROKERS, cast=cast)))}


def test_a_service_host_of_a_false_defender_is_told() -> None:
    """The name alone is no excuse: neither without its protection nor out of its folder."""
    assert rules_of(changed(SECURITY_PRODUCTS, 5000, protection=0))[5040] == {"wrong-parent"}
    elsewhere = rules_of(changed(SECURITY_PRODUCTS, 5000, path="C:\\Users\\Public\\MsMpEng.exe"))
    assert elsewhere == {5040: {"wrong-parent"}}  # it is protected as a security product, so it may read lsass.exe


def test_whoever_reads_lsass_from_another_folder_than_windows_own_is_told() -> None:
    """The Task Manager is known by its folder, a security product by its protection."""
    path = "C:\\Users\\Public\\WerFault.exe"
    assert rules_of(changed(BROKERS, 5320, path=path))[5320] == {"lsass-memory"}
    assert "lsass-memory" in rules_of(changed(SECURITY_PRODUCTS, 5080, protection=0))[5080]


def test_a_broker_s_name_in_another_folder_excuses_no_chosen_parent() -> None:
    found = told(forge(changed(BROKERS, 5000, path="C:\\Users\\Public\\sihost.exe")))
    assert ("chosen-parent", 5240) in {(f.rule, f.process.pid) for f in found if f.process}


def test_a_report_says_how_many_rules_ran_and_who_could_not_be_judged() -> None:
    """None found is not none judged."""
    judgement = judged(Tables(kernel_of(forge(BROKERS))))
    assert len(judgement.ran) > 40
    first, *rest = judgement.lines
    assert first == f"{len(judgement.ran)} rules were run over {judgement.processes} running processes"
    assert rest
    assert all("not judged by" in line for line in rest)
