"""Fields that the cells of several views come from, named once, as a column's source names them.

Where a column or a view's ``through`` names fields of one chain, all of them are named: a cell is no surer than the
field on the way to it whose place is least sure.
"""

LISTED = "_EPROCESS.ActiveProcessLinks"
"""What leads to processes."""
THREADS = "_EPROCESS.ThreadListHead; _ETHREAD.ThreadListEntry"
"""What leads to the threads of a process."""
TREE = (
    "_EPROCESS.VadRoot, VadCount, DirectoryTableBase; "
    "_MMVAD_SHORT.Left, Right, StartingVpn, EndingVpn, StartingVpnHigh, EndingVpnHigh"
)
"""What leads to memory ranges, and says where they lie."""
SECTION = "_MMVAD.Subsection; _SUBSECTION.ControlArea"
"""What leads from a range to the control area of its section."""
MAPPED_FILE = f"{SECTION}; _CONTROL_AREA.Flags, FilePointer; _FILE_OBJECT.Type, FileName"
"""What says which file backs a range."""
PLACE = f"{TREE}; _MMVAD_FLAGS.VadType; {MAPPED_FILE}"
"""What says in which range of which file an address lies."""
BLOCKS = "_EPROCESS.Peb, WoW64Process, DirectoryTableBase; _EWOW64PROCESS.Peb"
"""What leads to a process's PEBs."""
REGION = (
    "_EPROCESS.Peb; _PEB.NumberOfHeaps, ProcessHeaps, ApiSetMap, ReadOnlySharedMemoryBase; "
    f"{THREADS}; _KTHREAD.Teb; _TEB.StackBase, StackLimit, Self, WowTebOffset; _MMVAD_FLAGS.VadType; {MAPPED_FILE}"
)
"""What says what a range is used for."""
TOKENS = f"{LISTED}, Token; _TOKEN.TokenType"
"""What leads to tokens."""
SIDS = (
    "_TOKEN.UserAndGroups, UserAndGroupCount; _SID_AND_ATTRIBUTES.Sid, Attributes; _SID.SubAuthority, SubAuthorityCount"
)
"""What says who the token is of."""
ACCOUNTS = "_TOKEN.LogonSession; _SEP_LOGON_SESSION_REFERENCES.AccountName, AuthorityName"
"""What names accounts."""
