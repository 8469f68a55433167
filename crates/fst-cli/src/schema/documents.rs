//! The table of documents: their names, who prints them, their data.
//!
//! One list for each area, so that commands are added side by side. A new command gets an entry here, and its file by
//! `fst schema NAME > docs/schema/cli/NAME.json`. Invariant: fields are added, never renamed or removed.

use fst_client::measure::Part;
use serde_json::{Value, json};

use super::Document;
use super::shapes::{
    code, failure, flag, folder, json_schema, list, object, or_null, plan, planned, row, rule,
    status, text, texts, time, whole, with, word,
};

mod afar;
mod choosing;
mod files;
mod settings;

/// Every document.
pub(crate) fn all() -> impl Iterator<Item = &'static Document> {
    [
        ACCOUNT,
        FOLDERS,
        files::FILES,
        choosing::CHOICES,
        afar::AFAR,
        settings::CHANGES,
        settings::SETTINGS,
        PROGRAM,
    ]
    .into_iter()
    .flatten()
}

/// Devices and accounts.
const ACCOUNT: &[Document] = &[
    Document {
        name: "fst.init/1",
        commands: &["init"],
        about: "This is a device of an account now",
        data: enrolled,
    },
    Document {
        name: "fst.up/1",
        commands: &["up"],
        about: "A folder is synced, and how the next device gets it",
        data: || {
            let path = text("The folder");
            let remote = text("Path at the server");
            let mut up = with(
                enrolled(),
                [
                    ("path", path),
                    ("remote_path", remote),
                    ("join", text("One-time string for a further device")),
                    ("second_device", text("The whole command line for it")),
                    ("status", status()),
                ],
            );
            up["required"] = json!([
                "server",
                "path",
                "remote_path",
                "join",
                "second_device",
                "status"
            ]);
            up
        },
    },
    Document {
        name: "fst.invite/1",
        commands: &["devices invite"],
        about: "How a further device is let in",
        data: || {
            object([
                ("join", text("One-time string")),
                ("server", text("Address of the server")),
                ("run", text("The whole command line for it")),
            ])
        },
    },
];

fn enrolled() -> Value {
    object([
        ("account", text("Id of the account")),
        ("device", text("Id of the device")),
        ("server", text("Address of the server")),
        (
            "recovery_words?",
            text("The recovery words, when the account was made; never shown again"),
        ),
    ])
}

/// Folders and their state.
const FOLDERS: &[Document] = &[
    Document {
        name: "fst.add/1",
        commands: &["add"],
        about: "A folder is synced from now on",
        data: || {
            object([
                ("path", text("The folder")),
                ("remote_path", text("Path at the server")),
                (
                    "mode",
                    word(
                        &["two-way", "upload-only", "download-only"],
                        "Which ways changes flow",
                    ),
                ),
                (
                    "only",
                    texts("The only sub-folders that are synced on this device, if any"),
                ),
            ])
        },
    },
    Document {
        name: "fst.remove/1",
        commands: &["remove"],
        about: "A folder is synced no more",
        data: || object([("path", text("The folder"))]),
    },
    Document {
        name: "fst.status/1",
        commands: &["status"],
        about: "What is going on",
        data: status,
    },
    Document {
        name: "fst.wait/1",
        commands: &["wait"],
        about: "Everything that existed is synced",
        data: folders,
    },
    Document {
        name: "fst.sync/1",
        commands: &["sync"],
        about: "Folders after a sync",
        data: folders,
    },
    Document {
        name: "fst.resync/1",
        commands: &["resync"],
        about: "Folders after everything was compared anew",
        data: folders,
    },
    Document {
        name: "fst.plan/1",
        commands: &["add", "remove", "sync", "resync"],
        about: "What would be done and why, with --dry-run",
        data: || {
            object([
                ("dry_run", flag("Nothing was done")),
                (
                    "folders",
                    list(plan(), "What the next sync of each would do"),
                ),
            ])
        },
    },
    Document {
        name: "fst.pause/1",
        commands: &["pause"],
        about: "Folders stand still",
        data: paused,
    },
    Document {
        name: "fst.resume/1",
        commands: &["resume"],
        about: "Folders go on",
        data: paused,
    },
    Document {
        name: "fst.why/1",
        commands: &["why"],
        about: "Why a path is as it is",
        data: why,
    },
    Document {
        name: "fst.daemon.install/1",
        commands: &["daemon install", "daemon uninstall"],
        about: "Whether the daemon starts at login",
        data: || {
            object([
                ("installed", flag("Whether there is a unit")),
                ("unit", text("The file of the unit")),
                ("changed", flag("Whether the command wrote or removed it")),
                (
                    "manager",
                    or_null(text(
                        "What the user manager of systemd was told: started, enabled or disabled; null when none answers or there was nothing to tell",
                    )),
                ),
            ])
        },
    },
    Document {
        name: "fst.daemon/1",
        commands: &[
            "daemon start",
            "daemon stop",
            "daemon restart",
            "daemon status",
        ],
        about: "Whether the daemon runs",
        data: || {
            object([
                ("running", flag("Whether it runs")),
                ("pid?", whole("Its process id")),
                ("socket?", text("Its control socket")),
                ("started_at?", time("When it started")),
                ("version?", text("Version of its program")),
            ])
        },
    },
    Document {
        name: "fst.event/1",
        commands: &["events"],
        about: "Something that happened; one such document a line",
        data: event,
    },
    Document {
        name: "fst.bench/1",
        commands: &["bench"],
        about: "How fast the parts of this machine are that syncing needs",
        data: bench,
    },
    Document {
        name: "fst.doctor/1",
        commands: &["doctor"],
        about: "What keeps this device from syncing well",
        data: || {
            let healths = &["good", "odd", "bad"];
            let finding = object([
                ("topic", text("What was looked at")),
                ("health", word(healths, "How it is")),
                ("text", text("What was seen")),
                ("next", or_null(text("What to do"))),
            ]);
            let fix = object([
                ("topic", text("What it belongs to")),
                (
                    "outcome",
                    word(&["done", "by-hand"], "Whether it is mended"),
                ),
                ("text", text("What was wrong")),
                ("next", or_null(text("What to do"))),
            ]);
            object([
                ("health", word(healths, "The worst finding")),
                ("findings", list(finding, "In the order of the topics")),
                ("fixes", list(fix, "What --fix did and did not do")),
            ])
        },
    },
    Document {
        name: "fst.doctor.bundle/1",
        commands: &["doctor"],
        about: "The archive that --bundle wrote",
        data: || {
            let file = object([
                ("name", text("Its name in the archive")),
                ("about", text("What it tells")),
                ("bytes", whole("Its size")),
            ]);
            object([
                ("path", text("The archive")),
                ("bytes", whole("Its size")),
                ("files", list(file, "What is in it")),
            ])
        },
    },
    Document {
        name: "fst.log/1",
        commands: &["log", "daemon logs"],
        about: "What the daemon has logged; with --follow one document for each part",
        data: || {
            object([
                ("path", text("The log")),
                ("lines", texts("Its last lines, printable")),
            ])
        },
    },
    Document {
        name: "fst.verify/1",
        commands: &["verify"],
        about: "Whether log, data and files are what they should be",
        data: verified,
    },
];

