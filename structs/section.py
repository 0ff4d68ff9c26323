"""Sections: what a mapped range is backed by, from the subsection to the file's name."""

from __future__ import annotations

from structs.layout import FastRef, Int, Layout, Pointer, UInt, UnicodeString, at

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
        "NumberOfUserReferences": at(UInt, "references from user mode"),
        "Flags": at(UInt, "section flags: image, file, being deleted ...", "u.LongFlags"),
        "FilePointer": at(FastRef, "file object of the mapped file, zero where a page file backs it"),
    },
)

SEGMENT = Layout(
    "_SEGMENT",
    "the size and the prototype entries of a section",
    {
        "ControlArea": at(Pointer, "the control area"),
        "TotalNumberOfPtes": at(UInt, "number of prototype entries"),
        "NumberOfCommittedPages": at(UInt, "committed pages of the section"),
        "SizeOfSegment": at(UInt, "bytes"),
        "PrototypePte": at(Pointer, "the prototype entries"),
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
