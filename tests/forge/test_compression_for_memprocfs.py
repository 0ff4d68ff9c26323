"""MemProcFS, which shares nothing with us but the library that decompresses Xpress, reads the same compressed pages.

On Linux MemProcFS takes Xpress from a library that is not in its package (libMSCompression.so, beside its own).  The
test makes one that hands the work to libfwnt; LZ4, since Windows 11 24H2, MemProcFS has itself.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from process_anatomy.forge import write_raw
from tests.compression import GENERATIONS, pages, stored

SHIM = """
#include <dlfcn.h>
#include <stddef.h>
typedef int (*made)(const void *, size_t, void *, size_t *, void *);
int xpress_decompress(const void *in, size_t size, void *out, size_t *room) {
    void *library = dlopen(FWNT, RTLD_NOW);
    made call = library ? (made)dlsym(library, "libfwnt_lzxpress_decompress") : NULL;
    return call && call(in, size, out, room, NULL) == 1 ? 0 : -1;
}
int xpress_huff_decompress(const void *in, size_t size, void *out, size_t *room) { return -1; }
"""
ASK = """
import json, sys, zlib
import memprocfs
vmm = memprocfs.Vmm(["-device", sys.argv[1], "-disable-symbolserver", "-disable-symbols", "-waitinitialize"])
vmm.set_config(memprocfs.OPT_REFRESH_ALL, 1)
own = {process.pid: process for process in vmm.process_list()}
answer = []
for pid, va in json.load(sys.stdin):
    data = own[pid].memory.read(va, 4096)
    answer.append(zlib.crc32(data) if len(data) == 4096 else None)
print("ANSWER" + json.dumps(answer))
"""


@pytest.fixture(scope="module")
def witness(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path, list[Any]], list[int | None]]:
    """An image and (process id, address) of pages to their checksums as MemProcFS reads them."""
    found = {name: importlib.util.find_spec(name) for name in ("memprocfs", "leechcorepyc", "pyfwnt")}
    compiler = shutil.which("cc")
    if None in found.values() or compiler is None:
        pytest.skip("MemProcFS, libfwnt-python or a C compiler is missing")
    folder = tmp_path_factory.mktemp("witness")
    package = folder / "memprocfs"
    package.mkdir()
    for file in Path(found["memprocfs"].submodule_search_locations[0]).iterdir():  # type: ignore[union-attr,index]
        (package / file.name).symlink_to(file)
    (folder / "shim.c").write_text(SHIM)
    origin = found["pyfwnt"].origin  # type: ignore[union-attr]
    made = [compiler, "-shared", "-fPIC", f'-DFWNT="{origin}"', "-o", str(package / "libMSCompression.so")]
    subprocess.run([*made, str(folder / "shim.c"), "-ldl"], check=True, timeout=60)
    libraries = os.pathsep.join([str(package), *found["leechcorepyc"].submodule_search_locations])  # type: ignore[union-attr,misc]
    environment = os.environ | {"LD_LIBRARY_PATH": libraries, "PYTHONPATH": str(folder)}

    def ask(image: Path, wanted: list[Any]) -> list[int | None]:
        command = [sys.executable, "-c", ASK, str(image)]
        done = subprocess.run(
            command, input=json.dumps(wanted), capture_output=True, text=True, timeout=120, env=environment
        )
        if "ImportError" in done.stderr or "ModuleNotFoundError" in done.stderr:
            pytest.skip("MemProcFS does not load here (it needs libusb-1.0)")
        assert done.returncode == 0, done.stderr
        answer: list[int | None] = json.loads(done.stdout.rpartition("ANSWER")[2])
        return answer

    return ask


@pytest.mark.proves("memprocfs")
@pytest.mark.parametrize("build", GENERATIONS)
def test_memprocfs_reads_the_same_bytes_of_every_compressed_page(
    build: str, tmp_path: Path, witness: Callable[[Path, list[Any]], list[int | None]]
) -> None:
    """Those that the truth has no bytes of, it does not read either."""
    image = stored(build)
    path = tmp_path / "image.raw"
    write_raw(image, path)
    truth = pages(image)
    answer = witness(path, [(page["pid"], page["va"]) for page in truth])
    assert answer == [page["crc32"] for page in truth]
    assert zlib.crc32(bytes(4096)) not in answer
