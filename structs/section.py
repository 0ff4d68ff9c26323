"""Sections: what a mapped range is backed by, from the subsection to the file's name."""

from __future__ import annotations

from structs.field_types import FastRef, Int, Pointer, UInt, UnicodeString
from structs.layout import Layout, at

SUBSECTION = Layout(
    "_SUBSECTION",
    "one part of a section: pages with one protection and one source",
    {
        "ControlArea": at(Pointer, "the control area of the whole section"),
        "SubsectionBase": at(Pointer, "first prototype page-table entry of the part"),
        "PtesInSubsection": at(UInt, "number of prototype entries"),
        "NextSubsection": at(Pointer, "the next part"),
    },
)

CONTROL_AREA = Layout(
    "_CONTROL_AREA",
    "the memory manager's record of a section that is in use",
    {
        "Segment": at(Pointer, "the segment: size and prototype entries"),
        "NumberOfSectionReferences": at(UInt, "section objects that refer to it"),
        "NumberOfMappedViews": at(UInt, "views mapped into processes"),
        "NumberOfSubsections": at(UInt, "parts of the section (Windows XP)"),
        "NumberOfUserReferences": at(UInt, "references from user mode"),
        "Flags": at(UInt, "section flags: image, file, being deleted ...", "u.LongFlags"),
        "FilePointer": at(FastRef, "file object of the mapped file, zero where a page file backs it"),
    },
)

MMSECTION_FLAGS = Layout(
    "_MMSECTION_FLAGS",
    "what a control area says of its section, one bit each",
    {
        "BeingDeleted": at(UInt, "the section is being deleted"),
        "BeingCreated": at(UInt, "the section is being created"),
        "BeingPurged": at(UInt, "its pages are being purged"),
        "NoModifiedWriting": at(UInt, "changed pages are not written by the memory manager"),
        "FailAllIo": at(UInt, "its file is gone, reads and writes fail"),
        "Image": at(UInt, "mapped as an image"),
        "Based": at(UInt, "mapped at the same address in every process"),
        "File": at(UInt, "backed by a file"),
        "AttemptingDelete": at(UInt, "a deletion was asked for"),
        "SectionOfInterest": at(UInt, "its use is being followed"),
        "PrefetchCreated": at(UInt, "made by the prefetcher"),
        "PhysicalMemory": at(UInt, "a view of physical memory"),
        "CopyOnWrite": at(UInt, "writes make private copies (older builds)"),
        "ImageControlAreaOnRemovableMedia": at(UInt, "an image on media that can be taken out"),
        "Reserve": at(UInt, "pages are committed one by one"),
        "Commit": at(UInt, "all pages are committed"),
        "NoChange": at(UInt, "the protection of views may not be changed"),
        "WasPurged": at(UInt, "its pages were purged"),
        "UserReference": at(UInt, "referenced from user mode"),
        "GlobalMemory": at(UInt, "memory of all sessions"),
        "DeleteOnClose": at(UInt, "goes with its last view"),
        "FilePointerNull": at(UInt, "its file object was let go"),
        "GlobalOnlyPerSession": at(UInt, "global within one session"),
        "UserWritable": at(UInt, "was mapped writable into a process"),
        "ControlAreaOnUnusedList": at(UInt, "nobody uses it, it is kept for the next one"),
        "SystemVaAllocated": at(UInt, "has a place in system address space"),
        "NotBeingUsed": at(UInt, "nobody uses it"),
        "PreferredFsCompressionBoundary": at(UInt, "read in whole compressed pieces"),
        "UsingFileExtents": at(UInt, "read by file extents"),
        "PageSize64K": at(UInt, "made of pages of 64 KB"),
    },
)

SEGMENT = Layout(
    "_SEGMENT",
    "the size and the prototype entries of a section",
    {
        "ControlArea": at(Pointer, "the control area"),
        "TotalNumberOfPtes": at(UInt, "number of prototype entries"),
        "SegmentPteTemplate": at(UInt, "what the prototype entries are made from (before Windows Vista)"),
        "NumberOfCommittedPages": at(UInt, "committed pages of the section"),
        "SizeOfSegment": at(UInt, "bytes"),
        "ImageInformation": at(
            Pointer, "of an image: what its file's headers said when it was mapped", "u2.ImageInformation", "u2"
        ),
        "PrototypePte": at(Pointer, "the prototype entries"),
    },
)

SECTION_IMAGE_INFORMATION = Layout(
    "_SECTION_IMAGE_INFORMATION",
    "what the headers of an image file said when the kernel mapped it; out of the reach of the process",
    {
        "TransferAddress": at(Pointer, "entry point, at the base that the header asks for"),
        "DllCharacteristics": at(UInt, "what the file asks for: DYNAMIC_BASE, NX_COMPAT, GUARD_CF ..."),
        "Machine": at(UInt, "processor that it is for"),
        "ImageFileSize": at(UInt, "bytes of the file"),
        "CheckSum": at(UInt, "check sum of the file, as its header has it"),
    },
)

FILE_OBJECT = Layout(
    "_FILE_OBJECT",
    "an open file",
    {
        "Type": at(Int, "5 for a file object"),
        "Size": at(Int, "bytes of the object"),
        "DeviceObject": at(Pointer, "device the file is on"),
        "Flags": at(UInt, "how it was opened"),
        "FileName": at(UnicodeString, "name within the device"),
    },
)

SECTION = Layout(
    "_SECTION",
    "a section object: memory that can be mapped (since Windows 10)",
    {
        "ControlArea": at(Pointer, "the control area, its two lowest bits say otherwise", "u1.ControlArea"),
        "SizeOfSection": at(UInt, "bytes"),
    },
)

SECTION_OBJECT = Layout(
    "_SECTION_OBJECT",
    "a section object: memory that can be mapped (up to Windows 8.1)",
    {"Segment": at(Pointer, "the segment, which begins with the address of the control area")},
)
