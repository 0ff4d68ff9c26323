"""Fixtures of the tests of public images: a site on this machine, in the place of the web."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.samples.site import Site, served


@pytest.fixture
def site() -> Iterator[Site]:
    """A site that this test has for itself."""
    with served() as found:
        yield found


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing leaves this machine, and nothing on it is asked by a way round."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("no_proxy", "*")
