//! Documents about the sub-folders that a device syncs.
//!
//! Part of the table in [`super`]; the shapes are those of the views in `fst-client`.

use serde_json::Value;

use crate::schema::Document;
use crate::schema::shapes::{flag, list, object, text, texts, whole, word};

/// What a device has chosen.
pub(super) const CHOICES: &[Document] = &[
    Document {
        name: "fst.select.add/1",
        commands: &["select add"],
        about: "Sub-folders are synced on this device",
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
        name: "fst.select.list/1",
        commands: &["select list"],
        about: "What is chosen of each folder",
        data: || object([("folders", list(choice(), "The folders"))]),
    },
];

fn choice() -> Value {
    let sub_folder = object([
        ("path", text("Path inside the folder, printable")),
        (
            "chosen",
            word(
                &["all", "part", "none", "cleared"],
                "How much of it this device syncs",
            ),
        ),
        ("is_here", flag("Something of this name lies on this disk")),
        (
            "files",
            whole("Files in it at the server, as far as this device knows"),
        ),
        ("bytes", whole("Their bytes")),
    ]);
    object([
        ("folder", text("The folder")),
        ("is_everything", flag("Nothing is left out")),
        (
            "only",
            texts("The only sub-folders that are synced, if any"),
        ),
        ("except", texts("Not synced; copies stay")),
        ("cleared", texts("Not synced; synced copies go")),
        (
            "sub_folders",
            list(sub_folder, "Those at the top and those that are named"),
        ),
    ])
}
