-- name: add_door_code
-- A code for a visit; no row when the token is gone or its user has too many visits.
WITH late AS (
    DELETE FROM door_visits WHERE expires_at <= %(now)s::timestamptz
)
INSERT INTO door_visits (hash, is_code, token, user_name, task_id, service, origin, expires_at)
SELECT %(hash)s, true, t.id, t.user_name, %(task_id)s, %(service)s, %(origin)s,
       %(expires_at)s::timestamptz
  FROM tokens t
 WHERE t.hash = %(token_hash)s AND t.user_name = %(user)s
   AND (SELECT count(*) FROM door_visits v
         WHERE v.user_name = t.user_name AND v.expires_at > %(now)s::timestamptz) < %(most)s
RETURNING hash;

-- name: enter_door
-- A code becomes a session. Whoever deletes it has it; no row for everybody else.
WITH used AS (
    DELETE FROM door_visits
     WHERE hash = %(code_hash)s AND is_code AND origin = %(origin)s
       AND expires_at > %(now)s::timestamptz
    RETURNING token, user_name, task_id, service, origin
)
INSERT INTO door_visits (hash, is_code, token, user_name, task_id, service, origin, expires_at)
SELECT %(hash)s, false, token, user_name, task_id, service, origin, %(until)s::timestamptz
  FROM used
RETURNING user_name, task_id, service, origin, extract(epoch FROM expires_at)::double precision;

-- name: door_visit
-- What a session stands for, as long as its token is good, its user active and its task not over.
SELECT v.user_name, v.task_id, v.service, v.origin,
       extract(epoch FROM v.expires_at)::double precision
  FROM door_visits v
  JOIN tokens t ON t.id = v.token
  JOIN users u ON u.name = v.user_name
  JOIN tasks k ON k.id = v.task_id
 WHERE v.hash = %(hash)s AND NOT v.is_code AND v.expires_at > %(now)s::timestamptz
   AND (t.expires_at IS NULL OR t.expires_at > %(now)s::timestamptz)
   AND u.active AND k.ended_at IS NULL;

-- name: leave_door
-- The end of a session.
DELETE FROM door_visits WHERE hash = %(hash)s AND NOT is_code RETURNING hash;

-- name: take_door_port
-- The port that a service has, else one of its user's former ones, else a new one, else one that was
-- another user's long ago. No row when none is free, or when somebody else took it meanwhile.
WITH chosen AS (
    SELECT c.port
      FROM unnest(%(ports)s::int[]) AS c (port)
      LEFT JOIN door_ports d ON d.port = c.port
      LEFT JOIN tasks k ON k.id = d.task_id AND k.ended_at IS NULL
     WHERE d.port IS NULL
        OR (d.task_id = %(task_id)s AND d.service = %(service)s)
        OR (k.id IS NULL AND (d.user_name = %(user)s OR d.used_at < %(before)s::timestamptz))
     ORDER BY (d.task_id = %(task_id)s AND d.service = %(service)s) DESC NULLS LAST,
              (d.user_name = %(user)s) DESC NULLS LAST, d.used_at NULLS FIRST, c.port
     LIMIT 1
)
INSERT INTO door_ports (port, user_name, task_id, service, used_at)
SELECT port, %(user)s, %(task_id)s, %(service)s, %(now)s::timestamptz FROM chosen
    ON CONFLICT (port) DO UPDATE
       SET user_name = excluded.user_name, task_id = excluded.task_id,
           service = excluded.service, used_at = excluded.used_at
     WHERE (door_ports.task_id = excluded.task_id AND door_ports.service = excluded.service)
        OR NOT EXISTS (SELECT FROM tasks k
                        WHERE k.id = door_ports.task_id AND k.ended_at IS NULL)
RETURNING port;

-- name: door_ports
-- Ports of tasks that have not ended.
SELECT d.port, d.task_id, d.service
  FROM door_ports d JOIN tasks k ON k.id = d.task_id
 WHERE k.ended_at IS NULL
 ORDER BY d.port;
