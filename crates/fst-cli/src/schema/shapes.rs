//! The words in which documents are described, and the parts that several of them share.
//!
//! Used by [`super::documents`] alone. Invariant: what is described as an object may get further fields in later
//! versions; a field whose name ends with `?` may be missing, every other is always there.

use serde_json::{Map, Value, json};

/// Words for what a folder, or everything, is doing.
const STATES: &[&str] = &["idle", "syncing", "paused", "offline", "attention", "error"];

fn said(mut schema: Value, about: &str) -> Value {
    schema["description"] = json!(about);
    schema
}

/// A text.
pub(super) fn text(about: &str) -> Value {
    said(json!({ "type": "string" }), about)
}

/// A whole number that is not negative: a count, or bytes.
pub(super) fn whole(about: &str) -> Value {
    said(json!({ "type": "integer", "minimum": 0 }), about)
}

/// Milliseconds since 1970.
pub(super) fn time(about: &str) -> Value {
    whole(&format!("{about}; Unix milliseconds"))
}

/// Yes or no.
pub(super) fn flag(about: &str) -> Value {
    said(json!({ "type": "boolean" }), about)
}

/// One of some words.
pub(super) fn word(words: &[&str], about: &str) -> Value {
    said(json!({ "type": "string", "enum": words }), about)
}

/// Any JSON.
pub(super) fn any(about: &str) -> Value {
    json!({ "description": about })
}

/// Something, or `null`.
pub(super) fn or_null(schema: Value) -> Value {
    either([schema, json!({ "type": "null" })])
}

/// Any number of the same.
pub(super) fn list(items: Value, about: &str) -> Value {
    let mut list = said(json!({ "type": "array" }), about);
    list["items"] = items;
    list
}

/// Texts.
pub(super) fn texts(about: &str) -> Value {
    list(json!({ "type": "string" }), about)
}

/// An object with at least these fields.
pub(super) fn object<const N: usize>(fields: [(&str, Value); N]) -> Value {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for (name, schema) in fields {
        let bare = name.trim_end_matches('?');
        if bare == name {
            required.push(bare.to_owned());
        }
        properties.insert(bare.to_owned(), schema);
    }
    json!({ "type": "object", "properties": properties, "required": required })
}

/// An object that has the fields of several.
pub(super) fn with<const N: usize>(mut object: Value, fields: [(&str, Value); N]) -> Value {
    let more = self::object(fields);
    for name in ["properties", "required"] {
        match (&mut object[name], &more[name]) {
            (Value::Object(known), Value::Object(more)) => known.extend(more.clone()),
            (Value::Array(known), Value::Array(more)) => known.extend(more.clone()),
            _ => {},
        }
    }
    object
}

/// One of several shapes.
pub(super) fn either<const N: usize>(shapes: [Value; N]) -> Value {
    Value::Object(Map::from_iter([(
        "anyOf".to_owned(),
        Value::Array(shapes.into()),
    )]))
}

/// A JSON Schema.
pub(super) fn json_schema() -> Value {
    json!({ "type": "object", "description": "A JSON Schema" })
}

/// What every answer has, around its data.
pub(super) fn answer(name: &str, data: Value) -> Value {
    let next = object([("run", text("A command that makes sense next"))]);
    object([
        ("schema", json!({ "const": name })),
        ("ok", json!({ "const": true })),
        ("data", data),
        ("warnings", texts("What went well only in part")),
        ("next", list(next, "Commands that make sense next")),
        ("undo?", text("The command that takes it back")),
    ])
}

/// A failure, as it stands at the end of standard error.
pub(super) fn failure() -> Value {
    object([
        ("schema", json!({ "const": "fst.error/1" })),
        ("ok", json!({ "const": false })),
        ("code", code("Stable code of the failure")),
        (
            "exit",
            json!({ "type": "integer", "minimum": 1, "maximum": 130 }),
        ),
        ("message", text("What happened and why, on one line")),
        ("hint", text("What to do")),
        ("run", texts("The commands in `hint`")),
    ])
}

/// A code of the catalogue.
pub(super) fn code(about: &str) -> Value {
    said(
        json!({ "type": "string", "pattern": "^FST-[0-9]{4}$" }),
        about,
    )
}

/// A row of the specification of syncing.
pub(super) fn row(about: &str) -> Value {
    said(
        json!({ "type": "string", "pattern": "^S-[0-9]{3}$" }),
        about,
    )
}

