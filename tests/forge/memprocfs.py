"""MemProcFS as a witness of what pages hold that are not in memory, or lie there compressed.

On Linux MemProcFS takes Xpress from a library that is not in its package (libMSCompression.so, beside its own).  The
fixture makes one that hands the work to libfwnt; LZ4, since Windows 11 24H2, MemProcFS has itself.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import pytest

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
more = ["-disable-symbolserver", "-disable-symbols", "-waitinitialize", *sys.argv[2:]]
vmm = memprocfs.Vmm(["-device", sys.argv[1], *more])
vmm.set_config(memprocfs.OPT_REFRESH_ALL, 1)
own = {process.pid: process for process in vmm.process_list()}
answer = []
for pid, va in json.load(sys.stdin):
    data = own[pid].memory.read(va, 4096)
    answer.append(zlib.crc32(data) if len(data) == 4096 else None)
print("ANSWER" + json.dumps(answer))
"""


class Witness(Protocol):
    """What :func:`page_witness` gives."""

    def __call__(self, image: Path, wanted: list[Any], files: Mapping[int, Path] = ...) -> list[int | None]:
        """Checksums of pages as MemProcFS reads them, ``None`` where it reads none.

        Args:
            image: the image.
            wanted: process id and address of each page.
            files: page files by number.
        """


@pytest.fixture(scope="session")
def page_witness(tmp_path_factory: pytest.TempPathFactory) -> Witness:
    """MemProcFS, asked for pages of processes."""
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

    def ask(image: Path, wanted: list[Any], files: Mapping[int, Path] = {}) -> list[int | None]:
        more = [part for number, path in files.items() for part in (f"-pagefile{number}", str(path))]
        command = [sys.executable, "-c", ASK, str(image), *more]
        done = subprocess.run(
            command, input=json.dumps(wanted), capture_output=True, text=True, timeout=120, env=environment
        )
        if "ImportError" in done.stderr or "ModuleNotFoundError" in done.stderr:
            pytest.skip("MemProcFS does not load here (it needs libusb-1.0)")
        assert done.returncode == 0, done.stderr
        answer: list[int | None] = json.loads(done.stdout.rpartition("ANSWER")[2])
        return answer

    return ask
