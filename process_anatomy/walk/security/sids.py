r"""Security identifiers: their text, and the names of those that mean the same on every Windows.

A name is spelled as stock ``windows.getsids`` prints it, where stock has one for that SID and it names the right
thing; the exceptions are in ``tests/walk/security/test_sids.py``.  Names that depend on the machine are in
``sid_names.py``.

Sources: [MS-DTYP] 2.4.2.4 "Well-known SID structures"; Microsoft Learn, "Security identifiers", "Well-known SIDs"
and "Capability SID constants"; the SECURITY_* and DOMAIN_* numbers of the Windows SDK (``winnt.h``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from process_anatomy.walk.security.sid_formulas import guid_text

WELL_KNOWN = {
    "S-1-0": "Null Authority",
    "S-1-0-0": "Nobody",
    "S-1-1": "World Authority",
    "S-1-1-0": "Everyone",
    "S-1-2": "Local Authority",
    "S-1-2-0": "Local (Users with the ability to log in locally)",
    "S-1-2-1": "Console Logon (Users who are logged onto the physical console)",
    "S-1-3": "Creator Authority",
    "S-1-3-0": "Creator Owner",
    "S-1-3-1": "Creator Group",
    "S-1-3-2": "Creator Owner Server",
    "S-1-3-3": "Creator Group Server",
    "S-1-3-4": "Owner Rights",
    "S-1-4": "Non-unique Authority",
    "S-1-5": "NT Authority",
    "S-1-5-1": "Dialup",
    "S-1-5-2": "Network",
    "S-1-5-3": "Batch",
    "S-1-5-4": "Interactive",
    "S-1-5-6": "Service",
    "S-1-5-7": "Anonymous",
    "S-1-5-8": "Proxy",
    "S-1-5-9": "Enterprise Domain Controllers",
    "S-1-5-10": "Principal Self",
    "S-1-5-11": "Authenticated Users",
    "S-1-5-12": "Restricted Code",
    "S-1-5-13": "Terminal Server Users",
    "S-1-5-14": "Remote Interactive Logon",
    "S-1-5-15": "This Organization",
    "S-1-5-17": "IUSR",
    "S-1-5-18": "Local System",
    "S-1-5-19": "Local Service",
    "S-1-5-20": "Network Service",
    "S-1-5-21-0-0-0-496": "Compounded Authentication",
    "S-1-5-21-0-0-0-497": "Claims Valid",
    "S-1-5-22": "Enterprise Read-Only Domain Controllers Beta",
    "S-1-5-32": "BUILTIN",
    "S-1-5-32-544": "Administrators",
    "S-1-5-32-545": "Users",
    "S-1-5-32-546": "Guests",
    "S-1-5-32-547": "Power Users",
    "S-1-5-32-548": "Account Operators",
    "S-1-5-32-549": "Server Operators",
    "S-1-5-32-550": "Print Operators",
    "S-1-5-32-551": "Backup Operators",
    "S-1-5-32-552": "Replicators",
    "S-1-5-32-554": "BUILTIN\\Pre-Windows 2000 Compatible Access",
    "S-1-5-32-555": "BUILTIN\\Remote Desktop Users",
    "S-1-5-32-556": "BUILTIN\\Network Configuration Operators",
    "S-1-5-32-557": "BUILTIN\\Incoming Forest Trust Builders",
    "S-1-5-32-558": "BUILTIN\\Performance Monitor Users",
    "S-1-5-32-559": "BUILTIN\\Performance Log Users",
    "S-1-5-32-560": "BUILTIN\\Windows Authorization Access Group",
    "S-1-5-32-561": "BUILTIN\\Terminal Server License Servers",
    "S-1-5-32-562": "BUILTIN\\Distributed COM Users",
    "S-1-5-32-568": "BUILTIN\\IIS_IUSRS",
    "S-1-5-32-569": "Cryptographic Operators",
    "S-1-5-32-573": "BUILTIN\\Event Log Readers",
    "S-1-5-32-574": "BUILTIN\\Certificate Service DCOM Access",
    "S-1-5-32-575": "RDS Remote Access Servers",
    "S-1-5-32-576": "RDS Endpoint Servers",
    "S-1-5-32-577": "RDS Management Servers",
    "S-1-5-32-578": "Hyper-V Admins",
    "S-1-5-32-579": "Access Control Assistance Ops",
    "S-1-5-32-580": "Remote Management Users",
    "S-1-5-32-581": "System Managed Accounts Group",
    "S-1-5-32-582": "Storage Replica Administrators",
    "S-1-5-32-583": "Device Owners",
    "S-1-5-32-584": "User Mode Hardware Operators",
    "S-1-5-32-585": "OpenSSH Users",
    "S-1-5-33": "Write Restricted",
    "S-1-5-64-10": "NTLM Authentication",
    "S-1-5-64-14": "SChannel Authentication",
    "S-1-5-64-21": "Digest Authentication",
    "S-1-5-65-1": "This Organization Certificate (Kerberos PAC)",
    "S-1-5-80": "NT Service",
    "S-1-5-80-0": "All Services",
    "S-1-5-83-0": "Virtual Machines",
    "S-1-5-84-0-0-0-0-0": "Usermode Drivers",
    "S-1-5-86-615999462-62705297-2911207457-59056572-3668589837": "WMI (Network Service)",
    "S-1-5-86-1544737700-199408000-2549878335-3519669259-381336952": "WMI (Local Service)",
    "S-1-5-90-0": "Window Manager Group",
    "S-1-5-93-2-1": "ContainerAdministrator",
    "S-1-5-93-2-2": "ContainerUser",
    "S-1-5-96-0": "Font Driver Host Group",
    "S-1-5-99-0": "All Restricted Services",
    "S-1-5-113": "Local Account",
    "S-1-5-114": "Local Account (Member of Administrators)",
    "S-1-5-1000": "Other Organization",
    "S-1-15-2-1": "All App Packages",
    "S-1-15-2-2": "All Restricted App Packages",
    "S-1-15-3-1": "internetClient",
    "S-1-15-3-2": "internetClientServer",
    "S-1-15-3-3": "privateNetworkClientServer",
    "S-1-15-3-4": "picturesLibrary",
    "S-1-15-3-5": "videosLibrary",
    "S-1-15-3-6": "musicLibrary",
    "S-1-15-3-7": "documentsLibrary",
    "S-1-15-3-8": "enterpriseAuthentication",
    "S-1-15-3-9": "sharedUserCertificates",
    "S-1-15-3-10": "removableStorage",
    "S-1-15-3-11": "appointments",
    "S-1-15-3-12": "contacts",
    "S-1-15-3-4096": "internetExplorer",
    "S-1-16-0": "Untrusted Mandatory Level",
    "S-1-16-4096": "Low Mandatory Level",
    "S-1-16-8192": "Medium Mandatory Level",
    "S-1-16-8448": "Medium Plus Mandatory Level",
    "S-1-16-12288": "High Mandatory Level",
    "S-1-16-16384": "System Mandatory Level",
    "S-1-16-20480": "Protected Process Mandatory Level",
    "S-1-16-28672": "Secure Process Mandatory Level",
    "S-1-18-1": "Authentication Authority Asserted Identity",
    "S-1-18-2": "Service Asserted Identity",
    "S-1-18-3": "Fresh Public Key Identity",
    "S-1-18-4": "Key Trust Identity",
    "S-1-18-5": "Key Property Multi-Factor Authentication",
    "S-1-18-6": "Key Property Attestation",
}
"""SID to name."""

DOMAIN_RIDS = {
    498: "Enterprise Read-Only Domain Controllers",
    500: "Administrator",
    501: "Guest",
    502: "KRBTGT",
    503: "DefaultAccount",
    504: "WDAGUtilityAccount",
    512: "Domain Admins",
    513: "Domain Users",
    514: "Domain Guests",
    515: "Domain Computers",
    516: "Domain Controllers",
    517: "Cert Publishers",
    518: "Schema Admins",
    519: "Enterprise Admins",
    520: "Group Policy Creator Owners",
    521: "Read-Only Domain Controllers",
    522: "Cloneable Domain Controllers",
    525: "Protected Users",
    526: "Key Admins",
    527: "Enterprise Key Admins",
    528: "Forest Trust Accounts",
    529: "External Trust Accounts",
    553: "RAS Servers",
    571: "Allowed RODC Password Replication Group",
    572: "Denied RODC Password Replication Group",
}
"""Last number of a SID of a domain or machine (S-1-5-21-x-y-z-n) to name."""

TRUST_TYPES = {0: "None", 512: "ProtectedLight", 1024: "Protected"}
TRUST_LEVELS = {0: "None", 1024: "Authenticode", 1536: "Antimalware", 2048: "App", 4096: "Windows", 8192: "WinTcb"}
"""The two numbers of a process trust label (S-1-19-type-level): SECURITY_PROCESS_PROTECTION_* of ``winnt.h``."""

FAMILIES = {
    "S-1-5-82": "IIS Application Pool",
    "S-1-5-84": "User Mode Driver",
    "S-1-5-85": "Cloud Infrastructure Service",
    "S-1-5-86": "WMI Provider Host",
    "S-1-5-87": "Scheduled Task",
    "S-1-5-88": "NFS Identity",
    "S-1-5-89": "COM Identity",
    "S-1-5-91": "Remote Desktop Graphics",
    "S-1-5-92": "Device Association Host",
    "S-1-5-93": "User Manager",
    "S-1-5-94": "WinRM Virtual User",
    "S-1-5-95": "Container Credential Guard",
    "S-1-5-97": "Uniquified Service",
    "S-1-5-98": "Edge Cloud Infrastructure Service",
    "S-1-5-99": "Restricted Service",
    "S-1-5-112": "Windows Mobile",
    "S-1-11-96": "Microsoft Account",
} | {f"S-1-5-{number}": "Virtual Account" for number in range(100, 112)}
"""What kind of thing a SID stands for whose own name nobody knows, by its first numbers; 80 to 111 are virtual
accounts (SECURITY_MIN_BASE_RID and SECURITY_MAX_BASE_RID of ``winnt.h``)."""

INTEGRITY_AUTHORITY = "S-1-16-"
INTEGRITY_LEVELS = {
    0x0000: "untrusted",
    0x1000: "low",
    0x2000: "medium",
    0x2100: "medium-plus",
    0x3000: "high",
    0x4000: "system",
    0x5000: "protected",
    0x7000: "secure",
}
"""Last sub-authority of an integrity SID to its name."""

_SHAPE = re.compile(r"S-1-([0-9]{1,15})((?:-(?:0|[1-9][0-9]{0,9})){1,15})")
_LIMIT = 1 << 32
FAMILY_NUMBERS = 3
"""Authority, family and at least one number more."""


def sid_text(revision: int, authority: bytes, sub_authorities: list[int]) -> str:
    """A SID as Windows writes it."""
    top = int.from_bytes(authority, "big")
    return "-".join(["S", str(revision), str(top), *map(str, sub_authorities)])


def sid_numbers(sid: str) -> tuple[int, ...]:
    """Authority and sub-authorities of a SID; nothing for text that is none."""
    shape = _SHAPE.fullmatch(sid)
    if not shape:
        return ()
    numbers = tuple(map(int, shape[2][1:].split("-")))
    return () if max(numbers) >= _LIMIT else (int(shape[1]), *numbers)


def sid_name(sid: str) -> str:
    """The name of a SID that means the same on every Windows, else an empty string."""
    if sid in WELL_KNOWN:
        return WELL_KNOWN[sid]
    numbers = sid_numbers(sid)
    pattern = _PATTERNS.get(numbers[:2]) or _PATTERNS.get(numbers[:1])
    return pattern(numbers) if pattern else ""


def sid_family(sid: str) -> str:
    """What kind of thing a SID stands for, where its kind is known and its own name is not."""
    numbers = sid_numbers(sid)
    return FAMILIES.get(f"S-1-{numbers[0]}-{numbers[1]}", "") if len(numbers) >= FAMILY_NUMBERS else ""


def integrity_name(sid: str) -> str:
    """The integrity level of a SID: a name, or the number where the level has none; empty for other SIDs."""
    match sid_numbers(sid):
        case (16, level):
            return INTEGRITY_LEVELS.get(level, f"{level:#x}")
    return ""


def _logon_session(numbers: Sequence[int]) -> str:
    match numbers:
        case (5, 5, _, _):
            return "Logon Session"
    return ""


def _domain(numbers: Sequence[int]) -> str:
    match numbers:
        case (5, 21, _, _, _, rid):
            return DOMAIN_RIDS.get(rid, "")
    return ""


def _virtual_machine(numbers: Sequence[int]) -> str:
    match numbers:
        case (5, 83, 1, _, _, _, _):
            return f"NT VIRTUAL MACHINE\\{guid_text(numbers[3:])}"
    return ""


def _window_manager(numbers: Sequence[int]) -> str:
    match numbers:
        case (5, 90, 0, session):
            return f"Window Manager\\DWM-{session}"
    return ""


def _font_driver_host(numbers: Sequence[int]) -> str:
    match numbers:
        case (5, 96, 0, session):
            return f"Font Driver Host\\UMFD-{session}"
    return ""


def _trust(numbers: Sequence[int]) -> str:
    match numbers:
        case (19, 0, 0):
            return TRUST_TYPES[0]
        case (19, kind, level) if kind in TRUST_TYPES and level in TRUST_LEVELS:
            return f"{TRUST_TYPES[kind]}-{TRUST_LEVELS[level]}"
    return ""


_PATTERNS: dict[tuple[int, ...], Callable[[Sequence[int]], str]] = {
    (5, 5): _logon_session,
    (5, 21): _domain,
    (5, 83): _virtual_machine,
    (5, 90): _window_manager,
    (5, 96): _font_driver_host,
    (19,): _trust,
}
"""Authority, or authority and first sub-authority, to what names such a SID."""