/// A problem as the server and the daemon tell it.
pub(super) fn problem() -> Value {
    object([
        ("type", text("URI of the kind of problem")),
        ("title", text("What the code means")),
        ("status", whole("HTTP status")),
        ("detail", text("What happened here")),
        ("code", code("Its stable code")),
        ("next", text("What to do")),
        ("conflict?", any("Why a change was refused on its merits")),
    ])
}

/// A path that cannot be synced.
pub(super) fn path_problem() -> Value {
    object([
        ("path", text("Path inside the folder, printable")),
        ("code", code("Its stable code")),
        ("reason", text("Why")),
        ("next", text("What to do")),
    ])
}

/// State of one folder.
pub(super) fn folder() -> Value {
    object([
        ("path", text("Absolute local path")),
        (
            "remote_path",
            text("Path at the server, such as /Documents"),
        ),
        (
            "mode",
            word(
                &["two-way", "upload-only", "download-only"],
                "Which ways changes flow",
            ),
        ),
        ("state", word(STATES, "What it is doing")),
        (
            "phase",
            text("The step that it is at, for people; empty when it rests"),
        ),
        ("files", whole("Synced files")),
        ("bytes", whole("Their bytes")),
        (
            "saved_bytes",
            whole("Bytes that compression took off what was sent from here"),
        ),
        ("conflicts", whole("Open conflicts")),
        (
            "problems",
            list(path_problem(), "Paths that cannot be synced"),
        ),
        ("stopped", or_null(problem())),
        ("watch?", said(problem(), "Why changes are noticed late")),
        (
            "choice?",
            text("Which of its sub-folders this device syncs, unless it is all of them"),
        ),
        ("last_change_ms", time("Last change, 0 for none")),
    ])
}

/// State of everything.
pub(super) fn status() -> Value {
    object([
        ("state", word(STATES, "The worst of the folders")),
        (
            "folders",
            list(folder(), "In the order of the configuration"),
        ),
        (
            "pending",
            object([
                ("uploads", whole("Files to send")),
                ("downloads", whole("Files to receive")),
                ("bytes", whole("Bytes of both that are known")),
            ]),
        ),
        (
            "server",
            object([
                ("url", text("Its address; empty before there is one")),
                ("connected", flag("Whether the last request got an answer")),
                ("reason", or_null(text("Why not"))),
                (
                    "lost_ms",
                    time("Since when it does not answer, 0 while it does"),
                ),
            ]),
        ),
        (
            "line",
            object([
                (
                    "upload",
                    whole("Bits a second sent, on average over the last seconds"),
                ),
                (
                    "download",
                    whole("Bits a second received, on average over the last seconds"),
                ),
                (
                    "max_upload",
                    or_null(whole("The limit that holds now, bits a second")),
                ),
                (
                    "max_download",
                    or_null(whole("The limit that holds now, bits a second")),
                ),
            ]),
        ),
        (
            "device",
            object([
                ("name", text("Its name")),
                ("devices", whole("Devices of the account")),
            ]),
        ),
        (
            "daemon_pid",
            whole("Process id of the daemon, 0 without one"),
        ),
        (
            "config?",
            said(
                problem(),
                "Why the configuration file is not what is in force",
            ),
        ),
    ])
}

/// A rule that decides about a path.
pub(super) fn rule() -> Value {
    object([
        (
            "source",
            word(&["space", "file", "device"], "Where it is written"),
        ),
        (
            "file",
            text("Rule file inside the folder, config.yaml, or empty for the policy of the space"),
        ),
        (
            "line",
            whole("Line of the file, or number in the list, from 1"),
        ),
        ("pattern", text("The rule as it was written")),
    ])
}

/// What would be done with one path.
pub(super) fn planned() -> Value {
    let actions = &[
        "upload",
        "download",
        "move",
        "delete",
        "attributes",
        "adopt",
        "hold",
    ];
    object([
        ("path", text("Path inside the folder, printable")),
        (
            "was",
            or_null(text(
                "Path on the side that is to change, when it is another one",
            )),
        ),
        (
            "direction",
            word(&["up", "down", "both", "none"], "Which side changes"),
        ),
        ("action", word(actions, "What is done")),
        ("reason", text("Why, in a few words")),
        ("row", row("Row of the specification")),
        ("bytes", whole("Bytes of the content that travels")),
    ])
}

