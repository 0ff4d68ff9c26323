"""Standard output in a code page that lacks a letter: every row is shown, the letter as an escape."""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from process_anatomy.volatility.terminal import show_every_letter
from tests.conftest import environment

ROWS = 37


@pytest.mark.parametrize(("renderer", "code_page"), [("quick", "cp1252"), ("csv", "ascii"), ("pretty", "cp1252")])
def test_letters_that_the_code_page_lacks_are_escapes_and_no_row_is_lost(
    renderer: str, code_page: str, case: Callable[[str], Path], tmp_path: Path
) -> None:
    """A Cyrillic account and a program with a Cyrillic letter in its name."""
    program = shutil.which("vol", path=str(Path(sys.executable).parent))
    assert program
    done = subprocess.run(
        [program, "-q", "--offline", "--cache-path", str(tmp_path), "-r", renderer, "-f", str(case("loc.raw")),
         "windows.anatomy.processes"],
        capture_output=True, timeout=300, env=environment() | {"PYTHONIOENCODING": code_page},
    )  # fmt: skip
    assert (done.returncode, done.stderr.decode()) == (0, "") or b"Traceback" not in done.stderr
    assert done.returncode == 0
    text = done.stdout.decode(code_page)
    assert text.count("HarddiskVolume") >= ROWS - 5  # minimal processes have no path
    shown = [line for line in text.splitlines() if "0x" in line]
    assert len(shown) == ROWS
    assert "sv\\u0441host.exe" in text


def test_a_stream_that_says_how_it_handles_errors_is_left_alone() -> None:
    """Only what would end in an error is changed, and a stream without a code page is not touched."""
    strict = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    show_every_letter(strict)
    assert strict.errors == "backslashreplace"
    replacing = io.TextIOWrapper(io.BytesIO(), encoding="ascii", errors="replace")
    show_every_letter(replacing)
    assert replacing.errors == "replace"
    show_every_letter(io.StringIO())
