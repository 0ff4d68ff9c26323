"""Everything that output can show has its note, and every note is used."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest

from process_anatomy.absent import NOT_APPLICABLE, Absent, Kind
from process_anatomy.findings import RULES, Finding, Severity
from process_anatomy.kernel.identify import Crash
from process_anatomy.kernel.observations import Check, Outcome
from process_anatomy.kernel.selfproof import Proof, Verdict
from process_anatomy.memory.paging import PageState
from process_anatomy.notes import (
    FAMILIES,
    Level,
    default,
    module_rows,
    page_rows,
    process_rows,
    security_rows,
    vad_rows,
)
from process_anatomy.notes.about import TEMPLATES, about
from process_anatomy.notes.block_rows import ELSEWHERE, global_flag_notes, peb_note, teb_note, variable_note
from process_anatomy.notes.completeness_rows import WORDS, completeness_note
from process_anatomy.notes.crossview_rows import absence_notes, crossview_note
from process_anatomy.notes.finding_rows import finding_note
from process_anatomy.notes.layout_rows import outcome_note, verdict_note
from process_anatomy.notes.working_set_rows import working_set_note
from process_anatomy.walk.across import creation
from process_anatomy.walk.across.completeness import (
    COMPONENTS,
    NONE,
    NOT,
    PART,
    PROCESS_ID,
    STATES,
    WHOLE,
    Completeness,
    Component,
)
from process_anatomy.walk.across.creation import Creation
from process_anatomy.walk.across.regions import REGIONS
from process_anatomy.walk.address_space.page_row import PageRow
from process_anatomy.walk.address_space.vad_nodes import PROTECTIONS, VAD_TYPES
from process_anatomy.walk.address_space.vads import Vad
from process_anatomy.walk.address_space.working_sets import OTHER, SAME, WorkingSet
from process_anatomy.walk.crossview.crossings import Crossing
from process_anatomy.walk.crossview.sightings import VIEWS
from process_anatomy.walk.crossview.verdicts import REASONS, UNEXPLAINED, VERDICTS, Absence
from process_anatomy.walk.processes.kin import Kin, Relative
from process_anatomy.walk.processes.listed import Process
from process_anatomy.walk.program.environments import Variable
from process_anatomy.walk.program.global_flags import GLOBAL_FLAGS
from process_anatomy.walk.program.images import MODULE, PEB_PROGRAM, PROGRAM, Image
from process_anatomy.walk.program.loader import HOT_PATCH_STATES, LOAD_REASONS, LoaderEntry
from process_anatomy.walk.program.modules import LISTED, NO_IMAGE, NO_LOADER, NOT_LISTED, UNREADABLE, Module
from process_anatomy.walk.program.pebs import FACTS, Peb
from process_anatomy.walk.program.portable import MITIGATIONS, PeFacts
from process_anatomy.walk.security.acls import ACE_FLAGS, ACE_TYPES, RIGHTS, Ace, Acl
from process_anatomy.walk.security.attributes import (
    ATTRIBUTE_FLAGS,
    CLAIM_KINDS,
    DEVICE_GROUPS,
    SECURITY_ATTRIBUTE_KIND,
    VALUE_TYPES,
    Attribute,
    Claims,
)
from process_anatomy.walk.security.contexts import PACKAGE_ATTRIBUTE
from process_anatomy.walk.security.groups import (
    DENY_ONLY,
    ENABLED,
    GROUP_ATTRIBUTES,
    INTEGRITY,
    LOGON_ID,
    Group,
    groups,
)
from process_anatomy.walk.security.managed import FIRST_BUILD
from process_anatomy.walk.security.privileges import PRIVILEGES, Privilege, privileges
from process_anatomy.walk.security.sids import INTEGRITY_LEVELS
from process_anatomy.walk.security.token_facts import (
    ADMIN_GROUP,
    ELEVATIONS,
    IMPERSONATION_LEVELS,
    LOWBOX,
    MANDATORY_POLICIES,
    RESTRICTED,
    TOKEN_FLAGS,
    WRITE_RESTRICTED,
)
from process_anatomy.walk.security.tokens import Token
from process_anatomy.walk.threads.listed import Thread
from process_anatomy.walk.threads.tebs import FACTS as TEB_FACTS
from process_anatomy.walk.threads.tebs import Teb

PROCESS = Process(
    address=1, pid=8, ppid=4, name="a.exe", threads=1, handles=1, session=1, wow64=False, create_time=1,
    exit_time=NOT_APPLICABLE, dtb=1, peb=1, vad_root=1, token=1, protection=(0, 0), minimal=False, image_path="",
    seen_by=("forward",), problems=(),
)  # fmt: skip
VAD = Vad(
    process=PROCESS, address=1, depth=0, start=0x1000, end=0x1FFF, tag="VadS", vad_type="VadNone",
    protection="PAGE_READWRITE", commit=1, private=1, parent=0, file=NOT_APPLICABLE, enclave=False, problems=(),
)  # fmt: skip
USER = "S-1-5-21-1-2-3-1001"
NO = NOT_APPLICABLE
GONE = Absent(Kind.UNREADABLE)
TOKEN = Token(
    process=PROCESS, thread=None, address=1, token_id=1, authentication_id=1, user=USER, account="b\\a",
    integrity="medium", elevation="default", linked_session=NO, session=1, token_type="Primary", level=NO,
    sids=((USER, 0),), restricted=(), capabilities=(), present=0, enabled=0, default=0, privileges_listed=False,
    privilege_problems=(), flags=0, flag_names="",
    source="User32", source_identifier=1, origin=0x3E7, parent_token_id=NO, modified_id=1, expires=NO, owner=USER,
    primary_group=USER, dacl=NO, mandatory_policy="NO_WRITE_UP", virtualization="no", ui_access=False, package=NO,
    lowbox_number=NO, trust=NO, attribute_count=0, attributes_at=0, claims_at=0, audit_policy="none", logon=NO,
    problems=(),
)  # fmt: skip
MANAGED = replace(
    TOKEN, account="b\\ADMIN_1A2B3C", integrity="high", sids=((USER, 0), ("S-1-5-32-544", 0xF)), authentication_id=9
)
THREAD = Thread(
    process=PROCESS, address=1, tid=12, client_token=1, level=2, effective_only=False, problems=()
)  # fmt: skip
PEB = Peb(
    PROCESS, 64, 0x1000, 0x2000, (PROCESS, "nothing"), problems=(), **dict.fromkeys(FACTS, NO) | {"image_base": 1}
)  # fmt: skip
TEB = Teb(THREAD, 64, 0x1000, problems=(), **dict.fromkeys(TEB_FACTS, 1))
ACTING = replace(TOKEN, thread=THREAD, token_type="Impersonation", level="Impersonation")


def names(family: str) -> list[str]:
    """The ids of a family without the family's name, in order."""
    return [key.split("/", 1)[1] for key in default().ids(f"{family}/")]


