"""Each scenario is found where it is, and nowhere else: by the suite's rules, against the answer key."""

from __future__ import annotations

from pathlib import Path

import pytest

from process_anatomy.findings import Severity, findings
from process_anatomy.forge import Image
from process_anatomy.forge.scenarios import available, forge_scenario
from process_anatomy.forge.scenarios.traces import TRACES
from process_anatomy.walk.across.tables import Tables
from structs import builds
from tests.walk.damaged import kernel_of

TRIED = [
    ("administrator-protection", 1, "x64-26100-1742"), ("app-container", 2, "x64-9600-16384"),
    ("as-user", 3, "x64-14393-0"), ("developer", 4, "x64-7601-24540"), ("hidden-process", 5, "x86-6000-16386"),
    ("hollowed-svchost", 3, "x64-26100-1742"), ("injected-library", 7, "x86-2600-5512"),
    ("intrusion-chain", 8, "x64-22621-382"), ("lsass-access", 9, "x86-9600-16384"),
    ("masquerade", 10, "x64-3790-3959"), ("office", 11, "x86-2600-5512"), ("parent-spoofing", 12, "x64-19041-0"),
    ("privileges", 13, "x64-6000-16386"), ("ransomware", 14, "x64-17763-0"), ("server", 15, "x64-20348-1129"),
    ("shellcode", 16, "x64-9200-16384"), ("smear", 17, "x64-10240-16384"),
    ("token-theft", 19, "x64-3790-3959"), ("uac-bypass", 20, "x64-22621-382"),
]  # fmt: skip
CLEAN = {"office", "server", "developer"}
LARGE = {"terminal-server"}
"""The server with more of the same, which takes too long for a test of every day."""


def accused(image: Image) -> dict[int | None, set[str]]:
    """Process id to the rules above information that find something in it."""
    found: dict[int | None, set[str]] = {}
    for each in findings(Tables(kernel_of(image), hidden=True)):
        if each.severity > Severity.INFO:
            pid = each.process.pid if each.process else None
            assert pid is None or isinstance(pid, int)
            found.setdefault(pid, set()).add(each.rule)
    return found


@pytest.mark.proves("forged")
@pytest.mark.parametrize(("name", "seed", "build"), TRIED)
def test_the_rules_find_the_guilty_and_accuse_nobody_else(name: str, seed: int, build: str) -> None:
    image = forge_scenario(name, seed, build)
    guilty = {p["pid"]: set(p["findings"]) for p in image.truth["processes"] if p["findings"]}
    assert accused(image) == guilty
    assert {each["pid"] for each in image.truth["scenario"]["traces"]} <= guilty.keys()
    assert bool(guilty) == (name not in CLEAN)


@pytest.mark.proves("forged")
@pytest.mark.parametrize("build", ["x64-26100-1742", "x86-2600-5512"])
def test_every_trace_is_found_in_its_own_process_and_nowhere_else(build: str, tmp_path: Path) -> None:
    """All that this Windows can have, in one machine with many equal programs."""
    lines = ['title = "all"', 'extends = "office"', '[machine]\nmemory = "256 MB"']
    lines += ['[[programs]]\nkey = "victims"\nfrom = "downloads"\ncount = 40']
    shown = {name: trace for name, trace in TRACES.items() if not trace.lacking(builds.load(build))}
    needed = {
        "in": "victims",
        "target": "elevated consoles",
        "parent": "service hosts",
        "debugger": "elevated consoles",
    }
    for name, trace in shown.items():
        lines += [f'[[traces]]\ntrace = "{name}"']
        lines += [f'{key} = "{group}"' for key, group in needed.items() if key in trace.parameters]
    path = tmp_path / "all.toml"
    path.write_text("\n".join(lines))
    image = forge_scenario(path, 1, build)
    assert [each["trace"] for each in image.truth["scenario"]["traces"]] == [*shown]
    assert accused(image) == {p["pid"]: set(p["findings"]) for p in image.truth["processes"] if p["findings"]}


def test_every_scenario_is_tried() -> None:
    assert {name for name, _, _ in TRIED} == available().keys() - LARGE
