"""Stock plugins over an image that is opened once."""

from __future__ import annotations

import gc
import os
import shutil
import sys
from pathlib import Path

import pytest

from process_anatomy.volatility.stock import stock
from tests.conftest import ROOT, SAMPLE


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells which files a process has open, in /proc")
def test_no_file_of_the_image_stays_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither where plugins read it nor where Volatility tried which layers fit; both are named from the folder."""
    image = Path(shutil.copy(SAMPLE, tmp_path))
    shutil.copytree(ROOT / "samples" / "symbols", tmp_path / "symbols")
    monkeypatch.chdir(tmp_path)
    with stock(Path(image.name), Path("symbols")) as source:
        assert source.rows("windows.pslist")
    gc.collect()
    opened = []
    for name in os.listdir("/proc/self/fd"):
        try:
            opened.append(os.readlink(f"/proc/self/fd/{name}"))
        except OSError:  # that of the folder itself
            continue
    assert str(image) not in opened