def by_value(family: str) -> dict[int, str]:
    """Names of a family's notes by the number that Windows uses."""
    return {value: note.id.split("/", 1)[1] for value, note in default().by_value(family).items()}


def told(chosen: Iterable[tuple[str, dict[str, object]]]) -> set[str]:
    """The ids of notes that rows chose; each can be told at every level, with the facts that go with it."""
    keys = set()
    for key, facts in chosen:
        for level in Level:
            text = default().explain(key, level, facts)
            assert bool(text) is (level is not Level.OFF)
            assert "Absent" not in text
            assert "NOT_APPLICABLE" not in text
        keys.add(key)
    return keys


def test_every_rule_has_its_note_and_every_note_its_rule() -> None:
    """In the order of the rules; each can be told of a process, and of the image as a whole."""
    about_processes = [Finding(r.id, r.severity, PROCESS, "x", ("y",)) for r in RULES.values()]
    assert told(map(finding_note, about_processes)) == set(default().ids("finding/")) == {f"finding/{r}" for r in RULES}
    assert told(finding_note(replace(f, process=None)) for f in about_processes)


def test_every_severity_has_its_note_with_its_value() -> None:
    """In rising order."""
    assert by_value("severity") == {each.value: str(each) for each in Severity}


def test_every_family_has_notes() -> None:
    """No family is only a name."""
    assert [family for family in FAMILIES if not names(family)] == []


def test_every_privilege_has_its_note_with_its_value() -> None:
    """The notes' privileges are those that the walk knows, by name and number."""
    assert by_value("privilege") == PRIVILEGES
    assert names("privilege") == list(PRIVILEGES.values())
    assert len(PRIVILEGES) >= 35


def test_every_state_of_a_privilege_has_its_note() -> None:
    """All combinations of the three attributes, and a bit without a name, lead to the notes, and to no other."""
    kinds = [
        Privilege(token, 20, "SeDebugPrivilege", present, enabled, fresh)
        for token in (TOKEN, ACTING)
        for present in (False, True)
        for enabled in (False, True)
        for fresh in (False, True)
    ]
    kinds += [
        row for row in privileges([replace(TOKEN, present=1 << 63)]) if isinstance(row, Privilege) and not row.name
    ]
    chosen = [security_rows.privilege_note(row, default()) for row in kinds]
    assert told(chosen) == set(default().ids("privilege-state/"))


