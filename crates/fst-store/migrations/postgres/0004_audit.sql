-- Who did what; each hash covers the one before. Rows are appended and never changed.
CREATE TABLE audit (
    no   bigint PRIMARY KEY,
    body bytea NOT NULL,
    hash bytea NOT NULL
);
