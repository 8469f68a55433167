-- Metadata of the server, version 1. Ids are bytea, times are Unix milliseconds. The tables are those of SQLite, except
-- where many writers work at once: bytes are counted per space, and an account has a row to lock.

CREATE TABLE secrets (
    name  text PRIMARY KEY,
    value bytea NOT NULL
);

-- Open set-up codes, by hash. A used one is deleted.
CREATE TABLE setup_codes (
    code    bytea PRIMARY KEY,
    ends_ms bigint NOT NULL
);

-- Sign-ins under way, for a minute.
CREATE TABLE short_values (
    key     text PRIMARY KEY,
    value   bytea NOT NULL,
    ends_ms bigint NOT NULL
);
CREATE INDEX short_values_ends ON short_values (ends_ms);

-- One row per account: what appends lock.
CREATE TABLE accounts (
    account bytea PRIMARY KEY
);

CREATE TABLE account_entries (
    account bytea NOT NULL,
    idx     bigint NOT NULL,
    header  bytea NOT NULL,
    sig     bytea NOT NULL,
    PRIMARY KEY (account, idx)
);

CREATE TABLE devices (
    device  bytea PRIMARY KEY,
    account bytea NOT NULL
);

-- ends_ms is NULL for recovery slots, which do not end and are not used up.
CREATE TABLE slots (
    slot    bytea PRIMARY KEY,
    account bytea NOT NULL,
    ends_ms bigint,
    sealed  bytea NOT NULL,
    is_used boolean NOT NULL DEFAULT false
);

-- size, peaks and time_ms are the newest state of the space's log; bytes is what the space keeps. Whoever writes
-- anything of a space locks its row first.
CREATE TABLE spaces (
    no         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    space      bytea NOT NULL UNIQUE,
    account    bytea NOT NULL,
    tag        bytea NOT NULL,
    epoch      bigint NOT NULL,
    generation bigint NOT NULL,
    size       bigint NOT NULL,
    peaks      bytea NOT NULL,
    time_ms    bigint NOT NULL,
    bytes      bigint NOT NULL,
    UNIQUE (account, tag)
) WITH (fillfactor = 50);

-- What orders and proves; narrow, because commits scan it. root is the head after the entry.
CREATE TABLE log (
    space_no bigint NOT NULL,
    idx      bigint NOT NULL,
    device   bytea NOT NULL,
    dev_ctr  bigint NOT NULL,
    class    smallint NOT NULL,
    hash     bytea NOT NULL,
    root     bytea NOT NULL,
    time_ms  bigint NOT NULL,
    n_files  bigint NOT NULL,
    PRIMARY KEY (space_no, idx)
);
CREATE UNIQUE INDEX log_device ON log (space_no, device, dev_ctr);

-- What is served. A payload lies here or in a blob. Ciphertext does not compress.
CREATE TABLE bodies (
    space_no       bigint NOT NULL,
    idx            bigint NOT NULL,
    header         bytea NOT NULL,
    sig            bytea NOT NULL,
    payload        bytea,
    payload_pack   text,
    payload_offset bigint NOT NULL,
    payload_len    bigint NOT NULL,
    PRIMARY KEY (space_no, idx)
);
ALTER TABLE bodies ALTER COLUMN header SET STORAGE EXTERNAL, ALTER COLUMN payload SET STORAGE EXTERNAL;

-- A deleted node keeps its revision and has no name tag.
CREATE TABLE nodes (
    space_no   bigint NOT NULL,
    node       bytea NOT NULL,
    rev        bigint NOT NULL,
    name_tag   bytea,
    deleted_ms bigint,
    PRIMARY KEY (space_no, node)
);
CREATE UNIQUE INDEX nodes_name ON nodes (space_no, name_tag) WHERE name_tag IS NOT NULL;

-- Revisions rev_from .. rev_to - 1 of a node reference an object; rev_to is NULL while it does.
CREATE TABLE node_refs (
    space_no bigint NOT NULL,
    node     bytea NOT NULL,
    object   bytea NOT NULL,
    rev_from bigint NOT NULL,
    rev_to   bigint,
    PRIMARY KEY (space_no, node, object, rev_from)
);

CREATE TABLE packs (
    no       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    space_no bigint NOT NULL,
    key      text NOT NULL UNIQUE,
    bytes    bigint NOT NULL,
    uploader bytea NOT NULL,
    lease_ms bigint NOT NULL
);

-- first_epoch is the epoch of the entry that first referenced the object.
CREATE TABLE objects (
    space_no    bigint NOT NULL,
    object      bytea NOT NULL,
    pack_no     bigint NOT NULL,
    pack_offset bigint NOT NULL,
    len         bigint NOT NULL,
    first_epoch bigint,
    PRIMARY KEY (space_no, object)
);

-- Finds whether a pack still holds an object or a payload, when what nothing needs any more is forgotten.
CREATE INDEX objects_pack ON objects (pack_no);
CREATE INDEX bodies_pack ON bodies (payload_pack) WHERE payload_pack IS NOT NULL;
