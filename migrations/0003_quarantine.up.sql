-- Rows that broke the contract, with the place they stand at and the reason.

CREATE TABLE quarantine (
    run_id      TEXT NOT NULL,
    tenant      TEXT NOT NULL,
    source      TEXT NOT NULL,
    kind        TEXT NOT NULL,
    export      TEXT NOT NULL,
    period      TEXT NOT NULL,
    source_uri  TEXT NOT NULL,
    row_number  BIGINT NOT NULL,
    column_name TEXT NOT NULL,
    reason      TEXT NOT NULL,
    raw_text    TEXT NOT NULL
);

CREATE INDEX quarantine_by_slice ON quarantine (tenant, source, kind, export, period);
