"""Which kernel file an image runs: exact version by the file's own marks, for every file that is known.

The time stamp and the size in a PE file's header together name the file, also where its debug record cannot be read;
so does the GUID of its PDB.  Facts: the kernel files of 64-bit Windows from build 9926 on.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files

FIVE_LEVELS = "ntkrla57.exe"
"""The kernel for page tables of five levels, as its file is called; it is loaded as ntoskrnl.exe."""


@dataclass(frozen=True, slots=True)
class KernelFile:
    """One kernel file.

    Attributes:
        name: file name.
        build: third number of the file version; that of Windows may be higher, where an enablement package raised it.
        revision: fourth number of the file version.
        timestamp: TimeDateStamp in its header, a hash of its contents in Windows 10 and later.
        size: SizeOfImage in its header, in bytes.
        pdb: GUID and age of its PDB as ``GUID-age``, empty where they are not known.
        known_by: what named the file, in words.
        facts: number of the set of facts that is published of it; 0 where none is.
    """

    name: str
    build: int
    revision: int
    timestamp: int
    size: int
    pdb: str
    known_by: str
    facts: int = 0

    @property
    def five_levels(self) -> bool:
        """Whether it is the kernel for page tables of five levels."""
        return self.name == FIVE_LEVELS

    def same_as(self, other: KernelFile) -> bool:
        """Whether it is the same file, whatever named it."""
        return (self.timestamp, self.size) == (other.timestamp, other.size)

    def __str__(self) -> str:
        return f"{self.name.partition('.')[0]} {self.build}.{self.revision}"


@cache
def _table() -> bytes:
    """One line for each file, without its end: time stamp and size in hexadecimal, name, version, PDB, set of facts."""
    return b"\n" + files("structs").joinpath("offsets", "kernels.tsv").read_bytes()


def _line(at: int, known_by: str) -> KernelFile:
    """The file whose line holds a place in the table."""
    table = _table()
    line = table[table.rfind(b"\n", 0, at) + 1 : table.find(b"\n", at)].decode("ascii")
    timestamp, size, name, version, pdb, facts = line.split("\t")
    build, revision = version.split(".")
    return KernelFile(
        name, int(build), int(revision), int(timestamp, 16), int(size, 16), pdb, known_by, int(facts or 0)
    )


def by_stamp(timestamp: int, size: int) -> KernelFile | None:
    """The file with this TimeDateStamp and SizeOfImage; ``None`` where it is not known."""
    at = _table().find(b"\n%x\t%x\t" % (timestamp, size))
    return None if at < 0 else _line(at + 1, "time stamp and size")


def by_version(name: str, build: int, revision: int) -> KernelFile | None:
    """The file with this name and version; ``None`` where it is not known."""
    at = _table().find(b"\t%s\t%d.%d\t" % (name.encode("ascii", "replace"), build, revision))
    return None if at < 0 else _line(at, "version")


def by_pdb(guid: str, age: int) -> KernelFile | None:
    """The file with this PDB; ``None`` where it is not known.

    Args:
        guid: 32 hexadecimal digits, capital letters.
        age: the PDB's age.
    """
    at = _table().find(b"\t%s-%d\t" % (guid.encode("ascii", "replace"), age))
    return None if at < 0 else _line(at, "PDB")
