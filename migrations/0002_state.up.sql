-- A mirror of what the warehouse tables themselves record: losing it costs a rebuild of it, never data.

CREATE TABLE fingerprint (
    table_name    TEXT NOT NULL,
    partition_key TEXT NOT NULL,
    fingerprint   TEXT NOT NULL,
    run_id        TEXT NOT NULL,
    table_version BIGINT NOT NULL,
    PRIMARY KEY (table_name, partition_key)
);

CREATE TABLE delivery (
    tenant      TEXT NOT NULL,
    source      TEXT NOT NULL,
    kind        TEXT NOT NULL,
    export      TEXT NOT NULL,
    period      TEXT NOT NULL,
    delivery_id TEXT NOT NULL,
    PRIMARY KEY (tenant, source, kind, export, period)
);

-- Which bills a slice holds: one bill counts once per tenant, provider, billing account and period.
CREATE TABLE bill (
    tenant             TEXT NOT NULL,
    source             TEXT NOT NULL,
    kind               TEXT NOT NULL,
    export             TEXT NOT NULL,
    period             TEXT NOT NULL,
    provider_name      TEXT NOT NULL,
    billing_account_id TEXT NOT NULL,
    PRIMARY KEY (tenant, source, kind, export, period, provider_name, billing_account_id)
);
