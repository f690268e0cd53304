-- By which clock the stored times of unfinished tasks count: Unix seconds = base + the seconds that
-- the kernel of that boot has counted. One row, once somebody has led.
CREATE TABLE timebase (
    only_one boolean PRIMARY KEY CHECK (only_one),
    boot     text NOT NULL,
    base     double precision NOT NULL
);
