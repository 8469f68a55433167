-- Metadata of the server, version 1. Ids are blobs, times are Unix milliseconds, every table is STRICT.

CREATE TABLE secrets (
    name  TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE totals (
    name  TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO totals (name, value) VALUES ('bytes', 0);

-- Open set-up codes, by hash. A used one is deleted.
CREATE TABLE setup_codes (
    code    BLOB PRIMARY KEY,
    ends_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE account_entries (
    account BLOB NOT NULL,
    idx     INTEGER NOT NULL,
    header  BLOB NOT NULL,
    sig     BLOB NOT NULL,
    PRIMARY KEY (account, idx)
) STRICT;

CREATE TABLE devices (
    device  BLOB PRIMARY KEY,
    account BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- ends_ms is NULL for recovery slots, which do not end and are not used up.
CREATE TABLE slots (
    slot    BLOB PRIMARY KEY,
    account BLOB NOT NULL,
    ends_ms INTEGER,
    sealed  BLOB NOT NULL,
    is_used INTEGER NOT NULL DEFAULT 0
) STRICT;

-- size, peaks and time_ms are the newest state of the space's log.
CREATE TABLE spaces (
    no         INTEGER PRIMARY KEY,
    space      BLOB NOT NULL UNIQUE,
    account    BLOB NOT NULL,
    tag        BLOB NOT NULL,
    epoch      INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    size       INTEGER NOT NULL,
    peaks      BLOB NOT NULL,
    time_ms    INTEGER NOT NULL,
    UNIQUE (account, tag)
) STRICT;

-- What orders and proves; narrow, because commits scan it. root is the head after the entry.
CREATE TABLE log (
    space_no INTEGER NOT NULL,
    idx      INTEGER NOT NULL,
    device   BLOB NOT NULL,
    dev_ctr  INTEGER NOT NULL,
    class    INTEGER NOT NULL,
    hash     BLOB NOT NULL,
    root     BLOB NOT NULL,
    time_ms  INTEGER NOT NULL,
    n_files  INTEGER NOT NULL,
    PRIMARY KEY (space_no, idx)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX log_device ON log (space_no, device, dev_ctr);

-- What is served. A payload lies here or in a blob.
CREATE TABLE bodies (
    space_no       INTEGER NOT NULL,
    idx            INTEGER NOT NULL,
    header         BLOB NOT NULL,
    sig            BLOB NOT NULL,
    payload        BLOB,
    payload_pack   TEXT,
    payload_offset INTEGER NOT NULL,
    payload_len    INTEGER NOT NULL,
    PRIMARY KEY (space_no, idx)
) STRICT;

-- A deleted node keeps its revision and has no name tag.
CREATE TABLE nodes (
    space_no   INTEGER NOT NULL,
    node       BLOB NOT NULL,
    rev        INTEGER NOT NULL,
    name_tag   BLOB,
    deleted_ms INTEGER,
    PRIMARY KEY (space_no, node)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX nodes_name ON nodes (space_no, name_tag) WHERE name_tag IS NOT NULL;

-- Revisions rev_from .. rev_to - 1 of a node reference an object; rev_to is NULL while it does.
CREATE TABLE node_refs (
    space_no INTEGER NOT NULL,
    node     BLOB NOT NULL,
    object   BLOB NOT NULL,
    rev_from INTEGER NOT NULL,
    rev_to   INTEGER,
    PRIMARY KEY (space_no, node, object, rev_from)
) STRICT, WITHOUT ROWID;

CREATE TABLE packs (
    no       INTEGER PRIMARY KEY,
    space_no INTEGER NOT NULL,
    key      TEXT NOT NULL UNIQUE,
    bytes    INTEGER NOT NULL,
    uploader BLOB NOT NULL,
    lease_ms INTEGER NOT NULL
) STRICT;

-- first_epoch is the epoch of the entry that first referenced the object.
CREATE TABLE objects (
    space_no    INTEGER NOT NULL,
    object      BLOB NOT NULL,
    pack_no     INTEGER NOT NULL,
    pack_offset INTEGER NOT NULL,
    len         INTEGER NOT NULL,
    first_epoch INTEGER,
    PRIMARY KEY (space_no, object)
) STRICT, WITHOUT ROWID;
