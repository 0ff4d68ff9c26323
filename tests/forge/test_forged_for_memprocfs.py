"""MemProcFS, which shares nothing with Volatility, finds the same."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from process_anatomy.forge import Image
from tests.walk.damaged import listed_truth

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
        "wow64": [process.is_wow64, process.peb32],
        "handles": [[handle["handle"], handle["va-object"]] for handle in process.maps.handle()],
        "tids": sorted(thread["tid"] for thread in process.maps.thread()),
        "pages": [zlib.crc32(process.memory.read(va, 4096)) for va in pages.get(str(process.pid), [])],
    }
print("ANSWER" + json.dumps(answer))
"""


def assert_agreement(image: Image, path: Path, memprocfs: Callable[[str, Path, str], Any]) -> None:
    """Processes, page-table roots, VADs, handles, threads, and the contents of pages in every state."""
    cast = listed_truth(image.truth)
    present = {p["pid"]: [g for g in p.get("pages", []) if g["crc32"] is not None] for p in cast}
    asked = {pid: [page["va"] for page in pages] for pid, pages in present.items()}
    answer = memprocfs(ASK, path, json.dumps(asked))
    assert sorted(map(int, answer)) == sorted(present)
    for process in cast:
        said = answer[str(process["pid"])]
        assert (said["ppid"], said["dtb"], said["eprocess"]) == (process["ppid"], process["dtb"], process["eprocess"])
        assert said["wow64"] == [process["wow64"], process["peb32"]]
        assert sorted(said["vads"]) == sorted([vad["start"], vad["end"]] for vad in process["vads"])
        assert sorted(said["handles"]) == [[h["handle"], h["object"]] for h in process["handles"]]
        assert said["tids"] == [thread["tid"] for thread in process["threads"]]
        assert said["pages"] == [page["crc32"] for page in present[process["pid"]]]


@pytest.mark.parametrize("form", ["raw", "lime", "crash", "vmware"])
def test_processes_vads_handles_threads_and_pages_agree(
    form: str, image: Image, container: Callable[[str], Path], memprocfs: Callable[[str, Path, str], Any]
) -> None:
    """Of what the list of active processes holds; shade.exe, which was taken off, is not in its process list either."""
    assert_agreement(image, container(form), memprocfs)