def test_every_protection_and_modifier_has_its_note() -> None:
    """The parts of the 32 protections are the notes of that family."""
    assert {part for name in PROTECTIONS for part in name.split("|")} == set(names("protection"))


def test_every_vad_type_has_its_note_with_its_value() -> None:
    """MI_VAD_TYPE, by value."""
    assert by_value("vad-type") == dict(enumerate(VAD_TYPES))
    assert names("vad-type") == list(VAD_TYPES)


def test_every_kind_of_process_row_is_reached_and_has_its_note() -> None:
    """Each way a process can be leads to its note."""
    gone = Absent(Kind.UNREADABLE)
    kinds = [
        PROCESS,
        replace(PROCESS, session=0),
        replace(PROCESS, session=NOT_APPLICABLE),
        replace(PROCESS, pid=4),
        replace(PROCESS, exit_time=1),
        replace(PROCESS, minimal=True),
        replace(PROCESS, minimal=True, pico=True),
        replace(PROCESS, protection=(1, 6)),
        replace(PROCESS, wow64=True),
        replace(PROCESS, pid=gone),
    ]
    chosen = {process_rows.process_note(process, Kin(()), None, None)[0] for process in kinds}
    before_vista = replace(TOKEN, integrity=Absent(Kind.NOT_IN_BUILD))
    chosen.add(process_rows.process_note(replace(PROCESS, session=0), Kin(()), before_vista, None)[0])
    crash = Crash(process=PROCESS.address, thread=1, time=1, bugcheck=1, build=1)
    chosen.add(process_rows.process_note(PROCESS, Kin(()), None, crash)[0])
    assert chosen == set(default().ids("process-row/"))


def test_every_kind_of_vad_row_is_reached_and_has_its_note() -> None:
    """Each way a VAD can be leads to its note."""
    kinds = [VAD._replace(vad_type=name, file="\\a.dll") for name in VAD_TYPES]
    kinds += [
        VAD,
        VAD._replace(protection="PAGE_EXECUTE_READ"),
        VAD._replace(enclave=True),
        VAD._replace(private=0, file="\\a.nls"),
        VAD._replace(private=0),
        VAD._replace(start=Absent(Kind.UNREADABLE)),
        VAD._replace(vad_type="VadImageMap", file=NOT_APPLICABLE),
        VAD._replace(vad_type="VadImageMap", file=Absent(Kind.UNREADABLE)),
        VAD._replace(private=0, file=Absent(Kind.UNREADABLE)),
        VAD._replace(vad_type="VadImageMap", private=0, file="\\a.dll", extended=1),
    ]
    reached = {vad_rows.vad_note(vad, default())[0] for vad in kinds}
    reached.add(vad_rows.vad_note(VAD, default(), ("KUSER_SHARED_DATA",))[0])
    assert reached == set(default().ids("vad-row/"))


def test_every_region_has_its_note() -> None:
    """In the order in which several are told."""
    assert names("region") == [page_rows.region_key(name) for name in REGIONS]


def test_every_kind_of_page_row_is_reached_and_has_its_note() -> None:
    """Each way the pages of a range can be leads to its note."""
    row = PageRow(PROCESS, "vad", VAD, ("private",), 0x1000, 0x1FFF, valid=1, resident=1, hardware="RW- 1")
    kinds = [
        row,
        row._replace(resident=0),
        row._replace(resident=0, compressed=1),
        row._replace(guard=1),
        row._replace(extension=1),
        row._replace(private=1),
        row._replace(beyond=1, disagreement="RWX 1"),
        row._replace(strange=1, disagreement="1 not the section's"),
        row._replace(unknown=1),
        row._replace(start=GONE),
        row._replace(vad=None, region=("unknown",)),
        row._replace(vad=None, region=(REGIONS[0],)),
    ]
    assert told(page_rows.page_note(kind, default()) for kind in kinds) == set(default().ids("page-row/"))


