"""Damage that atheris draws, which sees each branch that a case takes: ``python -m fuzz.guided TARGET [--seconds 60]``.

Where atheris installs (extra ``fuzz``); ``python -m fuzz`` needs nothing.  It ends at the first fault, with the octets
kept as a case among the others in ``fuzz/corpus``.  Limits of time and memory are libFuzzer's own.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from fuzz.__main__ import TIME_LIMIT
from fuzz.recipes import Recipe
from fuzz.targets import TARGETS

MEMORY = 2048
"""Megabytes of the process."""


def main() -> None:
    """Fuzz one target; ends with libFuzzer's status, which is not 0 where something broke."""
    import atheris  # type: ignore[import-not-found,unused-ignore]

    parser = argparse.ArgumentParser(prog="fuzz.guided", description=__doc__)
    parser.add_argument("target", choices=[name for name, target in TARGETS.items() if not target.slow])
    parser.add_argument("--seconds", type=int, default=60)
    asked = parser.parse_args()
    target = TARGETS[asked.target]
    with atheris.instrument_imports(include=["process_anatomy", "structs"]):
        seeds = target.seeds()
        for data in seeds.values():
            target.read(data)
    first = sorted(seeds)[0]

    def one(data: bytes) -> None:
        try:
            target.read(data)
        except target.may:
            return
        except Exception as error:
            patches = ((0, data[: len(seeds[first])].hex()),)
            Recipe(asked.target, first, patches, len(data), f"{type(error).__name__}: {str(error)[:120]}").save()
            raise

    with tempfile.TemporaryDirectory() as corpus:
        for name, data in seeds.items():
            (Path(corpus) / name.replace("/", "_")).write_bytes(data)
        limits = [f"-max_total_time={asked.seconds}", f"-timeout={TIME_LIMIT}", f"-rss_limit_mb={MEMORY}"]
        longest = max(map(len, seeds.values()))
        atheris.Setup([sys.argv[0], *limits, f"-max_len={longest}", "-print_final_stats=1", corpus], one)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
