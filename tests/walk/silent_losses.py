"""Fields of which a change is told nowhere, and why; ``docs/completeness.md`` says it to users."""

from __future__ import annotations

SILENT_BECAUSE: dict[str, tuple[str, ...]] = {
    "a flag or a number that is kept once; any value of it can be": (
        "_AUTHZBASEP_SECURITY_ATTRIBUTE.Flags",
        "_AUTHZBASEP_SECURITY_ATTRIBUTE_VALUE.Value",
        "_CONTROL_AREA.Flags",
        "_EPROCESS.ProtectionSigner",
        "_ETHREAD.State",
        "_TOKEN.PrivilegesEnabled",
        "_TOKEN.PrivilegesEnabledByDefault",
        "_TOKEN.SessionId",
        "_TOKEN.TokenSourceIdentifier",
        "_TOKEN.TokenSourceName",
    ),
    "a bit of a field that is shown as a whole as well": (
        *(
            f"_ETHREAD.{name}"
            for name in (
                "Terminated",
                "ThreadInserted",
                "HideFromDebugger",
                "HardErrorsAreDisabled",
                "BreakOnTermination",
                "SkipCreationMsg",
                "SkipTerminationMsg",
                "CopyTokenOnOpen",
                "ThreadIoPriority",
                "ThreadPagePriority",
                "RundownFail",
                "UmsForceQueueTermination",
                "IndirectCpuSets",
                "DisableDynamicCodeOptOut",
                "ExplicitCaseSensitivity",
                "PicoNotifyExit",
                "DbgWerUserReportActive",
                "ForcedSelfTrimActive",
                "SamplingCoverage",
            )
        ),
        *(
            f"_PEB.{name}"
            for name in (
                "ImageUsesLargePages",
                "IsProtectedProcess",
                "IsImageDynamicallyRelocated",
                "SkipPatchingUser32Forwarders",
                "IsPackagedProcess",
                "IsAppContainer",
                "IsProtectedProcessLight",
                "IsLongPathAwareProcess",
                "ProcessInJob",
                "ProcessInitializing",
                "ProcessUsingVEH",
                "ProcessUsingVCH",
                "ProcessUsingFTH",
                "ProcessImagesHotPatched",
            )
        ),
        *(
            f"_MMVAD_SHORT.{name}"
            for name in ("NoChange", "DeleteInProgress", "Graphics", "Enclave", "ShadowStack", "MemCommit")
        ),
    ),
    "a mark that says that another field holds no longer what it was made for": (
        "_ETHREAD.ForwardLinkShadow",
        "_ETHREAD.StartAddressInvalid",
    ),
    "an address that may be zero, or whose other end does not point back": (
        "_CM_KEY_BODY.KeyControlBlock",
        "_CM_KEY_CONTROL_BLOCK.NameBlock",
        "_CM_KEY_CONTROL_BLOCK.ParentKcb",
        "_EPROCESS.VmWorkingSetList",
        "_EPROCESS.Win32Process",
        "_ETHREAD.ApcStateProcess",
        "_PEB.NumberOfHeaps",
        "_PEB.ProcessHeaps",
        "_SECTION.ControlArea",
        "_OBJECT_SYMBOLIC_LINK.LinkTarget",
    ),
    "characters; any may stand there": (
        "_CM_NAME_CONTROL_BLOCK.Name",
        "_CM_NAME_CONTROL_BLOCK.NameLength",
    ),
    "what follows from a start address, which is shown beside it, with an alarm where nothing lies there": (
        "_ETHREAD.StartAddress",
        "_ETHREAD.Win32StartAddress",
    ),
    "told in the view of ranges alone, not in those that take a range's file or kind from there": (
        "_CONTROL_AREA.FilePointer",
        "_MMVAD.Subsection",
        "_MMVAD_SHORT.EndingVpnHigh",
        "_MMVAD_SHORT.PrivateMemory",
        "_SUBSECTION.ControlArea",
    ),
    "csrss.exe's own records, in the layout that fits the Windows": (
        "_CSR_PROCESS.SequenceNumber",
        "_CSR_PROCESS.Flags",
        "_CSR_PROCESS.ServerDllPerProcessData",
    ),
}
"""Why changes of some fields are told nowhere: nothing else in memory contradicts what they say then."""
SILENT = frozenset(name for names in SILENT_BECAUSE.values() for name in names)
