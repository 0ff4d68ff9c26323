"""Page files: private pages that are taken out of memory and put into them, and the kernel's list of these files.

Source: :mod:`structs.paging_file`; :mod:`process_anatomy.forge.kernel.memory_manager` for where the list lies.
"""

from __future__ import annotations

import struct
import zlib
from typing import Any

from process_anatomy.forge.address_space.outside import at_home, private_pages, take_out
from process_anatomy.forge.address_space.sections import Sections
from process_anatomy.forge.ground.generations import version_of
from process_anatomy.forge.ground.records import pointers, record, text
from process_anatomy.forge.kernel.memory_manager import MI_STATE, globals_of, has_globals
from process_anatomy.forge.memory.entries import Entries
from process_anatomy.forge.memory.frames import PAGE
from process_anatomy.forge.memory.protections import READ_WRITE
from process_anatomy.forge.objects.object_manager import ObjectManager
from process_anatomy.forge.parts.image import PageFile
from process_anatomy.forge.parts.process import Process
from structs.page_entry import MMPTE_SOFTWARE
from structs.paging_file import MMPAGING_FILE, layouts

STORE = 2
"""Number of the place that stands for the compression store, where there is one."""
LARGE, SMALL = 0x10000, 0x400
"""Pages of the first page file, in which every machine has some, and of the others."""
LIST = {8: 0xD41200, 4: 0x19F000}
"""Bytes of an address to where the list lies in kernels of which no published fact says it."""
FIRST_WITH_SWAP = (6, 2)
"""Version since which there is a swapfile.sys."""


class PagingFiles:
    """The page files of a machine.

    Args:
        objects: pools and kernel.
        sections: makes file objects.
        entries: how entries that are not valid are written.
        store: one of the places stands for the compression store.
    """

    def __init__(self, objects: ObjectManager, sections: Sections, entries: Entries, store: bool) -> None:
        self.objects, self.sections, self.entries = objects, sections, entries
        self.build, self.dice, self.store = objects.build, objects.dice, store
        paths = ["\\??\\C:\\pagefile.sys", "\\??\\D:\\pagefile.sys"]
        if version_of(self.build) >= FIRST_WITH_SWAP:
            paths.insert(1 if store else 2, "\\??\\C:\\swapfile.sys")
        numbers = [number for number in range(len(paths) + 1) if not store or number != STORE]
        self.files: list[PageFile] = []
        for number, path in zip(numbers, paths, strict=False):
            drive, _, name = path.rpartition("\\")
            own = name if drive.endswith("C:") else f"pagefile{number}.sys"
            self.files.append(PageFile(number, own, path, SMALL if number else LARGE))
        self.facts: list[dict[str, Any]] = []

    def fill(self, processes: list[Process], share: float) -> list[dict[str, Any]]:
        """Take a share of the private pages of these processes out of memory; gives what each of them was.

        Raises:
            ValueError: there is no such share.
        """
        if not 0 < share <= 1:
            raise ValueError(f"{share} is no share of the private pages")
        for process in at_home(processes):
            for noted in process.user.pages:
                if noted["state"] == "pagefile":  # every machine has it, and only here its content
                    content = f"IN-THE-FIRST-PAGE-FILE {process.actor.name} ".encode() * 20
                    page = int(noted["note"].rpartition(" ")[2], 16)
                    process.space.entry(noted["va"], self._entry(0, page))
                    self._put(process, noted["va"], self.files[0], page, content)
            for address in private_pages(process):
                if self.dice.below(1000) >= share * 1000:
                    continue
                file = self.dice.pick(self.files)
                page = self._free(file)
                content = take_out(process, address, self._entry(file.number, page), "pagefile")
                self._put(process, address, file, page, content)
        return self.facts

    def _free(self, file: PageFile) -> int:
        page = self.dice.between(1, SMALL - 1)
        while page in file.content:
            page = self.dice.between(1, SMALL - 1)
        return page

    def _entry(self, number: int, page: int) -> int:
        entry = self.entries.pagefile(number, page, READ_WRITE)
        software = self.build[MMPTE_SOFTWARE]
        if "PageFileAllocated" in software:
            entry |= 1 << (software.place("PageFileAllocated").bit or 0)
        return self.entries.written(entry)

    def _put(self, process: Process, address: int, file: PageFile, page: int, content: bytes) -> None:
        whole = content[:PAGE].ljust(PAGE, b"\0")
        file.content[page] = whole
        crc = zlib.crc32(whole)
        self.facts.append({"crc32": crc, "file": file.number, "page": page, "pid": process.actor.pid, "va": address})

    def write(self) -> None:
        """Write the list, and the bits that are flipped in entries that are not valid."""
        image, records = self.objects.image, layouts(self.build.arch, self.build.number)
        if records is None:
            return
        last = max(STORE if self.store else 0, *(file.number for file in self.files))
        places = [0] * (last + 1)
        for file in self.files:
            places[file.number] = self.objects.nonpaged.put(
                record(
                    records,
                    MMPAGING_FILE,
                    Size=file.pages,
                    MinimumSize=file.pages,
                    MaximumSize=2 * file.pages,
                    File=self.sections.file_object(file.path.rpartition(":")[2]),
                    PageFileName=text(file.path, self.objects.nonpaged.string(file.path)),
                    PageFileNumber=file.number,
                    WsSwapPagefile=int(file.path.endswith("swapfile.sys")),
                ),
                b"Mm  ",
            )
        if self.store:
            store = record(records, MMPAGING_FILE, PageFileNumber=STORE, VirtualStorePagefile=1)
            places[STORE] = self.objects.nonpaged.put(store, b"Mm  ")
        if not has_globals(self.build):
            image.write(LIST[self.build.pointer_size], pointers(self.build, *places))
            return
        known = globals_of(self.build)
        image.store(MI_STATE, bytes(8))
        image.write(known.mask, struct.pack("<Q", self.entries.mask))
        image.write(known.files, pointers(self.build, *places))
