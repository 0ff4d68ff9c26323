"""Our plugins beside stock Volatility, and our engine beside MemProcFS, in one run.

    python benchmarks/compare.py [IMAGE SYMBOLS]

IMAGE is a Windows memory image, SYMBOLS the folder with its symbol table for the stock plugins; the sample that ships
and its table are taken without them. Whole processes run in turn, ours and theirs, so that a machine whose speed drifts
slows both; the medians and their ratio are printed. Engine and MemProcFS are timed inside a fresh process each, for the
VADs, tokens, handles or threads of all processes once the processes are listed. MemProcFS is left out, and said so,
where it is not installed.
"""

from __future__ import annotations

import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SAMPLE = ROOT / "samples" / "lab-win11-22621.dmp"
RUNS = 5
PAIRS = (
    ("windows.anatomy.vads", "windows.vadinfo", 0.25),
    ("windows.anatomy.pages", "windows.vadinfo", 0.5),
    ("windows.anatomy.processes", "windows.pslist", 0.5),
    ("windows.anatomy.privileges", "windows.privileges", 0.25),
    ("windows.anatomy.groups", "windows.getsids", 0.25),
    ("windows.anatomy.tokens", "windows.getsids", 0.25),
    ("windows.anatomy.creation", "windows.pstree", 0.25),
    ("windows.anatomy.modules", "windows.dlllist", 0.5),
    ("windows.anatomy.findings", "windows.malware.malfind", 1.0),
    ("windows.anatomy.peb", "windows.cmdline", 1.0),
    ("windows.anatomy.envars", "windows.envars", 1.0),
    ("windows.anatomy.crossview", "windows.malware.psxview", 0.25),
    ("windows.anatomy.completeness", "windows.malware.psxview", 0.5),
    ("windows.anatomy.threads", "windows.threads", 0.25),
    ("windows.anatomy.handles", "windows.handles", 0.1),
    ("windows.anatomy.access", "windows.handles", 0.1),
)
"""Our plugin, the stock one that comes closest, and the ratio that we want to stay under."""

MEMPROCFS_VADS = """
    for process in listed:
        try:
            count += len(process.maps.vad())
        except RuntimeError:
            pass
"""
MEMPROCFS_PAGES = """
    for process in listed:
        try:
            process.maps.vad()
        except RuntimeError:
            pass
        count += len(process.maps.pte())
"""
MEMPROCFS_ENTRIES = """
    for process in listed:
        count += len(process.maps.pte())
"""
MEMPROCFS_TOKENS = """
    for process in listed:
        process.sid, process.luid, process.session, process.integrity
        folder = f"/pid/{process.pid}/token/"
        count += vmm.vfs.read(folder + "sid-all.txt", 1 << 16, 0).count(b"S-1-")
        vmm.vfs.read(folder + "privileges.txt", 1 << 16, 0)
        [thread["va-impersonation-token"] for thread in process.maps.thread()]
"""
MEMPROCFS_MODULES = """
    for process in listed:
        count += len(process.module_list())
"""
MEMPROCFS_VIEWS = """
    for process in listed:
        try:
            count += len(process.maps.handle()) + len(process.maps.thread())
        except RuntimeError:
            pass
"""
MEMPROCFS_THREADS = """
    for process in listed:
        count += len(process.maps.thread())
"""
MEMPROCFS_HANDLES = """
    for process in listed:
        count += len(process.maps.handle())
"""
MEMPROCFS = """
import sys, time, memprocfs
vmm = memprocfs.Vmm(["-device", sys.argv[1], "-disable-symbolserver", "-disable-symbols", "-waitinitialize"])
listed = vmm.process_list()
def walk():
    count = 0
{work}
    return count
start = time.perf_counter()
count = walk()
print(count, time.perf_counter() - start)
"""
ENGINE_VADS = """
from process_anatomy.walk.address_space.vads import vads
def walk():
    return len(vads(kernel, listed).rows)
"""
ENGINE_PAGES = """
from process_anatomy.walk.address_space.pages import pages
from process_anatomy.walk.across.regions import regions
from process_anatomy.walk.address_space.sections import sections
from process_anatomy.walk.address_space.vads import vads
def walk():
    trees = vads(kernel, listed).rows
    return len(pages(kernel, listed, trees, regions(kernel, listed, trees).rows, sections(kernel, trees)).rows)
"""
ENGINE_ENTRIES = """
from process_anatomy.memory.view import addresses_of
from process_anatomy.walk.address_space.page_entries import entries_of
def walk():
    roots = addresses_of([p.dtb for p in listed if isinstance(p.dtb, int) and not isinstance(p.exit_time, int)])
    groups = [roots[first : first + 64] for first in range(0, len(roots), 64)]
    return sum(len(entries_of(kernel.space, group).place) for group in groups)
"""
ENGINE_TOKENS = """
from process_anatomy.walk.security.attributes import Claims
from process_anatomy.walk.security.groups import groups
from process_anatomy.walk.security.privileges import privileges
from process_anatomy.walk.threads.listed import threads
from process_anatomy.walk.security.tokens import tokens
def walk():
    found = tokens(kernel, listed, threads(kernel, listed).rows)
    list(privileges(found))
    return len(list(groups(found, Claims((), ()))))
"""
ENGINE_CREATION = """
from process_anatomy.walk.across.creation import creations
from process_anatomy.walk.security.tokens import tokens
def walk():
    return len(list(creations(kernel, listed, listed, tokens(kernel, listed))))
"""
ENGINE_LOADER = """
from process_anatomy.walk.program.loader import loader_entries
def walk():
    return len(loader_entries(kernel, listed).entries)
"""
ENGINE_MODULES = """
from process_anatomy.walk.program.modules import modules
def walk():
    return len(modules(kernel, listed).rows)
"""
ENGINE_CROSSVIEW = """
from process_anatomy.walk.crossview.crossings import crossview
def walk():
    return len(crossview(kernel).rows)
"""
ENGINE_THREADS = """
from process_anatomy.walk.threads.facts import thread_facts
from process_anatomy.walk.threads.listed import threads
def walk():
    return len(thread_facts(kernel, threads(kernel, listed)))
"""
ENGINE_STARTS = """
from process_anatomy.walk.across.tables import Tables
import process_anatomy.walk.across.starts  # tables load what they need when they need it, here before the clock starts
def walk():
    return len(Tables(kernel).starts)
"""
ENGINE_HANDLES = """
from process_anatomy.walk.handles.opened import handles
def walk():
    return len(handles(kernel, listed).rows)
"""
ENGINE = """
import sys, time
from process_anatomy.volatility import open_path
kernel = open_path(sys.argv[1])
from process_anatomy.walk.processes.listed import processes
listed = processes(kernel).rows
{work}
start = time.perf_counter()
count = walk()
print(count, time.perf_counter() - start)
"""
WORK = (
    ("all VADs", ENGINE_VADS, MEMPROCFS_VADS),
    ("all page-table entries with their states", ENGINE_ENTRIES, MEMPROCFS_ENTRIES),
    (
        "all VADs with page states, prototype entries and names compared (theirs: VADs, entries)",
        ENGINE_PAGES,
        MEMPROCFS_PAGES,
    ),
    ("all tokens with groups and privileges", ENGINE_TOKENS, MEMPROCFS_TOKENS),
    ("all entries of the loader's lists", ENGINE_LOADER, MEMPROCFS_MODULES),
    ("all modules compared with mapped images and headers (theirs: lists alone)", ENGINE_MODULES, MEMPROCFS_MODULES),
    ("all processes by all views (theirs: handles and threads alone)", ENGINE_CROSSVIEW, MEMPROCFS_VIEWS),
    ("all threads", ENGINE_THREADS, MEMPROCFS_THREADS),
    ("all threads with what their starts lie in (theirs: threads alone)", ENGINE_STARTS, MEMPROCFS_THREADS),
    ("all handles with names", ENGINE_HANDLES, MEMPROCFS_HANDLES),
    ("tokens compared for creation (theirs: tokens alone)", ENGINE_CREATION, MEMPROCFS_TOKENS),
)
"""What the engine and MemProcFS both do, once the processes are listed."""


