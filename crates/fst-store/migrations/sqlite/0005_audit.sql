-- Who did what; each hash covers the one before. Rows are appended and never changed.
CREATE TABLE audit (
    no   INTEGER PRIMARY KEY,
    body BLOB NOT NULL,
    hash BLOB NOT NULL
) STRICT;
