"""What a batch costs: images a minute, processors, memory, and whether the thousandth image costs what the first did.

    python benchmarks/scale.py [--images 10 100 1000] [--stock 5] [--single] [--work FOLDER]

Forges one machine for each of several Windows and copies it as often as needed, each copy with a comment of its own in
its dump header, so that no two files are the same; the rows of copies are.  ``anatomy batch`` then exports all views of
all of them as Parquet.  Beside it, in turn and on as many images as ``--stock`` says (raw ones, for MemProcFS reads no
bitmap dumps): a loop of the stock plugins that have the same facts, one process each, and a script over MemProcFS's
tables.  ``--single`` compares an export with the view that is dearest by itself.

Wall time is that of the machine with all that runs on it beside; processor time is what the work took of it.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(Path(__file__).resolve().parent))

import psutil
from compare import (
    MEMPROCFS,
    MEMPROCFS_HANDLES,
    MEMPROCFS_MODULES,
    MEMPROCFS_THREADS,
    MEMPROCFS_TOKENS,
    MEMPROCFS_VADS,
    memprocfs_environment,
)

from process_anatomy.forge.__main__ import write_all
from process_anatomy.forge.cast.scenarios import EVERY
from process_anatomy.forge.machine.containers import FORMATS
from process_anatomy.forge.machine.forging import DEFAULT_SEED, forge
from process_anatomy.views.all import exported

ROOT = Path(__file__).resolve().parent.parent
BUILDS = ("x64-7601-24540", "x64-9600-20302", "x64-14393-5006", "x64-17763-5576", "x64-19041-3324", "x64-22621-2428",
          "x64-26100-1742")  # fmt: skip
STOCK = (
    "info", "pslist", "pstree", "psscan", "malware.psxview", "sessions", "threads", "thrdscan", "suspended_threads",
    "malware.suspicious_threads", "vadinfo", "vadwalk", "malware.malfind", "dlllist", "malware.ldrmodules", "cmdline",
    "envars", "malware.pebmasquerade", "malware.hollowprocesses", "handles", "getsids",
    "privileges", "modules",
)  # fmt: skip
"""Stock plugins of ``windows`` whose facts our views have too."""
COMMENT = 0xFB0
"""Offset of ``Comment`` in ``_DUMP_HEADER64``: 128 bytes that nothing reads."""
LOOKED = 0.1
"""Seconds between two looks at how much memory processes have."""
ROUNDS = 3


@dataclass
class Cost:
    """What a command cost.

    Attributes:
        wall: seconds.
        cpu: seconds of processors, of it and all that it started.
        status: exit status.
        peaks: bytes of memory of each process at most, by its number.
    """

    wall: float
    cpu: float
    status: int = 0
    peaks: dict[int, int] = field(default_factory=dict)


def measured(command: Sequence[str], environment: dict[str, str] | None = None, allowed: Iterable[int] = (0,)) -> Cost:
    """Run a command and see what it costs."""
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment or _environment()
    )
    peaks: dict[int, int] = {}
    looker = threading.Thread(target=_look, args=(psutil.Process(process.pid), peaks), daemon=True)
    looker.start()
    _, log = process.communicate()
    wall = time.monotonic() - begun
    looker.join()
    if process.returncode not in allowed:
        sys.exit(f"{' '.join(command)} ended with status {process.returncode}: {log.decode()[-500:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return Cost(wall, after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime, process.returncode, peaks)


def _look(process: psutil.Process, peaks: dict[int, int]) -> None:
    while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
        try:
            for each in (process, *process.children(recursive=True)):
                try:
                    peaks[each.pid] = max(peaks.get(each.pid, 0), each.memory_info().rss)
                except psutil.Error:
                    continue
        except psutil.Error:
            return
        time.sleep(LOOKED)


def _environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


def forged(folder: Path, form: str = "bitmap", count: int = len(BUILDS)) -> list[Path]:
    """An image for each Windows, with its symbol table beside it."""
    images = []
    for build in BUILDS[-count:]:
        path = folder / f"{build}{FORMATS[form][0]}"
        if not path.exists():
            write_all(forge(EVERY["lab"], DEFAULT_SEED, build), folder, build, form)
        images.append(path)
    return images


def copies(images: Sequence[Path], folder: Path, count: int) -> list[Path]:
    """So many images, each of other bytes than any other."""
    folder.mkdir(exist_ok=True)
    made = []
    for number in range(count):
        path = folder / f"host{number:05}.dmp"
        if not path.exists():
            shutil.copy(images[number % len(images)], path)
            with path.open("r+b") as file:
                file.seek(COMMENT)
                file.write(f"host{number:05}".encode().ljust(128, b"\0"))
        made.append(path)
    return made


def anatomy(*arguments: str | Path) -> list[str]:
    """Our command."""
    return [sys.executable, "-m", "process_anatomy.command", *map(str, arguments)]


def batches(images: Sequence[Path], counts: Sequence[int], work: Path) -> Iterator[str]:
    """A row for each number of images."""
    cores = psutil.cpu_count() or 1
    yield (
        "| images | wall (s) | images a minute | processors busy | processor time an image (s)"
        " | an image's process (MB) | the command (MB) |"
    )
    yield "|---|---|---|---|---|---|---|"
    for count in counts:
        some, case = copies(images, work / "hosts", count), work / "case"
        shutil.rmtree(case, ignore_errors=True)
        names = work / "hosts.txt"
        names.write_text("".join(f"{path}\n" for path in some), "utf-8")
        cost = measured(anatomy("batch", "--list", names, "--out", case))
        done = len(list(case.glob("images/*/manifest.json")))
        if done != count:
            sys.exit(f"only {done} of {count} images were exported")
        main, *others = (size >> 20 for _, size in sorted(cost.peaks.items()))
        busy = cost.cpu / cost.wall / cores
        yield (
            f"| {count:,} | {cost.wall:.0f} | {count / cost.wall * 60:.0f} | {busy:.0%} of {cores}"
            f" | {cost.cpu / count:.2f} | {max(others)} | {main} |"
        )
        shutil.rmtree(case)


def stock(images: Sequence[Path], symbols: Path, work: Path) -> Iterator[str]:
    """What a loop of stock plugins, a script over MemProcFS and one process of ours each cost an image."""
    program = shutil.which("vol", path=str(Path(sys.executable).parent)) or "vol"
    vol = [program, "-q", "--offline", "--cache-path", str(work / "cache"), "-s", str(symbols), "-r", "jsonl"]
    (work / "cache").mkdir(exist_ok=True)  # without it every plugin ends at once
    walks = (MEMPROCFS_VADS, MEMPROCFS_HANDLES, MEMPROCFS_THREADS, MEMPROCFS_MODULES, MEMPROCFS_TOKENS)
    environment = memprocfs_environment()
    costs: dict[str, list[Cost]] = {}
    for image in images:
        every = [measured([*vol, "-f", str(image), f"windows.{plugin}"], allowed=(0, 1)) for plugin in STOCK]
        lost = [plugin for plugin, one in zip(STOCK, every, strict=True) if one.status]
        if lost:
            sys.exit(f"{image}: no rows of {', '.join(lost)}, and so nothing to compare with")
        name = f"a loop of {len(STOCK)} stock plugins, their facts alone"
        costs.setdefault(name, []).append(Cost(sum(one.wall for one in every), sum(one.cpu for one in every)))
        if environment is not None:
            script = MEMPROCFS.format(work="".join(walks))
            name = "a script over MemProcFS: VADs, handles, threads, modules, tokens"
            one = measured([sys.executable, "-c", script, str(image)], environment, allowed=(0, 1))
            costs.setdefault(name, []).extend([] if one.status else [one])  # it does not read every forged image
        name = f"`anatomy export`, {len(exported())} views"
        costs.setdefault(name, []).append(
            measured(anatomy("export", image, "-o", work / "one", "--format", "parquet", "--overwrite"))
        )
    yield "| what | images that it read | processor time an image (s) | wall an image (s) |"
    yield "|---|---|---|---|"
    for name, each in costs.items():
        cpu, wall = (sum(getattr(one, what) for one in each) / max(len(each), 1) for what in ("cpu", "wall"))
        yield f"| {name} | {len(each)} of {len(images)} | {cpu:.2f} | {wall:.2f} |"


def single(image: Path, work: Path) -> Iterator[str]:
    """An export of all views beside an export of the one that is dearest by itself."""

    def cost(*views: str) -> float:
        chosen = [word for view in views for word in ("--view", view)]
        return measured(anatomy("export", image, "-o", work / "one", "--format", "parquet", "--overwrite", *chosen)).cpu

    names = exported()
    costs = {name: cost(name) for name in names}
    dearest = max(costs, key=lambda name: costs[name])
    rounds = [(cost(dearest), cost()) for _ in range(ROUNDS)]  # in turn: a machine whose speed drifts slows both
    one, every = (min(each) for each in zip(*rounds, strict=True))
    yield f"All {len(names)} views take {every:.2f} s of a processor, `{dearest}`, the dearest by itself, {one:.2f} s:"
    yield f"{every / one:.2f} times as much. All of them one by one would take {sum(costs.values()):.1f} s."


def main() -> None:
    """Measure, and print tables in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, nargs="*", default=[10, 100], help="numbers of images of a batch")
    parser.add_argument("--stock", type=int, default=5, help="raw images that stock plugins and MemProcFS read, or 0")
    parser.add_argument("--single", action="store_true", help="compare an export with its dearest view")
    parser.add_argument("--work", type=Path, help="folder for images and cases, kept; else one that is removed")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="scale-") as temporary:
        work = chosen.work or Path(temporary)
        work.mkdir(exist_ok=True)
        images = forged(work)
        for lines in (
            batches(images, chosen.images, work) if chosen.images else (),
            stock(forged(work, "raw", chosen.stock), work / "symbols", work) if chosen.stock else (),
            single(images[-1], work) if chosen.single else (),
        ):
            for line in lines:
                print(line, flush=True)
            print()


if __name__ == "__main__":
    main()
