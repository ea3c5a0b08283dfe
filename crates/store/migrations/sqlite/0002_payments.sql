-- Amounts are exact fractions of wei, as text: '-3/2', or '7' where whole. Times are microseconds since
-- the Unix epoch.

-- One row for each payment; the columns from `ending` on are empty while it is in flight.
CREATE TABLE payment (
    id INTEGER PRIMARY KEY NOT NULL CHECK (id >= 0),
    at INTEGER NOT NULL,
    stream TEXT NOT NULL,
    owner TEXT,
    sequence INTEGER NOT NULL CHECK (sequence >= 0),
    attempt INTEGER NOT NULL CHECK (attempt >= 0),
    orchestrator TEXT NOT NULL,
    recipient BLOB NOT NULL CHECK (length(recipient) = 20),
    session TEXT NOT NULL,
    price TEXT NOT NULL,
    estimated_pixels INTEGER NOT NULL CHECK (estimated_pixels >= 0),
    carried TEXT NOT NULL,
    tickets INTEGER NOT NULL CHECK (tickets >= 0),
    added TEXT NOT NULL,
    recipient_rand_hash BLOB CHECK (length(recipient_rand_hash) = 32),
    last_nonce INTEGER CHECK (last_nonce >= 0),
    expiration_block INTEGER CHECK (expiration_block >= 0),
    ending TEXT CHECK (ending IN ('withdrawn', 'no_answer', 'failed', 'done')),
    settled_at INTEGER,
    pixels INTEGER CHECK (pixels >= 0),
    returned TEXT,
    debited TEXT,
    written_off TEXT,
    in_doubt TEXT
) STRICT;

CREATE INDEX payment_in_flight ON payment (id) WHERE ending IS NULL;

-- Sessions whose account is closed, and what was left on it.
CREATE TABLE closed_account (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    recipient BLOB NOT NULL CHECK (length(recipient) = 20),
    session TEXT NOT NULL,
    remainder TEXT NOT NULL
) STRICT;

-- The highest nonce used with each hash.
CREATE TABLE nonce_mark (
    recipient_rand_hash BLOB PRIMARY KEY NOT NULL CHECK (length(recipient_rand_hash) = 32),
    last_nonce INTEGER NOT NULL CHECK (last_nonce >= 0),
    expiration_block INTEGER NOT NULL CHECK (expiration_block >= 0),
    used INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX nonce_mark_by_use ON nonce_mark (used);

-- What tickets were worth that left the house, by minutes since the Unix epoch, for the last days.
-- No owner is an empty one.
CREATE TABLE spent_minute (
    minute INTEGER NOT NULL,
    stream TEXT NOT NULL,
    owner TEXT NOT NULL,
    spent TEXT NOT NULL,
    PRIMARY KEY (minute, stream, owner)
) STRICT, WITHOUT ROWID;

-- The same for all time, those minutes included, and the last minute in which something was spent.
CREATE TABLE spent_total (
    stream TEXT NOT NULL,
    owner TEXT NOT NULL,
    minute INTEGER NOT NULL,
    spent TEXT NOT NULL,
    PRIMARY KEY (stream, owner)
) STRICT, WITHOUT ROWID;

CREATE INDEX spent_total_by_minute ON spent_total (minute);

-- Where the money of a day's payments went. A day is that of the payment, in days since the Unix epoch.
-- Of several parts, each adds up by itself; there is a second one where the first has no room.
CREATE TABLE day_sum (
    day INTEGER NOT NULL,
    stream TEXT NOT NULL,
    orchestrator TEXT NOT NULL,
    part INTEGER NOT NULL,
    attempts INTEGER NOT NULL CHECK (attempts >= 0),
    segments INTEGER NOT NULL CHECK (segments >= 0),
    pixels INTEGER NOT NULL CHECK (pixels >= 0),
    tickets INTEGER NOT NULL CHECK (tickets >= 0),
    sent TEXT NOT NULL,
    debited TEXT NOT NULL,
    written_off TEXT NOT NULL,
    in_doubt TEXT NOT NULL,
    in_flight TEXT NOT NULL,
    remainder TEXT NOT NULL,
    PRIMARY KEY (day, stream, orchestrator, part)
) STRICT, WITHOUT ROWID;
