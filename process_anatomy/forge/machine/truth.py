"""The answer key: every fact about a process that a tool can be asked for."""

from __future__ import annotations

from typing import Any

from process_anatomy.forge.ground.actors import ALL, Scenario
from process_anatomy.forge.ground.clock import written_time
from process_anatomy.forge.handles.opened import handle_facts
from process_anatomy.forge.memory.page_tables import Space
from process_anatomy.forge.parts.process import Process
from process_anatomy.forge.processes.lists import listed
from process_anatomy.forge.processes.table import STILL_ACTIVE
from process_anatomy.forge.processes.views import facts_of
from process_anatomy.forge.program.blocks import DESKTOP


def process_facts(
    scenario: Scenario, kernel: Space, process: Process, views: dict[int, dict[str, bool | None]]
) -> dict[str, Any]:
    """What is true of one process; addresses are integers, times ISO 8601 (UTC)."""
    actor, user = process.actor, process.user
    token = {name: value for name, value in process.token.items() if name != "fast_ref"}
    facts: dict[str, Any] = {
        "audit_name": process.audit,
        "creator": actor.creator,
        "create_time": written_time(scenario.boot_time + actor.started),
        "dtb": process.space.dtb,
        "eprocess": process.eprocess,
        "eprocess_pa": kernel.physical(process.eprocess),
        "exit_status": STILL_ACTIVE if process.alive else actor.exit_status,
        "exit_time": None if actor.ended is None else written_time(scenario.boot_time + actor.ended),
        "exited": not process.alive,
        "handle_count": len(process.handles),
        "handles": handle_facts(process.handles),
        "image_file_name": actor.name[:14],
        "in_active_list": listed(process, "forward") or listed(process, "backward"),
        "name": actor.name,
        "object_table": process.table,
        "peb": user.peb,
        "peb32": user.small.peb if user.small else 0,
        "pid": actor.pid,
        "ppid": actor.parent,
        "protection": actor.protection,
        "session": actor.session,
        "threads": process.thread_facts,
        "token": token,
        "vad_count": len(process.vads),
        "vad_root": process.vad_root,
        "vads": process.vads,
        "working_set": process.working_set,
        "wow64": actor.wow64,
        **facts_of(views, process),
    }
    if user.modules:
        facts |= {"image_base": user.modules[0].base, "image_path": actor.path, "memory": actor.memory}
    if user.ldr:
        facts |= {
            "command_line": user.command_line,
            "window_title": actor.window_title or actor.path,
            "desktop": DESKTOP,
            "heaps": user.heaps,
            "debug_port": process.debug_port,
            "current_directory": user.current_directory,
            "environment": user.environment,
            "heap": user.heap,
            "ldr": user.ldr,
            "modules": user.listed,
            "program": {
                **user.modules[0].program.facts,
                "file_size": user.modules[0].program.file_end + user.modules[0].program.overlay,
                "headless": actor.headless,
                "mitigations": user.modules[0].program.mitigations,
                "overlay": user.modules[0].program.overlay,
                "pages_in_memory": 0 if actor.memory != ALL else len(user.modules[0].section.frames) - actor.headless,
            },
            "unlisted": [module.facts() for module in user.unlisted],
            "odd_pages": user.odd_pages,
            "pages": user.pages,
        }
    if user.small:
        facts |= {
            "environment32": user.small.environment,
            "heaps32": user.small.heaps,
            "ldr32": user.small.ldr,
            "modules32": [module.facts() for module in user.small.modules],
        }
    return dict(sorted(facts.items()))
