//! `fst-server audit export | verify`.
//!
//! Invariant: changes nothing; a record is one line, in the order in which it was written. Not here: what is recorded
//! (`fst_store::meta::audit`).

use fst_proto::text::to_hex;
use fst_proto::time::UnixMillis;
use fst_server::config::Options;
use fst_server::upkeep::audit;
use fst_store::meta::{Actor, AuditEvent, AuditRecord};
use serde_json::{Map, Value, json};

use crate::{Failure, Place, block_on, print};

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Audit {
    /// Prints the records, a line each.
    Export {
        /// Only those after this one.
        #[arg(long, value_name = "ID", default_value_t = 0)]
        since: u64,
        /// As JSON, an object in each line.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        place: Place,
    },
    /// Follows the chain of records; exits with 10 and names the first that was tampered with.
    Verify {
        #[command(flatten)]
        place: Place,
    },
}

impl Audit {
    pub(crate) fn place(&self) -> &Place {
        match self {
            Self::Export { place, .. } | Self::Verify { place } => place,
        }
    }

    pub(crate) fn run(&self, options: &Options) -> Result<(), Failure> {
        match self {
            Self::Export { since, json, .. } => {
                let line = if *json { json_line } else { text_line };
                let each = |record: &AuditRecord| print(&line(record));
                block_on(None, audit::read(options, *since, each))?
            },
            Self::Verify { .. } => verify(options),
        }
    }
}

fn verify(options: &Options) -> Result<(), Failure> {
    let checked = block_on(None, audit::check(options))??;
    let (no, hash) = (checked.good.no, to_hex(checked.good.hash.as_bytes()));
    print(&format!(
        "records that follow: {no}  hash of the last: {hash}\n"
    ))?;
    checked
        .broken
        .map_or(Ok(()), |no| Err(Failure::Tampered(no)))
}

fn json_line(record: &AuditRecord) -> String {
    let mut line = Map::new();
    let mut put = |key: &str, value: Value| drop(line.insert(key.to_owned(), value));
    put("id", json!(record.no));
    match AuditEvent::decode(&record.body) {
        Some(event) => {
            put("time", json!(stamp(event.time)));
            put("kind", json!(event.kind.word()));
            put("actor", json!(actor(event.actor)));
            put("account", json!(event.account.map(|id| id.to_string())));
            put("device", json!(event.device.map(|id| id.to_string())));
            put("space", json!(event.space.map(|id| id.to_string())));
            put("numbers", json!(event.numbers));
        },
        None => put("kind", json!("unreadable")),
    }
    put("hash", json!(to_hex(record.hash.as_bytes())));
    format!("{}\n", Value::Object(line))
}

fn text_line(record: &AuditRecord) -> String {
    let no = record.no;
    let Some(event) = AuditEvent::decode(&record.body) else {
        return format!("{no}  unreadable: fst-server audit verify\n");
    };
    let ids = [
        event.account.map(|id| format!("  account {id}")),
        event.device.map(|id| format!("  device {id}")),
        event.space.map(|id| format!("  space {id}")),
    ];
    let ids: String = ids.into_iter().flatten().collect();
    let numbers = event.numbers.iter().map(|number| format!("  {number}"));
    let numbers: String = numbers.collect();
    let (time, kind, actor) = (stamp(event.time), event.kind.word(), actor(event.actor));
    format!("{no}  {time}  {kind}  by {actor}{ids}{numbers}\n")
}

fn actor(actor: Actor) -> String {
    match actor {
        Actor::Server => "server".to_owned(),
        Actor::Administrator => "administrator".to_owned(),
        Actor::Device(device) => device.to_string(),
    }
}

fn stamp(time: UnixMillis) -> String {
    let at = time.to_civil();
    let (year, month, day) = (at.year, at.month, at.day);
    let (hour, minute, second) = (at.hour, at.minute, at.second);
    format!("{year}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}
