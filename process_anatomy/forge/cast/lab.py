"""Scenarios: the cast of an image as data.  Forging one is :func:`process_anatomy.forge.forge`."""

from __future__ import annotations

from dataclasses import dataclass, replace

SYSTEM32 = "C:\\Windows\\System32\\"
SERVICE_HOST = SYSTEM32 + "svchost.exe"
CALCULATOR = (
    "C:\\Program Files\\WindowsApps\\Microsoft.WindowsCalculator_11.2210.0.0_x64__8wekyb3d8bbwe\\CalculatorApp.exe"
)
TEMP = "C:\\Users\\student\\AppData\\Local\\Temp\\"

ALL, TRIMMED, PAGED_OUT = "all", "trimmed", "paged out"
"""How much of a process's user half is in memory."""
IDENTIFICATION, IMPERSONATION = 1, 2
"""How far an impersonation token may act: to be looked at, or to be used on this machine."""


@dataclass(frozen=True)
class Impersonation:
    """A thread that acts for somebody else.

    Attributes:
        thread: number of the thread in its process.
        context: the client's security context.
        level: how far it may act for the client.
        session: terminal session of the client.
        effective_only: only what is enabled in the token counts.
        active: it does so now; otherwise the address of the client's token is only left over.
        taken: how far the thread acts, where that is not what the client allowed.
    """

    thread: int
    context: str
    level: int = IMPERSONATION
    session: int = 1
    effective_only: bool = False
    active: bool = True
    taken: int | None = None


@dataclass(frozen=True)
class ThreadPlan:
    """A thread that is not like the others of its process.

    Attributes:
        thread: number of the thread in its process.
        state: scheduler state; 5 waits.
        reason: why it waits or last waited; 6 is a program's own request.
        priority: that it runs with now, if not the usual one.
        suspended: how often it was suspended.
        ended: seconds from boot when it ended; only its object is left.
        exit_status: status it ended with.
        starts_in: ``injected`` for the private executable memory, ``nowhere`` for an address without a range (of the
            kernel's threads: in no driver), or the file name of a driver.
        flags: names of cross-thread flags that are set beyond the usual ones.
        name: that the program gave it.
    """

    thread: int
    state: int = 5
    reason: int = 6
    priority: int | None = None
    suspended: int = 0
    ended: int | None = None
    exit_status: int = 0
    starts_in: str = ""
    flags: tuple[str, ...] = ()
    name: str = ""


INJECTED, NOWHERE = "injected", "nowhere"
"""Where a planned thread may start, beside drivers."""


