//! Documents about files at the server.
//!
//! Part of the table in [`super`].

use serde_json::Value;

use crate::schema::Document;
use crate::schema::shapes::{either, entry, list, object, or_null, text, texts, time, whole};

/// Files at the server.
pub(super) const AFAR: &[Document] = &[
    Document {
        name: "fst.ls/1",
        commands: &["ls"],
        about: "What lies in a directory at the server, or all spaces",
        data: || {
            let spaces = object([("spaces", texts("Paths of the spaces"))]);
            either([entries(), spaces])
        },
    },
    Document {
        name: "fst.tree/1",
        commands: &["tree"],
        about: "Everything below a directory at the server",
        data: entries,
    },
    Document {
        name: "fst.find/1",
        commands: &["find"],
        about: "Files at the server whose path fits a pattern",
        data: entries,
    },
    Document {
        name: "fst.du/1",
        commands: &["du"],
        about: "How much lies below a directory at the server",
        data: || {
            object([
                at(),
                ("files", whole("Files and links")),
                ("bytes", whole("Their bytes")),
            ])
        },
    },
    Document {
        name: "fst.cat/1",
        commands: &["cat"],
        about: "A file at the server",
        data: || {
            object([
                at(),
                ("size", whole("Bytes")),
                (
                    "text",
                    or_null(text("The content; null when it is no text or over 16 MiB")),
                ),
            ])
        },
    },
    Document {
        name: "fst.get/1",
        commands: &["get"],
        about: "What was copied from the server",
        data: || {
            object([
                at(),
                ("to", text("Where it was written")),
                ("written", texts("Files that were written")),
            ])
        },
    },
    Document {
        name: "fst.put/1",
        commands: &["put"],
        about: "A file was copied to the server",
        data: changed,
    },
    Document {
        name: "fst.mkdir/1",
        commands: &["mkdir"],
        about: "A directory was made at the server",
        data: changed,
    },
    Document {
        name: "fst.mv/1",
        commands: &["mv"],
        about: "Something was moved at the server",
        data: changed,
    },
    Document {
        name: "fst.rm/1",
        commands: &["rm"],
        about: "Something was removed at the server",
        data: changed,
    },
];

fn at() -> (&'static str, Value) {
    (
        "at",
        or_null(time("The moment that was asked for; null for now")),
    )
}

fn entries() -> Value {
    object([at(), ("entries", list(entry(), "By path"))])
}

fn changed() -> Value {
    object([
        ("path", text("Path with the space")),
        ("changed", whole("Files and directories; 0 when all was so")),
        ("before", time("Server time at which it was as it was")),
    ])
}
