"""_KUSER_SHARED_DATA: the page that the kernel shares, read-only, with every process."""

from __future__ import annotations

from structs.field_types import Bytes, UInt
from structs.layout import Layout, at

KUSER_SHARED_DATA_ADDRESS = {8: 0xFFFFF78000000000, 4: 0xFFDF0000}
"""Pointer size to the kernel's address of the page, the same in every Windows."""

KUSER_SHARED_DATA = Layout(
    "_KUSER_SHARED_DATA",
    "facts of the system that every process may read",
    {
        "SystemTime": at(Bytes, "the time when the image was taken (UTC), as low, high, high again"),
        "TimeZoneBias": at(Bytes, "local time's distance from UTC, as low, high, high again"),
        "NtSystemRoot": at(Bytes, "the Windows folder"),
        "NtBuildNumber": at(UInt, "build number, from Windows 10 on"),
        "NtProductType": at(UInt, "1 workstation, 2 domain controller, 3 server"),
        "NtMajorVersion": at(UInt, "Windows version, major"),
        "NtMinorVersion": at(UInt, "Windows version, minor"),
        "NativeProcessorArchitecture": at(UInt, "processor architecture (9 for x64)"),
    },
)
