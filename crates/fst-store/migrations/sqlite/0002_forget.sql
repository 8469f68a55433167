-- Finds whether a pack still holds an object or a payload, when what nothing needs any more is forgotten.
CREATE INDEX objects_pack ON objects (pack_no);
CREATE INDEX bodies_pack ON bodies (payload_pack) WHERE payload_pack IS NOT NULL;
