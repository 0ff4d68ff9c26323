"""Runs `vol` many times without paying for its start each time.

A server process imports Volatility and every plugin once; each run is a fork of it, so that runs share nothing but what
was imported.  It reads one JSON line a run (arguments, folder, files for the output) and answers with the exit status.

    python tests/warm_vol.py        the server, on standard input and output
"""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import shutil
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

TIMEOUT = 300.0


def serve() -> None:
    """Answer requests until standard input ends."""
    sys.path.pop(0)  # this folder; the runs are of what is installed
    sys.argv = ["vol"]
    # beside it Volatility checks every symbol table against its schema, which takes ten seconds with a published one
    sys.modules["jsonschema"] = None  # type: ignore[assignment]
    import volatility3.plugins
    from volatility3 import cli, framework

    import process_anatomy

    framework.import_files(volatility3.plugins, True)
    for module in pkgutil.walk_packages(process_anatomy.__path__, "process_anatomy."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    for line in sys.stdin:
        request = json.loads(line)
        child = os.fork()
        if child == 0:
            os._exit(_run(cli, request))
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def _run(cli: Any, request: dict[str, Any]) -> int:
    """One run, in a process of its own; its exit status."""
    os.setsid()
    os.chdir(request["cwd"])
    for number, name in ((1, "out"), (2, "err")):
        file = os.open(request[name], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, number)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    sys.argv += request["argv"]
    status = 0
    try:
        cli.main()
    except SystemExit as ended:
        if isinstance(ended.code, int) or ended.code is None:
            status = ended.code or 0
        else:
            print(ended.code, file=sys.stderr)
            status = 1
    except BaseException:  # noqa: BLE001  # whatever ends a program ends it with a traceback and status 1
        sys.excepthook(*sys.exc_info())
        status = 1
    sys.stdout.flush()
    sys.stderr.flush()
    return status


class WarmVol:
    """The client's side.

    Runs that share a cache can evict each other's symbol tables, so each has its own: a copy of one that knows the
    tables that come with Volatility, which takes a third of a run to find out.

    Args:
        environment: of the runs.
        image: any image, to fill the cache with.
    """

    def __init__(self, environment: dict[str, str], image: Path) -> None:
        command = [sys.executable, str(Path(__file__).resolve())]
        self._server = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        self._cache = tempfile.TemporaryDirectory(prefix="vol-cache-")
        self.run(["-f", str(image), "windows.anatomy.processes"], image.parent)

    def run(self, argv: list[str], cwd: Path) -> tuple[int, str, str]:
        """Exit status, standard output and standard error of ``vol``, offline and quiet, with these arguments.

        Raises:
            TimeoutError: it took longer than :data:`TIMEOUT`; the server is gone then.
        """
        assert self._server.stdin
        assert self._server.stdout
        with tempfile.TemporaryDirectory(prefix="vol-run-") as folder:
            cache = Path(self._cache.name)
            if any(cache.iterdir()):
                cache = shutil.copytree(cache, Path(folder) / "cache")
            files = {name: str(Path(folder) / name) for name in ("out", "err")}
            whole = ["-q", "--offline", "--cache-path", str(cache), *argv]
            self._server.stdin.write(json.dumps({"argv": whole, "cwd": str(cwd), **files}) + "\n")
            self._server.stdin.flush()
            watch = threading.Timer(TIMEOUT, self._server.kill)
            watch.start()
            answer = self._server.stdout.readline()
            watch.cancel()
            if not answer:
                raise TimeoutError(f"vol {' '.join(argv)} did not end, or its server did")
            out, err = (Path(files[name]).read_text("utf-8") for name in ("out", "err"))
        return int(answer), out, err

    def close(self) -> None:
        """End the server."""
        self._cache.cleanup()
        self._server.kill()
        self._server.wait()
        for stream in (self._server.stdin, self._server.stdout):
            if stream:
                stream.close()


if __name__ == "__main__":
    serve()
