-- What ran, what each slice of data became, and what the tables held afterwards. Timestamps are UTC text.

CREATE TABLE run (
    run_id             TEXT PRIMARY KEY,
    verb               TEXT NOT NULL,
    pipeline           TEXT,
    started_at         TEXT NOT NULL,
    finished_at        TEXT,
    status             TEXT NOT NULL CHECK (status IN ('running', 'done', 'failed', 'interrupted')),
    exit_code          BIGINT,
    method_version     TEXT,
    factor_set_version TEXT,
    summary_json       TEXT
);

CREATE INDEX run_by_start ON run (started_at);

CREATE TABLE slice (
    run_id      TEXT NOT NULL REFERENCES run (run_id) ON DELETE CASCADE,
    tenant      TEXT NOT NULL,
    source      TEXT NOT NULL,
    kind        TEXT NOT NULL,
    export      TEXT NOT NULL,
    period      TEXT NOT NULL,
    delivery_id TEXT NOT NULL,
    action      TEXT NOT NULL CHECK (action IN ('new', 'replaced', 'current', 'failed')),
    rows        BIGINT NOT NULL,
    rejected    BIGINT NOT NULL,
    error       TEXT,
    PRIMARY KEY (run_id, tenant, source, kind, export, period)
);

CREATE TABLE table_version (
    run_id     TEXT NOT NULL REFERENCES run (run_id) ON DELETE CASCADE,
    table_name TEXT NOT NULL,
    version    BIGINT NOT NULL,
    PRIMARY KEY (run_id, table_name)
);
