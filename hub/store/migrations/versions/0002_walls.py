"""The walls: row-level security on every tenant table, what the application role may do, and three one-trip functions."""

from __future__ import annotations

from alembic import context, op

revision = "0002"
down_revision = "0001"

GLOBAL_TABLES = ("tenant", "app_user", "signing_key", "terminology")
APPEND_ONLY = ("audit_event", "audit_seal", "resource_version")
CONTEXT = "(select nullif(current_setting('app.current_tenant', true), '')::uuid)"

# One call keeps any number of messages of one tenant durably. The lane is touched before the message gets its
# number, so numbers within a lane follow commit order; a resent message (same control key, same payload) changes
# nothing but its count of receipts, and the first answer is returned.
KEEP = """
CREATE FUNCTION ponte_keep(
    p_tenant uuid, p_format text, p_channel uuid, p_id uuid[], p_lane bigint[], p_status text[], p_type text[],
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
        INSERT INTO message AS m (tenant_id, id, direction, format, channel_id, lane_id, status, type, control_id,
                                  control_key, payload_key, charset, content, reply, problems, conflict)
        SELECT p_tenant, x.id, 'in', p_format, p_channel, x.lane, x.status, x.type, x.control_id, x.control_key,
               x.payload_key, x.charset, x.content, x.reply, x.problems,
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

# The same for a single message, without arrays: what a lone connection waits for.
KEEP_ONE = """
CREATE FUNCTION ponte_keep_one(
    p_tenant uuid, p_format text, p_channel uuid, p_id uuid, p_lane bigint, p_status text, p_type text,
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
    INSERT INTO message AS m (tenant_id, id, direction, format, channel_id, lane_id, status, type, control_id,
                              control_key, payload_key, charset, content, reply, problems, conflict)
        VALUES (p_tenant, p_id, 'in', p_format, p_channel, p_lane, p_status, p_type, p_control_id, p_control_key,
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

READ = """
CREATE FUNCTION ponte_read(p_tenant uuid, p_type text, p_id text)
RETURNS TABLE (version bigint, updated_at timestamptz, deleted boolean, body text)
LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
BEGIN
    PERFORM set_config('app.current_tenant', p_tenant::text, true);
    RETURN QUERY SELECT version, updated_at, deleted, body FROM resource
                 WHERE tenant_id = p_tenant AND type = p_type AND id = p_id;
END $$
"""

# One round trip tells a worker which of many tenants have work, or when their next work falls due.
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
            WHERE l.tenant_id = one AND l.pending > 0 AND NOT l.paused GROUP BY l.kind
            UNION ALL
            SELECT one, 'schedule', min(s.next_fire_at) FROM schedule s
            WHERE s.tenant_id = one AND s.active HAVING min(s.next_fire_at) IS NOT NULL;
    END LOOP;
END $$
"""


def _tables() -> list[str]:
    rows = op.get_bind().exec_driver_sql("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()")
    return sorted(row[0] for row in rows)


def upgrade() -> None:
    role = context.config.attributes.get("application_role", "ponte_app")
    op.execute(f"GRANT USAGE ON SCHEMA public TO {role}")
    for table in _tables():
        if table == "alembic_version":
            op.execute(f"GRANT SELECT ON {table} TO {role}")
            continue
        if table not in GLOBAL_TABLES:
            op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
            op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
            op.execute(
                f"CREATE POLICY tenant ON {table} USING (tenant_id = {CONTEXT}) WITH CHECK (tenant_id = {CONTEXT})"
            )
        rights = "SELECT, INSERT" if table in APPEND_ONLY else "SELECT, INSERT, UPDATE, DELETE"
        op.execute(f"GRANT {rights} ON {table} TO {role}")
    op.execute(f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {role}")
    op.execute(KEEP)
    op.execute(KEEP_ONE)
    op.execute(READ)
    op.execute(DUE)
    for table in ("lane", "message", "delivery", "job", "resource"):
        op.execute(
            f"ALTER TABLE {table} SET (autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02)"
        )
    op.execute("ALTER TABLE lane SET (fillfactor = 70)")
    op.execute("ALTER TABLE message SET (fillfactor = 90)")


def downgrade() -> None:
    op.execute("DROP FUNCTION ponte_due(uuid[])")
    op.execute("DROP FUNCTION ponte_read(uuid, text, text)")
    op.execute("DROP FUNCTION ponte_keep_one")
    op.execute("DROP FUNCTION ponte_keep")
    for table in _tables():
        if table not in (*GLOBAL_TABLES, "alembic_version"):
            op.execute(f"DROP POLICY tenant ON {table}")
            op.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
            op.execute(f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY")
