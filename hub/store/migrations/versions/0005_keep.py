"""Keeping a message costs less, knows its sender's sequence, and remembers what answer is still owed.

A lane's row changes with every message: `ready` is a column of its own, so that a change of the count touches no index
(the update stays on its page). One index serves both the look-up by MSH-10 and the recognition of a resend.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import context, op

revision = "0005"
down_revision = "0004"

CONTEXT = "(select nullif(current_setting('app.current_tenant', true), '')::uuid)"

# As in 0002 and 0003, but: `control_key` stands for channel and bytes, unique beside the control id; `sender_key` for
# channel and MSH-3/4; a resend leaves a receipt; `owes` says when an application acknowledgement is due.
KEEP = """
CREATE FUNCTION ponte_keep(
    p_tenant uuid, p_format text, p_channel uuid, p_version bigint, p_id uuid[], p_lane bigint[], p_status text[],
    p_type text[], p_control_id text[], p_control_key bigint[], p_sender_key bigint[], p_payload_key bigint[],
    p_charset text[], p_content bytea[], p_reply bytea[], p_problems text[], p_owes text[]
) RETURNS TABLE (id uuid, first_id uuid, status text, reply bytea, conflict boolean)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    context text := set_config('app.current_tenant', p_tenant::text, true);
    inserted uuid[];
    conflicts boolean[];
BEGIN
    INSERT INTO lane AS l (tenant_id, id, kind, name, pending)
        SELECT p_tenant, x.lane, 'inbound', p_format, count(*)
        FROM unnest(p_lane, p_status) AS x(lane, status) WHERE x.status = 'RECEIVED'
        GROUP BY x.lane ORDER BY x.lane
        ON CONFLICT (tenant_id, id) DO UPDATE SET pending = l.pending + excluded.pending;
    WITH kept AS (
        INSERT INTO message AS m (tenant_id, id, direction, format, channel_id, channel_version, lane_id, status, type,
                                  control_id, control_key, sender_key, payload_key, charset, content, reply, problems,
                                  owes, conflict)
        SELECT p_tenant, x.id, 'in', p_format, p_channel, p_version, x.lane, x.status, x.type, x.control_id,
               x.control_key, x.sender_key, x.payload_key, x.charset, x.content, x.reply, x.problems, x.owes,
               x.control_key IS NOT NULL AND EXISTS (
                   SELECT 1 FROM message o WHERE o.tenant_id = p_tenant AND o.control_id = x.control_id
                                             AND o.control_key <> x.control_key AND o.sender_key = x.sender_key)
        FROM unnest(p_id, p_lane, p_status, p_type, p_control_id, p_control_key, p_sender_key, p_payload_key, p_charset,
                    p_content, p_reply, p_problems, p_owes)
             AS x(id, lane, status, type, control_id, control_key, sender_key, payload_key, charset, content, reply,
                  problems, owes)
        ON CONFLICT (tenant_id, control_id, control_key) DO NOTHING
        RETURNING m.id, m.conflict
    ) SELECT array_agg(kept.id), array_agg(kept.conflict) INTO inserted, conflicts FROM kept;
    IF coalesce(cardinality(inserted), 0) < cardinality(p_id) THEN
        inserted := coalesce(inserted, '{}');
        UPDATE lane SET pending = pending - d.n
            FROM (SELECT x.lane, count(*) AS n FROM unnest(p_id, p_lane, p_status) AS x(id, lane, status)
                  WHERE x.status = 'RECEIVED' AND NOT x.id = ANY (inserted) GROUP BY x.lane) d
            WHERE lane.tenant_id = p_tenant AND lane.id = d.lane;
        UPDATE message SET receipts = receipts + d.n
            FROM (SELECT x.control_id, x.control_key, count(*) AS n
                  FROM unnest(p_id, p_control_id, p_control_key) AS x(id, control_id, control_key)
                  WHERE NOT x.id = ANY (inserted) GROUP BY 1, 2) d
            WHERE message.tenant_id = p_tenant AND message.control_id = d.control_id
              AND message.control_key = d.control_key;
        RETURN QUERY
            WITH again AS (
                SELECT x.id, m.id AS first_id, m.status, m.reply, m.conflict
                FROM unnest(p_id, p_control_id, p_control_key) AS x(id, control_id, control_key)
                JOIN message m ON m.tenant_id = p_tenant AND m.control_id = x.control_id
                              AND m.control_key = x.control_key
                WHERE NOT x.id = ANY (inserted)
            ), noted AS (
                INSERT INTO receipt (tenant_id, id, message_id) SELECT p_tenant, again.id, again.first_id FROM again
            ) SELECT again.id, again.first_id, again.status, again.reply, again.conflict FROM again;
    END IF;
    RETURN QUERY
        SELECT k.id, k.id, NULL::text, NULL::bytea, k.conflict FROM unnest(inserted, conflicts) AS k(id, conflict);