def test_every_kind_of_token_row_is_reached_and_has_its_note() -> None:
    """Each way a token can be leads to its note."""
    kinds = [
        TOKEN,
        replace(TOKEN, user="S-1-5-18"),
        replace(TOKEN, user="S-1-5-19"),
        replace(TOKEN, elevation="full"),
        replace(TOKEN, elevation="limited"),
        replace(TOKEN, flags=RESTRICTED, restricted=((USER, 0),)),
        replace(TOKEN, flags=RESTRICTED | WRITE_RESTRICTED, restricted=GONE),
        replace(TOKEN, flags=LOWBOX),
        ACTING,
        replace(ACTING, account=NO, level=GONE),
        replace(ACTING, level="Identification"),
        replace(ACTING, level="Impersonation"),
        replace(TOKEN, elevation="limited", ui_access=True),
        replace(TOKEN, user=GONE),
        replace(ACTING, user=GONE),
    ]
    reached = [security_rows.token_note(token) for token in kinds]
    reached.append(security_rows.token_note(MANAGED, FIRST_BUILD))
    assert told(reached) == set(default().ids("token-row/"))
    assert security_rows.token_note(MANAGED, FIRST_BUILD - 1)[0] == "token-row/user"


def test_a_token_is_told_with_the_services_whose_sids_it_carries() -> None:
    """Four of them; the rest are counted.  Groups of services, and other SIDs, are none."""
    sids = tuple((sid, 7) for sid in ("S-1-5-80-1-2-3-4-5", "S-1-5-80-0", "S-1-5-18", GONE, "S-1-5-80-9-2-3-4-5"))
    assert security_rows.services_of(replace(TOKEN, sids=sids)) == ["S-1-5-80-1-2-3-4-5", "S-1-5-80-9-2-3-4-5"]
    token = replace(TOKEN, user="S-1-5-19")

    def account(*services: str) -> str:
        key, facts = security_rows.token_note(token, services=services)
        return default().explain(key, Level.BRIEF, facts)

    assert " for the service Dnscache, " in account("Dnscache")
    assert " for the services A, B, C, D and 2 more, " in account("A", "B", "C", "D", "E", "F")
    assert "service " not in account().replace("service account", "")


def test_every_token_flag_has_its_note_with_its_value() -> None:
    """TokenFlags, by bit; the older meaning of one bit has no value of its own."""
    assert by_value("token-flag") == TOKEN_FLAGS
    assert set(names("token-flag")) - set(TOKEN_FLAGS.values()) == {ADMIN_GROUP}


@pytest.mark.parametrize(
    ("family", "table"),
    [
        ("impersonation-level", IMPERSONATION_LEVELS),
        ("mandatory-policy", MANDATORY_POLICIES),
        ("group-attribute", GROUP_ATTRIBUTES),
        ("claim-type", VALUE_TYPES),
        ("claim-flag", ATTRIBUTE_FLAGS),
        ("ace-type", ACE_TYPES),
        ("ace-flag", ACE_FLAGS),
        ("access-right", RIGHTS),
        ("load-reason", LOAD_REASONS),
        ("hot-patch", HOT_PATCH_STATES),
        ("mitigation", MITIGATIONS),
    ],
)
def test_every_name_in_a_table_of_the_walk_has_its_note_with_its_value(family: str, table: dict[int, str]) -> None:
    """The notes are those that the walk can name, by number."""
    assert by_value(family) == table
    assert set(names(family)) == set(table.values())


def test_every_kind_of_group_row_is_reached_and_has_its_note() -> None:
    """Each way a SID can count leads to its note."""
    masks = (ENABLED, 0, DENY_ONLY, INTEGRITY, LOGON_ID)
    token = replace(
        TOKEN,
        sids=((USER, 0), *((f"S-1-5-32-{mask}", mask) for mask in masks), (GONE, ENABLED)),
        owner="S-1-5-32-4",
        restricted=(("S-1-5-12", 7),),
        capabilities=(("S-1-15-3-1", 4),),
        package="S-1-15-2-1",
        trust="S-1-19-512-4096",
    )
    devices = tuple((token, kind, (("S-1-5-21-1-2-3-515", 7),)) for kind in DEVICE_GROUPS)
    listed = [row for row in groups([token], Claims((), devices)) if isinstance(row, Group)]
    clients = [replace(ACTING, level=level) for level in ("Identification", "Impersonation")]
    listed += [row._replace(token=client) for row in listed for client in (ACTING, *clients)]
    chosen = [security_rows.group_note(row, name) for row in listed for name in ("", "A name")]
    managed = [row for row in groups([MANAGED], Claims((), ())) if isinstance(row, Group)]
    chosen += [security_rows.group_note(row, "", FIRST_BUILD) for row in managed]
    assert told(chosen) == set(default().ids("group-row/"))


