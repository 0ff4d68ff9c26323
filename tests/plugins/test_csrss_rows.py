"""Rows of windows.anatomy.csrss, also of a csrss.exe whose list is not there: a cell a column, each row explained."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from process_anatomy.forge import Image, forge
from process_anatomy.forge.cast.lab import LAB
from process_anatomy.kernel.identify import Kernel
from structs.eprocess import EPROCESS
from tests.conftest import Vol
from tests.in_process import Rows, rows_of
from tests.walk.damaged import Editor, kernel_of, process_truth


@pytest.fixture(scope="module")
def image() -> Image:
    """The lab image."""
    return forge(LAB, 11)


def told(kernel: Kernel, *pids: int) -> Rows:
    """The plugin's cells, by column."""
    return rows_of(kernel, "csrss", pid=pids)


def test_every_entry_has_a_row_and_its_explanation(image: Image) -> None:
    rows = told(kernel_of(image))
    entries = [node for ring in image.truth["csr"] for node in ring["ring"]]
    assert [(row["ClientPID"], row["Offset"], row["SequenceNumber"]) for row in rows] == [
        (node["pid"], node["va"], node["sequence"]) for node in entries
    ]
    assert all(row["Explanation"] and row["SessionId"] in (0, 1) for row in rows)


def test_pid_chooses_clients_or_a_whole_list(image: Image) -> None:
    kernel = kernel_of(image)
    victim = process_truth(image, "notepad.exe")["pid"]
    assert [row["ClientPID"] for row in told(kernel, victim)] == [victim]
    ring = image.truth["csr"][0]
    assert len(told(kernel, ring["csrss_pid"])) == len(ring["ring"])


def test_a_csrss_without_a_list_has_one_row_with_the_reason(image: Image) -> None:
    """A process that only has the name."""
    edit = Editor(image)
    victim = process_truth(image, "notepad.exe")
    edit.write(victim["eprocess"] + edit.build[EPROCESS].offset("ImageFileName"), b"csrss.exe\0\0")
    rows = [row for row in told(kernel_of(image, edit.frames)) if row["PID"] == victim["pid"]]
    assert len(rows) == 1
    assert "csrsrv.dll is not mapped" in rows[0]["Problems"]
    assert "csrsrv.dll is not mapped" in rows[0]["Explanation"]


def test_a_foreign_image_is_told_through_vol(
    vol: Vol, foreign: Callable[[str], Path], truth: Callable[[str], dict[str, Any]]
) -> None:
    """The real command, with addresses as stock plugins print them."""
    rows = vol("-r", "json", "-f", foreign("win10-19041.raw"), "windows.anatomy.csrss").rows
    answers = truth("win10-19041")
    objects = {process["pid"]: process["eprocess"] & (1 << 48) - 1 for process in answers["processes"]}
    assert [(row["PID"], row["ClientPID"], row["Offset"], row["EPROCESS"]) for row in rows] == [
        (ring["csrss_pid"], node["pid"], node["va"], objects[node["pid"]])
        for ring in answers["csr"]
        for node in ring["ring"]
    ]
    assert {row["TiedBy"] for row in rows} == {"pid", "pid, handle"}
    assert all(row["HandleTo"] in (None, row["EPROCESS"]) for row in rows)
