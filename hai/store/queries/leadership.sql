-- name: try_lease
-- The leader's lease: an advisory lock that lives as long as this connection; and a sign of life of
-- whoever has it.
SELECT pg_try_advisory_lock(7420, 2), beats FROM leadership;

-- name: begin_term
-- Whoever has the lease begins a term, once no write of an earlier one is under way.
WITH alone AS MATERIALIZED (
    SELECT pg_advisory_xact_lock(7420, 4)
)
UPDATE leadership SET term = term + 1, beats = beats + 1, holder = %(holder)s FROM alone
RETURNING term;

-- name: quick_commits
-- A sign of life need not survive a crash of the database.
SELECT set_config('synchronous_commit', 'off', false);

-- name: beat
-- A sign of life of the leader of that term.
UPDATE leadership SET beats = beats + 1 WHERE term = %(term)s::bigint RETURNING term;

-- name: end_holder
-- Cut the connection of a leader that gives no sign of life, which frees its lease.
SELECT pg_terminate_backend(pid)
  FROM pg_locks
 WHERE locktype = 'advisory' AND classid = 7420 AND objid = 2 AND objsubid = 2 AND granted
   AND database = (SELECT oid FROM pg_database WHERE datname = current_database());

-- name: claim_term
-- What this session writes from now on, it writes as the leader of that term.
SELECT set_config('hai.term', %(term)s::text, false);

-- name: renew_pause
-- Begin, renew or end the pause.
UPDATE pause SET renewals = renewals + 1, is_on = %(is_on)s::boolean RETURNING renewals, is_on;

-- name: pause
-- Whether there is a pause, and how often that was said.
SELECT renewals, is_on FROM pause;
