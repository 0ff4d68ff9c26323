r"""SIDs that Windows computes from a name, and names out of SIDs that hold a GUID.

Services, scheduled tasks and application pools: 80, 87 or 82, then the SHA-1 of the name in UTF-16, as five
32-bit numbers.  Capabilities and packages: the SHA-256, as eight numbers, of which a package keeps seven.

Sources: ``sc showsid``, ``schtasks /showsid``, ``DeriveCapabilitySidsFromName`` and
``DeriveAppContainerSidFromAppContainerName``; Chen, The Old New Thing, 2022-05-03 (S-1-15-3).
Tests hold published pairs.
"""

from __future__ import annotations

import hashlib
import struct
import uuid
from collections.abc import Iterable

FULL_NAME_PARTS = 5
LAST_BASIC = "\uffff"


def upper_case(name: str) -> str:
    """A name in upper case as RtlUpcaseUnicodeString has it: character by character, none of them grows."""
    return name.upper() if name.isascii() else "".join(_one(c, c.upper()) for c in name)


def lower_case(name: str) -> str:
    """A name in lower case, character by character."""
    return name.lower() if name.isascii() else "".join(_one(c, c.lower()) for c in name)


def _one(before: str, after: str) -> str:
    return after if len(after) == 1 and before <= LAST_BASIC and after <= LAST_BASIC else before


def _bytes(name: str) -> bytes:
    return name.encode("utf-16-le", "surrogatepass")


def service_digest(name: str) -> bytes:
    """The 20 bytes that stand for a service."""
    return hashlib.sha1(_bytes(upper_case(name)), usedforsecurity=False).digest()


def task_digest(path: str) -> bytes:
    r"""The 20 bytes that stand for a scheduled task, given its path with or without the first backslash."""
    return service_digest(path.removeprefix("\\").replace("\\", "-"))


def pool_digest(name: str) -> bytes:
    """The 20 bytes that stand for an IIS application pool."""
    return hashlib.sha1(_bytes(lower_case(name)), usedforsecurity=False).digest()


def capability_digest(name: str) -> bytes:
    """The 32 bytes that stand for a capability."""
    return hashlib.sha256(_bytes(upper_case(name))).digest()


def package_digest(moniker: str) -> bytes:
    """The 28 bytes that stand for a package family or any other AppContainer."""
    return hashlib.sha256(_bytes(lower_case(moniker))).digest()[:28]


def numbers_text(digest: bytes) -> str:
    """The bytes as a SID has them: little-endian 32-bit numbers with hyphens between them."""
    return "-".join(map(str, struct.unpack(f"<{len(digest) // 4}I", digest)))


def numbers_bytes(numbers: Iterable[int]) -> bytes:
    """The bytes that sub-authorities were made of."""
    return b"".join(number.to_bytes(4, "little") for number in numbers)


def service_sid(name: str) -> str:
    """The SID of a service."""
    return f"S-1-5-80-{numbers_text(service_digest(name))}"


def task_sid(path: str) -> str:
    r"""The SID of a scheduled task, for instance ``\Microsoft\Windows\Defrag\ScheduledDefrag``."""
    return f"S-1-5-87-{numbers_text(task_digest(path))}"


def app_pool_sid(name: str) -> str:
    """The SID of an IIS application pool."""
    return f"S-1-5-82-{numbers_text(pool_digest(name))}"


def capability_sid(name: str) -> str:
    """The SID of a capability, as a token lists it among the capabilities."""
    return f"S-1-15-3-1024-{numbers_text(capability_digest(name))}"


def capability_group_sid(name: str) -> str:
    """The SID of a capability as a group, which a service's token may hold."""
    return f"S-1-5-32-{numbers_text(capability_digest(name))}"


def device_capability_sid(interface_class: str) -> str:
    """The SID of a device capability, from the GUID of the device interface class."""
    return f"S-1-15-3-{numbers_text(uuid.UUID(interface_class).bytes_le)}"


def package_sid(family_name: str) -> str:
    """The SID of a package family, or of any AppContainer by its moniker."""
    return f"S-1-15-2-{numbers_text(package_digest(family_name))}"


def package_family(full_name: str) -> str:
    """The family of a package: ``Name_PublisherId`` of ``Name_Version_Architecture_Resource_PublisherId``.

    Text of another form is taken for a family or a moniker and comes back as it is.
    """
    parts = full_name.split("_")
    return f"{parts[0]}_{parts[-1]}" if len(parts) == FULL_NAME_PARTS else full_name


def guid_text(numbers: Iterable[int]) -> str:
    """The GUID that four sub-authorities hold, in upper case and without braces."""
    return str(uuid.UUID(bytes_le=numbers_bytes(numbers))).upper()
