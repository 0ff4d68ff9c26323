"""What the forge put into an image, as answers to questions: it shares no reading code with who is asked later."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from process_anatomy.labs.question import Question
from process_anatomy.labs.witnesses.stock import sort_of

Process = Mapping[str, Any]
Truth = Mapping[str, Any]


def _thread(process: Process, detail: str) -> Process:
    return next(each for each in process["threads"] if str(each["tid"]) == detail)


def _handle(process: Process, detail: str) -> Process:
    return next(each for each in process["handles"] if f"{each['handle']:x}" == detail)


def _vad(process: Process, detail: str) -> Process:
    return next(each for each in process["vads"] if f"{each['start']:x}" == detail)


def _base(process: Process, detail: str) -> object:
    return next(each["base"] for each in process["modules"] if each["name"] == detail)


def _states(process: Process) -> Mapping[str, list[str]]:
    """Name of each privilege to the states that it is in."""
    return {name: states.split(",") for name, states in process["token"]["privilege_names"].items()}


def _deny_only(process: Process) -> int:
    """Groups, without the user in front of them, that can only deny."""
    return sum(bool(each["attributes"] & 0x10) for each in process["token"]["sids"][1:])


def _user(process: Process) -> str:
    """The account of a person; those of Windows itself are known by their SIDs, whatever the token's session says."""
    token = process["token"]
    if not token["user"].startswith("S-1-5-21-"):
        raise KeyError(token["user"])
    return f"{token['authority']}\\{token['account']}"


def _administrators(process: Process) -> bool:
    """Whether the group S-1-5-32-544 is enabled."""
    return any(each["sid"] == "S-1-5-32-544" and each["attributes"] & 4 for each in process["token"]["sids"])


STATES = ("Initialized", "Ready", "Running", "Standby", "Terminated", "Waiting", "Transition", "DeferredReady")
"""KTHREAD_STATE, from 0 on."""
_OF: Mapping[str, Callable[[Process, str], object]] = {
    "private-address-space/vads": lambda process, _: len(process["vads"]),
    "private-address-space/protection": lambda process, detail: _vad(process, detail)["protection"],
    "private-address-space/pages": lambda process, at: (
        (_vad(process, at)["end"] - _vad(process, at)["start"]) // 4096 + 1
    ),
    "private-address-space/file": lambda process, detail: _vad(process, detail)["file"],
    "security-context/user": lambda process, _: _user(process),
    "security-context/administrators": lambda process, _: _administrators(process),
    "security-context/sid": lambda process, _: process["token"]["user"],
    "security-context/logon": lambda process, _: process["token"]["authentication_id"],
    "security-context/enabled": lambda process, _: sum("enabled" in each for each in _states(process).values()),
    "security-context/privilege": lambda process, detail: "enabled" in _states(process)[detail],
    "security-context/deny-only": lambda process, _: _deny_only(process),
    "executable-program/base": lambda process, _: process["image_base"],
    "executable-program/commandline": lambda process, _: process["command_line"],
    "executable-program/currentdirectory": lambda process, _: process["current_directory"],
    "executable-program/imagepath": lambda process, _: process["image_path"],
    "executable-program/pdbpath": lambda process, _: process["program"]["pdb"],
    "executable-program/originalfilename": lambda process, _: process["program"]["version"]["OriginalFilename"],
    "executable-program/variable": lambda process, detail: process["environment"][detail],
    "executable-program/module-base": _base,
    "open-handles/handles": lambda process, _: process["handle_count"],
    "open-handles/type": lambda process, detail: _handle(process, detail)["type"],
    "open-handles/granted": lambda process, detail: _handle(process, detail)["access"],
    "open-handles/of-type": lambda process, detail: sum(each["type"] == detail for each in process["handles"]),
    "process-id/ppid": lambda process, _: process["ppid"],
    "process-id/created": lambda process, _: process["create_time"],
    "process-id/eprocess": lambda process, _: process["eprocess"],
    "process-id/session": lambda process, _: process["session"],
    "process-id/creator": lambda process, _: process["creator"],
    "threads/threads": lambda process, _: len(process["threads"]),
    "threads/state": lambda process, detail: STATES[_thread(process, detail)["state"]],
    "threads/teb": lambda process, detail: _thread(process, detail)["teb"],
    "threads/suspended": lambda process, _: sum(each["suspend_count"] > 0 for each in process["threads"]),
}


class ByTruth:
    """The truth about one image.

    Args:
        truth: as the forge tells it.
    """

    def __init__(self, truth: Truth) -> None:
        self._processes: dict[int, list[Process]] = {}
        for process in truth["processes"]:
            self._processes.setdefault(process["pid"], []).append(process)

    def answers(self, question: Question) -> list[object] | None:
        """What was put there; ``None`` where the truth does not tell what is asked."""
        sort, detail = sort_of(question)
        of = self._processes.get(question.pid or 0, [])
        if sort == "process-id/pid":
            rest = question.id.split("/", 2)[2]
            return [pid for pid, each in self._processes.items() for one in each if one["image_file_name"] == rest]
        if sort == "process-id/hidden":
            everybody = [one for each in self._processes.values() for one in each]
            return [one["pid"] for one in everybody if not one["in_active_list"] and not one["exited"]]
        if sort not in _OF or len(of) != 1:
            return None
        try:
            return [_OF[sort](of[0], detail)]
        except (KeyError, StopIteration, TypeError, IndexError):  # the scenario's truth does not go so far
            return None
