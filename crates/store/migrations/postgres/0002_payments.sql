-- Amounts are exact fractions of wei, as text: '-3/2', or '7' where whole. Times are microseconds since
-- the Unix epoch.

-- One row for each payment; the columns from `ending` on are empty while it is in flight.
CREATE TABLE payment (
    id BIGINT PRIMARY KEY NOT NULL CHECK (id >= 0),
    at BIGINT NOT NULL,
    stream TEXT COLLATE "C" NOT NULL,
    owner TEXT COLLATE "C",
    sequence BIGINT NOT NULL CHECK (sequence >= 0),
    attempt BIGINT NOT NULL CHECK (attempt >= 0),
    orchestrator TEXT COLLATE "C" NOT NULL,
    recipient BYTEA NOT NULL CHECK (length(recipient) = 20),
    session TEXT COLLATE "C" NOT NULL,
    price TEXT COLLATE "C" NOT NULL,
    estimated_pixels BIGINT NOT NULL CHECK (estimated_pixels >= 0),
    carried TEXT COLLATE "C" NOT NULL,
    tickets BIGINT NOT NULL CHECK (tickets >= 0),
    added TEXT COLLATE "C" NOT NULL,
    recipient_rand_hash BYTEA CHECK (length(recipient_rand_hash) = 32),
    last_nonce BIGINT CHECK (last_nonce >= 0),
    expiration_block BIGINT CHECK (expiration_block >= 0),
    ending TEXT COLLATE "C" CHECK (ending IN ('withdrawn', 'no_answer', 'failed', 'done')),
    settled_at BIGINT,
    pixels BIGINT CHECK (pixels >= 0),
    returned TEXT COLLATE "C",
    debited TEXT COLLATE "C",
    written_off TEXT COLLATE "C",
    in_doubt TEXT COLLATE "C"
);

CREATE INDEX payment_in_flight ON payment (id) WHERE ending IS NULL;

-- Sessions whose account is closed, and what was left on it.
CREATE TABLE closed_account (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at BIGINT NOT NULL,
    recipient BYTEA NOT NULL CHECK (length(recipient) = 20),
    session TEXT COLLATE "C" NOT NULL,
    remainder TEXT COLLATE "C" NOT NULL
);

-- The highest nonce used with each hash.
CREATE TABLE nonce_mark (
    recipient_rand_hash BYTEA PRIMARY KEY NOT NULL CHECK (length(recipient_rand_hash) = 32),
    last_nonce BIGINT NOT NULL CHECK (last_nonce >= 0),
    expiration_block BIGINT NOT NULL CHECK (expiration_block >= 0),
    used BIGINT NOT NULL
);

CREATE INDEX nonce_mark_by_use ON nonce_mark (used);

-- What tickets were worth that left the house, by minutes since the Unix epoch, for the last days.
-- No owner is an empty one.
CREATE TABLE spent_minute (
    minute BIGINT NOT NULL,
    stream TEXT COLLATE "C" NOT NULL,
    owner TEXT COLLATE "C" NOT NULL,
    spent TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (minute, stream, owner)
);

-- The same for all time, those minutes included, and the last minute in which something was spent.
CREATE TABLE spent_total (
    stream TEXT COLLATE "C" NOT NULL,
    owner TEXT COLLATE "C" NOT NULL,
    minute BIGINT NOT NULL,
    spent TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (stream, owner)
);

CREATE INDEX spent_total_by_minute ON spent_total (minute);

-- Where the money of a day's payments went. A day is that of the payment, in days since the Unix epoch.
-- Of several parts, each adds up by itself; there is a second one where the first has no room.
CREATE TABLE day_sum (
    day BIGINT NOT NULL,
    stream TEXT COLLATE "C" NOT NULL,
    orchestrator TEXT COLLATE "C" NOT NULL,
    part BIGINT NOT NULL,
    attempts BIGINT NOT NULL CHECK (attempts >= 0),
    segments BIGINT NOT NULL CHECK (segments >= 0),
    pixels BIGINT NOT NULL CHECK (pixels >= 0),
    tickets BIGINT NOT NULL CHECK (tickets >= 0),
    sent TEXT COLLATE "C" NOT NULL,
    debited TEXT COLLATE "C" NOT NULL,
    written_off TEXT COLLATE "C" NOT NULL,
    in_doubt TEXT COLLATE "C" NOT NULL,
    in_flight TEXT COLLATE "C" NOT NULL,
    remainder TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (day, stream, orchestrator, part)
);

-- How often the ledger had another writer. Who holds its lock, and finds another term than its own, has
-- to begin anew.
CREATE TABLE ledger_term (
    one BOOLEAN PRIMARY KEY DEFAULT TRUE CHECK (one),
    term BIGINT NOT NULL
);

INSERT INTO ledger_term (term) VALUES (0);
