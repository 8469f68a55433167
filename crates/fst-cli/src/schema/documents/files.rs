//! Documents about files of folders, their versions and conflicts.
//!
//! Part of the table in [`super`]; the shapes are those of the views in `fst-client`.

use serde_json::{Value, json};

use crate::schema::Document;
use crate::schema::shapes::{
    conflict, either, flag, list, object, or_null, path_problem, rule, text, texts, time, whole,
    word,
};

/// Files of folders, their versions and conflicts.
pub(super) const FILES: &[Document] = &[
    Document {
        name: "fst.history/1",
        commands: &["history"],
        about: "What was changed, newest first",
        data: || {
            let item = object([
                ("time_ms", time("Server time")),
                ("device", text("Who did it")),
                (
                    "action",
                    word(
                        &["create", "edit", "move", "delete", "attributes"],
                        "What was done",
                    ),
                ),
                ("path", text("Path inside the folder, printable")),
                ("folder", text("The folder")),
                ("idx", whole("Position in the log")),
            ]);
            object([("history", list(item, "Newest first"))])
        },
    },
    Document {
        name: "fst.versions/1",
        commands: &["versions"],
        about: "Versions of a file",
        data: versions,
    },
    Document {
        name: "fst.pin/1",
        commands: &["versions pin", "versions unpin"],
        about: "Whether a version is kept until it is unpinned",
        data: || {
            object([
                ("path", text("Path inside the folder")),
                ("version", whole("Its number")),
                ("pinned", flag("Whether it is pinned now")),
            ])
        },
    },
    Document {
        name: "fst.keep/1",
        commands: &["versions keep"],
        about: "How long versions are kept in a folder",
        data: || {
            object([
                ("retention_days", whole("Days after which a version may go")),
                (
                    "max_versions",
                    whole("Newest versions of a file that are kept that long"),
                ),
            ])
        },
    },
    Document {
        name: "fst.restore/1",
        commands: &["restore", "trash restore"],
        about: "What was or would be brought back",
        data: restored,
    },
    Document {
        name: "fst.trash/1",
        commands: &["trash list"],
        about: "Deleted files",
        data: || {
            let gone = object([
                ("path", text("Path inside the folder")),
                ("folder", text("The folder")),
                ("time", time("When it was deleted")),
                ("device", text("Who did it")),
                ("size", whole("Bytes of the last version")),
                ("version", whole("Number of the last version")),
                ("kept_until", or_null(time("When it may go for good"))),
            ]);
            object([("trash", list(gone, "Latest first"))])
        },
    },
    Document {
        name: "fst.diff/1",
        commands: &["diff"],
        about: "What changed",
        data: diff,
    },
    Document {
        name: "fst.conflicts/1",
        commands: &["conflicts list"],
        about: "Open conflicts",
        data: || object([("conflicts", list(conflict(), "All of them"))]),
    },
    Document {
        name: "fst.conflict/1",
        commands: &["conflicts show"],
        about: "One conflict",
        data: || {
            object([
                ("conflict", conflict()),
                (
                    "merge",
                    text("`clean`, or why the texts do not merge by themselves"),
                ),
            ])
        },
    },
    Document {
        name: "fst.conflict-diff/1",
        commands: &["conflicts diff"],
        about: "What differs between the sides of a conflict",
        data: || {
            object([
                ("id", text("Its short id")),
                ("path", text("Path of the file, printable")),
                ("diff", text("Both sides as a unified diff")),
            ])
        },
    },
    Document {
        name: "fst.resolved/1",
        commands: &[
            "conflicts resolve",
            "conflicts merge",
            "conflicts resolve-all",
        ],
        about: "What was or would be done about conflicts",
        data: resolved,
    },
    Document {
        name: "fst.ignore.add/1",
        commands: &["ignore add"],
        about: "A rule was added",
        data: || object([("folder", text("The folder")), ("rule", rule())]),
    },
    Document {
        name: "fst.ignore.remove/1",
        commands: &["ignore remove"],
        about: "A rule was taken back",
        data: || {
            object([
                ("folder", text("The folder")),
                ("pattern", text("The rule as it was written")),
            ])
        },
    },
    Document {
        name: "fst.ignore.list/1",
        commands: &["ignore list"],
        about: "All rules",
        data: || {
            let folder = object([
                ("folder", text("The folder")),
                (
                    "rules",
                    list(rule(), "In the order in which they are asked"),
                ),
            ]);
            object([("folders", list(folder, "The folders"))])
        },
    },
    Document {
        name: "fst.ignore.check/1",
        commands: &["ignore check"],
        about: "Which rules decide about paths",
        data: || {
            let path = object([
                ("path", text("The path")),
                ("ignored", flag("Whether it is not synced")),
                ("held", flag("Whether it waits because rules are not known")),
                ("rule", or_null(rule())),
                ("reason", text("Why")),
            ]);
            object([("paths", list(path, "As they were asked"))])
        },
    },
];

