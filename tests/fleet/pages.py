"""What pages of the documentation show of commands over images that do not ship."""

from __future__ import annotations

import re

import pytest

from process_anatomy.command.program import main
from process_anatomy.command.statuses import DONE
from tests.conftest import ROOT

SHOWN = re.compile(r"```text\n\$ anatomy (.*?)\n(.*?)```", re.DOTALL)
NUMBER = re.compile(r"0x[0-9a-f]+|\b[0-9a-f]{64}\b|\b[0-9]+\b")


def shown_as_printed(page: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A page's one block of output is what its command prints, but for numbers, the order of images, and line ends."""
    ((command, output),) = SHOWN.findall((ROOT / "docs" / page).read_text("utf-8"))
    monkeypatch.setenv("COLUMNS", "110")
    capsys.readouterr()
    assert main(command.split()) == DONE
    printed = capsys.readouterr().out
    assert sorted(NUMBER.sub("N", output).split()) == sorted(NUMBER.sub("N", printed).split()), printed
