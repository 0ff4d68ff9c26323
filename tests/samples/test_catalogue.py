"""The catalogue holds what is published, each datum with its page, and nothing malformed gets into it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from process_anatomy.errors import CatalogueError, RequestError
from process_anatomy.samples.catalogue import (
    DIGITS,
    FORMS,
    Download,
    Memory,
    ProcessFact,
    PublicImage,
    Published,
    load,
    named,
    read,
)
from process_anatomy.samples.names import plain_name

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "samples" / "public-images.toml"
IMAGES = load()
PAGE = "https://example.org/page"
MD5 = "d41d8cd98f00b204e9800998ecf8427e"


def data_of(image: PublicImage) -> Iterator[tuple[str, Published[Any] | ProcessFact]]:
    """Every datum of an entry, with what it is called."""
    for part in (image, image.download, image.memory):
        for name, value in vars(part).items() if part is not None else ():
            if isinstance(value, Published):
                yield name, value
    for part in (image.download, image.memory):
        yield from part.hashes.items() if part is not None else ()
    yield from (("known", known) for known in image.known)
    yield from (("process", process) for process in image.processes)


@pytest.mark.parametrize("image", IMAGES, ids=lambda image: image.name)
def test_each_datum_has_the_page_that_published_it(image: PublicImage) -> None:
    data = list(data_of(image))
    assert data
    for name, datum in data:
        parts = urlsplit(datum.source)
        assert parts.scheme in ("http", "https"), name
        assert "." in (parts.hostname or ""), name
        assert parts.path.strip("/") or parts.query, f"{name} names a site, not a page"


@pytest.mark.parametrize("image", IMAGES, ids=lambda image: image.name)
def test_each_entry_can_be_used(image: PublicImage) -> None:
    assert image.windows is None or image.windows.value.startswith("Windows")
    for part in (image.download, image.memory):
        for name, digest in part.hashes.items() if part is not None else ():
            assert len(digest.value) == DIGITS[name]
            assert set(digest.value) <= set("0123456789abcdef")
            assert len(set(digest.value)) > 8, "no hash looks like this"
        file = part.file if part is not None else None
        assert file is None or plain_name(file.value) == file.value
    if image.download is not None:
        assert image.download.form in FORMS
        suffixes = {"none": "", "tar": ".tar"}
        assert suffixes.get(image.download.form, f".{image.download.form}") in image.download.file.value
    pids = [process.pid for process in image.processes]
    assert len(pids) == len(set(pids))


def test_a_page_on_github_is_named_with_its_commit() -> None:
    for image in IMAGES:
        for name, datum in data_of(image):
            if "//github.com/" in datum.source and "/blob/" in datum.source:
                commit = datum.source.split("/blob/")[1].split("/")[0]
                assert len(commit) == 40, f"{image.name}: {name}"


def test_entries_have_names_of_their_own() -> None:
    names = [image.name for image in IMAGES]
    assert len(set(names)) == len(names) > 40
    digests = [
        (key, digest.value)
        for image in IMAGES
        for part in (image.download, image.memory)
        if part is not None
        for key, digest in part.hashes.items()
    ]
    assert len(set(digests)) == len(digests)


def test_the_catalogue_of_a_checkout_is_the_one_that_is_loaded() -> None:
    assert load(FILE) == IMAGES == read(FILE.read_text("utf-8"))


def test_the_wheel_takes_the_catalogue_along() -> None:
    tomllib = pytest.importorskip("tomllib", reason="Python 3.10 has none")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    taken = project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    assert taken["samples/public-images.toml"] == "process_anatomy/samples/public-images.toml"


def entry(more: str = "", *, name: str = "one") -> str:
    return f'[[image]]\nname = "{name}"\ntitle = "One"\npage = "{PAGE}"\n{more}\n'


def given_as(key: str, value: str) -> str:
    return f'{key} = {{ value = {value}, source = "{PAGE}" }}\n'


DOWNLOAD = f'[image.download]\nform = "zip"\n{given_as("file", chr(34) + "a.zip" + chr(34))}'


def test_an_entry_is_read_as_it_stands() -> None:
    text = entry(
        given_as("windows", '"Windows 10"')
        + given_as("build", "19041")
        + DOWNLOAD
        + given_as("address", '"https://example.org/a.zip"')
        + given_as("size", "5")
        + given_as("password", '"infected"')
        + given_as("md5", f'"{MD5.upper()}"')
        + "[image.memory]\n"
        + given_as("file", '"a.raw"')
        + f'[[image.process]]\nname = "System"\npid = 4\nparent = 0\nsource = "{PAGE}"\n'
        + f'[[image.known]]\nvalue = "words"\nsource = "{PAGE}"\n'
    )
    assert read(text) == (
        PublicImage(
            name="one",
            title="One",
            page=PAGE,
            windows=Published("Windows 10", PAGE),
            build=Published(19041, PAGE),
            download=Download(
                file=Published("a.zip", PAGE),
                form="zip",
                address=Published("https://example.org/a.zip", PAGE),
                size=Published(5, PAGE),
                password=Published("infected", PAGE),
                hashes={"md5": Published(MD5, PAGE)},
            ),
            memory=Memory(file=Published("a.raw", PAGE)),
            processes=(ProcessFact("System", 4, 0, PAGE),),
            known=(Published("words", PAGE),),
        ),
    )
    assert read(text)[0].facts == 2


def test_what_nobody_published_is_left_out() -> None:
    (image,) = read(entry())
    assert (image.windows, image.build, image.download, image.memory) == (None, None, None, Memory())
    assert (image.facts, image.known) == (0, ())


class Malformed(NamedTuple):
    text: str
    words: str


MALFORMED = {
    "no TOML": Malformed("[[image", "the catalogue is no TOML: "),
    "nested without end": Malformed("a = " + "[" * 5000, "the catalogue is no TOML: "),
    "nothing": Malformed("", "something other than [[image]] tables"),
    "something else": Malformed("[other]", "something other than [[image]] tables"),
    "a table": Malformed("[image]\nname = 'x'", "something other than [[image]] tables"),
    "no tables": Malformed("image = [5]", "image 1 is not a table"),
    "no name": Malformed("[[image]]", "image 1: name is missing"),
    "a path for a name": Malformed(entry(name="../x"), "image 1: '../x' is no name"),
    "no title": Malformed("[[image]]\nname = 'one'", "one: title is missing"),
    "an empty title": Malformed(f"[[image]]\nname = 'one'\ntitle = ' '\npage = '{PAGE}'", "one: title is not one line"),
    "a title of two lines": Malformed(
        f'[[image]]\nname = "one"\ntitle = "a\\nb"\npage = "{PAGE}"', "one: title is not one line"
    ),
    "no page": Malformed("[[image]]\nname = 'one'\ntitle = 'One'", "one: page is missing"),
    "unknown key": Malformed(entry("colour = 5"), "one: unknown key 'colour'"),
    "unknown key of a datum": Malformed(
        entry(f'build = {{ value = 19041, source = "{PAGE}", by = 5 }}'), "one, build: unknown key 'by'"
    ),
    "unknown key of a download": Malformed(entry(DOWNLOAD + "x = 1"), "one, download: unknown key 'x'"),
    "unknown key of a memory": Malformed(entry("[image.memory]\nx = 1"), "one, memory: unknown key 'x'"),
    "unknown key of a process": Malformed(
        entry(f'[[image.process]]\nname = "a"\npid = 4\nsource = "{PAGE}"\nx = 1'), "one, process 1: unknown key 'x'"
    ),
    "no source": Malformed(entry("build = { value = 19041 }"), "one, build: source is missing"),
    "no source of a process": Malformed(
        entry('[[image.process]]\nname = "a"\npid = 4'), "one, process 1: source is missing"
    ),
    "no value": Malformed(entry(f'build = {{ source = "{PAGE}" }}'), "one, build: value is missing"),
    "a bare datum": Malformed(entry("build = 19041"), "one: build is no dict"),
    "a datum of another kind": Malformed(entry(given_as("build", '"19041"')), "one, build: value is no int"),
    "a truth for a number": Malformed(entry(given_as("build", "true")), "one, build: value is no int"),
    "no such build": Malformed(entry(given_as("build", "7")), "one: no Windows has the build 7"),
    "a source that is no page": Malformed(
        entry('build = { value = 19041, source = "my notes" }'), "one, build: source is no address of the web"
    ),
    "a source that is a file": Malformed(
        entry('build = { value = 19041, source = "file:///x" }'), "one, build: source is no address of the web"
    ),
    "a source with a name in it": Malformed(
        entry('build = { value = 19041, source = "https://me:pw@example.org/" }'), "is no address of the web"
    ),
    "a source with a wrong port": Malformed(
        entry('build = { value = 19041, source = "https://example.org:x/" }'), "is no address of the web"
    ),
    "a source with half a bracket": Malformed(
        entry('build = { value = 19041, source = "https://[x/" }'), "is no address of the web"
    ),
    "a download of no form": Malformed(entry("[image.download]"), "one, download: form is missing"),
    "a download of another form": Malformed(
        entry('[image.download]\nform = "lzh"'), "one, download: form is none of zip, 7z"
    ),
    "a download of no file": Malformed(entry('[image.download]\nform = "zip"'), "one, download: file is missing"),
    "a path for a file": Malformed(
        entry('[image.download]\nform = "zip"\n' + given_as("file", '"../a.zip"')), "'../a.zip' is no plain file name"
    ),
    "a device for a file": Malformed(
        entry("[image.memory]\n" + given_as("file", '"NUL.raw"')), "'NUL.raw' is no plain file name"
    ),
    "an address that is none": Malformed(
        entry(DOWNLOAD + given_as("address", '"ftp://x/y"')), "one, download: address is no address of the web"
    ),
    "a way by hand that is none": Malformed(
        entry(DOWNLOAD + given_as("by_hand", '"ask me"')), "one, download: by_hand is no address of the web"
    ),
    "a size of nothing": Malformed(entry(DOWNLOAD + given_as("size", "0")), "one, download: size is not positive"),
    "a hash that is too short": Malformed(
        entry(DOWNLOAD + given_as("sha256", f'"{MD5}"')), "one, download: sha256 is not 64 hexadecimal digits"
    ),
    "a hash of other letters": Malformed(
        entry("[image.memory]\n" + given_as("md5", f'"{MD5[:-1]}g"')), "one, memory: md5 is not 32 hexadecimal digits"
    ),
    "an unknown hash": Malformed(
        entry(DOWNLOAD + given_as("crc32", '"00000000"')), "one, download: unknown key 'crc32'"
    ),
    "a process of no id": Malformed(
        entry(f'[[image.process]]\nname = "a"\nsource = "{PAGE}"'), "one, process 1: pid is missing"
    ),
    "a process of a wrong id": Malformed(
        entry(f'[[image.process]]\nname = "a"\npid = -4\nsource = "{PAGE}"'),
        "one, process 1: no process has such an id",
    ),
    "a parent of a wrong id": Malformed(
        entry(f'[[image.process]]\nname = "a"\npid = 4\nparent = 4294967296\nsource = "{PAGE}"'),
        "one, process 1: no process has such an id",
    ),
    "processes that are no tables": Malformed(entry("process = [5]"), "one, process 1 is not a table"),
    "processes that are no array": Malformed(entry("process = 5"), "one: process is no array of tables"),
    "known things that are one table": Malformed(
        entry(f'known = {{ value = "x", source = "{PAGE}" }}'), "one: known is no array of tables"
    ),
    "two of a name": Malformed(entry() + entry(), "two images are called one"),
    "an image in two places": Malformed(
        entry(DOWNLOAD.replace("zip", "none") + "[image.memory]\n" + given_as("size", "5")),
        "one: a download that is not packed is the image",
    ),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_catalogue_is_refused_with_one_line(name: str) -> None:
    text, words = MALFORMED[name]
    with pytest.raises(CatalogueError) as caught:
        read(text)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


TEXTS = st.text("ab:/ \n\0\u00e9", max_size=6) | st.sampled_from(["value", "source", "file", "form", "zip", PAGE])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
KEYS = st.sampled_from(["windows", "build", "download", "memory", "process", "known", "page", "title", "name", "other"])


@given(st.dictionaries(KEYS, VALUES))
def test_no_value_of_any_kind_is_worse_than_one_line(more: dict[str, Any]) -> None:
    from process_anatomy.samples.catalogue import _image

    try:
        found = _image({"name": "one", "title": "One", "page": PAGE} | more, 1)
    except CatalogueError as error:
        words = str(error)
    else:
        words = found.name
    assert words
    assert "\n" not in words


def test_a_catalogue_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match=r"the catalogue .*nowhere\.toml cannot be read: "):
        load(tmp_path / "nowhere.toml")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(CatalogueError, match=r"binary\.toml cannot be read: "):
        load(tmp_path / "binary.toml")


def test_an_entry_is_found_by_its_name_alone() -> None:
    assert named(IMAGES, "cridex").name == "cridex"
    with pytest.raises(RequestError, match=r"no public image is called cride; do you mean cridex\?"):
        named(IMAGES, "cride")
    with pytest.raises(RequestError, match="anatomy samples list shows all"):
        named(IMAGES, "nothing like it")
    with pytest.raises(RequestError):
        named(IMAGES, "")