def test_every_kind_of_attribute_row_is_reached_and_has_its_note() -> None:
    """Security attributes, each kind of claim, and what is not proved."""
    kinds = [
        Attribute(token, kind, 1, name, "STRING", "", values, shared, ())
        for token in (TOKEN, ACTING)
        for kind in (SECURITY_ATTRIBUTE_KIND, *CLAIM_KINDS.values())
        for name in (PACKAGE_ATTRIBUTE, "ad://ext/department", Absent(Kind.NOT_PROVED))
        for values, shared in ((("x",), False), ((), True))
    ]
    chosen = [security_rows.attribute_note(row, 0, default()) for row in kinds]
    assert told(chosen) == set(default().ids("attribute-row/"))


def test_an_attribute_is_told_by_its_own_note_and_an_unknown_one_by_the_common_one() -> None:
    """Every note of an attribute is used by the row of that name."""
    for name in names("attribute"):
        row = Attribute(TOKEN, SECURITY_ATTRIBUTE_KIND, 1, name, "STRING", "", (), False, ())
        assert security_rows.attribute_note(row, 0, default())[1]["meaning"] == default()[f"attribute/{name}"].brief
    row = Attribute(TOKEN, SECURITY_ATTRIBUTE_KIND, 1, "NEW://THING", "STRING", "", (), False, ())
    assert security_rows.attribute_note(row, 0, default())[1]["meaning"] == default()["attribute/other"].brief
    assert PACKAGE_ATTRIBUTE in names("attribute")


def test_every_kind_of_dacl_row_is_reached_and_has_its_note() -> None:
    """Each type of entry, and each way a list can be without entries."""
    aces = [Ace(1, kind, 0, 0x10000000, sid) for kind in (*ACE_TYPES, 99) for sid in (USER, GONE)]
    chosen = [security_rows.ace_note(token, ace, "") for token in (TOKEN, ACTING) for ace in aces]
    lists = [
        TOKEN,
        replace(TOKEN, dacl=Acl(1, (), ())),
        replace(TOKEN, dacl=Acl(1, (), ("entry 1 of 1 is of type 99, which is not decoded",))),
        replace(TOKEN, dacl=GONE),
        replace(TOKEN, address=0),
    ]
    chosen += [security_rows.dacl_note(token) for token in lists]
    assert told(chosen) == set(default().ids("dacl-row/"))


def test_every_kind_of_working_set_row_is_reached_and_has_its_note() -> None:
    """Each way a working set can be leads to its note."""
    row = WorkingSet(
        process=PROCESS, size=9, leaf_size=5, peak=7, minimum=50, maximum=345, page_faults=9, private_pages=3,
        commit_charge=4, commit_peak=4, commit_limit=NO,
        nonpaged_quota=9, paged_quota=9, nonpaged_peak=9, paged_peak=9,
        peak_virtual_size=4096, resident=5, large=0, transition=1, compressed=0, tables=4, list_address=1,
        entries=GONE, through_another=SAME, problems=(),
    )  # fmt: skip
    kinds = [
        row,
        replace(row, through_another=OTHER, entries=5),
        replace(row, through_another=NO, list_address=NO, resident=0),
        replace(row, process=replace(PROCESS, minimal=True)),
        replace(row, process=replace(PROCESS, pid=4)),
        replace(row, process=replace(PROCESS, exit_time=1)),
        replace(row, resident=Absent(Kind.NOT_IN_DUMP), size=GONE),
        replace(row, resident=GONE, tables=GONE),
    ]
    assert told(working_set_note(kind) for kind in kinds) == set(default().ids("working-set-row/"))


