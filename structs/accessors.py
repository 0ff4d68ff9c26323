"""Exported functions of the kernel that are known by name to give one field of a structure.

Such a function adds a number to its argument and reads there, so that its own instructions tell where the field lies
in this very kernel.  What a function's name promises is from Microsoft Learn (ntifs.h, ntddk.h) where it is documented,
and from the instructions of a real kernel (x64, 19041), where each of these was read.
"""

from __future__ import annotations

from dataclasses import dataclass

from structs.eprocess import EPROCESS
from structs.ethread import ETHREAD
from structs.layout import Layout
from structs.token import TOKEN


@dataclass(frozen=True, slots=True)
class Accessor:
    """A function and the field that it gives.

    Attributes:
        function: its exported name.
        layout: the structure that its first argument points at.
        field: the field.
        part: the function tells of a part of the field only, a bit of it, say.
        steps: pointers that are followed from what the kernel keeps of the processor: 1 to the current thread, 2 to its
            process; 0 where the structure is the one that the first argument points at.
    """

    function: str
    layout: Layout
    field: str
    part: bool = False
    steps: int = 0


CURRENT_THREAD = {8: 0x188, 4: 0x124}
"""Bytes of an address to where _KPCR.Prcb.CurrentThread lies, which no Windows has moved."""
CURRENT_THREAD_GETTERS = ("PsGetCurrentThread", "KeGetCurrentThread")
"""Functions that give it."""
ACCESSORS = (
    Accessor("PsGetProcessId", EPROCESS, "UniqueProcessId"),
    Accessor("PsGetProcessImageFileName", EPROCESS, "ImageFileName"),
    Accessor("PsGetProcessPeb", EPROCESS, "Peb"),
    Accessor("PsGetProcessInheritedFromUniqueProcessId", EPROCESS, "InheritedFromUniqueProcessId"),
    Accessor("PsGetProcessCreateTimeQuadPart", EPROCESS, "CreateTime"),
    Accessor("PsGetProcessExitStatus", EPROCESS, "ExitStatus"),
    Accessor("PsGetProcessJob", EPROCESS, "Job"),
    Accessor("PsGetProcessSectionBaseAddress", EPROCESS, "SectionBaseAddress"),
    Accessor("PsGetProcessWin32Process", EPROCESS, "Win32Process"),
    Accessor("PsGetProcessWow64Process", EPROCESS, "WoW64Process"),
    Accessor("PsGetProcessSequenceNumber", EPROCESS, "SequenceNumber"),
    Accessor("PsGetProcessSignatureLevel", EPROCESS, "SignatureLevel"),
    Accessor("PsGetProcessServerSilo", EPROCESS, "ServerSilo"),
    Accessor("PsGetProcessDebugPort", EPROCESS, "DebugPort"),
    Accessor("PsIsProcessBeingDebugged", EPROCESS, "DebugPort"),
    Accessor("PsGetProcessPriorityClass", EPROCESS, "PriorityClass"),
    Accessor("PsGetProcessProtection", EPROCESS, "ProtectionType", part=True),
    Accessor("PsIsProtectedProcess", EPROCESS, "ProtectionType"),
    Accessor("PsGetProcessExitProcessCalled", EPROCESS, "ProcessExiting"),
    Accessor("PsGetThreadId", ETHREAD, "UniqueThread"),
    Accessor("PsGetThreadProcessId", ETHREAD, "UniqueProcess"),
    Accessor("PsGetThreadProcess", ETHREAD, "Process"),
    Accessor("PsGetThreadTeb", ETHREAD, "Teb"),
    Accessor("PsGetThreadCreateTime", ETHREAD, "CreateTime"),
    Accessor("PsIsThreadTerminating", ETHREAD, "Terminated"),
    Accessor("PsIsThreadImpersonating", ETHREAD, "ActiveImpersonationInfo"),
    Accessor("PsGetCurrentProcess", ETHREAD, "ApcStateProcess", steps=1),
    Accessor("IoGetCurrentProcess", ETHREAD, "ApcStateProcess", steps=1),
    Accessor("PsGetCurrentThreadProcess", ETHREAD, "Process", steps=1),
    Accessor("PsGetCurrentProcessId", ETHREAD, "UniqueProcess", steps=1),
    Accessor("PsGetCurrentThreadProcessId", ETHREAD, "UniqueProcess", steps=1),
    Accessor("PsGetCurrentThreadId", ETHREAD, "UniqueThread", steps=1),
    Accessor("PsGetCurrentThreadTeb", ETHREAD, "Teb", steps=1),
    Accessor("PsGetCurrentThreadStackLimit", ETHREAD, "StackLimit", steps=1),
    Accessor("PsGetProcessExitTime", EPROCESS, "ExitTime", steps=2),
    Accessor("SeQueryAuthenticationIdToken", TOKEN, "AuthenticationId"),
    Accessor("SeTokenType", TOKEN, "TokenType"),
    Accessor("SeTokenImpersonationLevel", TOKEN, "ImpersonationLevel"),
    Accessor("SeTokenIsAdmin", TOKEN, "TokenFlags", part=True),
    Accessor("SeTokenIsRestricted", TOKEN, "TokenFlags", part=True),
    Accessor("SeTokenIsWriteRestricted", TOKEN, "TokenFlags", part=True),
)
"""In the order of their structures."""
