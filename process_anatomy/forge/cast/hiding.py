"""The laboratory machine with more processes that not every view sees."""

from __future__ import annotations

from dataclasses import replace

from process_anatomy.forge.cast.lab import LAB
from process_anatomy.forge.cast.paths import TEMP
from process_anatomy.forge.ground.actors import PAGED_OUT, Actor
from process_anatomy.forge.ground.paths import SYSTEM32


def _beside(actor: Actor) -> Actor:
    """A neighbour of who is missing in one direction of the list: the list does not point back there."""
    return replace(actor, findings=(*actor.findings, "smear"))


HIDING = replace(
    LAB,
    name="hiding",
    cast=(
        *(_beside(actor) if actor.pid == 6808 else actor for actor in LAB.cast),
        Actor(
            7240, 5212, TEMP + "shade-2.exe", "limited", 1_704, 1, threads=1, memory=PAGED_OUT, hidden=True,
            unseen_by=("cid", "csrss", "session"),
        ),
        Actor(
            7316, 5212, TEMP + "halfway.exe", "limited", 1_706, 1, threads=1, memory=PAGED_OUT, unseen_by=("forward",)
        ),
        _beside(
            Actor(
                7420, 5212, TEMP + "noheader.exe", "limited", 1_708, 1, threads=1, memory=PAGED_OUT, unseen_by=("scan",)
            )
        ),
        Actor(7512, 5212, TEMP + "noid.exe", "limited", 1_710, 1, threads=1, memory=PAGED_OUT, unseen_by=("cid",)),
        Actor(
            7600, 3920, TEMP + "longgone.exe", "limited", 1_712, 1, ended=1_720, hidden=True, unseen_by=("cid",)
        ),
        Actor(7700, 3920, SYSTEM32 + "calc.exe", "limited", 9_139, 1, threads=0, handles=0),
    ),
)  # fmt: skip
"""The lab with more processes that not every view sees: five that are hidden, each in another way (the lab's shade.exe
from the list of active processes, shade-2.exe from almost everything, halfway.exe from one direction of the list,
noheader.exe from whoever searches memory, noid.exe from the table of ids), one whose object was deleted and lies in
freed memory (longgone.exe), and one that has no thread yet (calc.exe)."""
