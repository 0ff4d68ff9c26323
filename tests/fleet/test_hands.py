"""One image's largest tables, written by several processes: the same rows as by one."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some
from pyarrow import parquet

from process_anatomy import open_image
from process_anatomy.errors import RequestError
from process_anatomy.fleet import hands
from process_anatomy.fleet.case import _shared
from process_anatomy.fleet.engine import Crew
from process_anatomy.fleet.export import Asked, export
from process_anatomy.fleet.hands import Hands, Stripe, Wanted, split
from process_anatomy.fleet.terms import Terms
from process_anatomy.views import view
from process_anatomy.views.files import JOINERS
from process_anatomy.views.flat import Places
from process_anatomy.views.image import Image
from tests.conftest import SAMPLE

pytestmark = pytest.mark.skipif(not hands.FORKS, reason="nobody is forked there")
VIEWS = ("processes", "vads", "handles", "claims", "findings")
BLOCK = 64


@pytest.fixture(scope="module")
def sample() -> Image:
    return open_image(SAMPLE)


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """An image of some hundred rows counts as a large one."""
    monkeypatch.setattr(hands, "ROWS_AT_ONCE", BLOCK)
    monkeypatch.setattr(hands, "WORTH", BLOCK)


def written(image: Image, folder: Path, form: str, number: int) -> dict[str, object]:
    """What an export says of each view, and the rows of its file."""
    done = export(image, SAMPLE, folder, Asked(VIEWS, form, "brief", hashed=False, hands=number))
    assert {path.name for path in folder.iterdir()} == {"manifest.json", *(f"{name}.{form}" for name in VIEWS)}
    assert not multiprocessing.active_children()
    files = {one.view: folder / str(one.file) for one in done}
    read = parquet.read_table if form == "parquet" else Path.read_bytes
    return {one.view: (one, read(files[one.view])) for one in done}


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("form", JOINERS)
def test_rows_are_the_same_whoever_writes_them(form: str, sample: Image, tmp_path: Path) -> None:
    together = written(sample, tmp_path / "three", form, 3)
    assert list(together) == list(VIEWS)
    assert together == written(sample, tmp_path / "one", form, 1)


@pytest.mark.usefixtures("few")
def test_what_a_process_that_dies_has_not_written_is_written_all_the_same(
    sample: Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It dies with a stripe that it has claimed."""
    alone = written(sample, tmp_path / "one", "jsonl", 1)
    write, parent = Hands._write, os.getpid()

    def dies(self: Hands, stripe: Stripe) -> None:
        if os.getpid() != parent:
            os._exit(9)
        write(self, stripe)

    monkeypatch.setattr(Hands, "_write", dies)
    assert written(sample, tmp_path / "two", "jsonl", 2) == alone


@pytest.mark.usefixtures("few")
def test_a_view_that_cannot_be_produced_is_told_as_by_one_process(
    sample: Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> Iterator[None]:
        raise RequestError("it has none")
        yield

    broken = replace(view("handles"), rows=fails)  # type: ignore[arg-type]
    monkeypatch.setattr("process_anatomy.views.image.view", lambda name: broken if name == "handles" else view(name))
    for number in (1, 3):
        with pytest.raises(RequestError, match="it has none"):
            export(sample, SAMPLE, tmp_path / str(number), Asked(VIEWS, "jsonl", hands=number))
        assert list(tmp_path.iterdir()) == []
        assert not multiprocessing.active_children()


@pytest.mark.usefixtures("few")
def test_an_interruption_leaves_no_process(sample: Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def pressed(_: Hands) -> None:
        assert len(multiprocessing.active_children()) == 2
        raise KeyboardInterrupt

    monkeypatch.setattr(Hands, "finish", pressed)
    with pytest.raises(KeyboardInterrupt):
        export(sample, SAMPLE, tmp_path / "out", Asked(VIEWS, "jsonl", hashed=False, hands=3))
    assert not multiprocessing.active_children()
    assert list(tmp_path.iterdir()) == []


def test_small_images_and_what_is_concluded_from_all_are_for_one_process(
    sample: Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables = sample.tables().with_hidden
    assert split(tables, VIEWS, 2) == []
    monkeypatch.setattr(hands, "WORTH", 1)
    assert {stripe.view for stripe in split(tables, VIEWS, 2)} == {"vads", "handles", "claims"}
    assert split(tables, ("findings", "processes", "crossview"), 2) == []
    assert split(tables, VIEWS, 1) == []


def test_an_image_that_is_read_through_a_file_is_for_one_process(
    sample: Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever is forked shares the place in the file that is read next."""
    monkeypatch.setattr(hands, "WORTH", 1)
    monkeypatch.setattr(sample.kernel.space.memory, "forkable", False)  # type: ignore[attr-defined]
    assert split(sample.tables().with_hidden, VIEWS, 2) == []


@given(depths=some.lists(some.integers(0, 4), max_size=40), of=some.integers(1, 4), block=some.integers(1, 8))
def test_each_row_is_in_one_stripe_with_its_place(depths: list[int], of: int, block: int) -> None:
    numbered = Places()
    whole = [numbered.next(depth) for depth in depths]
    found = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hands, "ROWS_AT_ONCE", block)
        for number in range(of):
            wanted = Wanted(Stripe("vads", number, of))
            places = wanted.passed()
            for depth, cells in wanted((depth, {"row": row}) for row, depth in enumerate(depths)):
                place = next(places)
                assert (place.depth, place.row) == (depth, cells["row"])
                found.append(place)
            assert wanted.count == len(depths)
    assert sorted(found) == whole


@pytest.mark.parametrize(("images", "expected"), [(1, 4), (2, 3), (3, 2), (5, 1), (6, 1), (20, 1)])
def test_fewer_images_than_processors_share_them(images: int, expected: int) -> None:
    left = [(Path(f"{number}.raw"), 1) for number in range(images)]
    same, terms = _shared(iter(left), Terms(), Crew(lambda *_: None, 6, 4))  # type: ignore[arg-type,return-value]
    assert (list(same), terms.hands) == (left, expected)