fn folders() -> Value {
    object([("folders", list(folder(), "The folders"))])
}

fn verified() -> Value {
    let troubles = &["unchecked", "local", "remote", "log", "rollback"];
    let parts = &["log", "state", "refs", "data", "local"];
    let finding = object([
        ("part", word(parts, "Which look found it")),
        ("trouble", word(troubles, "What kind it is")),
        ("path", or_null(text("The file concerned"))),
        ("text", text("What was seen")),
    ]);
    let n = || or_null(whole("How many; null when not looked at"));
    let checked = parts.map(|part| (part, n()));
    let folder = object([
        ("path", text("The folder")),
        ("checked", object(checked)),
        (
            "changed",
            whole("Files changed here that are not synced yet"),
        ),
        (
            "findings",
            list(finding, "In the order in which they were found"),
        ),
        ("more", whole("Findings beyond those that are listed")),
    ]);
    object([
        ("trouble", or_null(word(troubles, "The worst finding"))),
        ("folders", list(folder, "The folders")),
    ])
}

fn paused() -> Value {
    object([
        ("path", or_null(text("The folder; null for all"))),
        ("state", text("What is so now")),
    ])
}

fn why() -> Value {
    let states = &[
        "synced",
        "pending",
        "held",
        "ignored",
        "unselected",
        "problem",
        "deleted",
        "unknown",
    ];
    object([
        ("folder", text("The folder")),
        ("path", text("Path inside the folder, printable")),
        ("state", word(states, "How it is")),
        ("reason", text("Why")),
        (
            "row",
            or_null(row("Row of the specification, when one decides")),
        ),
        ("plan", or_null(planned())),
        ("rule", or_null(rule())),
        ("code", or_null(code("Of a problem"))),
        ("next", or_null(text("What to do"))),
        (
            "device",
            or_null(text(
                "Device of the newest known version, or of the deletion",
            )),
        ),
        ("time_ms", or_null(time("Server time of it"))),
        ("size", or_null(whole("Its bytes"))),
    ])
}

