-- What tickets were worth that left the house, by minutes, is kept for the last days only; this is what came
-- before. The table of before counted those minutes too, and no release that pays has filled it.
DROP TABLE spent_total;

CREATE TABLE spent_before (
    stream TEXT COLLATE "C" NOT NULL,
    owner TEXT COLLATE "C" NOT NULL,
    minute BIGINT NOT NULL,
    spent TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (stream, owner)
);

CREATE INDEX spent_before_by_minute ON spent_before (minute);
