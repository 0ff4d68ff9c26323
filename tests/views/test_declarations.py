"""Each view is declared once: its columns, its component, its plugin, and nothing heavy to import."""

from __future__ import annotations

import importlib
import inspect
import subprocess
import sys
from pathlib import Path

import pytest
from volatility3.framework import interfaces

from process_anatomy import views
from process_anatomy.errors import RequestError
from process_anatomy.findings import Severity
from process_anatomy.notes import default
from process_anatomy.views.declaration import ADDRESS, INTEGER, TEXTS
from process_anatomy.volatility import Anatomy
from process_anatomy.volatility.cells import SHORT_ADDRESSES
from tests.conftest import ROOT

PLUGINS = ROOT / "plugins" / "windows" / "anatomy"
COLUMNS = {
    "all": "View Rows File_output Problems Explanation",
    "report": "PID Process Content Rows Size File_output Problems Explanation",
    "processes": "PID PPID ImageFileName Offset(V) Threads Handles SessionId Wow64 CreateTime ExitTime DTB PEB VadRoot"
    " Token Protection ImagePath SeenBy Layout Problems Explanation",
    "handles": "PID Process Offset HandleValue Type GrantedAccess Name Target Rights Inherit ProtectFromClose"
    " AuditOnClose Entry Header Problems Explanation",
    "access": "PID Process Kind HandleValue GrantedAccess Powers TargetPID Target User Integrity TargetUser"
    " TargetIntegrity Upwards Steps Way Problems Explanation",
    "vads": "PID Process Offset Start_VPN End_VPN Tag Protection CommitCharge PrivateMemory Parent File VadType Depth"
    " Pages Region Flags Balance ControlArea Subsections SectionFlags MappedViews SectionReferences FileObject"
    " Extension Compressed Bytes File_output Problems Explanation",
    "pages": "PID Process Kind Start End Protection Region File Valid Large Transition Prototype Pagefile Compressed"
    " DemandZero Untouched Unknown Resident Guard NoAccess Hardware Private Disagreement"
    " Extension CodeStart CodeBytes CodeHash Bytes Problems Explanation",
    "privileges": "PID Process Value Privilege Attributes Description TID Token Problems Explanation",
    "tokens": "PID TID Process Offset TokenId AuthenticationId User UserName Account Integrity Elevation SessionId"
    " TokenType ImpersonationLevel Groups Privileges Flags Virtualization UIAccess RestrictedSids Package PackageName"
    " LowboxNumber Capabilities SecurityAttributes Claims TrustLevel Owner PrimaryGroup DefaultDacl MandatoryPolicy"
    " AuditPolicy Source SourceIdentifier ParentTokenId ModifiedId OriginatingLogonSession LinkedLogonSession"
    " LogonReferences ExpirationTime Problems Explanation",
    "groups": "PID Process SID Name NameSource TID Kind Attributes Role Token Problems Explanation",
    "claims": "PID TID Process Kind Name ValueType Index Value Flags HeldBy Offset Problems Explanation",
    "dacls": "PID TID Process Entry Type Flags AccessMask Rights SID Name Offset Problems Explanation",
    "creation": "PID PPID ImageFileName Offset(V) CreateTime Parent ParentState CreatorPID Creator Method Confidence"
    " TokenChanges Evidence User ParentUser TokenId ParentTokenId ImagePath CommandLine Problems Explanation",
    "workingset": "PID Process WorkingSetSize WorkingSetLeafSize PeakWorkingSetSize MinimumWorkingSetSize"
    " MaximumWorkingSetSize PageFaultCount PrivatePages CommitCharge CommitChargePeak CommitChargeLimit"
    " NonPagedPoolQuota PagedPoolQuota PeakNonPagedPoolQuota PeakPagedPoolQuota PeakVirtualSize Resident LargePages"
    " Transition Compressed PageTables WorkingSetList ListEntries ThroughAnother Problems Explanation",
    "peb": "PID Process Bits PEB DTB ImageBaseAddress BeingDebugged NtGlobalFlag GlobalFlags Flags ImagePath"
    " CommandLine CurrentDirectory WindowTitle DesktopInfo ShellInfo OSVersion ServicePack Subsystem SessionId Heaps"
    " ProcessHeap"
    " HeapList Ldr ProcessParameters Environment EnvironmentSize ApiSetMap ReadOnlySharedMemoryBase ShimData"
    " HotPatchContext Compressed Problems Explanation",
    "envars": "PID Process Block Variable Value Bits Problems Explanation",
    "tebs": "PID TID Process Bits TEB DTB StackBase StackLimit DeallocationStack ClientId PEB LastErrorValue"
    " LastStatusValue Problems Explanation",
    "modules": "PID Process Base Size Name Path LoadCount LoadTime InLoad InInit InMem MappedPath EntryPoint"
    " TimeDateStamp LoadReason References Bits State Header Offset HotPatch PatchBase Extension Problems Explanation",
    "findings": "PID Process Rule Severity Evidence Technique Innocent Problems Explanation",
    "completeness": "PID Process Offset AddressSpace Program Handles SecurityContext ProcessId Threads Nodes"
    " ProgramPages HandleEntries ThreadObjects Obstacles Problems Explanation",
    "crossview": "Offset(Virtual) Name PID pslist psscan thrdscan csrss Exit_Time Forward Backward CID Handles"
    " CsrProcess Session Job Win32Process Verdict Confidence HiddenFrom Absences Offset(Physical) Problems Explanation",
    "threads": "Offset PID TID StartAddress StartPath Win32StartAddress Win32StartPath CreateTime ExitTime"
    " Process Name State WaitReason Priority BasePriority SuspendCount ExitStatus TEB KernelStack InitialStack"
    " StackLimit CrossThreadFlags Flags ImpersonationToken ImpersonationLevel Attached StartIn StartProtection"
    " Win32StartIn Win32StartProtection Alarm Problems Explanation",
    "csrss": "PID Process SessionId Offset DTB ClientPID ClientTID Client EPROCESS Threads ThreadIds Flags"
    " SequenceNumber ProcessHandle HandleTo TiedBy LogonSession NtSession ClientPort ClientViewBase ReferenceCount"
    " ProcessGroupId ShutdownLevel ShutdownFlags CsrRootProcess SeenBy Problems Explanation",
    "images": "PID Process Base Size Name Path Role TimeDateStamp Machine Subsystem Checksum FileSize Overlay"
    " EntryPoint EntrySection Sections VadProtection Imphash Imports Exports PdbPath PdbGuid CompanyName FileVersion"
    " OriginalFilename RichHash Mitigations Pages PagesMissing File_output Problems Explanation",
    "dt": "Structure Offset Field Type Value Address Meaning Symbol Size Source Problems Explanation",
    "selfcheck": "Check Result Structure Field Place Space Passed Failed Unreadable FirstFailure Source Problems"
    " Explanation",
    "explain": "Term Kind Title Explanation Analogy Command Source Match",
}
"""What each view has been promised to hold, in order; an underscore stands for a space."""


