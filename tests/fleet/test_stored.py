"""Forms of earlier exports and of cases: what they would be of the image itself, without it."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

from process_anatomy import open_image
from process_anatomy.command.program import main
from process_anatomy.command.statuses import DONE, MISUSED, NOT_TRUSTED, PARTLY
from process_anatomy.fleet.export import MANIFEST, Asked, export
from process_anatomy.fleet.exports import FORMS
from process_anatomy.fleet.single import IMAGES
from tests.conftest import SAMPLE

pytest.importorskip("pyarrow")
NEEDED = ("processes", "tokens", "peb", "envars", "threads", "modules", "findings")
Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two exports of the sample, in the two formats that hold rows whole, and what each form has of it itself."""
    folder = tmp_path_factory.mktemp("case")
    image = open_image(SAMPLE)
    for form in ("jsonl", "parquet"):
        export(image, SAMPLE, folder / IMAGES / form, Asked(NEEDED, form))
    for form in FORMS.values():
        export(image, SAMPLE, folder / "direct" / form.name, Asked(form.views, form.name))
    return folder


@pytest.mark.parametrize("form", FORMS)
def test_a_form_of_a_case_is_that_of_its_images(form: str, case: Path, tmp_path: Path, capsys: Capture) -> None:
    """Byte for byte; findings lack the sentence that rows without explanations do not have."""
    assert main(["export", str(case), "-o", str(tmp_path / "out"), "--format", form]) == DONE
    assert f"of 2 images, {form}" in capsys.readouterr().out
    for stored in ("jsonl", "parquet"):
        for view in FORMS[form].views:
            name = FORMS[form].file(view)
            again = (tmp_path / "out" / stored / name).read_bytes()
            direct = (case / "direct" / form / name).read_bytes()
            if view == "findings":
                assert len(again.splitlines()) == len(direct.splitlines())
            else:
                assert again == direct, (stored, name)
    told = json.loads((tmp_path / "out" / "jsonl" / MANIFEST).read_text("utf-8"))
    assert told["options"]["format"] == form
    assert told["image"]["path"] == str(SAMPLE)


def test_one_export_has_its_form_in_one_folder(case: Path, tmp_path: Path) -> None:
    source = case / IMAGES / "parquet"
    arguments = ["export", str(source), "-o", str(tmp_path / "out"), "--format", "ecs", "--view", "processes"]
    assert main(arguments) == DONE
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [MANIFEST, "processes.ecs.jsonl"]
    assert main(arguments) == MISUSED
    assert main([*arguments, "--overwrite"]) == DONE


def test_a_view_that_was_not_exported_is_told(tmp_path: Path, capsys: Capture) -> None:
    export(open_image(SAMPLE), SAMPLE, tmp_path / "rows", Asked(["threads"], "jsonl"))
    assert main(["export", str(tmp_path / "rows"), "-o", str(tmp_path / "out"), "--format", "timesketch"]) == PARTLY
    assert "processes: " in capsys.readouterr().err
    assert (tmp_path / "out" / "threads.timesketch.jsonl").stat().st_size > 1000
    assert not (tmp_path / "out" / "processes.timesketch.jsonl").exists()


def test_rows_that_are_not_to_be_trusted_stay_so(case: Path, tmp_path: Path, capsys: Capture) -> None:
    place = tmp_path / "rows"
    place.mkdir()
    for file in (case / IMAGES / "jsonl").iterdir():
        (place / file.name).write_bytes(file.read_bytes())
    manifest = json.loads((place / MANIFEST).read_text("utf-8"))
    manifest["facts"]["verdict"] = "the layout does not fit the image"
    (place / MANIFEST).write_text(json.dumps(manifest), "utf-8")
    assert main(["export", str(place), "-o", str(tmp_path / "out"), "--format", "ecs"]) == NOT_TRUSTED
    assert "do not trust the rows: the layout does not fit" in capsys.readouterr().err
    assert b"do-not-trust" in (tmp_path / "out" / "processes.ecs.jsonl").read_bytes()


def test_what_makes_no_sense_is_one_line(case: Path, tmp_path: Path, capsys: Capture) -> None:
    out = ["-o", str(tmp_path / "out")]
    for arguments, said in (
        ([str(case), *out, "--format", "ecs", "--pid", "4"], "--pid and --fail-on are for images"),
        ([str(tmp_path), *out, "--format", "ecs"], "is no export and holds none"),
        ([str(SAMPLE), *out, "--format", "sarif", "--view", "vads"], "sarif has no place for the view 'vads'"),
    ):
        assert main(["export", *arguments]) == MISUSED
        (line,) = capsys.readouterr().err.splitlines()
        assert said in line
    (tmp_path / "rows").mkdir()
    (tmp_path / "rows" / MANIFEST).write_bytes((case / IMAGES / "jsonl" / MANIFEST).read_bytes())
    (tmp_path / "rows" / "threads.jsonl").write_text('{"pid": 4}\n')
    assert main(["export", str(tmp_path / "rows"), *out, "--format", "ecs", "--view", "threads"]) in (MISUSED, PARTLY)
    assert not (tmp_path / "out" / "threads.ecs.jsonl").exists()


def test_a_library_that_is_missing_is_named_with_what_brings_it(
    case: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything is read."""
    found = importlib.util.find_spec
    monkeypatch.setattr(
        "process_anatomy.fleet.exports.find_spec", lambda name: None if name == "stix2" else found(name)
    )
    assert main(["export", str(SAMPLE), "-o", str(tmp_path / "out"), "--format", "stix"]) == MISUSED
    assert "stix needs stix2: pip install 'process-anatomy[exports]'" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
