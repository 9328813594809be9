"""Keeping a message that is new costs less: it is looked for first, and then inserted without any conflict to settle.

What races for one control id is in turn already (0008), so the look is certain. A lane that is there is updated; only a
new one is inserted. Resends and conflicts go on as before, and only they are told of.
"""

from __future__ import annotations

from alembic import op

revision = "0021"
down_revision = "0020"

COLUMNS = """tenant_id, id, direction, format, channel_id, channel_version, lane_id, status, type, control_id,
             control_key, sender_key, payload_key, charset, content, reply, problems, owes"""
ROW = """p_tenant, p_id, 'in', p_format, p_channel, p_version, p_lane, p_status, p_type, p_control_id,
             p_control_key, p_sender_key, p_payload_key, p_charset, p_content, p_reply, p_problems, p_owes"""
ROWS = """p_tenant, x.id, 'in', p_format, p_channel, p_version, x.lane, x.status, x.type, x.control_id,
             x.control_key, x.sender_key, x.payload_key, x.charset, x.content, x.reply, x.problems, x.owes"""
FROM = """unnest(p_id, p_lane, p_status, p_type, p_control_id, p_control_key, p_sender_key, p_payload_key, p_charset,
                 p_content, p_reply, p_problems, p_owes)
             AS x(id, lane, status, type, control_id, control_key, sender_key, payload_key, charset, content, reply,
                  problems, owes)"""

# As in 0008. Returns the messages of the group that are resends or conflicts; the others are new, and kept.
KEEP = f"""
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
    PERFORM pg_advisory_xact_lock(k.id) FROM (
        SELECT DISTINCT hashtextextended(x.control_id, coalesce(x.sender_key, x.control_key)) AS id
        FROM unnest(p_control_id, p_control_key, p_sender_key) AS x(control_id, control_key, sender_key)
        WHERE x.control_key IS NOT NULL ORDER BY 1) k;
    PERFORM 1 FROM unnest(p_control_id, p_control_key, p_sender_key) AS x(control_id, control_key, sender_key)
        CROSS JOIN LATERAL (
            SELECT 1 FROM message o
            WHERE o.tenant_id = p_tenant AND o.control_id = x.control_id
              AND (o.control_key = x.control_key OR o.sender_key = x.sender_key) LIMIT 1) found
        WHERE x.control_key IS NOT NULL LIMIT 1;
    IF NOT FOUND THEN
        INSERT INTO message ({COLUMNS}) SELECT {ROWS} FROM {FROM};
        RETURN;
    END IF;
    WITH kept AS (
        INSERT INTO message AS m ({COLUMNS}, conflict)
        SELECT {ROWS},
               x.control_key IS NOT NULL AND EXISTS (
                   SELECT 1 FROM message o WHERE o.tenant_id = p_tenant AND o.control_id = x.control_id
                                             AND o.control_key <> x.control_key AND o.sender_key = x.sender_key)
        FROM {FROM}
        ON CONFLICT (tenant_id, control_id, control_key) DO NOTHING
        RETURNING m.id, m.conflict
    ) SELECT array_agg(kept.id), array_agg(kept.conflict) INTO inserted, conflicts FROM kept;
    inserted := coalesce(inserted, '{{}}');
    IF cardinality(inserted) < cardinality(p_id) THEN
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
        SELECT k.id, k.id, NULL::text, NULL::bytea, k.conflict
        FROM unnest(inserted, conflicts) AS k(id, conflict) WHERE k.conflict;
END $$
"""

# The same for a single message, without arrays: what a lone connection waits for. NULL for a new one without a conflict;
# else its first id, status and answer, and whether its control id came with other bytes. To be called as a value: as
# a table it would cost a third more.
KEEP_ONE = f"""
CREATE FUNCTION ponte_keep_one(
    p_tenant uuid, p_format text, p_channel uuid, p_version bigint, p_id uuid, p_lane bigint, p_status text,
    p_type text, p_control_id text, p_control_key bigint, p_sender_key bigint, p_payload_key bigint, p_charset text,
    p_content bytea, p_reply bytea, p_problems text, p_owes text
) RETURNS record LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    context text := set_config('app.current_tenant', p_tenant::text, true);
    earlier record;
BEGIN
    IF p_status = 'RECEIVED' THEN
        UPDATE lane SET pending = pending + 1 WHERE lane.tenant_id = p_tenant AND lane.id = p_lane;
        IF NOT FOUND THEN
            INSERT INTO lane AS l (tenant_id, id, kind, name, pending) VALUES (p_tenant, p_lane, 'inbound', p_format, 1)
                ON CONFLICT (tenant_id, id) DO UPDATE SET pending = l.pending + 1;
        END IF;
    END IF;
    IF p_control_key IS NOT NULL THEN
        context := pg_advisory_xact_lock(hashtextextended(p_control_id, coalesce(p_sender_key, p_control_key)));
        PERFORM 1 FROM message o
            WHERE o.tenant_id = p_tenant AND o.control_id = p_control_id
              AND (o.control_key = p_control_key OR o.sender_key = p_sender_key);
        IF FOUND THEN
            UPDATE message AS m SET receipts = receipts + 1
                WHERE m.tenant_id = p_tenant AND m.control_id = p_control_id AND m.control_key = p_control_key
                RETURNING m.id, m.status, m.reply, m.conflict INTO earlier;
            IF FOUND THEN
                IF p_status = 'RECEIVED' THEN
                    UPDATE lane SET pending = pending - 1 WHERE lane.tenant_id = p_tenant AND lane.id = p_lane;
                END IF;
                INSERT INTO receipt (tenant_id, id, message_id) VALUES (p_tenant, p_id, earlier.id);
                RETURN earlier;
            END IF;
            INSERT INTO message ({COLUMNS}, conflict) VALUES ({ROW}, true);
            earlier := ROW(p_id, NULL::text, NULL::bytea, true);
            RETURN earlier;
        END IF;
    END IF;
    INSERT INTO message ({COLUMNS}) VALUES ({ROW});
    RETURN NULL;
END $$
"""


def upgrade() -> None:
    """The functions anew."""
    op.execute("DROP FUNCTION ponte_keep_one")
    op.execute("DROP FUNCTION ponte_keep")
    op.execute(KEEP)
    op.execute(KEEP_ONE)


def downgrade() -> None:
    """Not offered."""
    raise NotImplementedError("restore the backup taken before the upgrade")
