"""The page as text: template, style, script and packed parts, under a policy that lets nothing else act.

The policy names the script and the style by their hashes, and allows no request; what memory holds is inside base64.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from process_anatomy.errors import RequestError
from process_anatomy.report.joining import joined, modules

TEMPLATE, STYLE = "page.html.j2", "page.css"
FOLDER = Path(__file__).parent


def rendered(title: str, parts: Mapping[str, str], diagram: str) -> str:
    """The page.

    Args:
        title: of the page.
        parts: the packed parts by name.
        diagram: the drawing that each process's facts are put into.

    Raises:
        RequestError: jinja2 is not installed.
    """
    style, script = f"\n{(FOLDER / STYLE).read_text('utf-8')}", f"\n{joined(modules())}\n"
    policy = (
        f"default-src 'none'; script-src {digest(script)}; style-src {digest(style)}; "
        "base-uri 'none'; form-action 'none'"
    )
    text: str = _template().render(title=title, policy=policy, style=style, script=script, parts=parts, diagram=diagram)
    return text


def digest(text: str) -> str:
    """How a policy names a script or a style by its content."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _template() -> Any:
    """The template, in which everything is escaped and nothing may be missing."""
    try:
        from jinja2 import Environment, FileSystemLoader, StrictUndefined
    except ImportError:
        raise RequestError("the report needs jinja2: pip install 'process-anatomy[report]'") from None
    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(TEMPLATE)
