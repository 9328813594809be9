"""The MLLP door of a channel: listens, and knows its conversations."""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any

from api.doors.conversation import Conversation
from api.doors.guests import Book
from api.doors.sealed import SealedServer
from hl7 import batch
from hub.exchange.answer.owed import Debt, Debts
from hub.exchange.channels import Channel
from hub.exchange.door import batches, strict
from hub.exchange.door.keep import AFTERWARDS, Keeper
from hub.exchange.door.receive import Answer

CLOSING_SECONDS = 10.0
BACKLOG = 512
MOST_CONNECTIONS = 2000
"""Connections of one door at a time: a sender that leaks them must not take the descriptors of all doors."""
PLACES = 3
"""How many bulky frames are read at a time; the senders of others wait. This bounds the memory of a door."""


class Listener:
    """Serves one channel on one port."""

    def __init__(self, channel: Channel, keeper: Keeper, limit: int, debts: Debts | None = None) -> None:
        self.channel = channel
        self.keeper = keeper
        self.limit = limit
        self._debts = debts
        self._server: asyncio.Server | SealedServer | None = None
        self._book = Book()
        self._conversations: set[Conversation] = set()
        self._placed: set[Conversation] = set()
        self._queue: deque[Conversation] = deque()

    async def start(self, host: str, port: int, tls: ssl.SSLContext | None = None) -> int:
        """Listen and return the port; raises OSError when it is taken.

        Called again it listens anew, for instance with a new certificate; the connections there are go on.
        """
        if isinstance(self._server, SealedServer) and tls is not None:
            self._server.tls = tls
            return int(self._server.sockets[0].getsockname()[1])
        await self._close()
        if tls is None:
            loop = asyncio.get_running_loop()
            self._server = await loop.create_server(lambda: Conversation(self), host, port, backlog=BACKLOG)
        else:
            self._server = sealed = SealedServer(tls, lambda: Conversation(self), self.turn_away)
            await sealed.start(host, port, BACKLOG)
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Stop listening and end the connections; what was not acknowledged the sender will send again."""
        await self._close()
        await asyncio.gather(*(one.close(CLOSING_SECONDS) for one in list(self._conversations)))

    async def _close(self) -> None:
        if isinstance(self._server, SealedServer):
            await self._server.stop()
        elif self._server is not None:
            self._server.close()

    @property
    def full(self) -> bool:
        """Whether no more connections are taken."""
        return len(self._conversations) >= MOST_CONNECTIONS

    def turn_away(self, code: str, address: str) -> None:
        """Somebody at `address` was not let in, or said what cannot be a message."""
        self._book.turn_away(self.channel.name, code, address, asyncio.get_running_loop().time())

    def report(self) -> dict[str, Any]:
        """Who is connected and who was turned away, as JSON; times as seconds ago."""
        return self._book.report(self._conversations, asyncio.get_running_loop().time())

    def arrived(self, conversation: Conversation) -> None:
        """A connection was made."""
        self._conversations.add(conversation)

    def left(self, conversation: Conversation) -> None:
        """A connection has ended."""
        self._conversations.discard(conversation)
        self.leave_place(conversation)

    def place(self, conversation: Conversation) -> bool:
        """Whether the bulky frame of this connection may be read on; if not, it is resumed when it may."""
        if conversation in self._placed:
            return True
        if len(self._placed) < PLACES:
            self._placed.add(conversation)
            return True
        if conversation not in self._queue:
            self._queue.append(conversation)
        return False

    def leave_place(self, conversation: Conversation) -> None:
        """This connection has no bulky frame any more; the next one that waits is resumed."""
        if conversation not in self._placed:
            return
        self._placed.discard(conversation)
        while self._queue:
            following = self._queue.popleft()
            if following in self._conversations:
                self._placed.add(following)
                following.resume()
                return

    def aside(self, raw: bytes) -> Coroutine[Any, Any, list[Answer]] | None:
        """The work that answers a batch, or what is received by itself; None for a plain message."""
        if batch.is_batch(raw):
            return batches.receive(self.keeper, self.channel, raw)
        return self._strictly(raw) if strict.alone(self.channel, raw) else None

    async def _strictly(self, raw: bytes) -> list[Answer]:
        return [await strict.receive(self.keeper, self.channel, raw)]

    def follow(self, said: Answer, say: Callable[[bytes], bool]) -> None:
        """More is owed than was said: it is given to `say` when the message has been worked."""
        if self._debts is None:
            return
        until = None
        if said.owes == AFTERWARDS:
            until = asyncio.get_running_loop().time() + self.channel.document.acknowledge.wait_s
        tenant = self.channel.tenant
        debt = Debt(tenant=tenant, say=say, until=until, instead=said.instead, resent=said.resent)
        self._debts.follow(said.message_id, debt)
