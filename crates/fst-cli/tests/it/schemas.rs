//! What `--json` prints fits the published schemas: [`check`] looks at every answer that a test of this crate sees.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::world::{Home, Server};

fn published() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/schema/cli")
}

/// The file of a document such as `fst.status/1`.
fn file_of(name: &str) -> Option<PathBuf> {
    let short = name.strip_prefix("fst.")?.split_once('/')?.0;
    Some(published().join(format!("{short}.json")))
}

/// Further fields are fine for users of a schema, but none may be forgotten in it.
fn close(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            if fields.contains_key("properties") {
                fields.insert("additionalProperties".to_owned(), json!(false));
            }
            fields.values_mut().for_each(close);
        },
        Value::Array(items) => items.iter_mut().for_each(close),
        _ => {},
    }
}

/// What a document has that its schema does not allow, or the other way round.
fn faults(document: &Value) -> Result<(), String> {
    let name = document["schema"].as_str().ok_or("no name")?;
    let file = file_of(name).ok_or_else(|| format!("{name} is no name"))?;
    let text = std::fs::read_to_string(&file).map_err(|_| {
        format!("{name} has no schema: add it to crates/fst-cli/src/schema/documents.rs")
    })?;
    let mut schema: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    close(&mut schema);
    let (mut schemas, mut compiler) = (boon::Schemas::new(), boon::Compiler::new());
    let added = compiler.add_resource("document.json", schema);
    added.map_err(|error| error.to_string())?;
    let compiled = compiler.compile("document.json", &mut schemas);
    let compiled = compiled.map_err(|error| error.to_string())?;
    let fits = schemas.validate(document, compiled);
    fits.map_err(|error| format!("{name}: {error:#}\n{document:#}"))
}

/// A text that is a document of ours, if it is one.
fn document(text: &str) -> Option<Value> {
    let value: Value = serde_json::from_str(text).ok()?;
    value["schema"]
        .as_str()?
        .starts_with("fst.")
        .then_some(value)
}

/// Looks at both outputs of a command: every document fits, and with `--json` there is one.
pub(crate) fn check(out: &str, err: &str, is_json: bool) {
    let answers: Vec<Value> = match document(out) {
        Some(whole) => vec![whole],
        None => out.lines().filter_map(document).collect(),
    };
    let failure = err.lines().last().and_then(document);
    for found in answers.iter().chain(&failure) {
        assert_eq!(faults(found), Ok(()));
    }
    let is_told = !answers.is_empty() || failure.is_some();
    assert!(is_told || !is_json, "no document:\n{out}\n{err}");
}

#[test]
fn what_does_not_fit_is_seen() {
    let good = json!({
        "schema": "fst.version/1", "ok": true, "warnings": [], "next": [],
        "data": { "version": "3.2.0", "daemon": null },
    });
    assert_eq!(faults(&good), Ok(()));
    for (pointer, value) in [
        ("/data", json!({ "version": "3.2.0" })),
        ("/data", json!({ "version": "3.2.0", "daemon": 7 })),
        (
            "/data",
            json!({ "version": "3.2.0", "daemon": null, "more": 1 }),
        ),
        ("/warnings", json!("one")),
        ("/schema", json!("fst.version/2")),
        ("/schema", json!("fst.unheard-of/1")),
    ] {
        let mut bad = good.clone();
        *bad.pointer_mut(pointer).expect("a field") = value;
        assert!(faults(&bad).is_err(), "{bad}");
    }
}

#[test]
fn published_schemas_are_what_is_printed() {
    let home = Home::new();
    let all = home.fst(["schema", "--json"]).ok().json();
    let all = all["data"]["documents"].as_array().expect("documents");
    let mut files = BTreeSet::new();
    for one in all {
        let name = one["name"].as_str().expect("a name");
        let file = file_of(name).expect("a name with a version");
        let short = file.file_stem().expect("a name").to_string_lossy();
        let printed = home.fst(["schema", &short]).ok().out;
        let published = std::fs::read_to_string(&file).unwrap_or_default();
        assert!(
            printed == published,
            "write it anew: fst schema {short} > docs/schema/cli/{short}.json"
        );
        files.insert(file);
    }
    let there = std::fs::read_dir(published()).expect("a directory");
    let there: BTreeSet<PathBuf> = there.map(|file| file.expect("a file").path()).collect();
    assert_eq!(there, files);
    home.fst(["schema", "nonsense"]).failed("FST-1201", 5);
}

/// Command lines and the documents that they print, in an order in which each can be done; the rest is seen by the
/// other tests.
const TOUR: &str = "\
    --json                                        fst.help/1
    completions bash                              fst.completions/1
    explain exit-codes                            fst.exit-codes/1
    explain FST-1102                              fst.explain/1
    schema                                        fst.schemas/1
    schema status                                 fst.schema/1
    version                                       fst.version/1
    man                                           fst.man/1
    help times                                    fst.help/1
    help exit-codes                               fst.exit-codes/1
    config path                                   fst.config.path/1
    config schema                                 fst.config.schema/1
    config set max_upload 5mbps                   fst.config.set/1
    undo                                          fst.undo/1
    config set max_upload 5mbps                   fst.config.set/1
    config unset max_upload                       fst.config.unset/1
    config edit --editor true                     fst.config.edit/1
    config reload                                 fst.config.reload/1
    schedule add --name n --time 01:00-02:00 --max-upload 1mbps  fst.schedule.add/1
    schedule show                                 fst.schedule.show/1
    schedule remove n                             fst.schedule.remove/1
    ignore add *.x --device                       fst.ignore.add/1
    ignore list                                   fst.ignore.list/1
    ignore remove *.x --device                    fst.ignore.remove/1
    pause                                         fst.pause/1
    resume                                        fst.resume/1
    wait --synced                                 fst.wait/1
    versions DIR/a.txt                            fst.versions/1
    versions pin DIR/a.txt 1                      fst.pin/1
    ls                                            fst.ls/1
    mkdir /Documents/new                          fst.mkdir/1
    mv /Documents/new /Documents/newer            fst.mv/1
    get /Documents/a.txt DIR-b.txt                fst.get/1
    daemon restart                                fst.daemon/1
    daemon stop                                   fst.daemon/1
    resync --full                                 fst.resync/1
    remove DIR                                    fst.remove/1
    add DIR                                       fst.add/1
    daemon status                                 fst.daemon/1";

#[test]
fn commands_print_the_documents_that_the_table_says() {
    let server = Server::start();
    let home = Home::first(&server).with_folder("Documents");
    home.write("Documents/a.txt", "a\n");
    home.wait();
    let dir = home.path("Documents");
    let dir = dir.to_string_lossy();
    for row in TOUR.lines() {
        let (line, name) = row.trim().rsplit_once(' ').expect("a document");
        let line = line.replace("DIR", &dir);
        let mut words: Vec<&str> = line.split_whitespace().collect();
        if words != ["--json"] {
            words.push("--json");
        }
        let run = home.fst(&words);
        let told = run.json();
        assert_eq!(told["schema"], name, "{line}: {run:?}");
    }
}
