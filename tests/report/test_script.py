"""The page's modules pass their own tests, and are joined into one script that says the same."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from process_anatomy.report.joining import JoiningError, joined, modules

TESTS = Path(__file__).parent / "script"


def test_the_modules_pass_their_own_tests(node: str) -> None:
    """With Node's test runner; a skipped or failing one fails here."""
    files = sorted(map(str, TESTS.glob("*.test.mjs")))
    done = subprocess.run([node, "--test", *files], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout[-4000:]
    (passed,) = re.findall(r"^(?:#|ℹ) pass (\d+)$", done.stdout, re.MULTILINE)  # noqa: RUF001  # Node's own sign
    assert int(passed) >= sum(path.read_text("utf-8").count("\ntest(") for path in TESTS.glob("*.test.mjs"))


def test_joined_modules_do_what_they_do_apart(node: str, tmp_path: Path) -> None:
    """Names of one module are not those of another, and each is run once, after what it needs."""
    sources = {
        "main": 'import { twice } from "./a.js";\nimport { own } from "./b.js";\nconsole.log(twice(own()), 1);\n',
        "a": 'import { own } from "./b.js";\nconst hidden = 2;\nexport const twice = (n) => n * hidden + own();\n',
        "b": "const hidden = 5;\nexport const own = () => hidden;\nconsole.log('once');\n",
    }
    file = tmp_path / "joined.mjs"
    file.write_text(joined(sources))
    done = subprocess.run([node, str(file)], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "once\n15 1\n"


@pytest.mark.parametrize(
    ("sources", "said"),
    [
        ({"main": 'import { a } from "./gone.js";\n'}, "no module gone, which main imports"),
        ({"main": 'import { a } from "./b.js";\n', "b": 'import { c } from "./main.js";\n'}, "circle: main, b, main"),
        (
            {"main": 'import { a } from "./b.js";\n', "b": "export const c = 1;\n"},
            "main imports a, which b does not export",
        ),
        ({"main": 'import all from "./b.js";\n', "b": ""}, "only names are imported"),
        ({"main": "export default 1;\n"}, "only names are imported"),
        ({"main": "const a = '</script>';\n"}, "would end the script"),
    ],
)
def test_what_cannot_be_joined_is_declined(sources: dict[str, str], said: str) -> None:
    """Rather than a page that does not run."""
    with pytest.raises(JoiningError, match=said):
        joined(sources)


def test_no_module_reads_text_as_mark_up_or_asks_anybody() -> None:
    """What memory holds is text; the page needs nothing of others."""
    forbidden = re.compile(
        r"innerHTML|outerHTML|insertAdjacent|document\.write|\beval\b|new Function|fetch\(|XMLHttp|import\("
    )
    sources = modules()
    assert len(sources) > 10
    assert {name: found[0] for name, text in sources.items() if (found := forbidden.search(text))} == {}
    assert joined(sources).count("(() => {\n") >= len(sources) - 1
