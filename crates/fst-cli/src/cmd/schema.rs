//! `fst schema [NAME]`: the JSON Schemas of what `--json` prints.

use fst_proto::error::ErrorCode;
use serde_json::{Value, json};

use crate::render::table::{Side, Table};
use crate::report::{Answer, Failure};
use crate::schema::{documents, named};

pub(super) fn run(name: Option<&str>) -> Result<Answer, Failure> {
    let Some(name) = name else {
        return Ok(list());
    };
    let document = named(name).ok_or_else(|| {
        let failure = Failure::new(ErrorCode::NotFound, "there is no such document");
        let name = fst_proto::text::printable(name.as_bytes());
        failure.because(name).hint("fst schema")
    })?;
    let schema = document.schema();
    // Maps with texts as keys are always JSON.
    let text = serde_json::to_string_pretty(&schema).unwrap_or_default();
    Ok(Answer::new("fst.schema/1", schema, format!("{text}\n")))
}

fn list() -> Answer {
    let columns = ["Document", "About"].map(|title| (title, Side::Left));
    let mut table = Table::new(&columns);
    let mut data: Vec<Value> = Vec::new();
    for document in documents::all() {
        table.row(vec![document.short().to_owned(), document.about.to_owned()]);
        data.push(json!({
            "name": document.name,
            "about": document.about,
            "commands": document.commands,
        }));
    }
    Answer::new("fst.schemas/1", json!({ "documents": data }), table.draw())
        .then("fst schema status")
}