@dataclass(frozen=True)
class Actor:
    """One process of a scenario.

    Attributes:
        pid: process id, a multiple of 4.
        parent: process id of the parent, which need not be alive.
        path: path of the program; the name alone for System and Registry.
        context: key of :data:`process_anatomy.forge.security.contexts.CONTEXTS`.
        started: seconds from boot.
        session: session id, ``None`` outside any.
        arguments: command line behind the program's name.
        threads: number of threads.
        ended: seconds from boot when the process ended, which leaves only its object behind, and those of the
            threads that it has plans for.
        exit_status: status it ended with.
        minimal: without a user address space.
        protection: type and signer of a protected process, as one byte.
        critical: ending it stops the system.
        injected: has private memory that can be written and executed.
        odd_pages: has pages that do not go with its VADs.
        large_page: has a 2 MB page.
        handles: how many handles it has open beyond those to itself.
        extra_regions: private ranges beyond the usual ones.
        hidden: unlinked from the list of active processes.
        unseen_by: what else was made not to lead to it: ``forward`` or ``backward`` (one direction of the list of
            active processes), ``cid``, ``csrss``, ``job``, ``scan``, ``session``.
        job: name of the job that it is in.
        memory: how much of its user half is in memory: :data:`ALL`; :data:`TRIMMED` leaves the PEB, the
            process parameters and the loader's lists; :data:`PAGED_OUT` nothing at all, not even page tables.
        impersonates: threads that act for somebody else.
        plans: threads that are not like the others.
        unlisted: path of a library that is mapped, but taken out of the loader's lists.
        headless: the first page of the program, its header, is not in memory.
        asked_by: process id of whoever asked for the creation, where it chose another parent than itself.
        window_title: title for its first window, where it is not the path; shortcuts put their own path there.
        debugged: was started under a debugger.
        misfits: keys of :data:`process_anatomy.forge.traces.misfits.RULES`: traces of tampering; they take all
            its memory.
        findings: rules that find something in it for what the scenario makes of it, beyond misfits.
        wow64: a 32-bit program, which WOW64 runs: a second PEB, loader and libraries below 4 GB.
        sparse_handles: its handles have values from 0x80000 on, in a table of three levels.
    """

    pid: int
    parent: int
    path: str
    context: str = "system"
    started: int = 0
    session: int | None = None
    arguments: str = ""
    threads: int = 2
    ended: int | None = None
    exit_status: int = 0
    minimal: bool = False
    protection: int = 0
    critical: bool = False
    injected: bool = False
    odd_pages: bool = False
    large_page: bool = False
    handles: int = 6
    extra_regions: int = 0
    hidden: bool = False
    unseen_by: tuple[str, ...] = ()
    job: str = ""
    memory: str = ALL
    impersonates: tuple[Impersonation, ...] = ()
    plans: tuple[ThreadPlan, ...] = ()
    unlisted: str = ""
    headless: bool = False
    asked_by: int | None = None
    window_title: str = ""
    debugged: bool = False
    misfits: tuple[str, ...] = ()
    findings: tuple[str, ...] = ()
    wow64: bool = False
    sparse_handles: bool = False

    @property
    def creator(self) -> int:
        """Process id of whoever asked for the creation."""
        return self.parent if self.asked_by is None else self.asked_by

    @property
    def name(self) -> str:
        """File name of the program."""
        return self.path.rpartition("\\")[2]


@dataclass(frozen=True)
class Scenario:
    """What an image shows.

    Attributes:
        name: the scenario's name.
        cast: its processes, System first.
        memory_size: bytes of physical memory, a multiple of 4 MB.
        boot_time: seconds since 1970 (UTC) when the system started.
        uptime: seconds from boot to the image.
        computer: name of the machine.
        invalid_pte_mask: bits that the kernel flips in page-table entries that are not valid (x64, Windows 10 on).
    """

    name: str
    cast: tuple[Actor, ...]
    memory_size: int = 64 << 20
    boot_time: int = 1_700_125_200
    uptime: int = 9_140
    computer: str = "LABWIN11"
    invalid_pte_mask: int = 0


