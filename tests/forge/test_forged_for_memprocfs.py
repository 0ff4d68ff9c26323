"""MemProcFS, which shares nothing with Volatility, finds the same."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from process_anatomy.forge import Image

ASK = """
import json, sys, zlib
import memprocfs
vmm = memprocfs.Vmm(["-device", sys.argv[1], "-disable-symbolserver", "-disable-symbols", "-waitinitialize"])
pages = json.loads(sys.stdin.read())
answer = {}
for process in vmm.process_list():
    try:
        vads = [[vad["start"], vad["end"]] for vad in process.maps.vad()]
    except Exception:
        vads = []
    answer[process.pid] = {
        "ppid": process.ppid, "dtb": process.dtb, "eprocess": process.eprocess, "vads": vads,
        "handles": [[handle["handle"], handle["va-object"]] for handle in process.maps.handle()],
        "tids": sorted(thread["tid"] for thread in process.maps.thread()),
        "pages": [zlib.crc32(process.memory.read(va, 4096)) for va in pages.get(str(process.pid), [])],
    }
print("ANSWER" + json.dumps(answer))
"""


def ask(image: Path, pages: dict[int, list[int]]) -> dict[str, Any]:
    """What MemProcFS says of an image, asked in a process of its own."""
    folders = []
    for package in ("memprocfs", "leechcorepyc"):
        found = importlib.util.find_spec(package)
        if found is None or not found.submodule_search_locations:
            pytest.skip("MemProcFS is not installed")
        folders.append(found.submodule_search_locations[0])
    done = subprocess.run(
        [sys.executable, "-c", ASK, str(image)],
        input=json.dumps(pages), capture_output=True, text=True, timeout=120,
        env=os.environ | {"LD_LIBRARY_PATH": os.pathsep.join(folders)},
    )  # fmt: skip
    if "ImportError" in done.stderr:
        pytest.skip("MemProcFS does not load here (it needs libusb-1.0)")
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout.rpartition("ANSWER")[2])
    return answer


@pytest.mark.parametrize("form", ["raw", "lime", "crash"])
def test_processes_vads_handles_threads_and_pages_agree(
    form: str, image: Image, container: Callable[[str], Path]
) -> None:
    cast = image.truth["processes"]
    present = {p["pid"]: [g for g in p.get("pages", []) if g["crc32"] is not None] for p in cast}
    answer = ask(container(form), {pid: [page["va"] for page in pages] for pid, pages in present.items()})
    assert sorted(map(int, answer)) == sorted(present)
    for process in cast:
        said = answer[str(process["pid"])]
        assert (said["ppid"], said["dtb"], said["eprocess"]) == (process["ppid"], process["dtb"], process["eprocess"])
        assert sorted(said["vads"]) == sorted([vad["start"], vad["end"]] for vad in process["vads"])
        assert sorted(said["handles"]) == [[h["handle"], h["object"]] for h in process["handles"]]
        assert said["tids"] == [thread["tid"] for thread in process["threads"]]
        assert said["pages"] == [page["crc32"] for page in present[process["pid"]]]
