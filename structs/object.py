"""Objects: what the object manager keeps in front of every one of them, their types, directories and devices."""

from __future__ import annotations

from structs.field_types import Bytes, FileTime, ListEntry, Pointer, UInt, UnicodeString
from structs.field_types import Int as SignedInt
from structs.layout import Layout, at

OBJECT_HEADER = Layout(
    "_OBJECT_HEADER",
    "the object manager's header, in front of every object",
    {
        "PointerCount": at(SignedInt, "references by address"),
        "HandleCount": at(SignedInt, "references by handle"),
        "Type": at(Pointer, "the _OBJECT_TYPE of the object (up to Windows Vista)"),
        "TypeIndex": at(UInt, "index of the object's type, encoded from Windows 10 on (since Windows 7)"),
        "InfoMask": at(UInt, "which optional headers stand before this one (since Windows 7)"),
        "NameInfoOffset": at(UInt, "bytes back to the header with the name, 0 without one (up to Windows Vista)"),
        "HandleInfoOffset": at(UInt, "bytes back to the header that counts handles, 0 without one (up to Vista)"),
        "QuotaInfoOffset": at(UInt, "bytes back to the header with what the owner is charged, 0 without (up to Vista)"),
        "Flags": at(UInt, "object flags"),
        "SecurityDescriptor": at(Pointer, "who may do what with the object"),
        "Body": at(Bytes, "start of the object itself"),
    },
)

OBJECT_NAME_INFORMATION = Layout(
    "_OBJECT_NAME_INFORMATION",
    "a name, followed by its characters",
    {"Name": at(UnicodeString, "the name")},
)

OBJECT_TYPE = Layout(
    "_OBJECT_TYPE",
    "a type of objects: its name, what can be granted on it, how many there are",
    {
        "TypeList": at(ListEntry, "objects of the type, where they are kept in a list"),
        "Name": at(UnicodeString, "name of the type, for instance Process"),
        "Index": at(UInt, "place of the type in the table of types"),
        "TotalNumberOfObjects": at(UInt, "objects of the type"),
        "TotalNumberOfHandles": at(UInt, "handles to objects of the type"),
        "GenericMapping": at(Bytes, "what reading, writing, executing and everything mean", "TypeInfo.GenericMapping"),
        "ValidAccessMask": at(UInt, "rights that exist for the type", "TypeInfo.ValidAccessMask"),
        "Key": at(UInt, "four characters: the pool tag of the type's objects"),
    },
)

OBJECT_HEADER_CREATOR_INFO = Layout(
    "_OBJECT_HEADER_CREATOR_INFO",
    "who made the object (optional, in front of the header)",
    {
        "TypeList": at(ListEntry, "link in the list of objects of the same type"),
        "CreatorUniqueProcess": at(UInt, "process id of the process that made it"),
    },
)

OBJECT_HEADER_NAME_INFO = Layout(
    "_OBJECT_HEADER_NAME_INFO",
    "the object's name and the directory that it is in (optional, in front of the header)",
    {
        "Directory": at(Pointer, "the _OBJECT_DIRECTORY that holds the object"),
        "Name": at(UnicodeString, "name within that directory"),
    },
)

OBJECT_HEADER_HANDLE_INFO = Layout(
    "_OBJECT_HEADER_HANDLE_INFO",
    "how many handles which process has to the object (optional, in front of the header)",
    {
        "HandleCountDataBase": at(Pointer, "counts of handles by process; or the only such process"),
    },
)

OBJECT_HEADER_QUOTA_INFO = Layout(
    "_OBJECT_HEADER_QUOTA_INFO",
    "what the object costs its owner (optional, in front of the header)",
    {
        "PagedPoolCharge": at(UInt, "bytes of paged pool charged"),
        "NonPagedPoolCharge": at(UInt, "bytes of non-paged pool charged"),
        "SecurityDescriptorCharge": at(UInt, "bytes charged for the security descriptor"),
    },
)

OBJECT_HEADER_PROCESS_INFO = Layout(
    "_OBJECT_HEADER_PROCESS_INFO",
    "the only process that may use the object (optional, in front of the header)",
    {"ExclusiveProcess": at(Pointer, "that process")},
)

OBJECT_HEADER_AUDIT_INFO = Layout(
    "_OBJECT_HEADER_AUDIT_INFO",
    "what is audited of the object's use (optional, in front of the header)",
    {"SecurityDescriptor": at(Pointer, "security descriptor that says so")},
)

OBJECT_HEADER_EXTENDED_INFO = Layout(
    "_OBJECT_HEADER_EXTENDED_INFO",
    "where the object keeps more of itself (optional, in front of the header)",
    {"Footer": at(Pointer, "what stands behind the object")},
)

OBJECT_DIRECTORY = Layout(
    "_OBJECT_DIRECTORY",
    "a directory of named objects",
    {"HashBuckets": at(Bytes, "37 chains of entries, an address each")},
)

OBJECT_DIRECTORY_ENTRY = Layout(
    "_OBJECT_DIRECTORY_ENTRY",
    "one object of a directory",
    {
        "ChainLink": at(Pointer, "the next entry of the same chain"),
        "Object": at(Pointer, "the object"),
        "HashValue": at(UInt, "hash of its name"),
    },
)

OBJECT_SYMBOLIC_LINK = Layout(
    "_OBJECT_SYMBOLIC_LINK",
    "an object that stands for another name",
    {
        "CreationTime": at(FileTime, "when it was made"),
        "LinkTarget": at(UnicodeString, "the name that it stands for"),
    },
)

DEVICE_OBJECT = Layout(
    "_DEVICE_OBJECT",
    "a device that a driver made",
    {
        "Type": at(SignedInt, "3 for a device object"),
        "Size": at(UInt, "bytes of the object and of what the driver keeps behind it"),
        "DriverObject": at(Pointer, "the driver that made it"),
        "NextDevice": at(Pointer, "the driver's next device"),
        "AttachedDevice": at(Pointer, "the device that lies on top of it"),
        "DeviceType": at(UInt, "what sort of device"),
    },
)

POOL_HEADER = Layout(
    "_POOL_HEADER",
    "the allocator's header, in front of every small pool allocation",
    {
        "PreviousSize": at(UInt, "size of the block before, in units"),
        "PoolIndex": at(UInt, "which pool"),
        "BlockSize": at(UInt, "size of this block, in units"),
        "PoolType": at(UInt, "paged, non-paged, in use"),
        "PoolTag": at(UInt, "four characters that name the owner"),
    },
)
POOL_TAG_MASK = 0x7FFF_FFFF
"""A pool tag without the bit that marks a protected block (up to Windows 7)."""

EXPORTED_TYPES = {
    "PsProcessType": "Process",
    "PsThreadType": "Thread",
    "PsJobType": "Job",
    "SeTokenObjectType": "Token",
    "IoFileObjectType": "File",
    "ExEventObjectType": "Event",
    "ExSemaphoreObjectType": "Semaphore",
    "MmSectionObjectType": "Section",
    "CmKeyObjectType": "Key",
}
"""Exported variable to the name of the type that it points at; the same in every Windows."""
