"""Which servicing level of its build a kernel is, by what its image says of itself.

Four witnesses, none of which needs symbols: the version resource of the image (its fourth number is the revision), the
kernel's file where its header or its PDB names one that is known, the string NtBuildLab, and from Windows XP to 7 the
number CmNtCSDVersion with the service pack.  Sources: Microsoft Learn, VS_FIXEDFILEINFO and the version tables of
Windows releases; Microsoft's wdbgexts.h for where the debugger block keeps the addresses of the last two.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from process_anatomy.absent import Absent
from process_anatomy.kernel.debugger_block import DebuggerBlock
from process_anatomy.kernel.image import KernelImage, zero_ended
from process_anatomy.kernel.resources import version_data
from process_anatomy.memory.space import Space
from structs import builds
from structs.kernel_files import KernelFile
from structs.machines import BY_POINTER_SIZE

ENTRIES = 64
"""Entries of a level of the resource directory that are looked at."""
RESOURCE_LIMIT = 0x1000
"""Bytes of a version resource at the most."""
LAB_LIMIT = 128
FIXED_FILE_INFO = b"\xbd\x04\xef\xfe"
SERVICE_PACKS: dict[int, tuple[int, ...]] = {
    2600: (0, 1106, 2180, 5512),
    3790: (0, 1830, 3959),
    6000: (16386,),
    6001: (16386, 18000),
    6002: (16386, 18000, 18005),
    7600: (16385,),
    7601: (16385, 17514),
}
"""Build number to the revision that each service pack began with, without one first."""
FLAVOURS = {
    "ntoskrnl": "for one processor",
    "ntkrnlmp": "for several processors",
    "ntkrnlpa": "for one processor, PAE",
    "ntkrpamp": "for several processors, PAE",
    "ntkrla57": "for page tables of five levels",
}
"""Name that the kernel was linked under, to what it was made for; every one is loaded as ntoskrnl.exe."""


@dataclass(frozen=True, slots=True)
class Version:
    """What a kernel's image says of its servicing level.

    Attributes:
        revision: the fourth number of the file version (UBR on Windows 10 and later); ``None`` where nothing tells it.
        service_pack: where something tells it.
        lab: NtBuildLab, empty where it cannot be read.
        told_by: what told the revision, in words.
        doubt: why the revision is not certain, in words: the witnesses do not agree, or only the service pack is told,
            after which there were updates; empty where it is.
    """

    revision: int | None
    service_pack: int | None
    lab: str
    told_by: str
    doubt: str = ""


def version(
    space: Space,
    image: KernelImage | None,
    block: DebuggerBlock | None,
    number: int | None,
    file: KernelFile | None = None,
) -> Version:
    """The servicing level of a kernel, by all witnesses.

    Args:
        space: the kernel's address space.
        image: its image, if its first page is there.
        block: its debugger block, if it was found.
        number: its build number, which the witnesses have to bear out; an enablement package raises it above that of
            the kernel's files.
        file: the kernel's file, where it is known.
    """
    arch = BY_POINTER_SIZE[space.pointer_size].name
    of_files = (number, None if number is None else builds.of_kernel(arch, number))
    lab = build_lab(space, image, block)
    pack, pack_by = _service_pack(space, lab, block, number)
    resource = None if image is None else _resource(image)
    stated = resource[3] if resource is not None and resource[2] in of_files else None
    by_file = file.revision if file is not None and file.build in of_files else None
    in_lab = re.match(r"(\d+)\.(\d+)\.(?:x86|amd64)", lab)
    by_lab = int(in_lab[2]) if in_lab and int(in_lab[1]) in of_files and int(in_lab[2]) > 1 else None
    starts = SERVICE_PACKS.get(number or 0, ())
    if pack is not None and pack < len(starts):
        end = starts[pack + 1] if pack + 1 < len(starts) else 1 << 16
        for revision, words in ((stated, "version resource"), (by_lab, "NtBuildLab")):
            if revision is not None and starts[pack] <= revision < end:
                return Version(revision, pack, lab, words)
        doubt = f"service pack {pack}, update unknown"
        if stated is not None:
            doubt = f"the version resource says {stated}, {pack_by} service pack {pack}"
        return Version(starts[pack], pack, lab, pack_by, doubt)
    witnesses = {
        "version resource": stated if stated and stated > 1 else None,
        "kernel file": by_file,
        "NtBuildLab": by_lab,
    }
    told = {who: revision for who, revision in witnesses.items() if revision is not None}
    if not told:
        return Version(None, pack, lab, "")
    doubt = (
        f"they do not agree: {', '.join(f'{w} {r}' for w, r in told.items())}" if len(set(told.values())) > 1 else ""
    )
    who, revision = next(iter(told.items()))
    return Version(revision, pack, lab, who, doubt)


def flavour(image: KernelImage) -> str:
    """What the kernel was made for, by the name of its PDB, else by that in its version resource; or empty."""
    name = image.pdb.name.rpartition(".")[0].lower() if image.pdb else ""
    if name not in FLAVOURS:
        data = version_data(image, ENTRIES, RESOURCE_LIMIT)
        text = "" if isinstance(data, Absent) else data.decode("utf-16-le", "replace").lower()
        name = next((name for name in FLAVOURS if f"{name}.exe" in text), "")
    return f"{name}, {FLAVOURS[name]}" if name else ""


def build_lab(space: Space, image: KernelImage | None, block: DebuggerBlock | None) -> str:
    """NtBuildLab, exported from Windows 10 on; before, the debugger block knows it; empty where it cannot be read."""
    exported = None if image is None else image.export("NtBuildLab")
    known = block.pointer("NtBuildLab", space) if block is not None else 0
    for address in (exported, known):
        if address:
            text = zero_ended(space, address, LAB_LIMIT)
            if re.match(r"\d{4,5}\.[\w.-]+$", text):
                return text
    return ""


def _service_pack(space: Space, lab: str, block: DebuggerBlock | None, number: int | None) -> tuple[int | None, str]:
    """The service pack and who tells it."""
    in_lab = re.search(r"\.(?:xpsp|srv03|win7|longhorn|lh)_?sp(\d)[_.]", lab)
    if in_lab:
        return int(in_lab[1]), "NtBuildLab"
    address = block.pointer("CmNtCSDVersion", space) if block is not None else 0
    data = space.read(address, 4) if address else None
    packs = len(SERVICE_PACKS.get(number or 0, ()))
    if data is not None and data[1] < packs and data[2:] == b"\0\0" and any(data):
        return data[1], "CmNtCSDVersion"
    return None, ""


def _resource(image: KernelImage) -> tuple[int, int, int, int] | None:
    """The four numbers of the file version in the image's version resource."""
    data = version_data(image, ENTRIES, RESOURCE_LIMIT)
    at = -1 if isinstance(data, Absent) else data.find(FIXED_FILE_INFO)
    if isinstance(data, Absent) or at < 0 or at + 16 > len(data):
        return None
    high, low = (int.from_bytes(data[at + place : at + place + 4], "little") for place in (8, 12))
    return high >> 16, high & 0xFFFF, low >> 16, low & 0xFFFF
