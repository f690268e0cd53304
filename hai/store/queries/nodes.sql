-- name: put_group
-- Insert or replace a group.
INSERT INTO groups (name, description) VALUES (%(name)s, %(description)s)
    ON CONFLICT (name) DO UPDATE SET description = excluded.description
RETURNING name;

-- name: groups
-- All groups by name.
SELECT name, description FROM groups ORDER BY name;

-- name: put_nodes
-- Insert or replace nodes; a node that exists keeps its health.
INSERT INTO nodes
SELECT n.* FROM json_populate_recordset(NULL::nodes, %(nodes)s::json) AS n
 ORDER BY n.name
    ON CONFLICT (name) DO UPDATE
   SET group_name = excluded.group_name, launcher = excluded.launcher, gpus = excluded.gpus,
       cpus = excluded.cpus, memory_bytes = excluded.memory_bytes, leaf = excluded.leaf,
       zone = excluded.zone
RETURNING name;

-- name: remove_nodes
-- Forget nodes.
DELETE FROM nodes WHERE name = ANY(%(names)s::text[]) RETURNING name;

-- name: nodes
-- All nodes by name.
SELECT name, group_name, launcher, gpus, cpus, memory_bytes, leaf, zone, health, health_why
  FROM nodes ORDER BY name;

-- name: set_node_health
-- Change a node's health, with a ledger line; no row when there is no such node.
WITH locked AS MATERIALIZED (
    SELECT ledger_lock()
), changed AS (
    UPDATE nodes SET health = %(health)s, health_why = %(why)s
      FROM locked WHERE name = %(name)s
    RETURNING name
), logged AS (
    INSERT INTO events (at, kind, actor, task_id, user_name, why, data)
    SELECT e.at, e.kind, e.actor, e.task_id, e.user_name, e.why, e.data
      FROM changed CROSS JOIN json_populate_recordset(NULL::events, %(events)s::json) AS e
)
SELECT name FROM changed;
