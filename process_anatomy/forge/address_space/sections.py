"""Sections: control areas, subsections, prototype entries and file objects behind mapped ranges."""

from __future__ import annotations

from process_anatomy.forge.ground.generations import version_of
from process_anatomy.forge.ground.records import record, text
from process_anatomy.forge.memory.entries import PROTECTION_SHIFT, Entries
from process_anatomy.forge.memory.frames import ACCESSED, DIRTY, GLOBAL, NO_EXECUTE, PAGE, VALID
from process_anatomy.forge.memory.protections import READ_ONLY, READ_WRITE
from process_anatomy.forge.objects.object_manager import ObjectManager
from process_anatomy.forge.parts.section import Section
from process_anatomy.forge.pe import headers as pe
from structs.section import (
    CONTROL_AREA,
    FILE_OBJECT,
    SECTION,
    SECTION_IMAGE_INFORMATION,
    SECTION_OBJECT,
    SEGMENT,
    SUBSECTION,
)

FILE_TYPE, FILE_OBJECT_FLAGS = 5, 0x44042
IMAGE_FLAG, FILE_FLAG, COMMIT_FLAG = 0x20, 0x80, 0x2000


class Sections:
    """Makes sections, one for each file.

    Args:
        objects: the object manager.
        entries: how entries that are not valid are written.
        disk: address of the device that files are on.
    """

    def __init__(self, objects: ObjectManager, entries: Entries, disk: int) -> None:
        self.objects, self.build, self.kernel = objects, objects.build, objects.kernel
        self.entries, self.disk = entries, disk
        self._files: dict[str, Section] = {}
        self._segments: dict[int, int] = {}

    def file_object(self, name: str, device: int = 0) -> int:
        """A file object; gives its address.

        Args:
            name: within the device.
            device: the device; without one the disk is taken.
        """
        address = self.objects.reserve("File", self.build[FILE_OBJECT].sizeof, b"File")
        data = record(
            self.build,
            FILE_OBJECT,
            Type=FILE_TYPE,
            Size=self.build[FILE_OBJECT].sizeof,
            DeviceObject=device or self.disk,
            Flags=FILE_OBJECT_FLAGS,
            FileName=text(name, self.objects.paged.string(name)),
        )
        self.kernel.write(address, data)
        return address

    def _make(
        self, file: str | None, parts: list[int], entries: list[int], flags: int, headers: int = 0
    ) -> tuple[int, int, int]:
        """Segment, prototype entries, control area and subsections; gives subsection, entries and file object.

        ``headers`` is the address of the kernel's note of an image file's headers.
        """
        dice = self.objects.dice
        control, sub = self.build[CONTROL_AREA].sizeof, self.build[SUBSECTION].sizeof
        area = self.objects.nonpaged.allocate(control + sub * len(parts), b"MmCa")
        mask = self.kernel.mode.entry_mask
        table = self.kernel.mode.pack(*(entry & mask for entry in entries))
        prototypes = self.objects.paged.put(table, b"MmSt")
        total = sum(parts)
        segment = self.objects.paged.put(
            record(
                self.build,
                SEGMENT,
                ControlArea=area,
                TotalNumberOfPtes=total,
                SizeOfSegment=total * PAGE,
                PrototypePte=prototypes,
                ImageInformation=headers,
            ),
            b"MmSm",
        )
        self._segments[area] = segment
        file_object = self.file_object(file) if file else 0
        data = record(
            self.build,
            CONTROL_AREA,
            Segment=segment,
            NumberOfSectionReferences=dice.between(1, 3),
            NumberOfMappedViews=dice.between(1, 40),
            NumberOfUserReferences=dice.between(1, 40),
            Flags=flags,
            FilePointer=self._file_pointer(file_object) if file else 0,
        )
        base = prototypes
        for index, pages in enumerate(parts):
            last = index == len(parts) - 1
            data += record(
                self.build,
                SUBSECTION,
                ControlArea=area,
                SubsectionBase=base,
                PtesInSubsection=pages,
                NextSubsection=0 if last else area + control + sub * (index + 1),
            )
            base += self.kernel.mode.entry_size * pages
        self.kernel.write(area, data)
        return area + control, prototypes, file_object

    def _file_pointer(self, file_object: int) -> int:
        """The control area's pointer to its file: since Windows Vista with references in its lowest bits."""
        if version_of(self.build) < (6, 0):
            return file_object
        return file_object | self.objects.dice.between(1, 2 * self.build.pointer_size - 1)

    def image(self, file: str, program: pe.Program, base: int) -> Section:
        """An image file's section; the headers, its first page, and the pages that hold something are in memory."""
        if file not in self._files:
            held = {0: program.headers(base), **program.pages}
            frames = {page: self.kernel.memory.take(content) for page, content in held.items()}
            parts = [1] + [(part.end - part.start) // PAGE for part in program.sections]
            entries = [0] * max(4, max(frames) + 1)
            for page, frame in frames.items():
                entries[page] = frame * PAGE | VALID | ACCESSED | GLOBAL
            noted = record(
                self.build,
                SECTION_IMAGE_INFORMATION,
                TransferAddress=base + program.entry,
                DllCharacteristics=program.mitigations,
                Machine=pe.MACHINES[program.bits],
                ImageFileSize=program.file_end + program.overlay,
                CheckSum=program.checksum,
            )
            headers = self.objects.paged.put(noted, b"MmIm")
            subsection, prototypes, opened = self._make(file, parts, entries, IMAGE_FLAG | FILE_FLAG, headers)
            self._files[file] = Section(subsection, prototypes, file, frames, program, opened)
        return self._files[file]

    def image_without_file(self, program: pe.Program, base: int) -> Section:
        """An image's section behind which there is no file; its header is in memory."""
        frame = self.kernel.memory.take(program.headers(base))
        entries = [frame * PAGE | VALID | ACCESSED | GLOBAL, 0, 0, 0]
        parts = [1] + [(part.end - part.start) // PAGE for part in program.sections]
        subsection, prototypes, _ = self._make(None, parts, entries, IMAGE_FLAG)
        return Section(subsection, prototypes, None, {0: frame}, program)

    def data(self, file: str, pages: int, contents: list[bytes]) -> Section:
        """A data file's section: of three contents, two pages valid and one in transition; the rest in the file."""
        if file not in self._files:
            frames = {index: self.kernel.memory.take(content) for index, content in enumerate(contents)}
            entries = [frame * PAGE | VALID | ACCESSED | GLOBAL | NO_EXECUTE for frame in list(frames.values())[:2]]
            entries += [self.entries.transition(frame, READ_ONLY) for frame in list(frames.values())[2:]]
            subsection, prototypes, opened = self._make(file, [pages], [*entries, 0], FILE_FLAG)
            in_file = self.kernel.mode.pack(self.entries.subsection(subsection, READ_ONLY))
            self.kernel.write(prototypes + len(in_file) * len(entries), in_file)
            self._files[file] = Section(subsection, prototypes, file, frames, file_object=opened)
        return self._files[file]

    @property
    def object_size(self) -> int:
        """Bytes of a section object."""
        return self.build[SECTION if SECTION in self.build else SECTION_OBJECT].sizeof

    def object(self, section: Section) -> int:
        """A section object for a section; gives its address."""
        body = self.objects.reserve("Section", self.object_size, b"Sect", quota=False)
        self.fill_object(body, section)
        return body

    def fill_object(self, body: int, section: Section) -> None:
        """Let a section object lead to a section."""
        area = section.subsection - self.build[CONTROL_AREA].sizeof
        if SECTION in self.build:
            data = record(self.build, SECTION, ControlArea=area, SizeOfSection=PAGE * max(len(section.frames), 1))
        else:
            segment = self._segments[area]
            data = record(self.build, SECTION_OBJECT, Segment=segment)
        self.kernel.write(body, data)

    def shared_memory(self, pages: int, content: bytes) -> Section:
        """A section that the page file backs; its first page is in memory."""
        frame = self.kernel.memory.take(content)
        valid = frame * PAGE | VALID | ACCESSED | DIRTY | GLOBAL | NO_EXECUTE
        demand = READ_WRITE << PROTECTION_SHIFT
        subsection, prototypes, _ = self._make(None, [pages], [valid, demand], COMMIT_FLAG)
        return Section(subsection, prototypes, None, {0: frame})
