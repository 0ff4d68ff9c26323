"""A batch over machines whose page files lie beside their images."""

from __future__ import annotations

import json
import os
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from process_anatomy.fleet.case import batch, held
from process_anatomy.fleet.engine import Crew
from process_anatomy.fleet.export import MANIFEST
from process_anatomy.fleet.found import found
from process_anatomy.fleet.single import IMAGES
from process_anatomy.fleet.terms import Outcome, Terms
from process_anatomy.forge import write_page_files, write_raw
from tests.page_files import BOTH, filed

pytestmark = pytest.mark.skipif(os.name == "nt", reason="as the other tests of batches")


def at_once(do: Any, *arguments: Any) -> Future[Outcome]:
    """Do it now, in this process."""
    future: Future[Outcome] = Future()
    future.set_result(do(*arguments))
    return future


@pytest.mark.usefixtures("here")
def test_page_files_beside_an_image_are_read_with_it_where_that_is_asked(tmp_path: Path) -> None:
    """Then they are no images themselves; and one that has changed since is read again."""
    machine = tmp_path / "machine"
    machine.mkdir()
    write_raw(filed(BOTH), machine / "image.raw")
    files = write_page_files(filed(BOTH), machine)
    tries: list[int] = []

    def run(page_files: bool) -> dict[str, Outcome]:
        terms = Terms("jsonl", ("envars",), hashed=False, page_files=page_files)
        case = tmp_path / f"case {page_files}"
        with held(case):
            done = batch(
                [machine if page_files else machine / "image.raw"], case, terms, Crew(at_once, 1), lambda *_: None
            )
        tries.append(sum(one.tries for one in done))
        return {Path(one.path).name: one for one in done}

    without, having = run(False), run(True)
    assert without.keys() == having.keys() == {"image.raw"}
    assert {path.name for path in found([machine]) if isinstance(path, Path)} > {path.name for path in files}
    assert having["image.raw"].rows > without["image.raw"].rows
    manifest = tmp_path / "case True" / IMAGES / having["image.raw"].folder / MANIFEST
    known = json.loads(manifest.read_text("utf-8"))["facts"]["how it is known"]
    assert sum("by the kernel's list of page files" in line for line in known) == len(files)
    run(True)
    os.utime(files[0], ns=(1, 1))
    run(True)
    assert tries[1:] == [1, 0, 1]