END $$
"""

# The same for a single message, without arrays: what a lone connection waits for.
KEEP_ONE = """
CREATE FUNCTION ponte_keep_one(
    p_tenant uuid, p_format text, p_channel uuid, p_version bigint, p_id uuid, p_lane bigint, p_status text,
    p_type text, p_control_id text, p_control_key bigint, p_sender_key bigint, p_payload_key bigint, p_charset text,
    p_content bytea, p_reply bytea, p_problems text, p_owes text,
    OUT id uuid, OUT first_id uuid, OUT status text, OUT reply bytea, OUT conflict boolean
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    context text := set_config('app.current_tenant', p_tenant::text, true);
BEGIN
    id := p_id;
    IF p_status = 'RECEIVED' THEN
        INSERT INTO lane AS l (tenant_id, id, kind, name, pending) VALUES (p_tenant, p_lane, 'inbound', p_format, 1)
            ON CONFLICT (tenant_id, id) DO UPDATE SET pending = l.pending + 1;
    END IF;
    INSERT INTO message AS m (tenant_id, id, direction, format, channel_id, channel_version, lane_id, status, type,
                              control_id, control_key, sender_key, payload_key, charset, content, reply, problems, owes,
                              conflict)
        VALUES (p_tenant, p_id, 'in', p_format, p_channel, p_version, p_lane, p_status, p_type, p_control_id,
                p_control_key, p_sender_key, p_payload_key, p_charset, p_content, p_reply, p_problems, p_owes,
                p_control_key IS NOT NULL AND EXISTS (
                    SELECT 1 FROM message o WHERE o.tenant_id = p_tenant AND o.control_id = p_control_id
                                              AND o.control_key <> p_control_key AND o.sender_key = p_sender_key))
        ON CONFLICT (tenant_id, control_id, control_key) DO NOTHING
        RETURNING m.id, m.conflict INTO first_id, conflict;
    IF FOUND THEN
        RETURN;
    END IF;
    IF p_status = 'RECEIVED' THEN
        UPDATE lane SET pending = pending - 1 WHERE lane.tenant_id = p_tenant AND lane.id = p_lane;
    END IF;
    UPDATE message AS m SET receipts = receipts + 1
        WHERE m.tenant_id = p_tenant AND m.control_id = p_control_id AND m.control_key = p_control_key
        RETURNING m.id, m.status, m.reply, m.conflict INTO first_id, status, reply, conflict;
    INSERT INTO receipt (tenant_id, id, message_id) VALUES (p_tenant, p_id, first_id);
END $$
"""

# As in 0002, by the lane's own column.
DUE = """
CREATE FUNCTION ponte_due(p_tenants uuid[]) RETURNS TABLE (tenant uuid, kind text, due timestamptz)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    one uuid;
BEGIN
    FOREACH one IN ARRAY p_tenants LOOP
        PERFORM set_config('app.current_tenant', one::text, true);
        RETURN QUERY
            SELECT one, l.kind, min(l.next_at) FROM lane l
            WHERE l.tenant_id = one AND l.ready GROUP BY l.kind
            UNION ALL
            SELECT one, 'schedule', min(s.next_fire_at) FROM schedule s
            WHERE s.tenant_id = one AND s.active HAVING min(s.next_fire_at) IS NOT NULL;
    END LOOP;
END $$
"""


def _wall(table: str, rights: str) -> None:
    role = context.config.attributes.get("application_role", "ponte_app")
    op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY tenant ON {table} USING (tenant_id = {CONTEXT}) WITH CHECK (tenant_id = {CONTEXT})")
    op.execute(f"GRANT {rights} ON {table} TO {role}")


def _lane() -> None:
    op.drop_index("lane_ready_idx", table_name="lane")
    op.add_column(
        "lane",
        sa.Column("ready", sa.Boolean(), sa.Computed("pending > 0 AND NOT paused", persisted=True), nullable=False),
    )
    op.create_index("lane_ready_idx", "lane", ["tenant_id", "next_at"], postgresql_where=sa.text("ready"))
    op.execute("ALTER TABLE lane SET (fillfactor = 50)")


def _message() -> None:
    op.drop_index("message_control_key_idx", table_name="message")
    op.drop_index("message_control_id_idx", table_name="message")
    op.add_column("message", sa.Column("sender_key", sa.BigInteger(), nullable=True))
    op.add_column("message", sa.Column("owes", sa.Text(), server_default="", nullable=False))
    op.add_column("message", sa.Column("answers", sa.Uuid(), nullable=True))
    op.execute("ALTER TABLE message NO FORCE ROW LEVEL SECURITY")  # the owner changes what every tenant has
    op.execute("UPDATE message SET sender_key = control_key, control_key = payload_key WHERE control_key IS NOT NULL")
    op.execute("ALTER TABLE message FORCE ROW LEVEL SECURITY")
    op.create_index("message_control_idx", "message", ["tenant_id", "control_id", "control_key"], unique=True)
    op.create_index("message_owes_idx", "message", ["tenant_id", "id"], postgresql_where=sa.text("owes <> ''"))
    op.create_index("message_conflict_idx", "message", ["tenant_id", "received_at"], postgresql_where=sa.text("conflict"))


def upgrade() -> None:
    """Tables and functions of the door."""
    op.execute("DROP FUNCTION ponte_keep_one")
    op.execute("DROP FUNCTION ponte_keep")
    op.execute("DROP FUNCTION ponte_due(uuid[])")
    _lane()
    _message()
    op.create_table(
        "receipt",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("message_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "message_id"], ["message.tenant_id", "message.id"], name="receipt_message_fk"
        ),
        sa.PrimaryKeyConstraint("tenant_id", "message_id", "id", name="receipt_pk"),
    )
    _wall("receipt", "SELECT, INSERT, DELETE")
    op.create_table(
        "sender_sequence",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("channel_id", sa.Uuid(), nullable=False),
        sa.Column("sender_key", sa.BigInteger(), nullable=False),
        sa.Column("expected", sa.BigInteger(), server_default=sa.text("-1"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "channel_id", "sender_key", name="sender_sequence_pk"),
    )
    _wall("sender_sequence", "SELECT, INSERT, UPDATE, DELETE")
    for function in (KEEP, KEEP_ONE, DUE):
        op.execute(function)


def downgrade() -> None:
    """Not offered."""
    raise NotImplementedError("restore the backup taken before the upgrade")
