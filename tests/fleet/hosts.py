"""A few machines of one kind, and two with something on them that the others do not have."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from process_anatomy.fleet.export import Asked, export
from process_anatomy.fleet.hunting import every
from process_anatomy.forge import forge
from process_anatomy.forge.cast.clean import CORE
from process_anatomy.forge.ground.actors import ALL, PAGED_OUT, TRIMMED, Actor, Scenario
from process_anatomy.forge.ground.holdings import Power
from process_anatomy.forge.ground.paths import SYSTEM32
from process_anatomy.views.image import Image
from tests.walk.damaged import kernel_of

EXPLORER, SPOOLER, LSASS, NOTEPAD, CMD, SERVICE = 3920, 1900, 728, 4400, 5000, 1236
ORDINARY = Scenario(
    "hosts",
    (
        *(replace(actor, memory=ALL if actor.pid == SERVICE else actor.memory) for actor in CORE),
        Actor(CMD, EXPLORER, SYSTEM32 + "cmd.exe", "limited", 510, 1, console=True, threads=1, memory=TRIMMED),
        Actor(5040, EXPLORER, SYSTEM32 + "write.exe", "limited", 520, 1, threads=1, memory=TRIMMED),
        Actor(5080, EXPLORER, SYSTEM32 + "calc.exe", "limited", 530, 1, threads=1, memory=TRIMMED),
        Actor(
            5124, EXPLORER, SYSTEM32 + "osk.exe", "accessibility", 535, 1, threads=1, memory=PAGED_OUT, asked_by=1480
        ),
        Actor(5160, EXPLORER, "C:\\Program Files\\Ledger\\ledger.exe", "limited", 540, 1, threads=1, compiles=True),
    ),
    powers=(Power(1480, "Process", LSASS, 0x1410), Power(EXPLORER, "Process", NOTEPAD, 0x1FFFFF)),
)
"""What each machine is like; the service that may read lsass.exe is another one of the system."""
CHANGED: dict[int, dict[str, Any]] = {
    CMD: {"parent": SPOOLER},
    NOTEPAD: {"misfits": ("forged privileges",), "injected": True},
    5040: {"path": "C:\\Users\\student\\Downloads\\write.exe"},
    5080: {"misfits": ("stolen token",), "memory": ALL},
    SERVICE: {
        "path": "C:\\Windows\\SysWOW64\\svchost.exe", "arguments": "-k netsvcz -p", "libraries": ("dnsext.dll",),
    },
}  # fmt: skip
ODD = replace(
    ORDINARY,
    cast=(
        *(replace(actor, **CHANGED.get(actor.pid, {})) for actor in ORDINARY.cast),
        Actor(6080, EXPLORER, "C:\\Windows\\shade.exe", "limited", 900, 1, threads=1, memory=PAGED_OUT, hidden=True),
    ),
    powers=(*ORDINARY.powers, Power(NOTEPAD, "Process", LSASS, 0x1410)),
)
"""One with a trace for each hunt."""
ALSO = replace(
    ORDINARY,
    cast=tuple(
        replace(actor, injected=True, memory=ALL) if actor.pid == 5040 else actor for actor in ORDINARY.cast
    ),
)  # fmt: skip
"""One that has the code that somebody put into a program of the odd one too, in another program."""
SEED = 3
VIEWS = tuple(dict.fromkeys(view for hunt in every().values() for view in hunt.views))


def exported(image: Image, name: str, case: Path, views: Iterable[str] = VIEWS, form: str = "parquet") -> None:
    """An export in a case of an image that only stands in memory; its file has a name and no content."""
    file = case.parent / f"{name}.raw"
    file.touch()
    export(image, file, case / "images" / name, Asked(tuple(views), form, hashed=False))


def opened(scenario: Scenario) -> Image:
    """A machine; programs are the same files on all of them."""
    return Image(kernel_of(forge(scenario, SEED)))
