-- Accounts (kind 0) and devices (kind 1) that the administrator bars, and since when.
CREATE TABLE barred (
    kind     smallint NOT NULL,
    subject  bytea NOT NULL,
    since_ms bigint NOT NULL,
    PRIMARY KEY (kind, subject)
);
