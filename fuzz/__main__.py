"""Try damage on every reader, or on some, for so many seconds each.

    python -m fuzz [TARGET…] [--seconds 60] [--seed 1]

Damage is drawn by lot (``fuzz/recipes.py``).  A worker is forked for each batch: 10 seconds and twice the memory of a
clean run for each case.  Every so many cases the lines of ours that it runs are noted, and damage that reaches new ones
is damaged further.  What a case breaks is kept in ``fuzz/corpus``, which the tests replay.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import mmap
import os
import resource
import signal
import struct
import sys
import time
import traceback
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from random import Random
from types import FrameType
from typing import Any

from fuzz.recipes import Recipe, drawn
from fuzz.targets import TARGETS, Target, places

ROOT = str(Path(__file__).resolve().parent.parent)
OURS = tuple(os.path.join(ROOT, room) for room in ("process_anatomy", "structs"))
TIME_LIMIT = 10
"""Seconds of one case."""
LEAST_MEMORY = 256 << 20
FAST, SLOW = 5000, 6
"""Cases of one worker, at the most."""
BATCH_TIME = 5
"""Seconds after which a worker makes room for the next."""
TRACING = 10
"""How many times as long a case may take while its lines are noted."""
TRACED = 200
"""Of fast readers, the lines of one case in so many are noted; of slow ones, of their seeds alone."""
POOL = 400
"""Cases with new lines that are damaged further, at the most."""
SHORTEST = 40
"""Tries to leave a patch out of what broke something."""


@dataclass
class Count:
    """What was run of a target."""

    executions: int = 0
    seconds: float = 0.0
    lines: set[tuple[str, int]] = field(default_factory=set)
    faults: dict[str, Recipe] = field(default_factory=dict)


class TimeOutError(BaseException):
    """A case took too long; no reader may catch it."""


def _late(*_: object) -> None:
    raise TimeOutError


@contextlib.contextmanager
def limited(seconds: int) -> Iterator[None]:
    """Within this, one case may take so long."""
    signal.signal(signal.SIGALRM, _late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)


def tried(target: Target, data: bytes, seconds: int = TIME_LIMIT) -> str:
    """Why reading this is a fault; empty where it is none."""
    try:
        with limited(seconds):
            target.read(data)
    except target.may:
        return ""
    except TimeOutError:
        return f"more than {seconds} seconds"
    except Exception as error:  # noqa: BLE001  whatever it is, it is what is looked for
        last = [f for f in traceback.extract_tb(error.__traceback__) if f.filename.startswith(OURS)][-1:]
        where = "".join(f" at {os.path.relpath(f.filename, ROOT)}:{f.name}" for f in last)
        return f"{type(error).__name__}: {str(error)[:120]}{where}"
    return ""


def traced(target: Target, data: bytes, lines: set[tuple[str, int]]) -> str:
    """The same, and the lines of ours that it ran."""

    def inside(frame: FrameType, event: str, _: Any) -> Any:
        if event == "line":
            lines.add((frame.f_code.co_filename[len(ROOT) + 1 :], frame.f_lineno))
        return inside

    def call(frame: FrameType, *_: Any) -> Any:
        return inside if frame.f_code.co_filename.startswith(OURS) else None

    sys.settrace(call)
    try:
        return tried(target, data, TIME_LIMIT * TRACING)
    finally:
        sys.settrace(None)


def work(name: str, dice: Random, pool: list[Recipe], known: set[tuple[str, int]], at: mmap.mmap, out: int) -> None:
    """One worker: a batch of cases; tells of new lines and faults, one JSON line each."""
    target = TARGETS[name]
    seeds = target.seeds()
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
    size = int(Path("/proc/self/statm").read_text().split()[0]) * mmap.PAGESIZE
    resource.setrlimit(resource.RLIMIT_AS, (size + max(2 * used, LEAST_MEMORY),) * 2)
    with os.fdopen(out, "w") as told:
        ends = time.monotonic() + BATCH_TIME
        for number in range(SLOW if target.slow else FAST):
            if time.monotonic() > ends:
                break
            at[:8] = struct.pack("<Q", number)
            recipe = case(name, dice, pool, seeds)
            data = recipe.applied(seeds[recipe.seed])
            lines: set[tuple[str, int]] = set()
            noted = number % TRACED == 0 and not target.slow
            fault = traced(target, data, lines) if noted else tried(target, data)
            new = lines - known
            known |= new
            if fault:
                recipe = shorter(target, recipe, seeds[recipe.seed], fault)
            if fault or new:
                told.write(json.dumps({**asdict(recipe), "told": fault, "lines": sorted(new)}) + "\n")
                told.flush()


def case(name: str, dice: Random, pool: list[Recipe], seeds: Any) -> Recipe:
    """The next case: damage of a seed, or more damage of what reached new lines."""
    if pool and dice.random() < 0.5:
        before = dice.choice(pool)
        patches, size = drawn(dice, seeds[before.seed], places(name, before.seed))
        return replace(before, patches=(*before.patches, *patches)[-24:], size=size)
    seed = dice.choice(sorted(seeds))
    patches, size = drawn(dice, seeds[seed], places(name, seed))
    return Recipe(name, seed, patches, size)


def shorter(target: Target, recipe: Recipe, seed: bytes, fault: str) -> Recipe:
    """The same fault by fewer patches."""
    for number in range(min(SHORTEST, len(recipe.patches)) - 1, -1, -1):
        less = replace(recipe, patches=recipe.patches[:number] + recipe.patches[number + 1 :])
        if tried(target, less.applied(seed)).partition(":")[0] == fault.partition(":")[0]:
            recipe = less
    return recipe


def run(name: str, seconds: float, seed: int) -> Count:
    """Fuzz one target for so long."""
    target, count, pool = TARGETS[name], Count(), list[Recipe]()
    for data in target.seeds().values():
        if fault := traced(target, data, count.lines):
            sys.exit(f"{name}: its seed is no seed: {fault}")
    begun, batch = time.monotonic(), 0
    at = mmap.mmap(-1, 8)
    while time.monotonic() - begun < seconds:
        into, out = os.pipe()
        dice = Random(f"{seed}/{name}/{batch}")  # noqa: S311  damage is drawn, no secret
        child = os.fork()
        if not child:
            os.close(into)
            status = 1
            try:
                work(name, dice, pool, count.lines, at, out)
                status = 0
            finally:
                os._exit(status)
        os.close(out)
        with os.fdopen(into) as told:
            for line in told:
                found = json.loads(line)
                new = {(str(file), int(number)) for file, number in found.pop("lines")}
                recipe = Recipe(**{**found, "patches": tuple((a, o) for a, o in found["patches"])})
                count.lines |= new
                if recipe.told:
                    count.faults.setdefault(recipe.told.rpartition(" at ")[2] + recipe.told.partition(":")[0], recipe)
                elif new and len(pool) < POOL:
                    pool.append(recipe)
        _, status = os.waitpid(child, 0)
        done = struct.unpack("<Q", at[:8])[0] + 1
        count.executions += done
        if status:
            count.faults.setdefault(
                f"worker {status}", Recipe(name, "", told=f"batch {batch}, case {done}: ended {status}")
            )
        batch += 1
    count.seconds = time.monotonic() - begun
    return count


def main() -> int:
    """Fuzz, keep what was found, and tell what was run."""
    parser = argparse.ArgumentParser(prog="fuzz", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(TARGETS))
    parser.add_argument("--seconds", type=float, default=60, help="for each target")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    if unknown := set(asked.targets) - TARGETS.keys():
        parser.error(f"no target {', '.join(sorted(unknown))}")
    os.nice(19)
    print("| reader | executions | a second | lines of ours run | faults |\n|---|---|---|---|---|", flush=True)
    bad = 0
    for name in asked.targets or TARGETS:
        count = run(name, asked.seconds, asked.seed)
        rate = count.executions / count.seconds
        print(
            f"| {name} | {count.executions:,} | {rate:,.1f} | {len(count.lines):,} | {len(count.faults)} |", flush=True
        )
        for recipe in count.faults.values():
            print(f"    {recipe.told}{f': {recipe.save()}' if recipe.seed else ''}", file=sys.stderr, flush=True)
        bad += len(count.faults)
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
