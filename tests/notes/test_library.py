"""The notes that ship are complete, and the library hands them out faithfully."""

from __future__ import annotations

import re
import string
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from process_anatomy import views
from process_anatomy.findings import RULES
from process_anatomy.notes import FAMILIES, Level, Library, Note, NoteError, default
from process_anatomy.notes.about import about

if TYPE_CHECKING:
    from pathlib import Path

IDS = list(default().ids())
WHO = {"process", "pid", "tid", "holder"}
ALLOWED: dict[str, set[str]] = {
    "privilege-state": {"process", "pid", "holder", "privilege", "may", "value"},
    "vad-row": {
        "process",
        "pid",
        "start",
        "end",
        "page_count",
        "file",
        "name",
        "protection",
        "meaning",
        "committed",
        "use",
        "purpose",
        "behind",
    },
    "token-row": WHO
    | {"user", "name", "account", "rank", "elevation", "session", "services", "level", "restricting", "capabilities"},
    "group-row": WHO | {"sid", "name", "attributes", "also"},
    "attribute-row": WHO | {"name", "type", "kind", "value_count", "place", "value", "meaning", "by"},
    "dacl-row": WHO | {"sid", "name", "rights", "entry"},
    "creation-row": {
        "process",
        "pid",
        "ppid",
        "parent",
        "creator",
        "creator_pid",
        "user",
        "parent_user",
        "integrity",
        "changes",
        "compared",
        "confidence",
    },
    "module-row": {"process", "pid", "name", "base", "path", "mapped", "loading", "behind"},
    "image-row": {"process", "pid", "name", "file", "base", "path", "machine", "page_count", "missing", "protection"},
    "process-row": {
        "process",
        "pid",
        "ppid",
        "parent",
        "threads",
        "thread_count",
        "goon_count",
        "session",
        "user",
        "protected",
        "created",
        "ended",
        "thread",
        "stopped",
        "bugcheck",
        "build",
    },
    "working-set-row": {
        "process",
        "pid",
        "size",
        "peak",
        "leaf",
        "resident",
        "trimmed",
        "left",
        "large",
        "transition",
        "compressed",
        "tables",
        "address",
        "entries",
        "through",
    },
    "page-row": {
        "process",
        "pid",
        "start",
        "end",
        "page_count",
        "resident",
        "compressed",
        "hardware",
        "protection",
        "private",
        "guard",
        "disagreement",
        "behind",
        "name",
        "meaning",
    },
    "field-row": {"structure", "what", "field", "address", "offset", "value", "meaning", "type"},
    "peb-row": {"process", "pid", "peb", "root", "other", "there"},
    "environment-row": {"process", "pid", "name", "value", "block", "bits"},
    "teb-row": {"process", "pid", "tid", "teb", "root", "low", "high", "last_call"},
    "finding": {"process", "pid", "about"},
    "completeness-row": {"process", "pid", "whole", "partly", "obstacles"},
    "view-file": {"title", "rows", "reason", "file"},
    "crossview-row": {"process", "pid", "seen", "missed", "missing", "confidence", "offset", "physical"},
    "handle-row": {"process", "pid", "value", "type", "address", "target", "whose", "rights", "kept"},
    "access-row": {
        "holder",
        "user",
        "integrity",
        "target",
        "target_user",
        "target_integrity",
        "value",
        "powers",
        "way",
        "steps",
    },
    "thread-row": WHO
    | {"named", "doing", "meaning", "start", "start_name", "win32_start", "win32_name", "token", "ended", "status"}
    | {"odd", "odd_protection", "where", "reason"},
    "check-outcome": {"field", "passed", "failed", "unreadable"},
    "layout-verdict": {"layout", "file", "reason", "passed", "failed", "unreadable"},
    "csr-row": {"process", "pid", "node", "client", "client_pid", "eprocess", "session", "threads", "count", "reason"},
}
NAMES = {
    "component": "private-address-space executable-program open-handles security-context process-id threads",
    "term": "process access-token privilege sid integrity-level elevation logon-session vad vad-tree vad-node eprocess"
    " ethread peb client-id csr-process working-set create-process create-process-as-user system-address-space"
    " process-address-space small-dump estimated-layout smear linked-logon"
    " administrator-protection impersonation restricted-token appcontainer"
    " capability claim security-attribute default-dacl uac-virtualization creator-and-parent",
    "privilege-state": "enabled enabled-by-default present absent enabled-not-present unknown",
    "protection": "PAGE_NOACCESS PAGE_READONLY PAGE_EXECUTE PAGE_EXECUTE_READ PAGE_READWRITE PAGE_WRITECOPY"
    " PAGE_EXECUTE_READWRITE PAGE_EXECUTE_WRITECOPY PAGE_GUARD PAGE_NOCACHE PAGE_WRITECOMBINE",
    "vad-row": "image image-extended image-unreadable image-without-file mapped-unreadable file pagefile private"
    " shared-data private-executable large-pages awe write-watch physical rotate enclave"
    " unreadable",
    "working-set-row": "resident own-list nothing-resident minimal system exited small-dump unreadable",
    "token-row": "system-user service user elevated managed-administrator limited ui-access app-container restricted"
    " write-restricted impersonation identification unreadable",
    "impersonation-level": "Anonymous Identification Impersonation Delegation",
    "mandatory-policy": "NO_WRITE_UP NEW_PROCESS_MIN",
    "group-row": "user managed-administrator enabled looked-at disabled deny-only integrity logon-id restricted"
    " capability device-group package trust-level unreadable",
    "group-attribute": "Mandatory Default Enabled Owner DenyOnly Integrity IntegrityEnabled Resource LogonId",
    "attribute-row": "security-attribute user-claim device-claim restricted-claim unproved",
    "attribute": "WIN://SYSAPPID WIN://PKG WIN://PKGHOSTID WIN://BGKD WIN://NOALLAPPPKG TSA://ProcUnique"
    " WIN://SCMUserService APPID://PATH APPID://FQBN APPID://SHA256HASH other",
    "claim-type": "INT64 UINT64 STRING FQBN SID BOOLEAN OCTET_STRING",
    "claim-flag": "NON_INHERITABLE VALUE_CASE_SENSITIVE USE_FOR_DENY_ONLY DISABLED_BY_DEFAULT DISABLED MANDATORY"
    " COMPARE_IGNORE",
    "dacl-row": "allowed denied other none empty unreadable no-token",
    "ace-type": "ALLOWED DENIED AUDIT ALLOWED_CALLBACK DENIED_CALLBACK",
    "ace-flag": "OBJECT_INHERIT CONTAINER_INHERIT NO_PROPAGATE_INHERIT INHERIT_ONLY INHERITED SUCCESSFUL_ACCESS"
    " FAILED_ACCESS",
    "access-right": "GENERIC_READ GENERIC_WRITE GENERIC_EXECUTE GENERIC_ALL MAXIMUM_ALLOWED ACCESS_SYSTEM_SECURITY"
    " SYNCHRONIZE WRITE_OWNER WRITE_DAC READ_CONTROL DELETE",
    "completeness-row": "whole part ended lost",
    "view-file": "written not-written page diagram",
    "component-state": "whole part not none",
    "crossview-row": "consistent idle hidden hidden-one-way hidden-from-subsystem ended remnant elsewhere smeared",
    "absence": "idle system minimal no-session csrss ended ending starting no-threads no-windows not-listed"
    " unreadable incomplete broken-list left-over unexplained",
    "view": "Forward Backward psscan thrdscan csrss CID Handles CsrProcess Session Job Win32Process",
    "verdict": "consistent hidden ended remnant smeared",
    "creation-row": "kernel create-process restricted as-user with-logon service elevation"
    " administrator-protection app-container orphan"
    " other-creator session-start reused-parent unreadable",
    "confidence": "high medium low",
    "module-row": "listed listed-32 listed-extended listed-patched contradicted not-listed no-image no-loader"
    " unreadable",
    "load-reason": "Unknown StaticDependency StaticForwarderDependency DynamicForwarderDependency DelayloadDependency"
    " DynamicLoad AsImageLoad AsDataLoad EnclavePrimary EnclaveDependency PatchImage",
    "hot-patch": "BaseImage NotApplied AppliedReverse AppliedForward FailedToPatch",
    "image-row": "program module peb-program not-mapped unreadable",
    "mitigation": "HIGH_ENTROPY_VA DYNAMIC_BASE FORCE_INTEGRITY NX_COMPAT NO_ISOLATION NO_SEH NO_BIND APPCONTAINER"
    " WDM_DRIVER GUARD_CF TERMINAL_SERVER_AWARE",
    "parent-state": "alive ended newer not-found none unknown",
    "process-row": "system minimal pico exited wow64 session-zero first-session user-session no-session protected"
    " small-dump unreadable",
    "peb-row": "native wow64 wow64-native debugged none pico ended unreadable no-tables no-address small-dump",
    "environment-row": "variable search shell endings windows-folder code drive odd unreadable",
    "handle-row": "process self thread token file key section link named unnamed unreadable",
    "access-row": "process secrets thread token section upwards way-direct way-steps",
    "teb-row": "user wow64 small none pico gone no-address unreadable",
    "global-flag": "FLG_STOP_ON_EXCEPTION FLG_SHOW_LDR_SNAPS FLG_DEBUG_INITIAL_COMMAND FLG_STOP_ON_HUNG_GUI"
    " FLG_HEAP_ENABLE_TAIL_CHECK FLG_HEAP_ENABLE_FREE_CHECK FLG_HEAP_VALIDATE_PARAMETERS"
    " FLG_HEAP_VALIDATE_ALL FLG_APPLICATION_VERIFIER FLG_MONITOR_SILENT_PROCESS_EXIT"
    " FLG_POOL_ENABLE_TAGGING FLG_HEAP_ENABLE_TAGGING FLG_USER_STACK_TRACE_DB"
    " FLG_KERNEL_STACK_TRACE_DB FLG_MAINTAIN_OBJECT_TYPELIST FLG_HEAP_ENABLE_TAG_BY_DLL"
    " FLG_DISABLE_STACK_EXTENSION FLG_ENABLE_CSRDEBUG FLG_ENABLE_KDEBUG_SYMBOL_LOAD"
    " FLG_DISABLE_PAGE_KERNEL_STACKS FLG_ENABLE_SYSTEM_CRIT_BREAKS FLG_HEAP_DISABLE_COALESCING"
    " FLG_ENABLE_CLOSE_EXCEPTIONS FLG_ENABLE_EXCEPTION_LOGGING FLG_ENABLE_HANDLE_TYPE_TAGGING"
    " FLG_HEAP_PAGE_ALLOCS FLG_DEBUG_INITIAL_COMMAND_EX FLG_DISABLE_DBGPRINT"
    " FLG_CRITSEC_EVENT_CREATION FLG_LDR_TOP_DOWN FLG_ENABLE_HANDLE_EXCEPTIONS FLG_DISABLE_PROTDLLS",
    "finding": " ".join(RULES),
    "severity": "info low medium high critical",
    "thread-row": "user wow64 kernel impersonating identifying ended ending private-executable nowhere no-driver"
    " no-image reused message-number unknown-start unreadable",
    "thread-state": "Initialized Ready Running Standby Terminated Waiting Transition DeferredReady GateWait"
    " WaitingForProcessInSwap",
    "wait-reason": "Executive FreePage PageIn PoolAllocation DelayExecution Suspended UserRequest WrExecutive"
    " WrFreePage WrPageIn WrPoolAllocation WrDelayExecution WrSuspended WrUserRequest WrEventPair WrQueue"
    " WrLpcReceive WrLpcReply WrVirtualMemory WrPageOut WrRendezvous WrKeyedEvent WrTerminated WrProcessInSwap"
    " WrCpuRateControl WrCalloutStack WrKernel WrResource WrPushLock WrMutex WrQuantumEnd WrDispatchInt"
    " WrPreempted WrYieldExecution WrFastMutex WrGuardedMutex WrRundown WrAlertByThreadId WrDeferredPreempt"
    " WrPhysicalFault WrIoRing WrMdlCache WrRcu",
    "thread-flag": "Terminated ThreadInserted DeadThread HideFromDebugger ActiveImpersonationInfo SystemThread"
    " HardErrorsAreDisabled BreakOnTermination SkipCreationMsg SkipTerminationMsg CopyTokenOnOpen"
    " ThreadIoPriority ThreadPagePriority RundownFail NeedsWorkingSetAging UmsForceQueueTermination"
    " IndirectCpuSets DisableDynamicCodeOptOut ExplicitCaseSensitivity PicoNotifyExit DbgWerUserReportActive"
    " ForcedSelfTrimActive SamplingCoverage ImpersonationSchedulingGroup",
    "start-kind": "image driver mapped-file shared-memory private private-executable nothing no-driver none"
    " reused unknown",
    "layout-check": "system-id process-id process-name parent-id creation-time exit-time exit-status active-links"
    " thread-list scheduler-thread-list page-table-root self-map user-page-table-root peb-address"
    " program-base vad-root object-table session active-threads protection audit-name thread-process"
    " thread-owner-id thread-id thread-time teb-address thread-stack handle-table-owner"
    " handle-table-code token-address token-type token-groups sid-revision object-type"
    " debugger-offset debugger-size shared-version shared-build object-type-name process-tag"
    " vad-range vad-order vad-parent vad-tag vad-file handle-object handle-access peb-program-base"
    " teb-self teb-peb teb-process-id kernel-code kernel-thread kernel-types kernel-cookie",
    "check-outcome": "fits mostly wrong unknown",
    "layout-verdict": "exact of-the-build consistent doubtful",
    "csr-row": "client root no-process ended contradicted unreadable no-ring",
    "csr-flag": "Terminating SkipShutdown NormalPriority IdlePriority HighPriority RealtimePriority"
    " CreateNewGroup Terminated LastThreadTerminated IsConsoleApp",
    "page-row": "agreeing empty compressed guarded extended private-copy beyond strange uncovered shared-data"
    " unreadable",
    "region": "KUSER_SHARED_DATA hypervisor-shared-page PEB TEB stack heap process-parameters API-set-map"
    " subsystem-shared-memory image mapped-file shared-memory private unknown",
    "page-state": "valid large transition prototype pagefile compressed demand-zero invalid not-in-image",
}


