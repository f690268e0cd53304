-- The decision ledger: what the planner was given, and what it made of it. A snapshot begins anew;
-- the ticks after it hold every change since. `body` is compressed JSON.
CREATE TABLE journal (
    id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at     timestamptz NOT NULL,
    kind   text NOT NULL,
    policy text NOT NULL,
    digest text NOT NULL,
    body   bytea NOT NULL
);

ALTER TABLE journal ALTER COLUMN body SET STORAGE EXTERNAL;

CREATE INDEX journal_snapshots ON journal (at, id) WHERE kind = 'snapshot';
CREATE INDEX journal_by_time ON journal (at);