/// The program itself.
const PROGRAM: &[Document] = &[
    Document {
        name: "fst.error/1",
        commands: &[],
        about: "A failure of any command, on the last line of standard error",
        data: failure,
    },
    Document {
        name: "fst.help/1",
        commands: &["", "help"],
        about: "The first commands to type, or help on a command or topic",
        data: || object([("help?", text("Help on what was asked for"))]),
    },
    Document {
        name: "fst.explain/1",
        commands: &["explain"],
        about: "What an error code means",
        data: || {
            object([
                ("code", code("The code")),
                ("title", text("What it means")),
                ("about", text("What it is about")),
                ("next", text("What to do")),
                ("run", texts("The commands in `next`")),
                ("exit", whole("Exit code of a command that fails with it")),
                ("http_status", whole("HTTP status")),
            ])
        },
    },
    Document {
        name: "fst.exit-codes/1",
        commands: &["explain", "help"],
        about: "All exit codes",
        data: || {
            let exit = object([
                ("exit", whole("The code")),
                ("meaning", text("What it means")),
            ]);
            object([("exits", list(exit, "In order"))])
        },
    },
    Document {
        name: "fst.demo/1",
        commands: &["demo"],
        about: "What was measured in a demonstration",
        data: demo,
    },
    Document {
        name: "fst.completions/1",
        commands: &["completions"],
        about: "Completions for a shell",
        data: || {
            object([
                ("shell", text("The shell")),
                ("script", text("What the shell is to read")),
                ("install", text("What has new shells read it")),
            ])
        },
    },
    Document {
        name: "fst.man/1",
        commands: &["man"],
        about: "Manual pages",
        data: || {
            object([
                (
                    "page",
                    or_null(text(
                        "The page of fst, in roff; null when pages were written",
                    )),
                ),
                ("pages", texts("Files that were written")),
            ])
        },
    },
    Document {
        name: "fst.schemas/1",
        commands: &["schema"],
        about: "The documents that have a schema",
        data: || {
            let document = object([
                ("name", text("Its name and version")),
                ("about", text("What it tells")),
                ("commands", texts("Who prints it")),
            ]);
            object([("documents", list(document, "All of them"))])
        },
    },
    Document {
        name: "fst.schema/1",
        commands: &["schema"],
        about: "The JSON Schema of a document",
        data: json_schema,
    },
    Document {
        name: "fst.version/1",
        commands: &["version"],
        about: "Versions of the program and of the daemon that runs",
        data: || {
            object([
                ("version", text("Version of this program")),
                (
                    "daemon",
                    or_null(text("Version of the daemon, if one runs")),
                ),
            ])
        },
    },
];

fn event() -> Value {
    let events = &[
        "state", "sent", "received", "conflict", "problem", "server", "missed", "stopping",
    ];
    object([
        ("seq", whole("Number within the life of the daemon, from 1")),
        ("time_ms", time("When it was noticed")),
        ("event", word(events, "What happened")),
        ("folder?", text("The folder")),
        ("path?", text("Path inside it")),
        ("action?", text("create, edit, move, delete or attributes")),
        ("state?", text("Of the folder, or of the server")),
        ("code?", code("What is wrong")),
        (
            "count?",
            whole("Open conflicts, or events that were missed"),
        ),
    ])
}

fn bench() -> Value {
    let parts = &Part::ALL.map(Part::as_str);
    let speed = |about: &str| whole(&format!("{about}; bytes a second"));
    let wait = |about: &str| whole(&format!("{about}; microseconds"));
    let measured = object([
        ("part", word(parts, "What was measured")),
        ("write_bytes_per_s?", speed("Large files, made durable")),
        ("read_bytes_per_s?", speed("The same bytes")),
        (
            "save_p50_us?",
            wait("One small file made durable: the middle"),
        ),
        ("save_p95_us?", wait("One in twenty takes longer")),
        ("bytes_per_s?", speed("Work of one core")),
        ("first_us?", wait("First request, with the connection")),
        ("round_trip_p50_us?", wait("Further requests: the middle")),
        ("round_trip_p95_us?", wait("One in twenty takes longer")),
        ("reason?", text("Why it could not be measured")),
        ("next?", text("What to do then")),
    ]);
    let large = object([
        ("part", word(parts, "The part")),
        ("bytes_per_s", speed("How fast it is")),
    ]);
    let small = object([
        ("part", word(parts, "The part")),
        ("wait_us", wait("For one file")),
    ]);
    object([
        (
            "parts",
            list(measured, "In the order in which a file meets them"),
        ),
        ("large_files", or_null(large)),
        ("small_files", or_null(small)),
        ("text", text("The same in a sentence")),
    ])
}

fn demo() -> Value {
    object([
        ("setup_ms", whole("Until both devices were set up")),
        ("arrival_ms", whole("Until a file was on the other device")),
        ("rename_ms", whole("Until a renamed file was renamed there")),
        ("rename_sent_bytes", whole("Bytes sent for that")),
        ("rename_file_bytes", whole("Bytes of the renamed file")),
        (
            "conflict_files",
            texts("Both versions of a file that both changed"),
        ),
        (
            "killed_after_bytes",
            whole("Bytes that were sent when the daemon was killed"),
        ),
        ("recovered_ms", whole("Until the file was there after that")),
        ("recovered_bytes", whole("Bytes sent for that")),
        ("content_hash", text("Hash of its content on both devices")),
        (
            "server_files",
            whole("Files of the server that were searched"),
        ),
        ("server_bytes", whole("Their bytes")),
        (
            "server_found",
            whole("Names and contents that were found in them; 0"),
        ),
        ("total_ms", whole("Everything")),
    ])
}
