"""What the driver and the server say, as failures of ours. Their texts can carry values and are not passed on."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import asyncpg

from canonical.errors import Refused, TryLater

# Deadlock and serialization (class 40), full disk or memory (53), shutdown (57): the same may work later.
_PASSING = (asyncpg.TransactionRollbackError, asyncpg.InsufficientResourcesError, asyncpg.OperatorInterventionError)
_UNREACHABLE = (OSError, TimeoutError, asyncpg.PostgresConnectionError, asyncpg.CannotConnectNowError)
# A value out of range or of the wrong kind (class 22), found by the server or by the driver: repeating is useless.
_VALUES = (asyncpg.DataError,)


@contextlib.contextmanager
def reaching() -> Iterator[None]:
    """Around the making of a connection: raises TryLater when the database cannot be reached."""
    try:
        yield
    except (*_UNREACHABLE, *_PASSING) as error:
        raise TryLater(f"the database does not answer ({type(error).__name__})", code="store.down") from None


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Around its use: raises TryLater when the same may work later, Refused for a value that cannot be stored."""
    try:
        yield
    except _VALUES as error:
        raise Refused(f"a value cannot be stored ({type(error).__name__})", code="store.value") from None
    except (asyncpg.PostgresConnectionError, asyncpg.InterfaceError, ConnectionError) as error:
        raise TryLater(f"the database connection broke ({type(error).__name__})", code="store.down") from None
    except _PASSING as error:
        raise TryLater(f"the database cannot do it now ({type(error).__name__})", code="store.busy") from None
