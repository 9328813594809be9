"""Documents to the national network: what is sent of which record, and where it stands there."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import context, op

revision = "0018"
down_revision = "0017"

CONTEXT = "(select nullif(current_setting('app.current_tenant', true), '')::uuid)"


def upgrade() -> None:
    """The table, its wall and what the application may do."""
    role = context.config.attributes.get("application_role", "ponte_app")
    text = sa.Text()
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "rnds_document",
        *(sa.Column(name, sa.Uuid(), nullable=False) for name in ("tenant_id", "id", "partner_id")),
        *(sa.Column(name, text, nullable=False) for name in ("kind", "subject")),
        sa.Column("patient_id", text, server_default="", nullable=False),
        sa.Column("generation", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("status", text, nullable=False),
        sa.Column("wanted", text, server_default="send", nullable=False),
        sa.Column("due_at", moment),
        sa.Column("version", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        *(sa.Column(name, text, server_default="", nullable=False) for name in ("digest", "rnds_id", "replaced")),
        sa.Column("delivery_id", sa.Uuid()),
        sa.Column("code", text, server_default="", nullable=False),
        sa.Column("problems", text, server_default="[]", nullable=False),
        *(sa.Column(name, moment, server_default=sa.text("now()"), nullable=False) for name in ("created_at", "updated_at")),
        sa.Column("sent_at", moment),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="rnds_document_pk"),
        sa.UniqueConstraint("tenant_id", "kind", "subject", name="rnds_document_tenant_id_kind_subject_key"),
    )
    op.create_index("rnds_document_due_idx", "rnds_document", ["tenant_id", "due_at"], postgresql_where=sa.text("due_at IS NOT NULL"))
    op.create_index("rnds_document_subject_idx", "rnds_document", ["tenant_id", "subject"])
    op.create_index("rnds_document_patient_idx", "rnds_document", ["tenant_id", "patient_id"])
    op.create_index("rnds_document_status_idx", "rnds_document", ["tenant_id", "status", "updated_at"])
    op.execute("ALTER TABLE rnds_document ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE rnds_document FORCE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY tenant ON rnds_document USING (tenant_id = {CONTEXT}) WITH CHECK (tenant_id = {CONTEXT})")
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON rnds_document TO {role}")


def downgrade() -> None:
    """Without it."""
    op.drop_table("rnds_document")