BRIEF_ONLY = {"object-right", "layout-check"}
"""Families whose notes may say no more than one phrase."""


IMAGE_WIDE = {"field-row", "check-outcome", "layout-verdict", "view-file"}
"""Families whose rows are about a structure or the layout, not about a process."""


def family(key: str) -> str:
    return key.partition("/")[0]


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


def facts_for(key: str) -> dict[str, object]:
    return {name: f"<{name}>" for name in ALLOWED.get(family(key), set())}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in set(FAMILIES.values()):
        (tmp_path / f"{name}.toml").write_text("", "utf-8")
    return tmp_path


def test_every_note_has_title_brief_full_analogy_and_source() -> None:
    for key in IDS:
        note = default()[key]
        assert note.id == key, key
        needed = [note.title, note.brief, note.source]
        if family(key) not in BRIEF_ONLY:
            needed += [note.full, note.analogy]
        assert all(text.strip() for text in needed), key


def test_a_brief_is_one_line_of_at_most_140_characters() -> None:
    for key in IDS:
        brief = default()[key].brief
        assert "\n" not in brief, key
        assert len(brief) <= 140, key


def test_placeholders_are_plain_names_that_the_family_allows() -> None:
    for key in IDS:
        note = default()[key]
        for text in (note.title, note.brief, note.full, note.analogy):
            assert placeholders(text) <= ALLOWED.get(family(key), set()), key
        assert not placeholders(note.title), key


