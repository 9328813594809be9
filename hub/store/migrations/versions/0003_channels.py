"""Channels as versioned documents: what each version said, and under which version a message was received."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import context, op

revision = "0003"
down_revision = "0002"

CONTEXT = "(select nullif(current_setting('app.current_tenant', true), '')::uuid)"

# As in 0002, with the version of the channel beside the channel.
KEEP = """
CREATE FUNCTION ponte_keep(
    p_tenant uuid, p_format text, p_channel uuid, p_version bigint, p_id uuid[], p_lane bigint[], p_status text[], p_type text[],
    p_control_id text[], p_control_key bigint[], p_payload_key bigint[], p_charset text[], p_content bytea[],
    p_reply bytea[], p_problems text[]
) RETURNS TABLE (id uuid, first_id uuid, reply bytea, conflict boolean)
LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE
    inserted uuid[];
    conflicts boolean[];
BEGIN
    PERFORM set_config('app.current_tenant', p_tenant::text, true);
    INSERT INTO lane AS l (tenant_id, id, kind, name, pending)
        SELECT p_tenant, x.lane, 'inbound', p_format, count(*)
        FROM unnest(p_lane, p_status) AS x(lane, status) WHERE x.status = 'RECEIVED'
        GROUP BY x.lane ORDER BY x.lane
        ON CONFLICT (tenant_id, id) DO UPDATE SET pending = l.pending + excluded.pending;
    WITH kept AS (
        INSERT INTO message AS m (tenant_id, id, direction, format, channel_id, channel_version, lane_id, status,
                                  type, control_id, control_key, payload_key, charset, content, reply, problems, conflict)
        SELECT p_tenant, x.id, 'in', p_format, p_channel, p_version, x.lane, x.status, x.type, x.control_id,
               x.control_key, x.payload_key, x.charset, x.content, x.reply, x.problems,
               x.control_key IS NOT NULL AND EXISTS (
                   SELECT 1 FROM message o WHERE o.tenant_id = p_tenant AND o.control_key = x.control_key
                                             AND o.payload_key <> x.payload_key)
        FROM unnest(p_id, p_lane, p_status, p_type, p_control_id, p_control_key, p_payload_key, p_charset, p_content,
                    p_reply, p_problems) WITH ORDINALITY
             AS x(id, lane, status, type, control_id, control_key, payload_key, charset, content, reply, problems, n)
        ORDER BY x.n
        ON CONFLICT (tenant_id, control_key, payload_key) WHERE control_key IS NOT NULL DO NOTHING
        RETURNING m.id, m.conflict
    ) SELECT array_agg(kept.id), array_agg(kept.conflict) INTO inserted, conflicts FROM kept;
    IF coalesce(cardinality(inserted), 0) < cardinality(p_id) THEN
        inserted := coalesce(inserted, '{}');
        UPDATE lane SET pending = pending - d.n
            FROM (SELECT x.lane, count(*) AS n FROM unnest(p_id, p_lane, p_status) AS x(id, lane, status)
                  WHERE x.status = 'RECEIVED' AND NOT x.id = ANY (inserted) GROUP BY x.lane) d
            WHERE lane.tenant_id = p_tenant AND lane.id = d.lane;
        UPDATE message SET receipts = receipts + d.n
            FROM (SELECT x.control_key, x.payload_key, count(*) AS n
                  FROM unnest(p_id, p_control_key, p_payload_key) AS x(id, control_key, payload_key)
                  WHERE NOT x.id = ANY (inserted) GROUP BY 1, 2) d
            WHERE message.tenant_id = p_tenant AND message.control_key = d.control_key
              AND message.payload_key = d.payload_key;
        RETURN QUERY
            SELECT x.id, m.id, m.reply, m.conflict
            FROM unnest(p_id, p_control_key, p_payload_key) AS x(id, control_key, payload_key)
            JOIN message m ON m.tenant_id = p_tenant AND m.control_key = x.control_key
                          AND m.payload_key = x.payload_key
            WHERE NOT x.id = ANY (inserted);
    END IF;
    RETURN QUERY SELECT k.id, k.id, NULL::bytea, k.conflict FROM unnest(inserted, conflicts) AS k(id, conflict);
