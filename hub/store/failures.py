"""What the driver and the server say, as failures of ours. Their texts can carry values and are not passed on."""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Iterator

import asyncpg

from canonical.errors import Misconfigured, Refused, TryAgain, TryLater

# Two transactions in each other's way, one of them rolled back, or a migration beside it: the same may work at once.
_RACED = (
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.InvalidCachedStatementError,
    asyncpg.OutdatedSchemaCacheError,
)
# The connection is of no more use; InternalClientError: its server said farewell while the driver expected an answer.
_BROKEN = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    ConnectionError,
)
# What else rolls back (class 40), full disk or memory (53), shutdown (57), its disk's errors (58), a server that is
# another's standby or was told to write nothing (25006), and the times that its operator set for locks, transactions
# and pauses within them: the same may work later.
_PASSING = (
    asyncpg.TransactionRollbackError,
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,
    asyncpg.PostgresSystemError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.LockNotAvailableError,
    asyncpg.TransactionTimeoutError,
    asyncpg.IdleInTransactionSessionTimeoutError,
)
# The server said farewell, or nothing: a commit that it had been asked for may have been done before.
_GONE = (*_BROKEN, asyncpg.AdminShutdownError, asyncpg.CrashShutdownError)
_UNREACHABLE = (OSError, TimeoutError, asyncpg.PostgresConnectionError, asyncpg.CannotConnectNowError)
# A value out of range or of the wrong kind (class 22), found by the server or by the driver: repeating is useless.
_VALUES = (asyncpg.DataError,)

# Why a hub that starts cannot reach its database, most special first.
_REASONS: tuple[tuple[type[Exception], str], ...] = (
    (asyncpg.ClientConfigurationError, "the address is not of the form postgresql://role:password@host:port/database"),
    (asyncpg.InvalidPasswordError, "the server does not take the role or its password"),
    (asyncpg.InvalidAuthorizationSpecificationError, "the server does not let this role in from here (pg_hba.conf)"),
    (asyncpg.InvalidCatalogNameError, "the server has no database of that name"),
    (asyncpg.InsufficientPrivilegeError, "the role may not connect to that database"),
    (asyncpg.TooManyConnectionsError, "the server has no connection left"),
    (asyncpg.CannotConnectNowError, "the server is starting or stopping; run again in a moment"),
    (ssl.SSLError, "the server's TLS is not accepted"),
    (socket.gaierror, "its host name is not known"),
    (ConnectionRefusedError, "nobody listens at that host and port"),
    (TimeoutError, "there is no answer from that host and port"),
)


@contextlib.contextmanager
def starting(setting: str) -> Iterator[None]:
    """Around the first connection by the URL of `setting`: raises Misconfigured with the reason, never with the URL."""
    try:
        yield
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        known = next((text for kind, text in _REASONS if isinstance(error, kind)), type(error).__name__)
        raise Misconfigured(f"cannot reach PostgreSQL: {known}; check {setting}") from None


@contextlib.contextmanager
def reaching() -> Iterator[None]:
    """Around the making of a connection: raises TryLater when the database cannot be reached, or has none to give."""
    try:
        yield
    except _UNREACHABLE as error:
        raise TryLater(f"the database does not answer ({type(error).__name__})", code="store.down") from None
    except _PASSING as error:
        raise TryLater(f"the database takes nobody now ({type(error).__name__})", code="store.busy") from None


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Around its use: raises TryAgain after a lost race, TryLater when it may work later, Refused for a bad value."""
    try:
        yield
    except _VALUES as error:
        raise Refused(f"a value cannot be stored ({type(error).__name__})", code="store.value") from None
    except _RACED as error:
        raise TryAgain(f"another transaction was in the way ({type(error).__name__})", code="store.raced") from None
    except _BROKEN as error:
        raise TryLater(f"the database connection broke ({type(error).__name__})", code="store.down") from None
    except _PASSING as error:
        raise TryLater(f"the database cannot do it now ({type(error).__name__})", code="store.busy") from None


@contextlib.contextmanager
def committing() -> Iterator[None]:
    """Around a commit: raises TryLater (`store.unknown`) when its answer was lost: it may be done."""
    try:
        yield
    except _GONE as error:
        raise TryLater(f"the answer to a commit was lost ({type(error).__name__})", code="store.unknown") from None