def test_every_row_template_speaks_of_its_own_process() -> None:
    for key in [key for key in IDS if family(key) in ALLOWED]:
        note = default()[key]
        subjects = {"field", "layout", "title", "file"} if family(key) in IMAGE_WIDE else {"process", "holder"}
        for text in (note.brief, note.full, note.analogy):
            assert placeholders(text) & subjects, key


@pytest.mark.parametrize("level", list(Level))
def test_every_note_can_be_explained_at_every_level(level: Level) -> None:
    for key in IDS:
        text = default().explain(key, level, facts_for(key))
        assert bool(text) is (level is not Level.OFF), key
        assert "{" not in text, key


def test_findings_and_they_alone_say_what_would_be_innocent() -> None:
    for key in IDS:
        note = default()[key]
        assert bool(note.innocent) is (family(key) == "finding"), key
        assert "{" not in note.innocent + note.technique, key


def test_a_technique_is_an_id_of_attack_and_its_source_says_so_where_the_finding_is_about_it() -> None:
    for key in [key for key in IDS if default()[key].technique]:
        note = default()[key]
        assert family(key) == "finding", key
        assert re.fullmatch(r"T1\d{3}(\.\d{3})?", note.technique), key
        assert "MITRE ATT&CK" not in note.source or f"MITRE ATT&CK {note.technique};" in note.source, key


