"""Layouts of structures that the layouts of whole kernels do not have: by generation, in a file of their own each.

A file has, for each processor, the generations in order: the first build of each, and of every structure its size and
where its fields lie.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files

from structs.layout import Build, Place
from structs.machines import KERNELS


@cache
def layouts_apart(file: str, arch: str, number: int) -> Build | None:
    """The layouts of a build; ``None`` where none is known: for an older Windows, or this processor.

    Args:
        file: name of the file among the offsets, without its ending; the layouts are named by it.
        arch: ``x64`` or ``x86``.
        number: NtBuildNumber; builds between two that are known have what the older one had, later ones the last's.
    """
    generations = json.loads(files("structs").joinpath("offsets", f"{file}.json").read_text("utf-8"))
    known = [one for one in generations.get(arch, []) if one["first"] <= number]
    if not known:
        return None
    chosen = known[-1]
    sizes = {name: entry[0] for name, entry in chosen["structs"].items()}
    places = {
        name: {field: Place(*place) for field, place in entry[1].items()} for name, entry in chosen["structs"].items()
    }
    name = f"{file} of {arch}-{chosen['first']}"
    return Build(name, arch, chosen["first"], KERNELS[arch].pointer_size, sizes, places)
