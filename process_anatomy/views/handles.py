"""The view of what each process has open."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from process_anatomy.views.declaration import ADDRESS, BOOLEAN, INTEGER, TEXT, TEXTS, Column, Option, Request, Row, View
from process_anatomy.views.sources import ACCOUNTS, LISTED, SIDS

if TYPE_CHECKING:
    from process_anatomy.walk.processes.listed import Process


def rows(request: Request) -> Iterator[Row]:
    """One row for each handle."""
    from process_anatomy.notes.handle_rows import handle_note

    tables, explain = request.tables, request.explain
    request.chosen()
    found = tables.handles(frozenset(request.options["type"]))
    request.report(found.problems)
    owners: dict[object, list[Process]] = {}
    for process in tables.everyone.rows if explain.speaks else ():
        owners.setdefault(process.token, []).append(process)
    for row in found.rows:
        own = owners.get(row.object, ()) if row.type == "Token" else ()
        yield (
            0,
            {
                "PID": row.process.pid,
                "Process": row.process.name,
                "Offset": row.object,
                "HandleValue": row.value,
                "Type": row.type,
                "GrantedAccess": row.access,
                "Name": row.target.name,
                "Target": row.target.full,
                "Rights": row.rights,
                "Inherit": row.inherit,
                "ProtectFromClose": row.protect,
                "AuditOnClose": row.audit,
                "Entry": row.entry,
                "Header": row.header,
                "Problems": row.problems,
                "Explanation": explain(handle_note, row, own),
            },
        )


NAMES = (
    "_FILE_OBJECT.DeviceObject, FileName; _CM_KEY_CONTROL_BLOCK; _EPROCESS.UniqueProcessId; _ETHREAD.Process, Cid; "
    "_OBJECT_HEADER_NAME_INFO.Name, Directory"
)

VIEW = View(
    name="handles",
    title="Lists each process's open handles, explained: what they lead to and what they allow.",
    component="open-handles",
    columns=(
        Column("PID", INTEGER, "the id of the process that has the handle", "_EPROCESS.UniqueProcessId"),
        Column(
            "Process", TEXT, "the short name of the program, cut off after 14 characters", "_EPROCESS.ImageFileName"
        ),
        Column(
            "Offset",
            ADDRESS,
            "the virtual address of the object (its body), without the upper 16 bits, as the stock plugin shows it",
            "_HANDLE_TABLE_ENTRY.ObjectPointerBits, _OBJECT_HEADER.Body",
        ),
        Column(
            "HandleValue",
            INTEGER,
            "the number that the process knows the handle by: four times the number of its entry",
            "the place of the _HANDLE_TABLE_ENTRY in the table",
            hexadecimal=True,
        ),
        Column(
            "Type",
            TEXT,
            "what sort of object it leads to, by the name that the object manager has for it",
            "_OBJECT_HEADER.TypeIndex, _OBJECT_TYPE.Name",
        ),
        Column(
            "GrantedAccess",
            INTEGER,
            "what the holder may do with the object, a bit each, decided when the handle was opened",
            "_HANDLE_TABLE_ENTRY.GrantedAccessBits",
            hexadecimal=True,
        ),
        Column(
            "Name",
            TEXT,
            "the object's name as the stock plugin has it: a file with its device, a key, ids, else the object's own "
            "name",
            NAMES,
        ),
        Column(
            "Target",
            TEXT,
            "what the handle leads to, in full: the whole path, a process's program, a token's user, a section's file",
            f"{NAMES}; {SIDS}; {ACCOUNTS}",
        ),
        Column(
            "Rights",
            TEXT,
            "GrantedAccess by name, for the type of the object; bits without a name as one number",
            "the Windows SDK and WDK headers; windows.anatomy.explain --about object-right",
        ),
        Column(
            "Inherit",
            BOOLEAN,
            "whether children that inherit handles get this one",
            "_HANDLE_TABLE_ENTRY.Attributes, 0x2",
        ),
        Column(
            "ProtectFromClose", BOOLEAN, "whether closing the handle is refused", "_HANDLE_TABLE_ENTRY.Attributes, 0x1"
        ),
        Column(
            "AuditOnClose",
            BOOLEAN,
            "whether closing the handle is written to the security log",
            "_HANDLE_TABLE_ENTRY.Attributes, 0x4",
        ),
        Column(
            "Entry",
            ADDRESS,
            "the virtual address of the entry in the handle table, without the upper 16 bits",
            "_HANDLE_TABLE.TableCode",
        ),
        Column(
            "Header",
            ADDRESS,
            "the virtual address of the object's header, without the upper 16 bits",
            "_HANDLE_TABLE_ENTRY.ObjectPointerBits",
        ),
        Column(
            "Problems",
            TEXTS,
            "what is odd about the handle or its object, or could not be read",
            "the checks of the walk",
        ),
        Column(
            "Explanation",
            TEXT,
            "what the handle is, and what it allows its holder to do",
            "the notes of windows.anatomy.explain",
        ),
    ),
    rows=rows,
    telling=("PID", "Process", "HandleValue", "Type", "Target", "Rights"),
    options=(
        Option("type", TEXTS, "Types of objects to show: Process,Thread or repeated", ()),
        Option("target", TEXT, "Only handles to what has this in its name: lsass.exe", columns=("Target", "Name")),
    ),
    through=(
        f"{LISTED}, ObjectTable; _HANDLE_TABLE.TableCode; _OBJECT_TYPE.Index, Name; _OBJECT_HEADER.TypeIndex, InfoMask"
    ),
)
