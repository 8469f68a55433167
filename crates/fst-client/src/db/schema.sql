-- State of one folder. Everything here can be rebuilt from the folder and the server.
CREATE TABLE meta    (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE base    (node BLOB PRIMARY KEY, parent BLOB NOT NULL, name BLOB NOT NULL, kind INTEGER NOT NULL,
                      content BLOB NOT NULL, exec INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, size INTEGER NOT NULL,
                      rev INTEGER NOT NULL, dev INTEGER NOT NULL, ino INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE remote  (node BLOB PRIMARY KEY, parent BLOB NOT NULL, name BLOB NOT NULL, kind INTEGER NOT NULL,
                      content BLOB NOT NULL, exec INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, size INTEGER NOT NULL,
                      rev INTEGER NOT NULL, deleted INTEGER NOT NULL, body BLOB NOT NULL, refs BLOB NOT NULL,
                      idx INTEGER NOT NULL, device BLOB NOT NULL, time_ms INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE bodies  (node BLOB PRIMARY KEY, rev INTEGER NOT NULL, bytes BLOB NOT NULL);
CREATE TABLE entries (idx INTEGER PRIMARY KEY, root BLOB NOT NULL, hash BLOB NOT NULL, device BLOB NOT NULL,
                      class INTEGER NOT NULL, time_ms INTEGER NOT NULL);
CREATE TABLE chains  (device BLOB PRIMARY KEY, dev_ctr INTEGER NOT NULL, hash BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE intents (header_hash BLOB PRIMARY KEY, dev_ctr INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE objects (id BLOB PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE stats   (dev INTEGER NOT NULL, ino INTEGER NOT NULL, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL,
                      ctime_ns INTEGER NOT NULL, content BLOB NOT NULL, PRIMARY KEY (dev, ino)) WITHOUT ROWID;
CREATE TABLE history (idx INTEGER NOT NULL, op INTEGER NOT NULL, node BLOB NOT NULL, device BLOB NOT NULL,
                      time_ms INTEGER NOT NULL, action TEXT NOT NULL, path BLOB NOT NULL, PRIMARY KEY (idx, op)) WITHOUT ROWID;
CREATE TABLE versions (node BLOB NOT NULL, parent BLOB NOT NULL, name BLOB NOT NULL, kind INTEGER NOT NULL,
                      content BLOB NOT NULL, exec INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, size INTEGER NOT NULL,
                      rev INTEGER NOT NULL, deleted INTEGER NOT NULL, idx INTEGER NOT NULL, device BLOB NOT NULL,
                      time_ms INTEGER NOT NULL, PRIMARY KEY (node, rev)) WITHOUT ROWID;
CREATE TABLE pins    (node BLOB NOT NULL, rev INTEGER NOT NULL, PRIMARY KEY (node, rev)) WITHOUT ROWID;