/// What the next cycle of a folder would do.
pub(super) fn plan() -> Value {
    let ignored = with(
        rule(),
        [("path", text("Path inside the folder, printable"))],
    );
    let stop = object([
        ("row", row("Row of the specification")),
        ("reason", text("Why")),
        ("code", code("Its stable code")),
        ("next", text("What to do")),
    ]);
    object([
        ("folder", text("The folder")),
        ("remote_path", text("Path at the server")),
        (
            "items",
            list(planned(), "One for each path that is concerned"),
        ),
        (
            "ignored",
            list(ignored, "Paths that a rule ignores, up to a limit"),
        ),
        ("n_ignored", whole("Number of all of them")),
        (
            "problems",
            list(path_problem(), "Paths that cannot be synced"),
        ),
        (
            "stopped",
            or_null(said(stop, "The guard that would stop it")),
        ),
        ("same", whole("Files that are equal on both sides already")),
        ("upload_bytes", whole("Bytes to send")),
        ("download_bytes", whole("Bytes to receive")),
        (
            "is_offline",
            flag("The plan is made from what this device knew"),
        ),
    ])
}

/// An operation of the log.
pub(super) fn operation() -> Value {
    object([
        ("id", text("Its id")),
        ("short", text("The start of it that no other has")),
        ("time", time("When it began")),
        ("command", text("The command, such as `config set`")),
        ("subject", text("What it was about")),
        (
            "state",
            word(&["begun", "done", "failed", "undone"], "How far it came"),
        ),
        ("undoable", flag("Whether there is a way back")),
        ("undoes", or_null(text("The operation that it undid"))),
    ])
}

/// A conflict of two devices.
pub(super) fn conflict() -> Value {
    let side = || {
        or_null(object([
            ("path", text("Path inside the folder, printable")),
            ("size", whole("Bytes")),
            ("time_ms", time("Server time of the version")),
            ("device", text("Device that wrote it")),
        ]))
    };
    object([
        ("id", text("Short id")),
        (
            "path",
            text("Path of the file that kept its name, printable"),
        ),
        ("kind", text("What both did, such as `edit`")),
        ("local", side()),
        ("remote", side()),
        ("base", side()),
        ("folder", text("The folder")),
    ])
}

/// A directory, file or link at the server.
pub(super) fn entry() -> Value {
    object([
        ("path", text("Path inside the space")),
        ("kind", word(&["file", "directory", "link"], "What it is")),
        ("size", whole("Bytes")),
        (
            "modified",
            said(
                json!({ "type": "integer" }),
                "Time of change; Unix milliseconds",
            ),
        ),
        ("executable", flag("Whether it may be run")),
        ("revision", whole("Counts its changes")),
    ])
}

/// A setting that holds.
pub(super) fn setting() -> Value {
    object([
        ("key", text("Its whole key")),
        (
            "value",
            any("Bytes, bits a second, text, number, yes or no, or texts; null for no limit"),
        ),
        ("written", text("As somebody would write it")),
        (
            "origin",
            text("`config.yaml:LINE`, `env NAME` or `default`"),
        ),
        ("default", text("What holds when nobody says anything")),
        (
            "effect",
            word(
                &["now", "new-folders", "restart", "later"],
                "When a change takes effect",
            ),
        ),
    ])
}

/// A rule of the schedule.
pub(super) fn schedule() -> Value {
    object([
        ("name", text("Its name")),
        ("time", text("Hours, such as 09:00-17:00")),
        ("weekdays", text("Days, such as mon-fri")),
        (
            "max_upload",
            or_null(whole("Bits a second; null for no limit")),
        ),
        (
            "max_download",
            or_null(whole("Bits a second; null for no limit")),
        ),
        ("pause", flag("Whether everything stands still")),
        ("active", flag("Whether it holds now")),
    ])
}

/// What a device has chosen of a folder.
pub(super) fn choice() -> Value {
    let sub_folder = object([
        ("path", text("Path inside the folder, printable")),
        (
            "chosen",
            word(&["all", "part", "none", "cleared"], "How much is synced"),
        ),
        ("is_here", flag("Something of this name lies on this disk")),
        ("files", whole("Files in it at the server")),
        ("bytes", whole("Their bytes")),
    ]);
    object([
        ("folder", text("The folder")),
        ("is_everything", flag("Nothing is left out")),
        ("only", texts("The only ones that are synced")),
        ("except", texts("Not synced; copies stay")),
        ("cleared", texts("Not synced; synced copies go")),
        ("sub_folders", list(sub_folder, "Sorted by path")),
    ])
}
