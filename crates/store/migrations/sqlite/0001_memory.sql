-- Times are microseconds since the Unix epoch.

-- What the fleet has learned about an orchestrator.
CREATE TABLE remembered_orchestrator (
    address TEXT PRIMARY KEY NOT NULL,
    latency_permille INTEGER NOT NULL CHECK (latency_permille BETWEEN 0 AND 4294967295),
    success_permille INTEGER NOT NULL CHECK (success_permille BETWEEN 0 AND 4294967295),
    round_trip_micros INTEGER NOT NULL CHECK (round_trip_micros BETWEEN 0 AND 4294967295),
    demoted_until INTEGER,
    offences INTEGER NOT NULL CHECK (offences BETWEEN 0 AND 4294967295),
    learned INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX remembered_orchestrator_by_learned ON remembered_orchestrator (learned);

-- The number that a stream's next segment gets at least.
CREATE TABLE next_sequence (
    stream TEXT PRIMARY KEY NOT NULL,
    number INTEGER NOT NULL CHECK (number >= 0),
    kept INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX next_sequence_by_kept ON next_sequence (kept);

-- Proof that an orchestrator returned wrong work. An id is never given twice.
CREATE TABLE evidence (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    orchestrator TEXT NOT NULL,
    at INTEGER NOT NULL,
    stream TEXT NOT NULL,
    sequence INTEGER NOT NULL CHECK (sequence >= 0),
    rendition TEXT NOT NULL,
    kind TEXT NOT NULL,
    detail TEXT NOT NULL
) STRICT;

-- Apart from the proofs, so that looking through these touches no image.
CREATE TABLE evidence_picture (
    evidence INTEGER NOT NULL REFERENCES evidence (id) ON DELETE CASCADE,
    position INTEGER NOT NULL CHECK (position >= 0),
    image BLOB NOT NULL,
    PRIMARY KEY (evidence, position)
) STRICT;
