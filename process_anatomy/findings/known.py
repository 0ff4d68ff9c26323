"""Who is known to do what looks strange in others: the data of ``known.toml``, each with where its program must lie."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from process_anatomy.absent import Absent
from process_anatomy.findings.expected import protection_of
from process_anatomy.findings.places import PROTECTED_SINCE, Places, read_toml
from process_anatomy.walk.processes.listed import Process

STARTS_SERVICE_HOSTS, CHOOSES_PARENT, READS_LSASS = "starts_service_hosts", "chooses_parent", "reads_lsass"
ANY = "*"
"""A name that stands for every program."""


@dataclass(frozen=True, slots=True)
class Known:
    """A program that is known to do something.

    Attributes:
        name: of the program, in lower case; :data:`ANY` for every one.
        what: who it is, in words.
        under: folders that it lies in, from the root of a volume.
        protection: (type, signer) that it has at least, where the build protects.
    """

    name: str
    what: str
    under: tuple[str, ...]
    protection: tuple[int, int] | None = None

    def is_that(self, process: Process, places: Places, number: int) -> bool:
        """Whether a process is this program, from one of its folders and protected as it is."""
        path = process.image_path
        if not isinstance(path, str):
            return False
        place = places.place(path, process)
        if self.name not in (ANY, place.rpartition("\\")[2]) or not place.startswith(self.under):
            return False
        if self.protection is None or (number < PROTECTED_SINCE and self.name != ANY):
            return True
        held = process.protection
        return not isinstance(held, Absent) and held[0] >= self.protection[0] and held[1] == self.protection[1]


@cache
def known(kind: str) -> tuple[Known, ...]:
    """The programs that are known to do something, by the name of its table."""
    return tuple(
        Known(
            row["name"], row["what"], tuple(row["under"]),
            protection_of(row["protection"]) if "protection" in row else None,
        )
        for row in read_toml("known.toml")[kind]
    )  # fmt: skip


def is_known(kind: str, process: Process, places: Places, number: int) -> bool:
    """Whether a process is one of the programs that are known to do something."""
    return any(each.is_that(process, places, number) for each in known(kind))