def creations() -> list[Creation]:
    """One process for each way in which a process can be made."""
    parent = replace(PROCESS, address=2, pid=4000, name="b.exe", create_time=0)
    services = replace(parent, name="services.exe", session=0)
    process = replace(PROCESS, pid=4004, ppid=4000)
    token = replace(TOKEN, process=process, origin=7)
    above = replace(TOKEN, process=parent)
    system = replace(TOKEN, process=services, user="S-1-5-18", integrity="system", authentication_id=0x3E7)
    limited = replace(above, elevation="limited", linked_session=2)
    alive, nobody = Relative(4000, parent, "alive"), Relative(NO, None, "none")
    cases: list[tuple[Process, Token, Relative, Token | None]] = [
        (replace(process, pid=4, ppid=0), token, nobody, None),
        (process, replace(token, user=GONE), alive, above),
        (process, replace(token, flags=LOWBOX, package="S-1-15-2-1"), alive, above),
        (process, token, Relative(4000, None, "newer"), None),
        (process, token, Relative(4000, None, "not found"), None),
        (process, token, Relative(4000, services, "alive"), system),
        (process, replace(token, elevation="full", authentication_id=2), alive, limited),
        (process, token, alive, above),
        (process, replace(token, flags=RESTRICTED, restricted=((USER, 7),)), alive, above),
        (process, replace(token, user="S-1-5-21-1-2-3-1002", authentication_id=9, origin=1), alive, above),
        (process, replace(token, user="S-1-5-21-1-2-3-1002", authentication_id=9), alive, above),
    ]
    host = replace(parent, address=3, pid=4008, name="svchost.exe", session=0)
    service = replace(system, process=host), Relative(4008, host, "alive")
    found = []
    managed = replace(MANAGED, process=process, user="S-1-5-21-1-2-3-1004")
    cases.append((process, managed, alive, above))
    for made, own, origin, over in cases:
        changes = creation._changes(own, over) if over else NO
        different = changes if isinstance(changes, tuple) else ()
        compared = isinstance(changes, tuple)
        maker, creator = service if own is managed else (None, nobody)
        case = creation._Case(made, own, origin, creator, over, maker, compared, different, {}, FIRST_BUILD)
        method, confidence, evidence = case.judge()
        found.append(
            Creation(made, own, origin, nobody, over, method, confidence, tuple(evidence), changes, PEB, ())
        )  # fmt: skip
    plain = next(row for row in found if row.method == "create-process")
    found.append(replace(plain, creator=Relative(4100, replace(parent, pid=4100, name="c.exe"), "alive")))
    orphan = next(row for row in found if row.method == "orphan")
    found.append(replace(orphan, process=replace(process, name="csrss.exe")))
    return found


def test_every_way_of_creation_is_reached_and_has_its_note() -> None:
    """The methods that the walk judges by are the notes, all of them."""
    source = inspect.getsource(creation)
    assert told(security_rows.creation_note(row)[:2] for row in creations()) == set(default().ids("creation-row/"))
    told_otherwise = {"other-creator", "session-start"}  # by whose name, and by what the process is, not by the method
    assert set(re.findall(r'return "([a-z-]+)", ', source)) == set(names("creation-row")) - told_otherwise


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("C:\\Windows\\system32\\svchost.exe -k netsvcs -p -s Schedule", "the group netsvcs and the service Schedule"),
        ('svchost.exe -K "RPCSS" -p', "the group RPCSS"),
        ("svchost.exe -s Dnscache", "the service Dnscache"),
        ("svchost.exe -k " + "x" * 100, ""),
        ("svchost.exe -k\x1b[2J", ""),
        ("svchost.exe -k \x1b[2J", ""),
        ("svchost.exe", ""),
        (GONE, ""),
    ],
)
def test_a_host_of_services_tells_which_by_its_command_line(line: str | Absent, said: str) -> None:
    made = next(row for row in creations() if row.method == "service")
    host = replace(made, process=replace(made.process, name="SvcHost.exe"), peb=replace(PEB, command_line=line))
    other = replace(host, process=replace(made.process, name="other.exe"))
    assert security_rows.creation_note(host).sober == (said and f" Its command line names {said}.")
    assert security_rows.creation_note(other).sober == ""


def test_every_kind_of_module_row_is_reached_and_has_its_note() -> None:
    """Each way in which lists and mapping can stand to one another."""
    reasons: list[str | Absent] = [*LOAD_REASONS.values(), "99", GONE]
    entries = [
        LoaderEntry(owner, bits, 1, 0x1000, 0, 0x1000, "C:\\a.dll", name, 0, -1, 0, NO, reason, -1, NO, NO, (), ())
        for owner, bits in ((PROCESS, 64), (replace(PROCESS, wow64=True), 32))
        for name in ("a.dll", "", GONE)
        for reason in reasons
    ]
    listed = [
        Module(entry.process, entry, None, vad, base, NO, state, NO, problems, bool(problems))
        for entry in entries
        for vad in (VAD, VAD._replace(extended=1), None)
        for base in (0x1000, GONE)
        for state in (LISTED, NO_IMAGE, UNREADABLE)
        for problems in ((), ("odd",))
    ]
    listed += [Module(PROCESS, None, None, VAD, 0x1000, NO, state, NO, ()) for state in (NOT_LISTED, NO_LOADER)]
    patched = entries[0]._replace(hot_patch=HOT_PATCH_STATES[3], patch_base=0x2000)
    listed.append(Module(PROCESS, patched, None, VAD, 0x1000, NO, LISTED, NO, ()))
    assert told(module_rows.module_note(row, default()) for row in listed) == set(default().ids("module-row/"))


