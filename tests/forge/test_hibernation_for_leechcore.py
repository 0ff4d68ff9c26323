"""LeechCore, which shares nothing with us, not even the library that decompresses, reads the same hibernation files."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from process_anatomy.forge import Image
from tests.hibernated import IN_ROWS, PAGE, small, write

PAGES = """
import json, sys, zlib
import leechcorepyc
answer = []
for path, frames in json.load(sys.stdin):
    file = leechcorepyc.LeechCore("hibr://file=" + path)
    answer.append([zlib.crc32(file.read(frame * 4096, 4096)) for frame in frames])
    file.close()
print("ANSWER" + json.dumps(answer))
"""
PROCESSES = """
import json, sys
import memprocfs
path = "hibr://file=" + json.load(sys.stdin)
vmm = memprocfs.Vmm(["-device", path, "-disable-symbolserver", "-disable-symbols", "-waitinitialize"])
print("ANSWER" + json.dumps(sorted([process.pid, process.ppid] for process in vmm.process_list())))
"""


def asked(script: str, question: Any) -> Any:
    """What a script that imports LeechCore or MemProcFS answers."""
    found = [importlib.util.find_spec(name) for name in ("memprocfs", "leechcorepyc")]
    folders = [folder for spec in found if spec is not None for folder in spec.submodule_search_locations or ()]
    if len(folders) < 2:
        pytest.skip("MemProcFS and LeechCore are not installed")
    if not (Path(folders[1]) / "libMSCompression.so").exists():
        pytest.skip("this LeechCore has no library that decompresses")
    done = subprocess.run(
        [sys.executable, "-c", script], input=json.dumps(question), capture_output=True, text=True, timeout=120,
        env=os.environ | {"LD_LIBRARY_PATH": os.pathsep.join(folders)},
    )  # fmt: skip
    if "ImportError" in done.stderr or "ModuleNotFoundError" in done.stderr:
        pytest.skip("LeechCore does not load here (it needs libusb-1.0)")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.rpartition("ANSWER")[2])


@pytest.fixture(scope="module")
def leechcore(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[int, str], tuple[Image, list[int]]]:
    """Each generation to its memory, and to the checksums of its pages as LeechCore reads them."""
    folder = tmp_path_factory.mktemp("leechcore")
    images, question = {}, []
    for build, arch in IN_ROWS:
        path = folder / f"{arch}-{build}.sys"
        images[build, arch] = small(build, arch)
        write(images[build, arch], path)
        question.append((str(path), list(images[build, arch].physical)))
    return dict(zip(images, zip(images.values(), asked(PAGES, question), strict=True), strict=True))


@pytest.mark.parametrize(("build", "arch"), IN_ROWS)
def test_leechcore_reads_every_page_of_a_forged_hibernation_file(
    build: int, arch: str, leechcore: dict[tuple[int, str], tuple[Image, list[int]]]
) -> None:
    """Of 24H2 too, of which it takes the number of the boot loader's pages for the kernel's: there are no fewer."""
    image, answer = leechcore[build, arch]
    assert answer == [zlib.crc32(page) for page in image.physical.values()]
    assert len(image.physical) * PAGE > 1 << 20


@pytest.mark.proves("memprocfs", "x64-22621")
def test_memprocfs_finds_the_processes_in_a_forged_hibernation_file(
    image: Image, container: Callable[[str], Path]
) -> None:
    """Those that are in the list of active processes, with their parents."""
    wanted = [[row["pid"], row["ppid"]] for row in image.truth["processes"] if row.get("in_active_list", True)]
    assert asked(PROCESSES, str(container("hibernation"))) == sorted(wanted)
