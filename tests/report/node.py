from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

NODE = "node"
FOLDER = Path(__file__).parent


def unpacked(node: str, task: str, given: str) -> Any:
    """What the page's modules make of something."""
    done = subprocess.run(
        [node, str(FOLDER / "unpacked.mjs"), task],
        input=given,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
