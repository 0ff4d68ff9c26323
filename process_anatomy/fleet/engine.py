"""Who does the work of a batch: the processors of this machine, or the workers of a Dask cluster.

A worker only waits for the process of an image: nothing of an image is in its memory, and what comes back is a path and
counts.  So workers on this machine are threads of one Dask worker in this process, which nobody else can reach.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from process_anatomy.errors import Error, RequestError
from process_anatomy.fleet.processes import close, give_up
from process_anatomy.fleet.single import IMAGES
from process_anatomy.fleet.versions import of

if TYPE_CHECKING:
    from concurrent.futures import Future

    from process_anatomy.fleet.terms import Outcome

    Submit = Callable[..., Future[Outcome]]

PEAK = 512 << 20
"""Bytes that the process of an image is reckoned with where nobody says how many it may have."""
TLS = "tls://"
PATIENCE = 20
"""Seconds that a scheduler and its first worker may take to answer."""
LOOPBACK = "127.0.0.1:0"
QUIET = {
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
    "distributed.admin.large-graph-warning-threshold": "1GB",
}
"""Dask starts an HTTP server wherever it is: on the loopback alone, with nothing on it."""


@dataclass(frozen=True, slots=True)
class Crew:
    """Who does the work.

    Attributes:
        submit: runs a function of its arguments elsewhere, and gives its future.
        hands: images side by side.
        within: processes that one image may have where there are fewer images.
    """

    submit: Submit
    hands: int
    within: int = 1


@dataclass(frozen=True, slots=True)
class Cluster:
    """A cluster that somebody started.

    Attributes:
        address: of its scheduler, ``tls://HOST:PORT``.
        ca: file of the certificate that all of it trust.
        certificate: file of ours.
        key: file of ours.
    """

    address: str
    ca: Path
    certificate: Path
    key: Path


def size(workers: int | None, memory: int) -> int:
    """Images side by side on this machine: what is asked for, else one a processor as far as memory goes.

    Args:
        workers: how many are asked for.
        memory: bytes that each may have, 0 where there is no limit.
    """
    if workers is not None:
        return workers
    _dask()
    from dask.system import CPU_COUNT
    from distributed.system import MEMORY_LIMIT

    return max(1, min(int(CPU_COUNT), int(MEMORY_LIMIT) // (memory or PEAK)))


@contextmanager
def on_this_machine(workers: int) -> Iterator[Crew]:
    """As many images side by side as there are workers.

    Raises:
        RequestError: Dask is not installed.
    """
    dask = _dask()
    from distributed import Client, LocalCluster

    with TemporaryDirectory(prefix="anatomy-") as folder:  # Dask makes one in every case, and leaves it
        with dask.config.set(QUIET | {"temporary-directory": folder}):
            cluster = LocalCluster(  # type: ignore[no-untyped-call]
                n_workers=1, threads_per_worker=workers, processes=False, memory_limit=0, silence_logs=50,
                dashboard_address=LOOPBACK, worker_dashboard_address=LOOPBACK,
            )  # fmt: skip
        client: Any = Client(cluster)  # type: ignore[no-untyped-call]
        with cluster, client:
            try:
                yield Crew(client.get_executor(pure=False).submit, workers, workers)
            except BaseException:
                give_up()
                raise
        close()


@contextmanager
def on_cluster(cluster: Cluster, case: Path) -> Iterator[Crew]:
    """One image for each thread of a cluster's workers, which must have the images and the case where we have them.

    Raises:
        RequestError: Dask is not installed, the certificates cannot be used, or the address is none that is encrypted.
        Error: nobody answers there, a worker does not see the case, or it is of another version.
    """
    _dask()
    from distributed import Client
    from distributed.security import Security

    if not cluster.address.startswith(TLS):
        raise RequestError(
            f"--scheduler takes {TLS}HOST:PORT: whoever reaches a scheduler without TLS commands its workers"
        )
    try:
        security = Security(
            require_encryption=True, tls_ca_file=str(cluster.ca), tls_client_cert=str(cluster.certificate),
            tls_client_key=str(cluster.key),
        )  # type: ignore[no-untyped-call]  # fmt: skip
        security.get_connection_args("client")  # type: ignore[no-untyped-call]
    except (OSError, ValueError) as error:  # ssl's errors are OSErrors
        raise RequestError(f"--tls-ca, --tls-cert and --tls-key: {error}") from None
    try:
        client: Any = Client(cluster.address, security=security, timeout=PATIENCE)  # type: ignore[no-untyped-call]
    except (OSError, ValueError) as error:
        raise Error(f"no scheduler answers at {cluster.address}: {error}") from None
    with client:
        try:
            client.wait_for_workers(1, timeout=PATIENCE)
        except TimeoutError:
            raise Error(f"the scheduler at {cluster.address} has no worker") from None
        _alike(client, case)
        threads = client.nthreads().values()
        yield Crew(client.get_executor(pure=False).submit, sum(threads), min(threads))


def _alike(client: Any, case: Path) -> None:
    """See that workers are of our version and have the case where we have it.

    Raises:
        Error: one is not, or has not; the message names it.
    """
    ours = of("process-anatomy")
    for worker, theirs in client.run(_version).items():
        if theirs != ours:
            raise Error(f"the worker {worker} has process-anatomy {theirs or 'not installed'}, not {ours}")
    for worker, there in client.run(os.path.isdir, str((case / IMAGES).absolute())).items():
        if not there:
            raise Error(
                f"the worker {worker} does not see {case}: images and case must lie where all workers have them"
            )


def _version() -> str | None:
    return of("process-anatomy")


def _dask() -> Any:
    try:
        import dask
        import distributed  # noqa: F401
    except ImportError:
        raise RequestError("a batch needs Dask: pip install 'process-anatomy[fleet]'") from None
    return dask