def test_no_two_notes_share_a_brief() -> None:
    briefs = [default()[key].brief for key in IDS]
    assert len(set(briefs)) == len(briefs)


def test_no_two_notes_share_a_full_text() -> None:
    fulls = [default()[key].full for key in IDS if default()[key].full]
    assert len(set(fulls)) == len(fulls)


def test_only_components_and_terms_name_a_command_and_all_of_them_do() -> None:
    with_command = {key for key in IDS if default()[key].command}
    assert with_command == {key for key in IDS if family(key) in ("component", "term")}
    plugins = {default()[key].command.split()[0] for key in with_command}
    assert plugins <= {f"windows.anatomy.{name}" for name in views.NAMES}


@pytest.mark.parametrize("name", NAMES)
def test_a_family_holds_exactly_the_names_that_plugins_ask_for(name: str) -> None:
    assert set(default().ids(f"{name}/")) == {f"{name}/{word}" for word in NAMES[name].split()}


def test_privileges_are_exactly_the_values_2_to_36() -> None:
    privileges = default().by_value("privilege")
    assert list(privileges) == list(range(2, 37))
    assert privileges[20].id == "privilege/SeDebugPrivilege"
    assert len(list(default().ids("privilege/"))) == 35


def test_vad_types_are_exactly_the_values_0_to_7() -> None:
    types = default().by_value("vad-type")
    assert list(types) == list(range(8))
    assert types[2].id == "vad-type/VadImageMap"


