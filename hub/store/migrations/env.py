"""Alembic's entry: runs the versions on the connection `hub.store.migrate` hands over, as the owner role."""

from __future__ import annotations

from alembic import context

from hub.store.schema import METADATA

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=METADATA, transaction_per_migration=True)
with context.begin_transaction():
    context.run_migrations()