LAB = Scenario(
    "lab",
    (
        Actor(
            4, 0, "System", threads=4, protection=0x72, minimal=True,
            plans=(
                ThreadPlan(1, reason=15, priority=12),
                ThreadPlan(2, state=1, reason=26, priority=16),
                ThreadPlan(3, reason=0, starts_in="afd.sys"),
            ),
        ),
        Actor(124, 4, "Registry", started=-5, protection=0x72, minimal=True),
        Actor(388, 4, SYSTEM32 + "smss.exe", started=4, protection=0x61, critical=True),
        Actor(
            512, 504, SYSTEM32 + "csrss.exe", started=9, session=0, protection=0x61, critical=True, threads=3,
            arguments="ObjectDirectory=\\Windows SharedSection=1024,20480,768 Windows=On",
        ),
        Actor(588, 504, SYSTEM32 + "wininit.exe", started=10, session=0, protection=0x61, critical=True),
        Actor(
            596, 580, SYSTEM32 + "csrss.exe", started=10, session=1, protection=0x61, critical=True, threads=3,
            arguments="ObjectDirectory=\\Windows SharedSection=1024,20480,768 Windows=On",
        ),
        Actor(672, 580, SYSTEM32 + "winlogon.exe", started=10, session=1),
        Actor(716, 588, SYSTEM32 + "services.exe", started=11, session=0, protection=0x61, critical=True, threads=3),
        Actor(
            728, 588, SYSTEM32 + "lsass.exe", started=11, session=0, protection=0x41, threads=4,
            plans=(ThreadPlan(3, reason=16),),
            impersonates=(Impersonation(2, "limited", IDENTIFICATION, effective_only=True),),
        ),
        Actor(
            868, 716, SERVICE_HOST, started=12, session=0, arguments="-k DcomLaunch -p", memory=TRIMMED,
            impersonates=(Impersonation(1, "full"),), plans=(ThreadPlan(0, flags=("BreakOnTermination",)),),
        ),
        Actor(1004, 672, SYSTEM32 + "dwm.exe", "window-manager", 13, 1, threads=1, memory=PAGED_OUT),
        Actor(
            1092, 716, SERVICE_HOST, "local-service", started=14, session=0, threads=3,
            arguments="-k LocalServiceNetworkRestricted -p -s EventLog", headless=True,
        ),
        Actor(
            1236, 716, SERVICE_HOST, "network-service", started=15, session=0, threads=3,
            arguments="-k NetworkService -p -s Dnscache", impersonates=(Impersonation(2, "full", active=False),),
        ),
        Actor(
            1332, 716, SERVICE_HOST, "write-restricted", 16, 0, "-k LocalServiceNoNetworkFirewall -p", threads=1,
            memory=PAGED_OUT,
        ),
        Actor(
            1480, 716, SERVICE_HOST, started=17, session=0, arguments="-k netsvcs -p", threads=1, memory=PAGED_OUT
        ),
        Actor(1900, 716, SYSTEM32 + "spoolsv.exe", started=19, session=0, threads=1, memory=PAGED_OUT),
        Actor(
            3920, 3844, "C:\\Windows\\explorer.exe", "limited", 73, 1, threads=5, handles=300, large_page=True,
            plans=(
                ThreadPlan(0, reason=13, priority=12, name="Explorer message loop"),
                ThreadPlan(1, state=2, reason=38, priority=9),
                ThreadPlan(3, reason=5, suspended=2),
                ThreadPlan(4, state=4, ended=1_300, exit_status=1, flags=("Terminated", "RundownFail")),
            ),
        ),
        Actor(4180, 3920, SYSTEM32 + "osk.exe", "accessibility", 96, 1, threads=1, memory=PAGED_OUT, asked_by=1480),
        Actor(
            4304, 716, "C:\\Program Files\\Contoso\\Agent\\ContosoAgent.exe", "agent", 131, 0, "--service", threads=1,
            memory=TRIMMED,
        ),
        Actor(
            4476, 3920, "C:\\Ledger\\oldledger.exe", "virtualized", 164, 1, "C:\\Ledger\\books.dat", threads=1,
            wow64=True,
        ),
        Actor(
            4812, 6612, TEMP + "LabSetup.exe", "installer", 240, 1, "/quiet", threads=1, memory=PAGED_OUT,
        ),
        Actor(
            5212, 3920, SYSTEM32 + "notepad.exe", "limited", 412, 1, "C:\\Users\\student\\Documents\\homework.txt",
            injected=True, odd_pages=True, threads=4, findings=("power-over-higher",),
            plans=(
                ThreadPlan(2, reason=4, starts_in=INJECTED, flags=("HideFromDebugger",)),
                ThreadPlan(3, state=0, reason=0, starts_in=NOWHERE, suspended=1),
            ),
            window_title="C:\\Users\\student\\Desktop\\homework.txt.lnk",
            unlisted=TEMP + "helper.dll",
        ),
        Actor(5740, 3920, SYSTEM32 + "cmd.exe", "full", 655, 1, threads=1, asked_by=1480),
        Actor(
            5588, 3920, "C:\\Users\\student\\Downloads\\update.exe", "limited", 698, 1, ended=741, exit_status=1,
            plans=(ThreadPlan(0, state=4, ended=741, exit_status=1, flags=("Terminated", "RundownFail")),),
        ),
        Actor(
            6044, 868, CALCULATOR, "low-box", 1_204, 1, "-ServerName:App.AppXsm3pg4n7er43kdh1qp4e79f1j7am68r8.mca",
            job="application", findings=("power-over-higher",),
        ),
        Actor(
            6276, 3920, "C:\\Program Files\\Lantern\\sandbox.exe", "sandboxed", 1_260, 1, "--broker=3920", threads=1,
            memory=PAGED_OUT, job="content", findings=("power-over-higher",),
        ),
        Actor(
            6420, 3920, "C:\\Program Files\\Lantern\\renderer.exe", "renderer", 1_262, 1, "--type=renderer", threads=1,
            memory=PAGED_OUT, job="content", findings=("power-over-higher",),
        ),
        Actor(
            6612, 3920, "C:\\Tools\\bobtool.exe", "bob", 1_432, 1, "/inventory", threads=1, memory=TRIMMED,
            asked_by=1480, debugged=True,
        ),
        Actor(
            6808, 1900, "C:\\Users\\student\\Downloads\\invoice.exe", "limited", 1_610, 1, threads=1, memory=TRIMMED,
            asked_by=5212, findings=("chosen-parent",),
        ),
        Actor(7148, 5212, TEMP + "shade.exe", "limited", 1_702, 1, threads=1, memory=PAGED_OUT, hidden=True),
    ),
)  # fmt: skip
"""The laboratory machine.

How its processes came about: user programs with their parent's context (explorer.exe and its children); those
that a service starts on their behalf, which chooses the asking program as the parent (1480, which hosts Appinfo
and seclogon: the split logon's other half in cmd.exe, osk.exe with UIAccess, bobtool.exe as another user);
services (716's children) and a service under a person's account (4304); a session's helper (dwm.exe); parents
that have ended (3844) or whose number a later process has (4812, whose parent ended long before 6612 began); an
AppContainer, which the service host 868 starts with a token made from explorer.exe's; invoice.exe: the code
that was put into notepad.exe started it with a service as its parent (PROC_THREAD_ATTRIBUTE_PARENT_PROCESS lets a
program choose one), but its token, session and creator are the student's; and shade.exe, which the same code started
and then unlinked from the list of active processes: it runs on, with its thread, its id and csrss.exe's record of it.
"""


