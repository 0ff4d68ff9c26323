"""Security attributes and claims of a token, in system address space.

The collections are in the kernel's public symbols; the attributes and their values are not.  Their
layouts follow the public description of the same facts in user mode (AUTHZ_SECURITY_ATTRIBUTE_V1 and
CLAIM_SECURITY_ATTRIBUTE_V1 of the Windows SDK, [MS-DTYP] 2.4.10.1: name, type, flags, count, values),
with the list links that the collection's two list heads ask for in front; the order was read off kernel
memory (the name and the list heads identify themselves).  Readers prove each attribute before they
believe it.
"""

from __future__ import annotations

from structs.field_types import Bytes, ListEntry, Pointer, UInt, UnicodeString
from structs.layout import Layout, at

SECURITY_ATTRIBUTES_INFORMATION = Layout(
    "_AUTHZBASEP_SECURITY_ATTRIBUTES_INFORMATION",
    "the security attributes of a token, or the claims of one kind",
    {
        "SecurityAttributeCount": at(UInt, "number of attributes"),
        "SecurityAttributesList": at(ListEntry, "head of the list of attributes"),
        "WorkingSecurityAttributeCount": at(UInt, "number of attributes that are being changed"),
        "WorkingSecurityAttributesList": at(ListEntry, "head of the list of attributes that are being changed"),
    },
)

CLAIM_ATTRIBUTES_COLLECTION = Layout(
    "_AUTHZBASEP_CLAIM_ATTRIBUTES_COLLECTION",
    "what an authority claims about a user and the device that the user works on",
    {
        "DeviceGroupsCount": at(UInt, "number of groups of the device"),
        "pDeviceGroups": at(Pointer, "array of SIDs: the groups of the device"),
        "RestrictedDeviceGroupsCount": at(UInt, "number of restricting groups of the device"),
        "pRestrictedDeviceGroups": at(Pointer, "array of SIDs: the restricting groups of the device"),
        "pUserSecurityAttributes": at(Pointer, "claims about the user"),
        "pDeviceSecurityAttributes": at(Pointer, "claims about the device"),
        "pRestrictedUserSecurityAttributes": at(Pointer, "claims about the user that restrict"),
        "pRestrictedDeviceSecurityAttributes": at(Pointer, "claims about the device that restrict"),
    },
)

SECURITY_ATTRIBUTE = Layout(
    "_AUTHZBASEP_SECURITY_ATTRIBUTE",
    "one security attribute or claim: a name and its values",
    {
        "Link": at(ListEntry, "link in the list of attributes"),
        "WorkingLink": at(ListEntry, "link in the list of attributes that are being changed"),
        "Name": at(UnicodeString, "name of the attribute, for instance WIN://SYSAPPID"),
        "ValueType": at(
            UInt, "type of the values: 1 integer, 2 unsigned, 3 string, 4 FQBN, 5 SID, 6 boolean, 16 octets"
        ),
        "Reserved": at(UInt, "zero"),
        "Flags": at(UInt, "not inheritable, case sensitive, deny only, disabled, mandatory ..."),
        "ValueCount": at(UInt, "number of values"),
        "Values": at(ListEntry, "head of the list of values"),
        "WorkingValueCount": at(UInt, "number of values that are being changed"),
        "WorkingValues": at(ListEntry, "head of the list of values that are being changed"),
    },
    widths={
        "Link": lambda pointer: 2 * pointer,
        "WorkingLink": lambda pointer: 2 * pointer,
        "Name": lambda pointer: 2 * pointer,
        "ValueType": 2,
        "Reserved": 2,
        "Flags": 4,
        "ValueCount": 4,
        "Values": lambda pointer: 2 * pointer,
        "WorkingValueCount": 4,
        "WorkingValues": lambda pointer: 2 * pointer,
    },
)

SECURITY_ATTRIBUTE_VALUE = Layout(
    "_AUTHZBASEP_SECURITY_ATTRIBUTE_VALUE",
    "one value of a security attribute",
    {
        "Link": at(ListEntry, "link in the list of values"),
        "WorkingLink": at(ListEntry, "link in the list of values that are being changed"),
        "Value": at(Bytes, "a number; or a string's header; or a version and a string's header; or address and length"),
    },
    widths={
        "Link": lambda pointer: 2 * pointer,
        "WorkingLink": lambda pointer: 2 * pointer,
        "Value": lambda pointer: 8 + 2 * pointer,
    },
)
