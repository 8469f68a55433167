-- State of one folder. Everything here can be rebuilt from the folder and the server.
-- `sum` is a checksum: what a disk changed in a row is noticed.
CREATE TABLE meta    (key TEXT PRIMARY KEY, value BLOB NOT NULL, sum INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE base    (node BLOB NOT NULL UNIQUE, parent BLOB NOT NULL, name BLOB NOT NULL, kind INTEGER NOT NULL,
                      content BLOB NOT NULL, exec INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, size INTEGER NOT NULL,
                      rev INTEGER NOT NULL, dev INTEGER NOT NULL, ino INTEGER NOT NULL, copy INTEGER NOT NULL, sum INTEGER NOT NULL);
CREATE INDEX base_place  ON base (parent, name);
CREATE INDEX base_dirs   ON base (parent) WHERE kind = 1;
CREATE INDEX base_copies ON base (copy)   WHERE copy != 0;
CREATE INDEX base_keys   ON base (ino, dev);
-- Files large enough for a sketch, as sources of equal bytes.
CREATE INDEX base_contents ON base (content) WHERE kind = 0 AND size >= 65536;
CREATE TABLE remote  (node BLOB NOT NULL UNIQUE, parent BLOB NOT NULL, name BLOB NOT NULL, kind INTEGER NOT NULL,
                      content BLOB NOT NULL, exec INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, size INTEGER NOT NULL,
                      rev INTEGER NOT NULL, deleted INTEGER NOT NULL, body BLOB NOT NULL, refs BLOB NOT NULL,
                      idx INTEGER NOT NULL, device BLOB NOT NULL, time_ms INTEGER NOT NULL, sum INTEGER NOT NULL);
CREATE INDEX remote_place ON remote (parent, name) WHERE deleted = 0;
-- Nodes whose base may differ from remote.
CREATE TABLE ahead   (node BLOB PRIMARY KEY) WITHOUT ROWID;
-- Directories whose listing, by its hash, shows exactly the base nodes in them.
CREATE TABLE clean   (dir BLOB PRIMARY KEY, print BLOB NOT NULL, n INTEGER NOT NULL) WITHOUT ROWID;
-- What base and the sketches add up to.
CREATE TABLE totals  (nodes INTEGER NOT NULL, leaves INTEGER NOT NULL, files INTEGER NOT NULL, bytes INTEGER NOT NULL,
                      copies INTEGER NOT NULL, sketch_bytes INTEGER NOT NULL);
INSERT INTO totals VALUES (0, 0, 0, 0, 0, 0);
CREATE TRIGGER base_added AFTER INSERT ON base BEGIN
  UPDATE totals SET nodes = nodes + 1, leaves = leaves + (NEW.kind != 1), files = files + (NEW.kind = 0),
                    bytes = bytes + (NEW.kind = 0) * NEW.size, copies = copies + NEW.copy;
  DELETE FROM clean WHERE dir = NEW.parent;
END;
CREATE TRIGGER base_removed AFTER DELETE ON base BEGIN
  UPDATE totals SET nodes = nodes - 1, leaves = leaves - (OLD.kind != 1), files = files - (OLD.kind = 0),
                    bytes = bytes - (OLD.kind = 0) * OLD.size, copies = copies - OLD.copy;
  DELETE FROM clean WHERE dir = OLD.parent;
END;
CREATE TRIGGER base_changed AFTER UPDATE ON base BEGIN
  UPDATE totals SET leaves = leaves + (NEW.kind != 1) - (OLD.kind != 1), files = files + (NEW.kind = 0) - (OLD.kind = 0),
                    bytes = bytes + (NEW.kind = 0) * NEW.size - (OLD.kind = 0) * OLD.size,
                    copies = copies + NEW.copy - OLD.copy;
  DELETE FROM clean WHERE dir IN (OLD.parent, NEW.parent);
END;
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
CREATE TABLE sketches (seq INTEGER PRIMARY KEY, content BLOB NOT NULL UNIQUE, n_bytes INTEGER NOT NULL, bytes BLOB NOT NULL);
CREATE TRIGGER sketch_added AFTER INSERT ON sketches BEGIN
  UPDATE totals SET sketch_bytes = sketch_bytes + NEW.n_bytes;
END;
CREATE TRIGGER sketch_removed AFTER DELETE ON sketches BEGIN
  UPDATE totals SET sketch_bytes = sketch_bytes - OLD.n_bytes;
END;
CREATE TABLE conflicts (node BLOB PRIMARY KEY, original BLOB NOT NULL, base_rev INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE copies  (path BLOB PRIMARY KEY, content BLOB NOT NULL, node BLOB NOT NULL, base_rev INTEGER NOT NULL) WITHOUT ROWID;