END $$
"""

KEEP_ONE = """
CREATE FUNCTION ponte_keep_one(
    p_tenant uuid, p_format text, p_channel uuid, p_version bigint, p_id uuid, p_lane bigint, p_status text, p_type text,
    p_control_id text, p_control_key bigint, p_payload_key bigint, p_charset text, p_content bytea, p_reply bytea,
    p_problems text, OUT id uuid, OUT first_id uuid, OUT reply bytea, OUT conflict boolean
) LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan AS $$
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
                              control_id, control_key, payload_key, charset, content, reply, problems, conflict)
        VALUES (p_tenant, p_id, 'in', p_format, p_channel, p_version, p_lane, p_status, p_type, p_control_id, p_control_key,
                p_payload_key, p_charset, p_content, p_reply, p_problems,
                p_control_key IS NOT NULL AND EXISTS (
                    SELECT 1 FROM message o WHERE o.tenant_id = p_tenant AND o.control_key = p_control_key
                                              AND o.payload_key <> p_payload_key))
        ON CONFLICT (tenant_id, control_key, payload_key) WHERE control_key IS NOT NULL DO NOTHING
        RETURNING m.id, m.conflict INTO first_id, conflict;
    IF FOUND THEN
        RETURN;
    END IF;
    IF p_status = 'RECEIVED' THEN
        UPDATE lane SET pending = pending - 1 WHERE lane.tenant_id = p_tenant AND lane.id = p_lane;
    END IF;
    UPDATE message AS m SET receipts = receipts + 1
        WHERE m.tenant_id = p_tenant AND m.control_key = p_control_key AND m.payload_key = p_payload_key
        RETURNING m.id, m.reply, m.conflict INTO first_id, reply, conflict;
END $$
"""

# One round trip tells a door which channels of many tenants exist now, in which version.
CHANNELS = """
CREATE FUNCTION ponte_channels(p_tenants uuid[])
RETURNS TABLE (tenant uuid, id uuid, name text, door text, version bigint, active boolean, settings text)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    one uuid;
BEGIN
    FOREACH one IN ARRAY p_tenants LOOP
        PERFORM set_config('app.current_tenant', one::text, true);
        RETURN QUERY SELECT one, c.id, c.name, c.door, c.version, c.active, c.settings FROM channel c
                     WHERE c.tenant_id = one ORDER BY c.name;
    END LOOP;
END $$
"""


def upgrade() -> None:
    role = context.config.attributes.get("application_role", "ponte_app")
    op.create_table(
        "channel_version",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("channel_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("door", sa.Text(), nullable=False),
        sa.Column("settings", sa.Text(), server_default="{}", nullable=False),
        sa.Column("note", sa.Text(), server_default="", nullable=False),
        sa.Column("actor", sa.Text(), server_default="", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "channel_id"], ["channel.tenant_id", "channel.id"], name="channel_version_channel_fk"
        ),
        sa.PrimaryKeyConstraint("tenant_id", "channel_id", "version", name="channel_version_pk"),
    )
    op.execute("ALTER TABLE channel NO FORCE ROW LEVEL SECURITY")  # the owner copies what every tenant has
    op.execute(
        "INSERT INTO channel_version (tenant_id, channel_id, version, door, settings) "
        "SELECT tenant_id, id, version, door, settings FROM channel"
    )
    op.execute("ALTER TABLE channel FORCE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE channel_version ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE channel_version FORCE ROW LEVEL SECURITY")
    op.execute(
        f"CREATE POLICY tenant ON channel_version USING (tenant_id = {CONTEXT}) WITH CHECK (tenant_id = {CONTEXT})"
    )
    op.execute(f"GRANT SELECT, INSERT ON channel_version TO {role}")
    op.add_column("message", sa.Column("channel_version", sa.BigInteger(), nullable=True))
    op.execute("DROP FUNCTION ponte_keep_one")
    op.execute("DROP FUNCTION ponte_keep")
    op.execute(KEEP)
    op.execute(KEEP_ONE)
    op.execute(CHANNELS)


def downgrade() -> None:
    raise NotImplementedError("restore the backup taken before the upgrade")
