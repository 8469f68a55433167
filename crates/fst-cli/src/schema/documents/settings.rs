//! Documents about settings, hours and what commands changed.
//!
//! Part of the table in [`super`].

use serde_json::Value;

use crate::schema::Document;
use crate::schema::shapes::{
    choice, code, either, flag, json_schema, list, object, operation, or_null, schedule, setting,
    text, whole, with, word,
};

/// What commands changed.
pub(super) const CHANGES: &[Document] = &[
    Document {
        name: "fst.undo/1",
        commands: &["undo"],
        about: "What was taken back",
        data: || object([("undone", operation())]),
    },
    Document {
        name: "fst.op.log/1",
        commands: &["op log"],
        about: "What commands changed",
        data: || object([("operations", list(operation(), "Newest first"))]),
    },
    Document {
        name: "fst.op.show/1",
        commands: &["op show"],
        about: "What one command changed",
        data: || {
            let thing = object([
                ("name", text("What it is called")),
                (
                    "was",
                    or_null(text("What it was; null when it was not there")),
                ),
                ("left", or_null(text("What the operation made of it"))),
            ]);
            let now = list(
                or_null(text("What the thing is now")),
                "In the order of `things`",
            );
            with(
                operation(),
                [
                    ("things", list(thing, "What it changed")),
                    ("now", or_null(now)),
                ],
            )
        },
    },
];

/// Settings and hours.
pub(super) const SETTINGS: &[Document] = &[
    Document {
        name: "fst.config.get/1",
        commands: &["config get"],
        about: "A setting",
        data: setting,
    },
    Document {
        name: "fst.config.set/1",
        commands: &["config set"],
        about: "A setting was changed",
        data: || with(setting(), [("was", text("As it was written before"))]),
    },
    Document {
        name: "fst.config.unset/1",
        commands: &["config unset"],
        about: "A setting was taken back; of something in a list only the key is told",
        data: || either([setting(), object([("key", text("Its whole key"))])]),
    },
    Document {
        name: "fst.config.list/1",
        commands: &["config list"],
        about: "All settings",
        data: || object([("settings", list(setting(), "In the order of the manual"))]),
    },
    Document {
        name: "fst.config.edit/1",
        commands: &["config edit"],
        about: "The configuration was edited",
        data: || object([("changed", flag("Whether it is another now"))]),
    },
    Document {
        name: "fst.config.validate/1",
        commands: &["config validate"],
        about: "Whether a configuration is good",
        data: validated,
    },
    Document {
        name: "fst.config.path/1",
        commands: &["config path"],
        about: "Where the configuration is",
        data: || {
            object([
                ("path", text("The file")),
                ("exists", flag("Whether it is there")),
            ])
        },
    },
    Document {
        name: "fst.config.reload/1",
        commands: &["config reload"],
        about: "The configuration was read anew",
        data: || object([("running", flag("Whether there is a daemon that follows it"))]),
    },
    Document {
        name: "fst.config.schema/1",
        commands: &["config schema"],
        about: "The JSON Schema of the configuration",
        data: json_schema,
    },
    Document {
        name: "fst.select.list/1",
        commands: &["select list"],
        about: "Sub-folders that this device syncs, and those that it leaves out",
        data: || object([("folders", list(choice(), "The folders"))]),
    },
    Document {
        name: "fst.select.add/1",
        commands: &["select add"],
        about: "Sub-folders are synced on this device from now on",
        data: || object([("folder", text("The folder")), ("choice", choice())]),
    },
    Document {
        name: "fst.select.remove/1",
        commands: &["select remove"],
        about: "Sub-folders are not synced on this device any more",
        data: || {
            object([
                ("folder", text("The folder")),
                (
                    "copies",
                    word(&["keep", "remove"], "What becomes of copies that are here"),
                ),
                ("choice", choice()),
            ])
        },
    },
    Document {
        name: "fst.schedule.list/1",
        commands: &["schedule list"],
        about: "Limits at some hours",
        data: schedules,
    },
    Document {
        name: "fst.schedule.show/1",
        commands: &["schedule show"],
        about: "Limits at some hours, or one of them",
        data: schedules,
    },
    Document {
        name: "fst.schedule.add/1",
        commands: &["schedule add"],
        about: "A limit at some hours was added",
        data: schedule,
    },
    Document {
        name: "fst.schedule.remove/1",
        commands: &["schedule remove"],
        about: "A limit at some hours was removed",
        data: schedule,
    },
];

fn schedules() -> Value {
    object([("schedules", list(schedule(), "The rules"))])
}

fn validated() -> Value {
    let finding = object([
        ("code", code("Its stable code")),
        (
            "severity",
            word(&["error", "warning"], "Whether the file can be used"),
        ),
        ("message", text("What is wrong")),
        ("line", or_null(whole("Line, from 1"))),
        ("column", or_null(whole("Column, from 1"))),
        ("note", or_null(text("What was meant, or is wanted"))),
        ("help", or_null(text("What could be there"))),
    ]);
    object([
        ("file", text("The file")),
        ("errors", whole("How many")),
        ("warnings", whole("How many")),
        ("findings", list(finding, "All at once")),
    ])
}
