-- When an API was last asked for a slice, and what is to be remembered of its answer. A row without export and period
-- is about the source as a whole. Losing it costs calls, never data.

CREATE TABLE look (
    tenant    TEXT NOT NULL,
    source    TEXT NOT NULL,
    kind      TEXT NOT NULL,
    export    TEXT NOT NULL,
    period    TEXT NOT NULL,
    looked_at TEXT NOT NULL,
    mark      TEXT,
    PRIMARY KEY (tenant, source, kind, export, period)
);