def test_integrity_levels_rise_in_order() -> None:
    values = list(default().by_value("integrity"))
    assert values == [0, 4096, 8192, 8448, 12288, 16384, 20480, 28672]
    assert default()["integrity/unknown"].value is None


def test_elevation_types_are_1_to_3() -> None:
    assert {note.id: value for value, note in default().by_value("elevation").items()} == {
        "elevation/default": 1,
        "elevation/full": 2,
        "elevation/limited": 3,
    }


def test_each_token_flag_is_one_bit_of_its_own() -> None:
    flags = default().by_value("token-flag")
    assert len(flags) == len(list(default().ids("token-flag/"))) - 1 == 21
    assert all(value.bit_count() == 1 for value in flags)
    assert default()["token-flag/TOKEN_HAS_ADMIN_GROUP"].value is None


@pytest.mark.parametrize("name", ["attribute", "privilege", "global-flag", "load-reason", "hot-patch"])
def test_a_brief_that_other_texts_hold_continues_their_sentence(name: str) -> None:
    for key in default().ids(f"{name}/"):
        brief = default()[key].brief
        assert brief[0].islower()
        assert not brief.endswith(".")


def test_a_judgement_on_creation_claims_no_more_than_its_evidence() -> None:
    for key in [key for key in IDS if family(key) == "creation-row"]:
        note = default()[key]
        assert "consistent with" in note.brief, key
        assert "consistent with" in note.full, key
        assert "confidence {confidence}" in note.full, key
        assert "{pid}" in note.brief, key
        assert "tudy note, Creating a Process" in note.source, key


@pytest.mark.parametrize("name", ["WIN://SYSAPPID", "TSA://ProcUnique", "APPID://PATH"])
def test_slashes_in_a_name_belong_to_the_name(name: str) -> None:
    note = default()[f"attribute/{name}"]
    assert note.id.partition("/")[2] == name
    assert name in [key.partition("/")[2] for key in default().ids("attribute/")]
    assert list(default().ids(f"attribute/{name}")) == [note.id]


def test_a_name_with_slashes_is_asked_for_whole_by_its_end_or_by_its_id() -> None:
    for question in ("attribute/WIN://SYSAPPID", "win://sysappid", "SysAppId"):
        assert [note.id for note in about(question)] == ["attribute/WIN://SYSAPPID"]
    assert "attribute/WIN://PKG" in [note.id for note in about("WIN://PKG")]


@pytest.mark.parametrize(
    ("key", "where"),
    [
        ("term/eprocess", "system address space"),
        ("term/ethread", "system address space"),
        ("term/peb", "process (user) address space"),
        ("term/vad", "system address space"),
        ("term/working-set", "process-specific system space"),
        ("term/csr-process", "process address space"),
    ],
)
def test_a_structures_term_says_where_it_lives(key: str, where: str) -> None:
    assert where in f"{default()[key].brief} {default()[key].full}"


def test_the_first_components_are_those_of_the_note_in_its_order() -> None:
    assert IDS[:6] == [f"component/{name}" for name in NAMES["component"].split()]


def test_facts_take_the_place_of_placeholders() -> None:
    text = default().explain(
        "vad-row/image",
        Level.BRIEF,
        {
            "process": "a.exe",
            "name": "b.dll",
            "start": "0x1000",
            "page_count": "3 pages",
            "meaning": "may be read",
            "extra": 1,
        },
    )
    assert "a.exe has b.dll" in text
    assert "0x1000: 3 pages (may be read)" in text


@given(st.text(), st.text(alphabet="{}%$\\!:[]0process"))
def test_hostile_facts_come_through_unchanged(first: str, second: str) -> None:
    facts = {"holder": first, "pid": 4, "privilege": second, "may": "{process}"}
    template = default()["privilege-state/present"].full
    expected = "".join(
        literal + ("" if name is None else str(facts[name]))
        for literal, name, _, _ in string.Formatter().parse(template)
    )
    assert default().explain("privilege-state/present", Level.FULL, facts) == expected


def test_a_missing_fact_is_named_together_with_its_note() -> None:
    with pytest.raises(NoteError, match=r"vad-row/private.*\{start\}") as caught:
        default().explain("vad-row/private", Level.BRIEF, {"process": "a.exe", "purpose": "heap"})
    assert caught.value.id == "vad-row/private"
    assert caught.value.placeholder == "start"


def test_off_says_nothing_and_reads_nothing(folder: Path) -> None:
    (folder / "terms.toml").unlink()
    assert Library(folder).explain("term/vad", Level.OFF, {}) == ""


