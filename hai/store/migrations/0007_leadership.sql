-- Who leads: each leader has a number of its own, its term. `beats` grows while it lives.
CREATE TABLE leadership (
    only_one boolean PRIMARY KEY CHECK (only_one),
    term     bigint NOT NULL,
    beats    bigint NOT NULL,
    holder   text NOT NULL
);
INSERT INTO leadership VALUES (true, 1, 0, '');

-- Whether somebody takes the platform down: it holds for a while from each renewal on.
CREATE TABLE pause (
    only_one boolean PRIMARY KEY CHECK (only_one),
    renewals bigint NOT NULL,
    is_on    boolean NOT NULL
);
INSERT INTO pause VALUES (true, 0, false);

-- Lets pass who does not claim to lead, and who does lead. A session claims it by `hai.term`. The
-- lock is held until the end of the transaction, and a new term waits for it: so no write of a
-- former leader comes after the first read of the next one.
CREATE FUNCTION fence() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    claimed text := current_setting('hai.term', true);
BEGIN
    IF coalesce(claimed, '') = '' THEN
        RETURN;
    END IF;
    PERFORM pg_advisory_xact_lock_shared(7420, 4);
    IF claimed::bigint <> (SELECT term FROM leadership) THEN
        RAISE EXCEPTION 'another process leads now' USING ERRCODE = 'HA001';
    END IF;
END;
$$;

-- As before, and everybody who takes it passes the fence.
CREATE OR REPLACE FUNCTION ledger_lock() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(7420, 1);
    PERFORM fence();
END;
$$;
