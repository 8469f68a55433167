-- Files of each space, counted from now on with every change: nodes that are not deleted.
ALTER TABLE spaces ADD COLUMN files bigint NOT NULL DEFAULT 0;
UPDATE spaces s SET
    files = (SELECT COUNT(*) FROM nodes n WHERE n.space_no = s.no AND n.deleted_ms IS NULL);

-- Accounts with a quota of their own; NULL is no bound.
CREATE TABLE quotas (
    account bytea PRIMARY KEY,
    bytes   bigint,
    files   bigint
);
