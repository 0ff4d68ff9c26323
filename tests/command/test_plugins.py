"""``anatomy plugins``."""

from __future__ import annotations

from pathlib import Path

import pytest

from process_anatomy.command.program import main
from process_anatomy.command.statuses import DONE
from tests.conftest import ROOT, Vol
from tests.samples.entries import SAMPLE


def test_the_folder_is_that_of_the_plugins(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plugins"]) == DONE
    printed = capsys.readouterr()
    assert printed.err == ""
    assert Path(printed.out.rstrip("\n")) == ROOT / "plugins"


def test_help_shows_how_it_is_given_to_vol(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plugins", "--help"]) == DONE
    assert 'vol -p "$(anatomy plugins)" -f IMAGE' in capsys.readouterr().out


def test_found_by_vol_itself_and_by_option_the_rows_are_the_same(vol: Vol) -> None:
    given = ("-r", "json", "-f", SAMPLE, "windows.anatomy.processes")
    twice = vol("-p", ROOT / "plugins", *given)
    assert twice.status == 0
    assert twice.rows == vol(*given).rows
