-- Accounts (kind 0) and devices (kind 1) that the administrator bars, and since when.
CREATE TABLE barred (
    kind     INTEGER NOT NULL,
    subject  BLOB NOT NULL,
    since_ms INTEGER NOT NULL,
    PRIMARY KEY (kind, subject)
) STRICT, WITHOUT ROWID;
