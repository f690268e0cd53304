-- name: append_journal
-- Add a record to the decision log.
WITH fenced AS MATERIALIZED (
    SELECT fence()
)
INSERT INTO journal (at, kind, policy, digest, body)
SELECT %(at)s::timestamptz, %(kind)s, %(policy)s, %(digest)s, %(body)s::bytea FROM fenced
RETURNING id;

-- name: journal
-- Records after a cursor up to the last one at or before a time, from the last snapshot before the
-- first time on; in the order of writing, for the clock may have jumped meanwhile.
SELECT id, at, kind, policy, digest, body
  FROM journal
 WHERE id > %(after)s::bigint
   AND id <= (SELECT max(id) FROM journal WHERE at <= %(until)s::timestamptz)
   AND id >= coalesce(
        (SELECT max(id) FROM journal
          WHERE kind = 'snapshot' AND at <= %(since)s::timestamptz), 0)
 ORDER BY id LIMIT %(limit)s::bigint;

-- name: prune_journal
-- Forget what younger records make unnecessary: those before the last snapshot from which they tell
-- for long enough. What lies between two snapshots counts for a day at the most.
WITH fenced AS MATERIALIZED (
    SELECT fence()
), spans AS (
    SELECT id, extract(epoch FROM lead(at, 1, (SELECT at FROM journal ORDER BY id DESC LIMIT 1))
                                  OVER (ORDER BY id) - at) AS seconds
      FROM journal WHERE kind = 'snapshot'
), told AS (
    SELECT id, sum(least(greatest(seconds, 0), 86400)) OVER (ORDER BY id DESC) AS seconds
      FROM spans
)
DELETE FROM journal USING fenced
 WHERE id < (SELECT max(id) FROM told WHERE seconds >= %(keep)s::float8)
RETURNING id;