def whole_process(command: list[str]) -> Callable[[], float]:
    """A command as a function that runs it once and gives its wall time in seconds."""

    def run() -> float:
        start = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return time.perf_counter() - start

    return run


def in_turn(ours: Callable[[], float], theirs: Callable[[], float]) -> tuple[float, float]:
    """Medians of both after one warm-up each, run in turn."""
    ours(), theirs()
    pairs = [(ours(), theirs()) for _ in range(RUNS)]
    return statistics.median(a for a, _ in pairs), statistics.median(b for _, b in pairs)


def timed_script(script: str, image: Path, environment: dict[str, str]) -> Callable[[], float]:
    """A script that prints a count and seconds, as a function that gives the seconds."""

    def run() -> float:
        done = subprocess.run(
            [sys.executable, "-c", script, str(image)], check=True, capture_output=True, text=True, env=environment
        )
        return float(done.stdout.split()[1])

    return run


def memprocfs_environment() -> dict[str, str] | None:
    """The environment in which MemProcFS finds its libraries, or ``None`` where it is not installed."""
    folders = []
    for name in ("memprocfs", "leechcorepyc"):
        spec = find_spec(name)
        if spec is None or spec.origin is None:
            return None
        folders.append(str(Path(spec.origin).parent))
    return os.environ | {"LD_LIBRARY_PATH": os.pathsep.join(folders)}


def main(image: Path, symbols: Path) -> None:
    """Print a Markdown table of medians and ratios."""
    program = shutil.which("vol", path=str(Path(sys.executable).parent)) or "vol"
    cache = tempfile.mkdtemp(prefix="vol-cache-")  # runs of others must not evict the stock plugins' tables
    vol = [program, "-q", "--offline", "--cache-path", cache, "-r", "none"]
    print("| ours | theirs | ours (s) | theirs (s) | ratio | wanted |\n|---|---|---|---|---|---|")
    for ours, stock, wanted in PAIRS:
        mine, other = in_turn(
            whole_process([*vol, "-f", str(image), ours]),
            whole_process([*vol, "-s", str(symbols), "-f", str(image), stock]),
        )
        print(f"| `{ours}` | `{stock}` | {mine:.2f} | {other:.2f} | {mine / other:.2f} | {wanted} |", flush=True)
    environment = memprocfs_environment()
    for what, own, other_work in WORK:
        if environment is None:
            print(f"| engine, {what} | MemProcFS | - | not installed | - | 1.0 |")
            continue
        mine, other = in_turn(
            timed_script(ENGINE.format(work=own), image, dict(os.environ)),
            timed_script(MEMPROCFS.format(work=other_work), image, environment),
        )
        print(f"| engine, {what} | MemProcFS | {mine:.4f} | {other:.4f} | {mine / other:.2f} | 1.0 |", flush=True)
    shutil.rmtree(cache, ignore_errors=True)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
    print(f"\nLargest memory of any of these processes, stock ones included: {peak} MB.")


if __name__ == "__main__":
    if len(sys.argv) not in (1, 3):
        sys.exit(__doc__)
    main(*(map(Path, sys.argv[1:]) if len(sys.argv) == 3 else (SAMPLE, ROOT / "samples" / "symbols")))