fn versions() -> Value {
    let version = object([
        ("version", whole("Its number")),
        ("time", time("Server time")),
        ("size", whole("Bytes")),
        ("device", text("Who wrote it")),
        ("current", flag("Whether it is the one that lies there")),
        ("path", or_null(text("Path of the file now"))),
        ("deleted", or_null(time("When the file was deleted"))),
        ("id", text("Tells files apart that had the same name")),
        ("pinned", flag("Whether it is kept until it is unpinned")),
        ("kept_until", or_null(time("When it may go"))),
    ]);
    object([
        ("path", text("Path inside the folder")),
        ("versions", list(version, "Newest first")),
    ])
}

fn restored() -> Value {
    let step = object([
        (
            "action",
            word(&["make", "create", "replace", "remove"], "What is done"),
        ),
        ("path", text("Path inside the folder")),
    ]);
    let here = object([
        ("folder", text("The folder")),
        ("dry_run", flag("Whether nothing was done")),
        ("plan", list(step, "What was to be done")),
        ("unchanged", whole("Files that are so already")),
        ("kept", texts("Newer paths that stay")),
        ("blocked", texts("Paths that cannot be brought back")),
        ("restored", texts("Paths that were brought back or removed")),
        (
            "problems",
            list(path_problem(), "Paths that were left as they are"),
        ),
    ]);
    let elsewhere = object([
        ("to", text("Where it was written")),
        ("written", texts("Files that were written")),
        ("dry_run", flag("Whether nothing was done")),
    ]);
    either([here, elsewhere])
}

fn diff() -> Value {
    let sizes = list(json!({ "type": "integer", "minimum": 0 }), "Bytes of both");
    let file = object([
        (
            "kind",
            word(&["equal", "text", "binary"], "What the contents are"),
        ),
        ("sizes", sizes),
        ("diff", or_null(text("Unified diff of texts"))),
    ]);
    let change = object([
        (
            "what",
            word(&["added", "changed", "deleted"], "What happened"),
        ),
        ("path", text("Path inside the folder")),
    ]);
    let folder = object([
        ("kind", word(&["folder"], "A whole folder")),
        ("since", time("Since when")),
        ("changes", list(change, "By path")),
    ]);
    either([file, folder])
}

fn resolved() -> Value {
    let settled = object([
        ("id", text("Its short id")),
        ("path", text("Path of the file, printable")),
        (
            "kept",
            word(
                &["local", "remote", "both", "merge", "open"],
                "Which content it has now",
            ),
        ),
        ("reason", or_null(text("Why it stays open"))),
        (
            "version_before",
            or_null(whole("Version of the file before")),
        ),
        ("copy", text("Path of the copy, printable")),
    ]);
    object([
        ("resolved", list(settled, "Those that were named or found")),
        ("dry_run", flag("Whether nothing was done")),
    ])
}
