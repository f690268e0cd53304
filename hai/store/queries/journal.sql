-- name: append_journal
-- Add a record to the decision ledger.
INSERT INTO journal (at, kind, policy, digest, body)
VALUES (%(at)s::timestamptz, %(kind)s, %(policy)s, %(digest)s, %(body)s::bytea)
RETURNING id;

-- name: journal
-- Records after a cursor up to a time, from the last snapshot before the first time on.
SELECT id, at, kind, policy, digest, body
  FROM journal
 WHERE id > %(after)s::bigint AND at <= %(until)s::timestamptz
   AND id >= coalesce(
        (SELECT id FROM journal WHERE kind = 'snapshot' AND at <= %(since)s::timestamptz
          ORDER BY at DESC, id DESC LIMIT 1), 0)
 ORDER BY id LIMIT %(limit)s::bigint;

-- name: prune_journal
-- Forget what is older than a time, but for the snapshot that later records build on.
DELETE FROM journal
 WHERE id < (SELECT max(id) FROM journal WHERE kind = 'snapshot' AND at <= %(before)s::timestamptz)
RETURNING id;
