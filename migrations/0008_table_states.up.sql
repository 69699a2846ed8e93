-- Which version of each table the notes above were taken from. Where a table is at another one, the notes about it are not
-- believed before they are compared with the table itself.

CREATE TABLE table_state (
    table_name TEXT NOT NULL PRIMARY KEY,
    table_id   TEXT NOT NULL,
    version    BIGINT NOT NULL,
    identity   TEXT NOT NULL
);
