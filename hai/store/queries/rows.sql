-- name: memberships
-- Who is in which group, by member and group.
SELECT member, group_name FROM memberships ORDER BY member, group_name;

-- name: allowances
-- All allowances by owner and resource.
SELECT owner, resource, amount, expires_at FROM allowances ORDER BY owner, resource;

-- name: images
-- All images by name.
SELECT name, ref, variables, python FROM images ORDER BY name;

-- name: storage
-- All rows of storage by name.
SELECT name, source, mount_path, kind, host_path_type, sub_path, owners, conditions, read_only,
       removes, active
  FROM storage ORDER BY name;

-- name: hosts
-- What was written about nodes, by node.
SELECT node, gpus, group_name, zone, room, flags FROM hosts ORDER BY node;

-- name: put_rows
-- Insert or replace rows of any kind, with an event.
WITH locked AS MATERIALIZED (
    SELECT ledger_lock()
), logged AS (
    INSERT INTO events (at, kind, actor, task_id, user_name, why, data)
    SELECT e.at, e.kind, e.actor, e.task_id, e.user_name, e.why, e.data
      FROM locked CROSS JOIN json_populate_recordset(NULL::events, %(events)s::json) AS e
), put_users AS (
    INSERT INTO users (name, role, uid, active, created_at, gid, nick_name, team)
    SELECT r.name, r.role, r.uid, r.active, r.created_at, r.gid, r.nick_name, r.team
      FROM locked CROSS JOIN json_populate_recordset(NULL::users, %(users)s::json) AS r
        ON CONFLICT (name) DO UPDATE
       SET role = excluded.role, uid = excluded.uid, active = excluded.active,
           gid = excluded.gid, nick_name = excluded.nick_name, team = excluded.team
), put_tokens AS (
    INSERT INTO tokens (id, hash, user_name, label, created_at, expires_at)
    SELECT r.id, r.hash, r.user_name, r.label, r.created_at, r.expires_at
      FROM locked CROSS JOIN json_populate_recordset(NULL::tokens, %(tokens)s::json) AS r
        ON CONFLICT DO NOTHING
), put_memberships AS (
    INSERT INTO memberships (member, group_name)
    SELECT r.member, r.group_name
      FROM locked
     CROSS JOIN json_populate_recordset(NULL::memberships, %(memberships)s::json) AS r
        ON CONFLICT DO NOTHING
), put_quotas AS (
    INSERT INTO quotas (user_name, group_name, priority, nodes)
    SELECT r.user_name, r.group_name, r.priority, r.nodes
      FROM locked CROSS JOIN json_populate_recordset(NULL::quotas, %(quotas)s::json) AS r
        ON CONFLICT (user_name, group_name, priority) DO UPDATE SET nodes = excluded.nodes
), put_allowances AS (
    INSERT INTO allowances (owner, resource, amount, expires_at)
    SELECT r.owner, r.resource, r.amount, r.expires_at
      FROM locked CROSS JOIN json_populate_recordset(NULL::allowances, %(allowances)s::json) AS r
        ON CONFLICT (owner, resource) DO UPDATE
       SET amount = excluded.amount, expires_at = excluded.expires_at
), put_images AS (
    INSERT INTO images (name, ref, variables, python)
    SELECT r.name, r.ref, r.variables, r.python
      FROM locked CROSS JOIN json_populate_recordset(NULL::images, %(images)s::json) AS r
        ON CONFLICT (name) DO UPDATE
       SET ref = excluded.ref, variables = excluded.variables, python = excluded.python
), put_storage AS (
    INSERT INTO storage (name, source, mount_path, kind, host_path_type, sub_path, owners,
                         conditions, read_only, removes, active)
    SELECT r.name, r.source, r.mount_path, r.kind, r.host_path_type, r.sub_path, r.owners,
           r.conditions, r.read_only, r.removes, r.active
      FROM locked CROSS JOIN json_populate_recordset(NULL::storage, %(storage)s::json) AS r
        ON CONFLICT (name) DO UPDATE
       SET source = excluded.source, mount_path = excluded.mount_path, kind = excluded.kind,
           host_path_type = excluded.host_path_type, sub_path = excluded.sub_path,
           owners = excluded.owners, conditions = excluded.conditions,
           read_only = excluded.read_only, removes = excluded.removes, active = excluded.active
), put_hosts AS (
    INSERT INTO hosts (node, gpus, group_name, zone, room, flags)
    SELECT r.node, r.gpus, r.group_name, r.zone, r.room, r.flags
      FROM locked CROSS JOIN json_populate_recordset(NULL::hosts, %(hosts)s::json) AS r
        ON CONFLICT (node) DO UPDATE
       SET gpus = excluded.gpus, group_name = excluded.group_name, zone = excluded.zone,
           room = excluded.room, flags = excluded.flags
)
SELECT 1 FROM locked;

-- name: remove_image
-- Forget an image and who may use it, with an event; no row when there is none.
WITH locked AS MATERIALIZED (
    SELECT ledger_lock()
), removed AS (
    DELETE FROM images USING locked WHERE name = %(name)s RETURNING name
), allowed AS (
    DELETE FROM allowances USING removed WHERE resource = 'train_environment:' || removed.name
), logged AS (
    INSERT INTO events (at, kind, actor, task_id, user_name, why, data)
    SELECT e.at, e.kind, e.actor, e.task_id, e.user_name, e.why, e.data
      FROM removed CROSS JOIN json_populate_recordset(NULL::events, %(events)s::json) AS e
)
SELECT name FROM removed;

-- name: remove_storage
-- Forget a row of storage, with an event; no row when there is none.
WITH locked AS MATERIALIZED (
    SELECT ledger_lock()
), removed AS (
    DELETE FROM storage USING locked WHERE name = %(name)s RETURNING name
), logged AS (
    INSERT INTO events (at, kind, actor, task_id, user_name, why, data)
    SELECT e.at, e.kind, e.actor, e.task_id, e.user_name, e.why, e.data
      FROM removed CROSS JOIN json_populate_recordset(NULL::events, %(events)s::json) AS e
)
SELECT name FROM removed;

-- name: remove_allowance
-- Forget an allowance, with an event; no row when there is none.
WITH locked AS MATERIALIZED (
    SELECT ledger_lock()
), removed AS (
    DELETE FROM allowances USING locked
     WHERE owner = %(owner)s AND resource = %(resource)s RETURNING owner
), logged AS (
    INSERT INTO events (at, kind, actor, task_id, user_name, why, data)
    SELECT e.at, e.kind, e.actor, e.task_id, e.user_name, e.why, e.data
      FROM removed CROSS JOIN json_populate_recordset(NULL::events, %(events)s::json) AS e
)
SELECT owner FROM removed;

-- name: remove_membership
-- Take a member out of a group, with an event; no row when it was not in it.
WITH locked AS MATERIALIZED (
    SELECT ledger_lock()
), removed AS (
    DELETE FROM memberships USING locked
     WHERE member = %(member)s AND group_name = %(group)s RETURNING member
), logged AS (
    INSERT INTO events (at, kind, actor, task_id, user_name, why, data)
    SELECT e.at, e.kind, e.actor, e.task_id, e.user_name, e.why, e.data
      FROM removed CROSS JOIN json_populate_recordset(NULL::events, %(events)s::json) AS e
)
SELECT member FROM removed;
