"""Mail to people by the hospital's own mail server (SMTP, RFC 5321; STARTTLS, RFC 3207): plain text, no attachments.

The delivery key becomes the Message-ID, so that a mail sent twice after a lost answer is shown once.
"""

from __future__ import annotations

import asyncio
import smtplib
import socket
import ssl
from email.message import EmailMessage
from email.utils import format_datetime, localtime

from adapters.transports import Answer, Call, Means, Unsent
from adapters.transports.targets import certificate_fault, resolve
from canonical.errors import Misconfigured, Refused, TryLater

_PORTS = {"starttls": 587, "tls": 465, "none": 25}


class MailTransport:
    """Hands mails to one server. Settings: host, port, tls (`starttls`, `tls`, `none`), sender, to (a list), timeout_s.

    The secret holds `login` and `password`; a login is never sent over a connection without TLS.
    """

    def __init__(self, means: Means) -> None:
        settings = means.settings
        self._host = str(settings.get("host", ""))
        self._tls = str(settings.get("tls", "starttls"))
        self._port = int(settings.get("port") or _PORTS.get(self._tls, 0))
        self._sender = str(settings.get("sender", ""))
        self._to = [str(each) for each in settings.get("to") or ()]
        self._seconds = float(settings.get("timeout_s", 30))
        self._allow_private = means.allow_private
        self._login = (means.secret.get("login", ""), means.secret.get("password", ""))
        self._context = means.tls or ssl.create_default_context()
        wrong = self._tls not in _PORTS or not self._sender or not self._to
        if wrong or any("\n" in text or "\r" in text or "@" not in text for text in (self._sender, *self._to)):
            raise Misconfigured("a mail needs tls, a sender and receivers", code="transport.settings")
        if self._login[0] and self._tls == "none":
            raise Misconfigured("a login needs TLS to the mail server", code="transport.settings")

    async def send(self, call: Call) -> Answer:
        """Hand one mail over; raises Unsent, TryLater, Refused, Misconfigured. `call.action` is the subject."""
        address = await resolve(self._host, self._port, allow_private=self._allow_private)
        mail = EmailMessage()
        mail["From"], mail["To"], mail["Subject"] = self._sender, ", ".join(self._to), call.action or "Ponte"
        mail["Date"], mail["Message-ID"] = format_datetime(localtime()), f"<{call.key}@ponte>"
        mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody's absence note answers it
        mail.set_content(call.content.decode("utf-8", "replace"))
        try:
            await asyncio.to_thread(self._hand_over, address, mail)
        except smtplib.SMTPAuthenticationError:
            raise Misconfigured("the mail server does not take the login", code="transport.login") from None
        except ssl.SSLCertVerificationError as error:
            raise Misconfigured("the mail server's certificate does not hold", code=certificate_fault(error)) from None
        except ssl.SSLError:
            raise Unsent("the mail server does not go through the handshake of TLS", code="transport.tls") from None
        except smtplib.SMTPNotSupportedError:
            raise Misconfigured("the mail server does not offer what is asked", code="transport.settings") from None
        except smtplib.SMTPRecipientsRefused as error:
            raise _by_code(max(code for code, _ in error.recipients.values())) from None
        except smtplib.SMTPResponseException as error:
            raise _by_code(error.smtp_code) from None
        except (ConnectionError, socket.gaierror):
            raise Unsent("the mail server does not accept the connection", code="transport.connect") from None
        except (OSError, smtplib.SMTPException):
            raise TryLater("the mail server did not answer in time", code="transport.timeout") from None
        return Answer(content=b"", format="mail", type="250")

    async def close(self) -> None:
        """Nothing is kept open."""

    def _hand_over(self, address: str, mail: EmailMessage) -> None:
        with self._connected(address) as server:
            if self._tls == "starttls":
                server.starttls(context=self._context)
            if self._login[0]:
                server.login(*self._login)
            server.send_message(mail)

    def _connected(self, address: str) -> smtplib.SMTP:
        """A connection to the address that was checked; certificates are held against the name that was meant."""
        server: _TlsServer | _Server = (
            _TlsServer(timeout=self._seconds, context=self._context)
            if self._tls == "tls"
            else _Server(timeout=self._seconds)
        )
        server.meant = self._host
        server.address = address
        server.connect(self._host, self._port)
        return server


class _Server(smtplib.SMTP):
    """Connects to `address`; `meant` stays the name that certificates are held against."""

    address = ""
    meant = ""

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        self._host = self.meant
        return socket.create_connection((self.address, port), timeout)


class _TlsServer(smtplib.SMTP_SSL):
    """The same, with TLS from the first byte."""

    address = ""
    meant = ""

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        plain = socket.create_connection((self.address, port), timeout)
        return self.context.wrap_socket(plain, server_hostname=self.meant)


def _by_code(code: int) -> Exception:
    """A reply by its first digit (RFC 5321 §4.2.1): 4 may pass later, 5 does not."""
    if 500 <= code < 600:
        return Refused("the mail server refuses the mail", code="transport.refused")
    return TryLater("the mail server asks to try later", code="transport.busy")
