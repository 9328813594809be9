"""Bulk export and import: jobs, files in sealed pieces, and the records an export holds."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import context, op

revision = "0011"
down_revision = "0010"

CONTEXT = "(select nullif(current_setting('app.current_tenant', true), '')::uuid)"
TABLES = ("bulk_job", "bulk_file", "bulk_piece", "bulk_member")


def upgrade() -> None:
    """The tables, their walls and what the application may do."""
    role = context.config.attributes.get("application_role", "ponte_app")
    _tables()
    op.create_index(
        "bulk_job_open_idx", "bulk_job", ["tenant_id", "kind"],
        postgresql_where=sa.text("status IN ('UPLOADING', 'QUEUED', 'RUNNING')"),
    )
    op.create_index("bulk_job_expiry_idx", "bulk_job", ["tenant_id", "expires_at"])
    op.execute("ALTER TABLE bulk_piece ALTER COLUMN sealed SET STORAGE EXTERNAL")  # sealed bytes do not compress
    for table in TABLES:
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY tenant ON {table} USING (tenant_id = {CONTEXT}) WITH CHECK (tenant_id = {CONTEXT})")
        op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO {role}")


def _tables() -> None:
    op.create_table(
        "bulk_job",
        *(sa.Column(name, kind, nullable=False) for name, kind in (("tenant_id", sa.Uuid()), ("id", sa.Uuid()))),
        sa.Column("seq", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("kind", "owner", "status")),
        sa.Column("request", sa.LargeBinary(), nullable=False),
        sa.Column("progress", sa.Text(), server_default="{}", nullable=False),
        sa.Column("step", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("records", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("problem", sa.Text()),
        sa.Column("bound_at", sa.DateTime(timezone=True)),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True)),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="bulk_job_pk"),
    )
    _part("bulk_file", [
        ("number", sa.Integer()), ("kind", sa.Text()), ("type", sa.Text()), ("records", sa.BigInteger()),
        ("plain_bytes", sa.BigInteger()), ("packed_bytes", sa.BigInteger()), ("crc", sa.BigInteger()),
        ("pieces", sa.Integer()),
    ], ["number"])
    _part("bulk_piece", [
        ("number", sa.Integer()), ("position", sa.Integer()), ("sealed", sa.LargeBinary()),
    ], ["number", "position"])
    _part("bulk_member", [("type", sa.Text()), ("rid", sa.BigInteger())], ["type", "rid"])


def _part(name: str, columns: list[tuple[str, object]], key: list[str]) -> None:
    """A table of what belongs to a job."""
    op.create_table(
        name,
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=False),
        *(sa.Column(column, kind, nullable=False) for column, kind in columns),
        sa.PrimaryKeyConstraint("tenant_id", "job_id", *key, name=f"{name}_pk"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "job_id"], ["bulk_job.tenant_id", "bulk_job.id"], name=f"{name}_bulk_job_fk"
        ),
    )


def downgrade() -> None:
    """Without them."""
    for table in reversed(TABLES):
        op.drop_table(table)
