"""A mail server on a real socket: takes what it is given, and can refuse, put off, or ask for a login over TLS."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field


@dataclass
class MailServer:
    """`port`; `mails` are the bytes of each DATA, `logins` what was proved; `reply` is what each RCPT is told."""

    port: int = 0
    tls: ssl.SSLContext | None = None
    reply: bytes = b"250 ok"
    mails: list[bytes] = field(default_factory=list)
    logins: list[bytes] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One conversation (RFC 5321)."""
        writer.write(b"220 mail\r\n")
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while line := await reader.readline():
                verb = line[:4].upper()
                if verb == b"EHLO":
                    secured = writer.get_extra_info("ssl_object") is not None
                    writer.write(b"250-mail\r\n" + (b"250 AUTH PLAIN\r\n" if secured else b"250 STARTTLS\r\n"))
                elif verb == b"STAR" and self.tls is not None:
                    writer.write(b"220 go\r\n")
                    await writer.start_tls(self.tls)
                elif verb == b"AUTH":
                    self.logins.append(base64.b64decode(line.split()[2]))
                    writer.write(b"235 ok\r\n")
                elif verb == b"DATA":
                    writer.write(b"354 go\r\n")
                    self.mails.append(await reader.readuntil(b"\r\n.\r\n"))
                    writer.write(b"250 kept\r\n")
                elif verb == b"QUIT":
                    writer.write(b"221 bye\r\n")
                    break
                else:
                    writer.write((self.reply if verb == b"RCPT" else b"250 ok") + b"\r\n")
        writer.close()


@contextlib.asynccontextmanager
async def mail(tls: ssl.SSLContext | None = None, reply: bytes = b"250 ok") -> AsyncIterator[MailServer]:
    """A running server."""
    found = MailServer(tls=tls, reply=reply)
    server = await asyncio.start_server(found.serve, "127.0.0.1", 0)
    found.port = server.sockets[0].getsockname()[1]
    yield found
    server.close()