def test_every_kind_of_image_row_is_reached_and_has_its_note() -> None:
    """Each role, with and without a mapped image and a header."""
    mapped = VAD._replace(vad_type="VadImageMap", file="\\a.exe")
    facts = PeFacts(0, "x64", 64, "NATIVE", 0, 0, 0, 0, 0, NO, (), NO, 0, 0, NO, NO, NO, ())
    kinds = [
        Image(PROCESS, role, 0x1000, name, vad, fact, NO, 0x1000, 1, ())
        for role in (PROGRAM, MODULE, PEB_PROGRAM)
        for name in ("a.exe", GONE)
        for vad in (mapped, VAD, None)
        for fact in (facts, GONE)
    ]
    assert told(map(module_rows.image_note, kinds)) == set(default().ids("image-row/"))


def test_every_confidence_has_its_note() -> None:
    """The three words of the walk."""
    assert names("confidence") == [creation.HIGH, creation.MEDIUM, creation.LOW]
    assert {row.confidence for row in creations()} == set(names("confidence"))


def test_every_state_of_a_parent_has_its_note() -> None:
    """Alive, ended, or why there is no process to name."""
    parent = replace(PROCESS, address=2, pid=4000, create_time=0)
    ended, newer = replace(parent, exit_time=1), replace(parent, create_time=2)
    states = {
        Kin(candidates).relative(pid, PROCESS).state
        for pid in (4000, 0, NO, GONE)
        for candidates in ([parent], [ended], [newer], list[Process]())
    }
    assert {state.replace(" ", "-") for state in states} == set(names("parent-state"))


def test_every_integrity_level_and_elevation_type_has_its_note() -> None:
    """By number; each family has one more for what is unknown."""
    assert by_value("integrity") == INTEGRITY_LEVELS
    assert by_value("elevation") == ELEVATIONS
    assert set(names("integrity")) - set(INTEGRITY_LEVELS.values()) == {"unknown"}
    assert set(names("elevation")) - set(ELEVATIONS.values()) == {"unknown"}


def test_every_page_state_has_its_note() -> None:
    """Both sizes of large pages share one."""
    states = {state.name.lower().replace("_", "-") for state in PageState}
    assert {"large" if state.startswith("large") else state for state in states} == set(names("page-state"))


def test_every_note_that_is_no_row_template_is_shown_by_explain() -> None:
    """`windows.anatomy.explain --about KIND` reaches them all."""
    families = {key.split("/")[0] for key in default().ids()}
    shown = {note.id for family in families - set(TEMPLATES) for note in about(family)}
    assert shown == {key for key in default().ids() if key.split("/")[0] not in TEMPLATES}


def test_every_kind_of_peb_is_reached_and_has_its_note() -> None:
    """The 64-bit one, the two of a 32-bit process, and those that are not there."""
    narrow = replace(PROCESS, wow64=True)
    rows_of_pebs = [
        *(replace(PEB, elsewhere=elsewhere) for elsewhere in [None, *((PROCESS, word) for word in ELSEWHERE)]),
        replace(PEB, process=narrow),
        replace(PEB, process=narrow, bits=32),
        replace(PEB, being_debugged=True),
        replace(PEB, address=NO),
        replace(PEB, address=NO, process=replace(PROCESS, pico=True)),
        replace(PEB, address=NO, process=replace(PROCESS, exit_time=2)),
        replace(PEB, address=GONE),
        replace(PEB, image_base=GONE),
        replace(PEB, image_base=GONE, being_debugged=GONE),
        replace(PEB, image_base=GONE, being_debugged=GONE, root=GONE),
        replace(PEB, image_base=Absent(Kind.NOT_IN_DUMP)),
    ]
    assert told(map(peb_note, rows_of_pebs)) == set(default().ids("peb-row/"))


def test_every_global_flag_has_its_note_with_its_value() -> None:
    """The notes' flags are those that the walk names, and a PEB's explanation holds those that are set."""
    assert by_value("global-flag") == GLOBAL_FLAGS
    assert global_flag_notes(PEB, default()) == ""
    text = global_flag_notes(replace(PEB, nt_global_flag=0x70), default())
    assert text.count("FLG_HEAP_") == 3
    assert default()["global-flag/FLG_HEAP_ENABLE_FREE_CHECK"].brief in text


def test_every_kind_of_variable_is_reached_and_has_its_note() -> None:
    """By name, and by what could not be had."""
    plain = Variable(PEB, 1, 1, "TEMP", "t", ())
    cases = [
        plain,
        *(replace(plain, name=name) for name in ("Path", "ComSpec", "PATHEXT", "windir")),
        replace(plain, name="COR_PROFILER"),
        replace(plain, name="=C:"),
        replace(plain, value=NO),
        replace(plain, name=GONE, value=GONE, block=GONE),
    ]
    assert told(map(variable_note, cases)) == set(default().ids("environment-row/"))


