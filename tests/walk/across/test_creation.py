"""How processes were made: every way that the lab shows, and what damage does to the judgement."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from process_anatomy.forge import LAB, Image, forge
from process_anatomy.walk.across.creation import Creation, creations
from process_anatomy.walk.processes.listed import processes
from process_anatomy.walk.security.tokens import tokens
from structs.eprocess import EPROCESS
from structs.token import TOKEN
from tests.walk.damaged import Editor, kernel_of, listed_truth, process_truth

METHODS = {
    "System": ("kernel", "high"),
    "Registry": ("kernel", "high"),
    "smss.exe": ("kernel", "high"),
    "csrss.exe": ("orphan", "low"),
    "wininit.exe": ("orphan", "low"),
    "winlogon.exe": ("orphan", "low"),
    "services.exe": ("create-process", "high"),
    "lsass.exe": ("create-process", "high"),
    "svchost.exe": ("service", "high"),
    "spoolsv.exe": ("service", "high"),
    "ContosoAgent.exe": ("service", "high"),
    "dwm.exe": ("as-user", "medium"),
    "explorer.exe": ("orphan", "low"),
    "notepad.exe": ("create-process", "high"),
    "oldledger.exe": ("create-process", "high"),
    "update.exe": ("create-process", "high"),
    "osk.exe": ("as-user", "high"),
    "cmd.exe": ("elevation", "high"),
    "CalculatorApp.exe": ("app-container", "high"),
    "sandbox.exe": ("restricted", "medium"),
    "renderer.exe": ("restricted", "medium"),
    "bobtool.exe": ("with-logon", "high"),
    "LabSetup.exe": ("reused-parent", "high"),
    "invoice.exe": ("as-user", "low"),
}
"""What the lab's scenario says of each of its programs."""


@pytest.fixture(scope="module")
def image() -> Image:
    """The lab image."""
    return forge(LAB, 5)


Judged = Callable[[Editor | None], dict[int, Creation]]


@pytest.fixture(scope="module")
def judged(image: Image) -> Judged:
    """How each process of the lab, perhaps damaged, was made; by its id."""

    def judge(edit: Editor | None) -> dict[int, Creation]:
        kernel = kernel_of(image, edit.frames if edit else None)
        rows = processes(kernel).rows
        return {
            row.process.pid: row
            for row in creations(kernel, rows, rows, tokens(kernel, rows))
            if isinstance(row.process.pid, int)
        }

    return judge


def test_every_process_of_the_lab_is_judged_as_the_scenario_made_it(image: Image, judged: Judged) -> None:
    found = judged(None)
    for process in listed_truth(image.truth):
        row = found[process["pid"]]
        assert (row.method, row.confidence) == METHODS[process["name"]], process["name"]
        assert row.creator.pid == (process["creator"] or row.creator.pid)
        assert row.evidence


def test_only_what_does_not_fit_has_a_problem(judged: Judged) -> None:
    """The chosen parent and the parent's id that a later process has; pages that are paged out are told beside."""
    told = {
        row.process.name: [problem for problem in row.problems if not problem.startswith("command line")]
        for row in judged(None).values()
    }
    assert {name: problems for name, problems in told.items() if problems} == {
        "invoice.exe": ["the token is of its creator's logon, the parent is another's: the parent was chosen"],
        "LabSetup.exe": ["the parent's id belongs to a later process"],
    }


def test_command_lines_are_those_of_the_answer_key(image: Image, judged: Judged) -> None:
    found = judged(None)
    compared = 0
    for process in listed_truth(image.truth):
        text = found[process["pid"]].peb.command_line
        if isinstance(text, str):
            assert text == process["command_line"]
            compared += 1
    assert compared > 10


def test_a_stolen_token_is_told_on_both_processes(image: Image, judged: Judged) -> None:
    """The classic of kernel exploits: the pointer to System's token, copied over one's own."""
    edit = Editor(image)
    system, thief = process_truth(image, "System"), process_truth(image, "notepad.exe")
    edit.set(EPROCESS, thief["eprocess"], "Token", system["token"]["va"] | 7)
    found = judged(edit)
    assert f"the same token object as process {system['pid']}" in found[thief["pid"]].problems[0]
    assert f"the same token object as process {thief['pid']}" in found[system["pid"]].problems[0]
    assert found[thief["pid"]].method == "as-user"
    assert any("higher integrity" in problem for problem in found[thief["pid"]].problems)


def test_a_token_pointer_at_something_else_is_no_token(image: Image, judged: Judged) -> None:
    edit = Editor(image)
    victim = process_truth(image, "notepad.exe")
    edit.set(EPROCESS, victim["eprocess"], "Token", victim["eprocess"])
    row = judged(edit)[victim["pid"]]
    assert row.method == "unreadable"
    assert row.token.problems[0].startswith(f"no token at {victim['eprocess']:#x}")


def test_a_parent_without_a_readable_token_leaves_its_children_undecided(image: Image, judged: Judged) -> None:
    edit = Editor(image)
    parent = process_truth(image, "explorer.exe")
    edit.set(TOKEN, parent["token"]["va"], "UserAndGroups", 0x1000)
    row = judged(edit)[process_truth(image, "notepad.exe")["pid"]]
    assert (row.method, row.confidence) == ("orphan", "low")
    assert "there is no token of a parent to compare with" in row.evidence
