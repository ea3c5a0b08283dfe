-- How long a segment plays, and how long the segments of a day's sums do, in microseconds.
ALTER TABLE payment ADD COLUMN duration INTEGER NOT NULL DEFAULT 0 CHECK (duration >= 0);
ALTER TABLE day_sum ADD COLUMN duration INTEGER NOT NULL DEFAULT 0 CHECK (duration >= 0);