@pytest.mark.parametrize("name", views.NAMES)
def test_a_view_keeps_the_columns_that_it_promised(name: str) -> None:
    """Scripts select them by name, spreadsheets by place."""
    assert list(views.view(name).names) == [column.replace("_", " ") for column in COLUMNS[name].split()]


def test_every_column_says_what_it_means_in_one_line_and_where_that_comes_from() -> None:
    """Meaning and source; separators only where there is something to part; signs and bits only of numbers."""
    for view in views.views():
        assert len(set(view.names)) == len(view.columns), view.name
        for column in view.columns:
            about = f"{view.name}: {column}"
            assert column.name, about
            assert column.meaning, about
            assert column.source, about
            assert "\n" not in column.meaning, about
            assert len(column.meaning) <= 140, about
            assert (column.separator, column.empty) == ("; ", None) or column.kind is TEXTS, about
            assert not (column.signed or column.hexadecimal or column.unit) or column.kind is INTEGER, about


def test_every_view_belongs_to_a_component_that_is_explained_or_to_the_whole_process() -> None:
    """All six components have views."""
    components = {note.partition("/")[2] for note in default().ids("component/")}
    assert {view.component for view in views.views()} == components | {"process"}


def test_every_view_over_an_image_tells_problems_and_explains_itself_last() -> None:
    """Rows that are not to be trusted say so among their problems."""
    for view in views.views():
        if view.of_image:
            assert view.names[-2:] == ("Problems", "Explanation"), view.name
            assert view.columns[-2].kind is TEXTS, view.name


