"""The folder of an SFTP server as a place for files (SFTP draft 02, as OpenSSH speaks it); its host key is pinned."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import asyncssh

from adapters.transports import Means, Unsent
from adapters.transports.files import CHUNK, PART, Listed
from adapters.transports.targets import resolve
from canonical.errors import Misconfigured, TryLater

KEEPALIVE_SECONDS = 15
"""A server that says nothing to three of these in a row is given up: else a look or a delivery would hang for ever."""


class SftpFolder:
    """A folder of an SFTP server. Its host key must be the one that was agreed; settings: host, port, user, path,
    host_key, timeout_s; the secret is a `password`, or a `key` (OpenSSH or PEM) with its `passphrase`."""

    def __init__(self, means: Means) -> None:
        self._means = means
        self._path = str(means.settings.get("path", "")).rstrip("/")
        self._seconds = float(means.settings.get("timeout_s", 60))
        self._connection: Any = None
        self._client: Any = None

    async def files(self, folder: str) -> list[Listed]:
        """See Place."""
        found = []
        async with self._session() as client:
            for entry in await client.readdir(self._at(folder)):
                name, attributes = str(entry.filename), entry.attrs
                if not name.startswith(".") and attributes.type == asyncssh.FILEXFER_TYPE_REGULAR:
                    found.append(Listed(name=name, size=attributes.size or 0, changed=float(attributes.mtime or 0)))
        return sorted(found, key=lambda one: one.name)

    async def rename(self, old: str, new: str) -> bool:
        """See Place: the plain rename of SFTP fails where a file of the new name is there (draft 02 §6.5)."""
        async with self._session() as client:
            try:
                await client.rename(self._at(old), self._at(new))
            except (asyncssh.SFTPNoSuchFile, asyncssh.SFTPFailure):
                if await client.exists(self._at(old)):
                    raise TryLater("a file of that name is there", code="transport.exists") from None
                return False
        return True

    async def remove(self, name: str) -> None:
        """See Place."""
        async with self._session() as client:
            with contextlib.suppress(asyncssh.SFTPNoSuchFile):
                await client.remove(self._at(name))

    async def read(self, name: str) -> AsyncIterator[bytes]:
        """See Place."""
        async with self._session() as client, client.open(self._at(name), "rb") as file:
            while piece := await file.read(CHUNK):
                yield piece

    async def write(self, name: str, content: bytes) -> None:
        """See Place."""
        path = self._at(name)
        head, _, last = path.rpartition("/")
        part = f"{head}/.{last}{PART}" if head else f".{last}{PART}"
        async with self._session() as client:
            async with client.open(part, "wb") as file:
                await file.write(content)
            try:
                await client.posix_rename(part, path)
            except asyncssh.SFTPOpUnsupported:  # an extension of OpenSSH; by the draft alone nothing is replaced
                with contextlib.suppress(asyncssh.SFTPNoSuchFile):
                    await client.remove(path)
                await client.rename(part, path)

    async def make(self, folder: str) -> None:
        """See Place."""
        async with self._session() as client:
            await client.makedirs(self._at(folder), exist_ok=True)

    async def close(self) -> None:
        """See Place."""
        connection, self._connection, self._client = self._connection, None, None
        if connection is not None:
            connection.close()
            with contextlib.suppress(TimeoutError, OSError, asyncssh.Error):
                async with asyncio.timeout(2):
                    await connection.wait_closed()

    def _at(self, name: str) -> str:
        if name.startswith("/") or ".." in name.split("/"):
            raise Misconfigured("the name leads out of the folder", code="transport.path")
        return f"{self._path}/{name}" if self._path and name else self._path or name or "."

    @contextlib.asynccontextmanager
    async def _session(self) -> AsyncIterator[Any]:
        """The open client; whatever fails is told by what to do about it, and the connection is given up."""
        try:
            async with asyncio.timeout(self._seconds):
                if self._client is None:
                    await self._connect()
            yield self._client
        except asyncssh.SFTPPermissionDenied:
            raise Misconfigured("the SFTP server does not allow it", code="transport.permission") from None
        except asyncssh.SFTPNoSuchFile:
            raise Misconfigured("the folder or file is not there", code="transport.path") from None
        except (asyncssh.Error, OSError, TimeoutError):
            await self.close()
            raise TryLater("the SFTP server cannot be worked with now", code="transport.sftp") from None

    async def _connect(self) -> None:
        settings, secret = self._means.settings, self._means.secret
        host, port = str(settings.get("host", "")), int(settings.get("port", 22))
        address = await resolve(host, port, allow_private=self._means.allow_private)
        try:
            trusted = asyncssh.import_public_key(str(settings.get("host_key", "")))
            keys = [asyncssh.import_private_key(secret["key"], secret.get("passphrase"))] if "key" in secret else None
        except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError, ValueError):
            raise Misconfigured("the host key or our key cannot be read", code="transport.key") from None
        try:
            self._connection = await asyncssh.connect(
                address,
                port,
                username=str(settings.get("user", "")),
                password=secret.get("password"),
                client_keys=keys,
                known_hosts=([trusted], [], []),
                agent_path=None,
                config=None,
                keepalive_interval=KEEPALIVE_SECONDS,
            )
            self._client = await self._connection.start_sftp_client()
        except asyncssh.HostKeyNotVerifiable:
            raise Misconfigured("another server answers than the one agreed", code="transport.host-key") from None
        except asyncssh.PermissionDenied:
            raise Misconfigured("the SFTP server refuses user or key", code="transport.login") from None
        except OSError:
            raise Unsent("the SFTP server does not accept the connection", code="transport.connect") from None
