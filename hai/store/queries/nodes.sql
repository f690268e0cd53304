-- name: put_group
-- Insert or replace a group, with an event if that changes anything.
WITH locked AS MATERIALIZED (
    SELECT ledger_lock()
), put AS (
    INSERT INTO groups AS g (name, description)
    SELECT %(name)s, %(description)s FROM locked
        ON CONFLICT (name) DO UPDATE SET description = excluded.description
     WHERE g IS DISTINCT FROM excluded
    RETURNING name
), logged AS (
    INSERT INTO events (at, kind, actor, task_id, user_name, why, data)
    SELECT coalesce(e.at, now()), e.kind, e.actor, e.task_id, e.user_name, e.why, e.data
      FROM json_populate_recordset(NULL::events, %(events)s::json) AS e
     WHERE EXISTS (SELECT 1 FROM put)
)
SELECT name FROM put;

-- name: groups
-- All groups by name.
SELECT name, description FROM groups ORDER BY name;

-- name: put_nodes
-- Insert or replace nodes, with an event if that changes anything; a node that exists keeps
-- its health.
WITH locked AS MATERIALIZED (
    SELECT ledger_lock()
), put AS (
    INSERT INTO nodes AS o
    SELECT n.*
      FROM locked CROSS JOIN json_populate_recordset(NULL::nodes, %(nodes)s::json) AS n
     ORDER BY n.name
        ON CONFLICT (name) DO UPDATE
       SET group_name = excluded.group_name, launcher = excluded.launcher,
           gpus = excluded.gpus, cpus = excluded.cpus, memory_bytes = excluded.memory_bytes,
           leaf = excluded.leaf, zone = excluded.zone
     WHERE (o.group_name, o.launcher, o.gpus, o.cpus, o.memory_bytes, o.leaf, o.zone)
           IS DISTINCT FROM
           (excluded.group_name, excluded.launcher, excluded.gpus, excluded.cpus,
            excluded.memory_bytes, excluded.leaf, excluded.zone)
    RETURNING name
), logged AS (
    INSERT INTO events (at, kind, actor, task_id, user_name, why, data)
    SELECT coalesce(e.at, now()), e.kind, e.actor, e.task_id, e.user_name, e.why, e.data
      FROM json_populate_recordset(NULL::events, %(events)s::json) AS e
     WHERE EXISTS (SELECT 1 FROM put)
)
SELECT name FROM put;

-- name: remove_nodes
-- Forget nodes, with an event if there were any.
WITH locked AS MATERIALIZED (
    SELECT ledger_lock()
), removed AS (
    DELETE FROM nodes USING locked WHERE name = ANY(%(names)s::text[]) RETURNING name
), logged AS (
    INSERT INTO events (at, kind, actor, task_id, user_name, why, data)
    SELECT coalesce(e.at, now()), e.kind, e.actor, e.task_id, e.user_name, e.why, e.data
      FROM json_populate_recordset(NULL::events, %(events)s::json) AS e
     WHERE EXISTS (SELECT 1 FROM removed)
)
SELECT name FROM removed;

-- name: nodes
-- All nodes by name.
SELECT name, group_name, launcher, gpus, cpus, memory_bytes, leaf, zone, health, health_why
  FROM nodes ORDER BY name;

-- name: set_node_health
-- Change a node's health, with an event; no row when there is no such node, or when its
-- health is not `was` any more.
WITH locked AS MATERIALIZED (
    SELECT ledger_lock()
), changed AS (
    UPDATE nodes SET health = %(health)s, health_why = %(why)s
      FROM locked
     WHERE name = %(name)s AND (%(was)s::text IS NULL OR health = %(was)s)
    RETURNING name
), logged AS (
    INSERT INTO events (at, kind, actor, task_id, user_name, why, data)
    SELECT e.at, e.kind, e.actor, e.task_id, e.user_name, e.why, e.data
      FROM changed CROSS JOIN json_populate_recordset(NULL::events, %(events)s::json) AS e
)
SELECT name FROM changed;