@pytest.mark.parametrize("level", [Level.FULL, Level.ANALOGY])
def test_a_right_without_longer_text_falls_back_to_its_brief(level: Level) -> None:
    key = next(default().ids("object-right/"))
    assert default().explain(key, level, {}) == default()[key].brief


@pytest.mark.parametrize("key", ["term/no-such", "nothing/at-all", "", "term", "term/"])
def test_an_unknown_id_is_a_lookup_error_that_names_it(key: str) -> None:
    with pytest.raises(LookupError) as caught:
        default()[key]
    assert isinstance(caught.value, NoteError)
    assert caught.value.id == key
    assert str(caught.value).startswith(f"note {key}:")


def test_an_unknown_family_cannot_be_loaded() -> None:
    with pytest.raises(NoteError, match="weather"):
        Library().load("weather")
    with pytest.raises(NoteError, match="weather"):
        Library().by_value("weather")


def test_a_file_is_read_only_when_one_of_its_ids_is_asked_for(folder: Path) -> None:
    (folder / "pages.toml").write_text("this is not TOML", "utf-8")
    (folder / "terms.toml").write_text('["term/vad"]\ntitle = "t"\nbrief = "b"\nsource = "s"\n', "utf-8")
    library = Library(folder)
    assert library["term/vad"] == Note("term/vad", "t", "b", source="s")
    assert list(library.ids("term/")) == ["term/vad"]
    with pytest.raises(NoteError, match=r"pages\.toml"):
        library.load("page-state")


def test_a_prefix_without_a_slash_may_span_families() -> None:
    ids = list(default().ids("privilege"))
    assert {family(key) for key in ids} == {"privilege", "privilege-state"}
    assert len(ids) == len(set(ids))


def test_a_prefix_that_fits_nothing_gives_no_ids() -> None:
    assert list(default().ids("weather/")) == []


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('["term/a"]\nbrief = "b"\nsource = "s"', "no title"),
        ('["term/a"]\ntitle = "t"\nbrief = "b"\nsource = "s"\nbreif = "x"', "unknown key breif"),
        ('["term/a"]\ntitle = "t"\nbrief = 1\nsource = "s"', "brief is not a string"),
        ('["term/a"]\ntitle = "t"\nbrief = "b"\nsource = "s"\nvalue = true', "value is not an integer"),
        ('"term/a" = 1', "is not a table"),
        ('["vad-row/a"]\ntitle = "t"\nbrief = "b"\nsource = "s"', r"does not belong into terms\.toml"),
        ("= 1", "is not TOML"),
    ],
)
def test_a_broken_file_of_notes_is_refused_with_the_reason(folder: Path, text: str, reason: str) -> None:
    (folder / "terms.toml").write_text(text, "utf-8")
    with pytest.raises(NoteError, match=reason):
        Library(folder).load()


def test_a_missing_file_of_notes_is_named(folder: Path) -> None:
    (folder / "pages.toml").unlink()
    with pytest.raises(NoteError, match=r"pages\.toml"):
        Library(folder)["page-state/valid"]


def test_the_default_library_is_shared() -> None:
    assert default() is default()


@pytest.mark.parametrize("text", ["a lone {", "{}", "{process.__class__.nothing}", "{process!x}"])
def test_a_text_that_is_no_template_is_refused_with_the_notes_id(folder: Path, text: str) -> None:
    (folder / "terms.toml").write_text(f'["term/a"]\ntitle = "t"\nbrief = "{text}"\nsource = "s"\n', "utf-8")
    with pytest.raises(NoteError, match="term/a"):
        Library(folder).explain("term/a", Level.BRIEF, {"process": "a.exe"})


def test_every_full_text_is_two_to_four_sentences() -> None:
    for key in IDS:
        full = default()[key].full
        assert not full or 2 <= len(re.findall(r"[.!?](?:\s|$)", full)) <= 4, key
