-- What tickets were worth that left the house, by minutes, is kept for the last days only; this is what came
-- before. The table of before counted those minutes too, and no release that pays has filled it.
DROP TABLE spent_total;

CREATE TABLE spent_before (
    stream TEXT NOT NULL,
    owner TEXT NOT NULL,
    minute INTEGER NOT NULL,
    spent TEXT NOT NULL,
    PRIMARY KEY (stream, owner)
) STRICT, WITHOUT ROWID;

CREATE INDEX spent_before_by_minute ON spent_before (minute);
