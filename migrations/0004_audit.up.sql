-- Append-only: each row holds the hash of the one before, and no two rows follow the same one.

CREATE TABLE audit_event (
    id            BIGINT PRIMARY KEY,
    at            TEXT NOT NULL,
    run_id        TEXT,
    action        TEXT NOT NULL,
    detail_json   TEXT NOT NULL,
    previous_hash TEXT NOT NULL UNIQUE,
    hash          TEXT NOT NULL UNIQUE
);
