-- One delivery under two names must not count twice. What tells it: the content of each landed file that brought rows, and
-- since when and until when each export of a source was listed. `first_listed` and `gone_at` are run ids, which sort by time;
-- empty is before this was noted. `kept` is 1 where a person said that the rows of an export that is gone count.

CREATE TABLE content (
    tenant     TEXT NOT NULL,
    source     TEXT NOT NULL,
    kind       TEXT NOT NULL,
    export     TEXT NOT NULL,
    period     TEXT NOT NULL,
    source_uri TEXT NOT NULL,
    digest     TEXT NOT NULL,
    PRIMARY KEY (tenant, source, kind, export, period, source_uri)
);

CREATE INDEX content_by_digest ON content (tenant, source, digest);

CREATE TABLE listing (
    tenant       TEXT NOT NULL,
    source       TEXT NOT NULL,
    kind         TEXT NOT NULL,
    export       TEXT NOT NULL,
    first_listed TEXT NOT NULL,
    gone_at      TEXT,
    kept         BIGINT NOT NULL,
    PRIMARY KEY (tenant, source, kind, export)
);
