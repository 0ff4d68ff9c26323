"""Who does the work: this machine, or a cluster that nobody commands without a certificate."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from distributed import Client
from distributed.security import Security

from process_anatomy.command.program import main
from process_anatomy.command.statuses import DONE, FAILED, MISUSED
from process_anatomy.fleet import engine
from process_anatomy.fleet.case import held
from process_anatomy.fleet.engine import PEAK, size
from process_anatomy.fleet.record import CASE
from tests.conftest import ROOT, SAMPLE

FEW = ("--view", "processes", "--no-hash")
PATIENCE = 60


@dataclass
class Running:
    """A scheduler and its workers.

    Attributes:
        address: of the scheduler.
        workers: their processes.
        arguments: what the command needs to reach them.
    """

    address: str
    workers: list[subprocess.Popen[bytes]]
    arguments: list[str]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The options with one certificate that is everybody's, made now."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl, which makes the certificate, is not installed")
    folder = tmp_path_factory.mktemp("tls")
    key, cert = folder / "key.pem", folder / "cert.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1",
         "-subj", "/CN=test", "-keyout", key, "-out", cert],
        check=True, capture_output=True,
    )  # fmt: skip
    return ["--tls-ca", str(cert), "--tls-cert", str(cert), "--tls-key", str(key)]


@pytest.fixture(scope="module")
def cluster(certificate: list[str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A scheduler and two workers on this machine."""
    folder = tmp_path_factory.mktemp("dask")
    told = folder / "scheduler.json"
    options = [f"{option}-file" if option == "--tls-ca" else option for option in certificate]
    quiet = [*options, "--dashboard-address", "127.0.0.1:0"]

    def start(name: str, *arguments: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", f"distributed.cli.dask_{name}", *arguments, *quiet],
            cwd=folder, env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    started = [start("scheduler", "--host", "tls://127.0.0.1", "--port", "0", "--scheduler-file", str(told))]
    try:
        until = time.monotonic() + PATIENCE
        while not told.exists() and time.monotonic() < until:
            time.sleep(0.05)
        address = json.loads(told.read_text("utf-8"))["address"]
        started += [start("worker", address, "--nthreads", "1", "--no-nanny") for _ in range(2)]
        ca, cert, key = certificate[1::2]
        security = Security(tls_ca_file=ca, tls_client_cert=cert, tls_client_key=key, require_encryption=True)
        with Client(address, security=security) as client:
            client.wait_for_workers(2, PATIENCE)
        yield Running(address, started[1:], ["--scheduler", address, *certificate])
    finally:
        for process in started:
            process.kill()
            process.wait()


def test_a_cluster_does_the_work_and_loses_nothing_with_a_worker(
    cluster: Running, images: Path, tmp_path: Path
) -> None:
    """The one that has the image in its hands is killed; the other does it."""
    case, killed = tmp_path / "case", []

    def kill() -> None:
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            for worker in cluster.workers:
                if psutil.Process(worker.pid).children():
                    worker.send_signal(signal.SIGKILL)
                    killed.append(worker.wait())
                    return
            time.sleep(0.02)

    killer = threading.Thread(target=kill)
    killer.start()
    assert main(["batch", str(images / "one.dmp"), "--out", str(case), *FEW, *cluster.arguments]) == DONE
    killer.join()
    assert killed == [-signal.SIGKILL]
    told = json.loads((case / CASE).read_text("utf-8"))["images"]
    assert [(one["rows"], one["problem"]) for one in told] == [(30, "")]


def test_who_has_another_certificate_is_not_let_in(
    cluster: Running, certificate: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line; and one line where a certificate is none, where nobody answers, and where nothing is encrypted."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        nobody = f"tls://127.0.0.1:{closed.getsockname()[1]}"
    engine_patience = engine.PATIENCE
    asked = ["batch", str(SAMPLE), "--out", str(tmp_path / "case")]
    engine.PATIENCE = 1
    try:
        for address, options, status, line in (
            (nobody, certificate, FAILED, f"no scheduler answers at {nobody}"),
            (cluster.address, [*certificate[:3], str(SAMPLE), *certificate[4:]], MISUSED, "--tls-ca, --tls-cert and"),
            ("tcp://127.0.0.1:1", certificate, MISUSED, "--scheduler takes tls://HOST:PORT"),
            (cluster.address, [], MISUSED, "--scheduler needs --tls-ca, --tls-cert and --tls-key"),
        ):
            assert main([*asked, "--scheduler", address, *options]) == status
            (said,) = capsys.readouterr().err.splitlines()
            assert line in said
    finally:
        engine.PATIENCE = engine_patience


def test_workers_that_see_another_disk_are_told(cluster: Running, certificate: list[str], tmp_path: Path) -> None:
    ours = engine.Cluster(cluster.address, *map(Path, certificate[1::2]))
    with pytest.raises(engine.Error, match="does not see "), engine.on_cluster(ours, tmp_path / "nowhere"):
        pass


@pytest.mark.skipif(not Path("/proc/self/net/tcp").exists(), reason="what listens is told elsewhere on this system")
def test_this_machine_is_reached_by_nobody_else(tmp_path: Path) -> None:
    """Whatever Dask listens on is on the loopback, and answers nothing."""
    with held(tmp_path / "case"), engine.on_this_machine(2) as crew:
        assert crew.submit(sum, [1, 2]).result() == 3
        listening = [
            line.split()[1]
            for line in Path("/proc/self/net/tcp").read_text().splitlines()[1:]
            if _ours(line.split()[9])
        ]
    assert {address.split(":")[0] for address in listening} <= {"0100007F"}


def _ours(inode: str) -> bool:
    return f"socket:[{inode}]" in {os.readlink(f"/proc/self/fd/{name}") for name in _open()}


def _open() -> list[str]:
    return [name for name in os.listdir("/proc/self/fd") if os.path.lexists(f"/proc/self/fd/{name}")]


def test_images_side_by_side_are_as_many_as_processors_and_memory_allow(monkeypatch: pytest.MonkeyPatch) -> None:
    import dask.system
    import distributed.system

    monkeypatch.setattr(dask.system, "CPU_COUNT", 8)
    monkeypatch.setattr(distributed.system, "MEMORY_LIMIT", 8 * PEAK - 1)
    assert [size(None, 0), size(None, 4 * PEAK), size(None, 9 * PEAK), size(5, 9 * PEAK)] == [7, 1, 1, 5]


def test_without_dask_one_line_says_what_brings_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    assert main(["batch", str(SAMPLE), "--out", str(tmp_path / "case")]) == MISUSED
    assert capsys.readouterr().err == "anatomy: a batch needs Dask: pip install 'process-anatomy[fleet]'\n"
    assert not (tmp_path / "case").exists()


def test_workers_of_this_machine_leave_no_folder_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither where the work is done nor where it is given up."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with engine.on_this_machine(1) as crew:
        assert crew.submit(abs, -3).result() == 3
        assert list(tmp_path.iterdir()) != []
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(KeyboardInterrupt), engine.on_this_machine(1):
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []
