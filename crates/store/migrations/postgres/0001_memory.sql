-- Times are microseconds since the Unix epoch.

-- What the fleet has learned about an orchestrator.
CREATE TABLE remembered_orchestrator (
    address TEXT COLLATE "C" PRIMARY KEY NOT NULL,
    latency_permille BIGINT NOT NULL CHECK (latency_permille BETWEEN 0 AND 4294967295),
    success_permille BIGINT NOT NULL CHECK (success_permille BETWEEN 0 AND 4294967295),
    round_trip_micros BIGINT NOT NULL CHECK (round_trip_micros BETWEEN 0 AND 4294967295),
    demoted_until BIGINT,
    offences BIGINT NOT NULL CHECK (offences BETWEEN 0 AND 4294967295),
    learned BIGINT NOT NULL
);

CREATE INDEX remembered_orchestrator_by_learned ON remembered_orchestrator (learned);

-- The number that a stream's next segment gets at least.
CREATE TABLE next_sequence (
    stream TEXT COLLATE "C" PRIMARY KEY NOT NULL,
    number BIGINT NOT NULL CHECK (number >= 0),
    kept BIGINT NOT NULL
);

CREATE INDEX next_sequence_by_kept ON next_sequence (kept);

-- Proof that an orchestrator returned wrong work. An id is never given twice.
CREATE TABLE evidence (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    orchestrator TEXT COLLATE "C" NOT NULL,
    at BIGINT NOT NULL,
    stream TEXT COLLATE "C" NOT NULL,
    sequence BIGINT NOT NULL CHECK (sequence >= 0),
    rendition TEXT COLLATE "C" NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    detail TEXT COLLATE "C" NOT NULL
);

-- Apart from the proofs, so that looking through these touches no image.
CREATE TABLE evidence_picture (
    evidence BIGINT NOT NULL REFERENCES evidence (id) ON DELETE CASCADE,
    position BIGINT NOT NULL CHECK (position >= 0),
    image BYTEA NOT NULL,
    PRIMARY KEY (evidence, position)
);
