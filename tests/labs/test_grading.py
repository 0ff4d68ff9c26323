"""An answer is graded as a patient teacher would: what is nearly right is told apart, and told what it is instead."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from process_anatomy.labs.grading import Verdict, grade, tally
from process_anatomy.labs.question import AnswerKind, Question, Right

RIGHT, NEAR, WRONG, NONE = Verdict


def asked(kind: AnswerKind, answer: Right, **more: object) -> Question:
    return Question("threads/x/4", "threads", 1, "?", kind, answer, "component/threads", "threads", **more)  # type: ignore[arg-type]


NUMBER = asked(AnswerKind.NUMBER, 5212, slips=(("3920", "that is the parent"), ("0x1000", "that is a page")))
ADDRESS = asked(AnswerKind.ADDRESS, 0x15943A40000)
KERNEL = asked(AnswerKind.ADDRESS, 0xFFFFD9BFD4A117B0, slips=(("0x5c53058000", "that is its PEB"),))
NAME = asked(AnswerKind.NAME, "backgroundTaskHost.exe")
ACCOUNT = asked(AnswerKind.NAME, "LABWIN11\\student")
FILE = asked(AnswerKind.PATH, "\\Device\\HarddiskVolume3\\Windows\\System32\\ntdll.dll")
YES, NO = asked(AnswerKind.YES_NO, True), asked(AnswerKind.YES_NO, False)
SEVERAL = asked(AnswerKind.NAMES, ("5224", "5228"))
PLACES = asked(AnswerKind.NAMES, ("0x15943a40000", "0x15943a30000"))
TIME = asked(AnswerKind.MOMENT, "2023-11-16T09:06:52+00:00")


@pytest.mark.parametrize(
    ("question", "answer", "verdict", "remark"),
    [
        (NUMBER, "5212", RIGHT, ""),
        (NUMBER, " 5,212 handles", RIGHT, ""),
        (NUMBER, "0x145c", RIGHT, ""),
        (NUMBER, "145c", NEAR, "right in hexadecimal"),
        (NUMBER, "3920", NEAR, "that is the parent"),
        (NUMBER, "4096", NEAR, "that is a page"),
        (NUMBER, "5211", WRONG, ""),
        (NUMBER, "many", WRONG, "no number"),
        (NUMBER, "9" * 5000, WRONG, "no number"),
        (ADDRESS, "0x15943a40000", RIGHT, ""),
        (ADDRESS, "00000159`43A40000", RIGHT, ""),
        (ADDRESS, "15943a40000", RIGHT, ""),
        (ADDRESS, "1482898538496", NEAR, "in decimal"),
        (ADDRESS, "0x15943a40", NEAR, "number of the page"),
        (ADDRESS, "0x15943a40001", WRONG, ""),
        (ADDRESS, "there", WRONG, "no number"),
        (KERNEL, "0xd9bfd4a117b0", RIGHT, ""),
        (KERNEL, "ffffd9bf`d4a117b0", RIGHT, ""),
        (KERNEL, "0x5c53058000", NEAR, "that is its PEB"),
        (NAME, "BACKGROUNDTASKHOST.EXE", RIGHT, ""),
        (NAME, "'backgroundTaskHost.exe'", RIGHT, ""),
        (NAME, "backgroundTask", NEAR, "cut after 14"),
        (NAME, "backgroundTaskHost", NEAR, "lacks its ending"),
        (NAME, "C:\\Windows\\System32\\backgroundTaskHost.exe", NEAR, "more than the name"),
        (NAME, "backgroundTaskHos.exe", WRONG, ""),
        (ACCOUNT, "labwin11\\student", RIGHT, ""),
        (ACCOUNT, "student", NEAR, "before the backslash"),
        (FILE, "C:\\Windows\\System32\\ntdll.dll", RIGHT, ""),
        (FILE, "\\SystemRoot\\system32\\NTDLL.DLL", RIGHT, ""),
        (FILE, "/windows/system32/ntdll.dll", RIGHT, ""),
        (FILE, "ntdll.dll", NEAR, "the whole path"),
        (FILE, "C:\\Temp\\ntdll.dll", WRONG, "the folder is another"),
        (FILE, "C:\\", WRONG, ""),
        (YES, "Y", RIGHT, ""),
        (YES, "no", WRONG, ""),
        (NO, "false", RIGHT, ""),
        (NO, "maybe", WRONG, "neither"),
        (SEVERAL, "5228, 5224", RIGHT, ""),
        (SEVERAL, "5228", NEAR, "1 of 2 is there, none of them wrong"),
        (SEVERAL, "5228; 5224; 4", WRONG, "2 of 2 are there, beside others"),
        (SEVERAL, "8", WRONG, ""),
        (PLACES, "15943A30000, 0x15943a40000", RIGHT, ""),
        (TIME, "2023-11-16 09:06:52 UTC", RIGHT, ""),
        (TIME, "2023-11-16T09:06:52.1234567Z", RIGHT, ""),
        (TIME, "2023-11-16 10:06:52+01:00", RIGHT, ""),
        (TIME, "2023-11-16 10:06:52", NEAR, "another time zone"),
        (TIME, "2023-11-16", NEAR, "the day is right"),
        (TIME, "2023-11-16 09:06:12", NEAR, "the minute is right"),
        (TIME, "2023-11-17 09:07:22", WRONG, ""),
        (TIME, "yesterday", WRONG, "no time"),
        (TIME, "", NONE, ""),
        (NUMBER, "?", NONE, ""),
        (NAME, "  Don't know ", NONE, ""),
    ],
)
def test_answers_are_graded_as_they_are_meant(question: Question, answer: str, verdict: Verdict, remark: str) -> None:
    found = grade(question, answer)
    assert found.verdict is verdict
    assert (remark in found.remark) if remark else not found.remark


@settings(max_examples=40)
@given(st.sampled_from([NUMBER, ADDRESS, KERNEL, NAME, FILE, YES, SEVERAL, PLACES, TIME]), st.text(max_size=60))
def test_whatever_is_written_gets_a_grade_that_does_not_tell_what_is_right(question: Question, answer: str) -> None:
    found = grade(question, answer)
    assert isinstance(found.verdict, Verdict)
    if found.verdict is not RIGHT and isinstance(question.answer, str):
        assert question.answer.lower() not in found.remark.lower()


@settings(max_examples=40)
@given(st.integers(0, 2**64 - 1))
def test_every_address_is_right_in_each_form_in_which_tools_write_it(where: int) -> None:
    question = asked(AnswerKind.ADDRESS, where)
    for written in (f"{where:#x}", f"{where:016x}", f"{where >> 32:08x}`{where & 0xFFFFFFFF:08x}", f"{where:X}h"):
        assert grade(question, written).verdict is RIGHT
    assert grade(asked(AnswerKind.NUMBER, where), str(where)).verdict is RIGHT


def test_grades_are_counted_by_verdict() -> None:
    grades = [grade(YES, answer) for answer in ("yes", "no", "", "y")]
    assert tally(grades) == {RIGHT: 2, NEAR: 0, WRONG: 1, NONE: 1}
