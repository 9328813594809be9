"""What an operator can set, read once from the environment and the data directory. Names start with PONTE_."""

from __future__ import annotations

import ipaddress
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from canonical.errors import Misconfigured

MOST_WORKERS = 8
"""Beyond this one PostgreSQL on the same machine is the limit; an operator who knows better sets PONTE_WORKERS."""


Network = ipaddress.IPv4Network | ipaddress.IPv6Network
LOOPBACK = "127.0.0.0/8, ::1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Settings of one running hub. An empty URL means: the embedded server in `data` is used.

    `workers` 0: as many as the machine has cores for, at most MOST_WORKERS. `demo`: a start makes the tenant `demo`,
    its trial client and, with `simulators`, its partners.
    """

    data: Path
    database_url: str = ""
    owner_database_url: str = ""
    redis_url: str = ""
    host: str = "127.0.0.1"
    http_port: int = 8080
    mllp_port: int = 2575
    public_url: str = ""
    exchange_root: str = ""
    trust: str = ""
    pool_size: int = 8
    workers: int = 0
    max_message_bytes: int = 80 * 1024 * 1024
    allow_private_targets: bool = False
    log_format: str = "text"
    simulators: bool = True
    demo: bool = True
    trusted_proxies: str = LOOPBACK

    @property
    def proxies(self) -> tuple[Network, ...]:
        """The addresses whose word on who called counts; raises Misconfigured for what is no address or network."""
        named = self.trusted_proxies.replace(",", " ").split()
        try:
            return tuple(ipaddress.ip_network(one) for one in named if one != "none")
        except ValueError:
            raise Misconfigured("PONTE_TRUSTED_PROXIES names addresses or networks (10.0.0.0/8), or none") from None

    @property
    def worker_count(self) -> int:
        """How many worker processes `ponte up` runs: translation is their time, so one for each core."""
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        return self.workers or min(cores, MOST_WORKERS)

    @property
    def secrets(self) -> Path:
        """Folder of the keys that live outside the database; readable by the operator only."""
        return self.data / "secrets"

    @property
    def logs(self) -> Path:
        """Folder of the server logs; they hold no patient data."""
        return self.data / "logs"

    @property
    def folders(self) -> Path:
        """Where the folders lie that tenants pick up from and drop into, one subfolder for each tenant."""
        return Path(self.exchange_root).resolve() if self.exchange_root else self.data / "exchange"

    @property
    def base_url(self) -> str:
        """Where partners reach the HTTP doors; a host that stands for every address of the machine is no address."""
        host = "127.0.0.1" if self.host in _EVERY_ADDRESS else self.host
        return self.public_url or f"http://{f'[{host}]' if ':' in host else host}:{self.http_port}"


_EVERY_ADDRESS = ("0.0.0.0", "::")  # noqa: S104 - compared with, not listened on
_NUMBERS = {"http_port", "mllp_port", "pool_size", "workers", "max_message_bytes"}
_TEXTS = {
    "database_url",
    "owner_database_url",
    "redis_url",
    "host",
    "public_url",
    "exchange_root",
    "trust",
    "trusted_proxies",
}


def from_environment(environment: Mapping[str, str], *, data: Path | None = None) -> Settings:
    """Settings from PONTE_* variables; raises Misconfigured for a value that cannot be read."""
    values: dict[str, object] = {}
    for name in _TEXTS:
        if text := environment.get(f"PONTE_{name.upper()}"):
            values[name] = text
    for name in _NUMBERS:
        if text := environment.get(f"PONTE_{name.upper()}"):
            values[name] = _number(name, text)
    values["allow_private_targets"] = environment.get("PONTE_ALLOW_PRIVATE_TARGETS", "") in ("1", "true", "yes")
    for name in ("simulators", "demo"):
        values[name] = environment.get(f"PONTE_{name.upper()}", "1") not in ("0", "false", "no")
    if (form := environment.get("PONTE_LOG_FORMAT", "text")) not in ("text", "json"):
        raise Misconfigured("PONTE_LOG_FORMAT must be text or json")
    values["log_format"] = form
    folder = data or Path(environment.get("PONTE_DATA") or default_data(environment))
    found = Settings(data=folder.resolve(), **values)  # type: ignore[arg-type]
    _ = found.proxies  # what cannot be read stops the start, not the first request
    return found


def default_data(environment: Mapping[str, str]) -> Path:
    """`.ponte/data` beside the launcher, the place a newcomer finds and can delete."""
    return Path(environment.get("PONTE_HOME") or Path(__file__).resolve().parent.parent) / ".ponte" / "data"


def prepare_folders(settings: Settings) -> None:
    """Make the data directory; raises Misconfigured when it cannot be written."""
    try:
        settings.data.mkdir(parents=True, exist_ok=True)
        settings.secrets.mkdir(mode=0o700, exist_ok=True)
        settings.logs.mkdir(exist_ok=True)
    except OSError as error:
        raise Misconfigured(f"cannot write the data directory {settings.data}: {error.strerror}") from None


def secret_file(settings: Settings, name: str) -> str:
    """The secret kept in `secrets/<name>`, made of 32 random bytes on first use, as URL-safe text."""
    path = settings.secrets / name
    try:
        return path.read_text(encoding="ascii")
    except FileNotFoundError:
        pass
    value = secrets.token_urlsafe(32)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_text(encoding="ascii")
    except FileNotFoundError:
        raise Misconfigured(
            f"there is no folder {settings.secrets}: name the hub's data directory, or bring its secrets here"
        ) from None
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(value)
    return value


def _number(name: str, text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise Misconfigured(f"PONTE_{name.upper()} must be a whole number")
    return int(text)
