-- What each space keeps, counted from now on with every change; bytes as in totals, files are nodes that are not deleted.
ALTER TABLE spaces ADD COLUMN bytes INTEGER NOT NULL DEFAULT 0;
ALTER TABLE spaces ADD COLUMN files INTEGER NOT NULL DEFAULT 0;
UPDATE spaces SET
    files = (SELECT COUNT(*) FROM nodes n WHERE n.space_no = spaces.no AND n.deleted_ms IS NULL),
    bytes = (SELECT COALESCE(SUM(p.bytes), 0) FROM packs p WHERE p.space_no = spaces.no)
          + (SELECT COALESCE(SUM(length(b.header) + CASE
                 WHEN b.payload_pack IN (SELECT key FROM packs) THEN 0 ELSE b.payload_len END), 0)
             FROM bodies b WHERE b.space_no = spaces.no);

-- Accounts with a quota of their own; NULL is no bound.
CREATE TABLE quotas (
    account BLOB PRIMARY KEY,
    bytes   INTEGER,
    files   INTEGER
) STRICT, WITHOUT ROWID;