def crowd(processes: int, regions: int = 0, memory_size: int = 256 << 20) -> Scenario:
    """The lab with many more user programs: for tests of scale.

    Args:
        processes: how many user programs to add.
        regions: private ranges that each of them has beyond the usual ones.
        memory_size: bytes of physical memory.
    """
    added = tuple(
        Actor(
            8004 + 4 * 8 * number, 3920, f"C:\\Program Files\\Crowd\\worker{number:05}.exe", "limited", 2_000 + number,
            1, threads=1, extra_regions=regions,
        )
        for number in range(processes)
    )  # fmt: skip
    return replace(LAB, name=f"crowd-{processes}", cast=LAB.cast + added, memory_size=memory_size)


HIDING = replace(
    LAB,
    name="hiding",
    cast=(
        *LAB.cast,
        Actor(
            7240, 5212, TEMP + "shade-2.exe", "limited", 1_704, 1, threads=1, memory=PAGED_OUT, hidden=True,
            unseen_by=("cid", "csrss", "session"),
        ),
        Actor(
            7316, 5212, TEMP + "halfway.exe", "limited", 1_706, 1, threads=1, memory=PAGED_OUT, unseen_by=("forward",)
        ),
        Actor(7420, 5212, TEMP + "noheader.exe", "limited", 1_708, 1, threads=1, memory=PAGED_OUT, unseen_by=("scan",)),
        Actor(7512, 5212, TEMP + "noid.exe", "limited", 1_710, 1, threads=1, memory=PAGED_OUT, unseen_by=("cid",)),
        Actor(
            7600, 3920, TEMP + "longgone.exe", "limited", 1_712, 1, ended=1_720, hidden=True, unseen_by=("cid",)
        ),
        Actor(7700, 3920, SYSTEM32 + "calc.exe", "limited", 9_139, 1, threads=0, handles=0),
    ),
)  # fmt: skip
"""The lab with more processes that not every view sees: five that are hidden, each in another way (the lab's shade.exe
from the list of active processes, shade-2.exe from almost everything, halfway.exe from one direction of the list,
noheader.exe from whoever searches memory, noid.exe from the table of ids), one whose object was deleted and lies in
freed memory (longgone.exe), and one that has no thread yet (calc.exe)."""

SCENARIOS = {"lab": LAB, "crowd": crowd(200), "hiding": HIDING}
