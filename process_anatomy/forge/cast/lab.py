"""The laboratory machine, the scenario that ships."""

from __future__ import annotations

from process_anatomy.forge.cast.holdings import SHELL
from process_anatomy.forge.cast.paths import CALCULATOR, SERVICE_HOST, TEMP
from process_anatomy.forge.ground.actors import (
    IDENTIFICATION,
    INJECTED,
    NOWHERE,
    PAGED_OUT,
    REGISTRY,
    SESSION_MANAGER,
    SUBSYSTEM,
    SYSTEM,
    TRIMMED,
    Actor,
    Impersonation,
    Scenario,
    ThreadPlan,
)
from process_anatomy.forge.ground.generations import FIRST_WITH_ALL, VISTA, WINDOWS_8
from process_anatomy.forge.ground.holdings import Power, Way
from process_anatomy.forge.ground.paths import SYSTEM32
from process_anatomy.forge.processes.csr import SERVER_LIBRARY

LAB = Scenario(
    "lab",
    (
        Actor(
            4, 0, "System", role=SYSTEM, threads=4, protection=0x72, minimal=True,
            plans=(
                ThreadPlan(1, reason=15, priority=12),
                ThreadPlan(2, state=1, reason=26, priority=16),
                ThreadPlan(3, reason=0, starts_in="afd.sys"),
            ),
        ),
        Actor(124, 4, "Registry", role=REGISTRY, since=FIRST_WITH_ALL, started=-5, protection=0x72, minimal=True),
        Actor(388, 4, SYSTEM32 + "smss.exe", role=SESSION_MANAGER, started=4, protection=0x61, critical=True),
        Actor(
            512, 504, SYSTEM32 + "csrss.exe", role=SUBSYSTEM, libraries=(SERVER_LIBRARY,), old_parent=388, started=9,
            session=0, protection=0x61, critical=True, threads=3,
            arguments="ObjectDirectory=\\Windows SharedSection=1024,20480,768 Windows=On",
        ),
        Actor(588, 504, SYSTEM32 + "wininit.exe", since=VISTA, started=10, session=0, protection=0x61, critical=True),
        Actor(
            596, 580, SYSTEM32 + "csrss.exe", role=SUBSYSTEM, libraries=(SERVER_LIBRARY,), since=VISTA,
            started=10, session=1, protection=0x61, critical=True, threads=3,
            arguments="ObjectDirectory=\\Windows SharedSection=1024,20480,768 Windows=On",
        ),
        Actor(672, 580, SYSTEM32 + "winlogon.exe", old_parent=388, started=10, session=1),
        Actor(
            716, 588, SYSTEM32 + "services.exe", old_parent=672, started=11, session=0, protection=0x61,
            critical=True, threads=3,
        ),
        Actor(
            728, 588, SYSTEM32 + "lsass.exe", old_parent=672, started=11, session=0, protection=0x41, threads=4,
            plans=(ThreadPlan(3, reason=16),),
            impersonates=(Impersonation(2, "limited", IDENTIFICATION, effective_only=True),),
        ),
        Actor(
            868, 716, SERVICE_HOST, console=True, started=12, session=0, arguments="-k DcomLaunch -p", memory=TRIMMED,
            impersonates=(Impersonation(1, "full"),), plans=(ThreadPlan(0, flags=("BreakOnTermination",)),),
        ),
        Actor(1004, 672, SYSTEM32 + "dwm.exe", "window-manager", 13, 1, since=WINDOWS_8, threads=1, memory=PAGED_OUT),
        Actor(
            1092, 716, SERVICE_HOST, "local-service", console=True, started=14, session=0, threads=3,
            arguments="-k LocalServiceNetworkRestricted -p -s EventLog", headless=True,
        ),
        Actor(
            1236, 716, SERVICE_HOST, "network-service", console=True, started=15, session=0, threads=3,
            arguments="-k NetworkService -p -s Dnscache", impersonates=(Impersonation(2, "full", active=False),),
        ),
        Actor(
            1332, 716, SERVICE_HOST, "write-restricted", 16, 0, "-k LocalServiceNoNetworkFirewall -p", console=True,
            threads=1,
            memory=PAGED_OUT,
        ),
        Actor(
            1480, 716, SERVICE_HOST, console=True, started=17, session=0, arguments="-k netsvcs -p", threads=1,
            memory=PAGED_OUT
        ),
        Actor(1900, 716, SYSTEM32 + "spoolsv.exe", started=19, session=0, threads=1, memory=PAGED_OUT),
        Actor(
            3920, 3844, "C:\\Windows\\explorer.exe", "limited", 73, 1, holds=SHELL, threads=5, handles=300,
            large_page=True,
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
        Actor(
            5740, 3920, SYSTEM32 + "cmd.exe", "full", 655, 1, console=True, leads_console=True, threads=1,
            asked_by=1480,
        ),
        Actor(
            5588, 3920, "C:\\Users\\student\\Downloads\\update.exe", "limited", 698, 1, ended=741, exit_status=1,
            plans=(ThreadPlan(0, state=4, ended=741, exit_status=1, flags=("Terminated", "RundownFail")),),
        ),
        Actor(
            6044, 868, CALCULATOR, "low-box", 1_204, 1, "-ServerName:App.AppXsm3pg4n7er43kdh1qp4e79f1j7am68r8.mca",
            since=WINDOWS_8,
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
            6612, 3920, "C:\\Tools\\bobtool.exe", "bob", 1_432, 1, "/inventory", console=True, threads=1,
            memory=TRIMMED,
            asked_by=1480, debugged=True,
        ),
        Actor(
            6808, 1900, "C:\\Users\\student\\Downloads\\invoice.exe", "limited", 1_610, 1, threads=1, memory=TRIMMED,
            asked_by=5212, findings=("chosen-parent",),
        ),
        Actor(7148, 5212, TEMP + "shade.exe", "limited", 1_702, 1, threads=1, memory=PAGED_OUT, hidden=True),
    ),
    powers=(
        Power(3920, "Process", 5212, 0x1FFFFF),
        Power(6420, "Process", 5740, 0x102A),
        Power(6044, "Process", 5212, 0x40),
        Power(5212, "Thread", 4180, 0x1A),
        Power(6276, "Token", 3920, 0xA),
        Power(6808, "Section", 5212, 0xF),
    ),
    ways=(
        Way("high", (6420, 5740)),
        Way("medium", (6044, 5212)),
        Way("high", (6044, 5212, 4180)),
        Way("medium", (6276, 3920)),
        Way("high", (5212, 4180)),
        Way("high", (3920, 5212, 4180)),
        Way("high", (6808, 5212, 4180)),
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

Who holds whom: the shell its child; a renderer at low integrity may write into an elevated program; the calculator, at
low integrity, may take handles from notepad.exe, which steers a thread of an elevated program; a sandboxed program may
copy the token of the shell; and invoice.exe may write to the program of notepad.exe.
"""