def test_every_view_names_the_few_columns_that_tell_most() -> None:
    """Who first where rows are about processes; what was not read and the explanation need not be named."""
    for view in views.views():
        assert set(view.telling) <= set(view.names), view.name
        assert len(set(view.telling)) == len(view.telling), view.name
        assert 2 <= len(view.telling) <= 10, view.name
        who = [name for name in ("PID", view.process) if name in view.names]
        assert list(view.telling[: len(who)]) == who, view.name
        assert [column.name for column in view.told] == [
            *view.telling,
            *(name for name in ("Problems", "Explanation") if name in view.names),
        ], view.name
        assert who or not view.whole, view.name


def test_the_columns_of_all_views_have_notes_like_all_other_words() -> None:
    """In the order of the views and their columns."""
    notes = list(views.column_notes())
    assert [note.id for note in notes] == [
        f"column/{view.name}/{name}" for view in views.views() for name in view.names
    ]
    assert all(note.title == note.id.split("/", 2)[2] and note.brief and note.source for note in notes)


def test_there_is_a_plugin_for_each_view_and_it_is_a_shell() -> None:
    """A docstring and the view: 25 lines at the most; its help begins with the view's title."""
    assert {path.stem for path in PLUGINS.glob("*.py")} == set(views.NAMES)
    for path in PLUGINS.glob("*.py"):
        assert len(path.read_text("utf-8").splitlines()) <= 25, path.name
        module = importlib.import_module(f"volatility3.plugins.windows.anatomy.{path.stem}")
        (plugin,) = (
            kind
            for _, kind in inspect.getmembers(module, inspect.isclass)
            if issubclass(kind, Anatomy) and kind.__module__ == module.__name__
        )
        assert issubclass(plugin, interfaces.plugins.PluginInterface)
        assert plugin.view is views.view(path.stem)
        assert plugin._version == plugin.view.version
        assert (plugin.__doc__ or "").splitlines()[0] == plugin.view.title


def test_a_name_that_is_no_views_is_answered_with_those_that_are() -> None:
    """One line."""
    with pytest.raises(RequestError, match="there is no view 'weather'; there are processes, vads"):
        views.view("weather")


def test_the_severities_that_can_be_asked_for_are_those_of_the_engine() -> None:
    """In rising order."""
    (option, _) = views.view("findings").options
    assert option.choices == tuple(str(severity) for severity in Severity)


def test_short_addresses_are_columns_of_addresses() -> None:
    """What Volatility prints without its upper bits is an address that a view has."""
    for name, short in SHORT_ADDRESSES.items():
        kinds = {column.name: column.kind for column in views.view(name).columns}
        assert {kinds[column] for column in short} == {ADDRESS}, name


def test_declarations_import_nothing_heavy() -> None:
    """All of them together: no numpy, no construct, no pefile, no pyarrow, no walk, and no Volatility."""
    code = (
        "import sys; from process_anatomy import views; list(views.views()); "
        "print([m for m in sys.modules if m.partition('.')[0] in ('numpy', 'construct', 'pefile', 'pyarrow', "
        "'volatility3') or m.startswith(('process_anatomy.walk', 'process_anatomy.kernel', 'structs'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(ROOT), check=False)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "[]", "")