def test_every_kind_of_teb_is_reached_and_has_its_note() -> None:
    """Of user threads, of 32-bit processes, of the kernel's own, and those that cannot be read."""
    cases = [
        TEB,
        replace(TEB, thread=replace(THREAD, process=replace(PROCESS, wow64=True))),
        replace(TEB, address=NO),
        replace(TEB, address=NO, thread=replace(THREAD, process=replace(PROCESS, pico=True))),
        replace(TEB, address=NO, user_start=True),
        replace(TEB, bits=32, thread=replace(THREAD, process=replace(PROCESS, wow64=True))),
        replace(TEB, address=GONE),
        replace(TEB, stack_base=GONE, own_address=GONE),
    ]
    assert told(map(teb_note, cases)) == set(default().ids("teb-row/"))


def crossing(verdict: str, *missed: str, reason: str = UNEXPLAINED, **other: Any) -> Crossing:
    """A process that some views do not see."""
    views = {view: view not in missed for view in VIEWS}
    absences = tuple(Absence(view, reason, "high") for view in missed)
    return replace(Crossing(PROCESS, 0x1000, True, views, absences, verdict, "high", ()), **other)


def test_every_verdict_reason_and_view_has_its_note_and_every_kind_of_row_is_reached() -> None:
    """Hidden in each way, gone in each way, torn, idle, and as it should be."""
    assert names("verdict") == list(VERDICTS)
    assert names("absence") == list(REASONS)
    assert set(names("view")) == set(VIEWS)
    cases = [
        crossing("consistent"),
        crossing("consistent", "CID", reason="idle", process=replace(PROCESS, pid=0)),
        crossing("hidden", "Forward", "Backward"),
        crossing("hidden", "Forward"),
        crossing("hidden", "csrss", "Session"),
        crossing("ended", "thrdscan", reason="ended"),
        crossing("remnant", "CID", reason="not-listed"),
        crossing("remnant", "CID", reason="left-over", in_place=False, physical=GONE),
        crossing("smeared", "Forward", reason="broken-list"),
    ]
    assert told(map(crossview_note, cases)) == set(default().ids("crossview-row/"))
    assert "Forward and Backward: unexplained" in absence_notes(cases[2], default())


def test_every_state_of_a_component_has_its_note_and_every_kind_of_row_is_reached() -> None:
    """Whole, with gaps, gone with the process, and unreadable."""
    assert names("component-state") == list(STATES)
    assert tuple(WORDS) == COMPONENTS
    whole = dict.fromkeys(COMPONENTS, Component(WHOLE, 1, 1))
    gap = Component(PART, 1, 3, ("2 of 3 handles could not be read", "a", "b", "c"))
    cases = [
        Completeness(PROCESS, whole),
        Completeness(PROCESS, whole | {"Handles": gap}),
        Completeness(replace(PROCESS, exit_time=2), whole | {"Threads": Component(NONE)}),
        Completeness(replace(PROCESS, pid=GONE), whole | {PROCESS_ID: Component(NOT, obstacles=("process id: x",))}),
    ]
    assert told(map(completeness_note, cases)) == set(default().ids("completeness-row/"))
    assert "and 1 more" in str(completeness_note(cases[1])[1]["obstacles"])


CHECK = Check("process-id", "_EPROCESS", "UniqueProcessId", "system", 5, 0, 0, None)


def test_every_outcome_of_a_check_and_every_verdict_has_its_note() -> None:
    """What a check says depends on its counts alone; a verdict on all checks."""
    outcomes = [
        CHECK,
        replace(CHECK, failed=1, first=8),
        replace(CHECK, passed=0, failed=3, first=8, pages=(0, 2)),
        replace(CHECK, passed=0, unreadable=5),
    ]
    assert [check.outcome for check in outcomes] == list(Outcome)
    assert told(map(outcome_note, outcomes)) == set(default().ids("check-outcome/"))
    proofs = [Proof((CHECK,), False), Proof((CHECK,) * 8, True), Proof((outcomes[2],), False)]
    assert [proof.verdict for proof in proofs] == list(Verdict)
    proofs.append(Proof((CHECK,), False, small=True))
    assert told(verdict_note(proof, "x64-19041-0") for proof in proofs) == set(default().ids("layout-verdict/"))
