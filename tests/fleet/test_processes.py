"""Processes of images: what happens in one stays there, whether it is forked or started anew."""

from __future__ import annotations

import json
import os
import threading
import time
from pathlib import Path

import psutil
import pytest

from process_anatomy.fleet import processes
from process_anatomy.fleet.processes import CutError, run
from tests.conftest import SAMPLE

pytestmark = pytest.mark.skipif(os.name == "nt", reason="there are no pipes with names there")
PATIENCE = 60


def children() -> list[psutil.Process]:
    return psutil.Process().children(recursive=True)


@pytest.fixture(params=["forked", "started anew"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Both ways, where the system has both."""
    forked = request.param == "forked"
    if forked and not processes.FORKS:
        pytest.skip("nothing is forked on this system")
    monkeypatch.setattr(processes, "FORKS", forked)
    return forked


def test_what_ends_badly_costs_the_next_nothing(way: bool, tmp_path: Path) -> None:
    """Too much memory, a signal, too much time: each is told, leaves no process, and the next one is as ever."""

    def schema(memory: int = 0) -> str:
        done = run(["schema", "processes"], tmp_path, memory, PATIENCE, PATIENCE)
        assert done.status == 0
        return str(json.loads(done.out)["title"])

    endless = tmp_path / "endless"
    os.mkfifo(endless)  # who opens it waits
    waits = ["unpack", str(endless), str(tmp_path), "1", "1", str(tmp_path / "notes")]
    before = set(children())
    title = schema()
    misused = run(["schema", "nothing"], tmp_path, 0, PATIENCE, PATIENCE)
    assert (misused.status, misused.out, "nothing" in misused.last) == (2, "", True)
    with pytest.raises(CutError, match="--memory allows more"):
        run(["export", str(SAMPLE), "-o", str(tmp_path / "rows")], tmp_path, 64 << 20, PATIENCE, PATIENCE)
    assert schema() == title

    def kill() -> None:
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            for process in set(children()) - before:
                if not process.children() and (not way or process.parent() != psutil.Process()):
                    process.kill()
                    return
            time.sleep(0.02)

    killer = threading.Thread(target=kill)
    killer.start()
    with pytest.raises(CutError, match="its process was killed by signal 9"):
        run(waits, tmp_path, 0, PATIENCE, PATIENCE)
    killer.join()
    assert schema() == title
    with pytest.raises(CutError, match=r"it took more than 7 s and was given up; --timeout allows more"):
        run(waits, tmp_path, 0, 0.3, 7)
    assert schema() == title
    processes.close()
    assert [process for process in children() if process not in before] == []
