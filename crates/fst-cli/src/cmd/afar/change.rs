//! `fst put`, `mkdir`, `mv`, `rm`: changes at the server.
//!
//! Invariant: each says how what was there before can be had again. Source: docs/design/commands.md §12.

use std::path::Path;

use fst_client::operations::Operation;
use fst_client::past::{Change, Changed};
use fst_proto::error::ErrorCode;
use fst_proto::path::RelPath;
use fst_proto::text::printable;
use serde_json::json;

use super::place;
use crate::afar::Remote;
use crate::context::{Context, absolute};
use crate::noted::{self, Name};
use crate::render::{Page, Symbol, quote};
use crate::report::{Answer, Failure};

pub(super) fn put(
    context: &Context,
    from: &Path,
    path: &Remote,
    replace: bool,
) -> Result<Answer, Failure> {
    let from = absolute(from)?;
    let change = Change::Put { from, replace };
    let done = carry_out(context, "put", path, &change);
    let done = hinted(
        done,
        ErrorCode::InTheWay,
        "add --replace, or choose another name",
    )?;
    Ok(answer(context, "fst.put/1", "put", &done))
}

pub(super) fn make_dir(context: &Context, path: &Remote) -> Result<Answer, Failure> {
    let done = carry_out(context, "mkdir", path, &Change::MakeDir)?;
    Ok(answer(context, "fst.mkdir/1", "made", &done))
}

pub(super) fn remove(context: &Context, path: &Remote, recursive: bool) -> Result<Answer, Failure> {
    let done = carry_out(context, "rm", path, &Change::Remove { recursive });
    let done = hinted(done, ErrorCode::InTheWay, "add --recursive")?;
    let answer = answer(context, "fst.rm/1", "removed", &done);
    let was = quote(&format!("{}@@{}", done.path, done.changed.before_ms));
    let get = format!("fst get {was}");
    let text = format!("{}{}", answer.text, context.look.next(&get));
    Ok(Answer { text, ..answer }.then(get))
}

pub(super) fn relocate(context: &Context, path: &Remote, to: &Remote) -> Result<Answer, Failure> {
    let client = context.client()?;
    let (old, new) = (place(&client, path)?, place(&client, to)?);
    if old.folder.remote_path != new.folder.remote_path {
        let message = "a move stays within a space: use fst get and fst put";
        return Err(Failure::new(ErrorCode::Usage, message));
    }
    refuse_time(to)?;
    let done = carry_out(context, "mv", path, &Change::Move { to: new.path })?;
    Ok(answer(context, "fst.mv/1", "moved here", &done))
}

/// A change and the whole remote path that it concerns.
struct Done {
    path: String,
    changed: Changed,
    operation: Option<Operation>,
}

fn carry_out(
    context: &Context,
    command: &str,
    path: &Remote,
    change: &Change,
) -> Result<Done, Failure> {
    refuse_time(path)?;
    let client = context.client()?;
    let place = place(&client, path)?;
    let whole = |inside: &RelPath| {
        let inside = printable(&inside.to_bytes());
        format!("{}/{inside}", place.folder.remote_path)
    };
    let subject = whole(&place.path);
    let noted = noted::act(context, Name::new(command, &subject), |note| {
        client.change_afar(&place, change, note)
    });
    let (changed, operation) = hinted(noted, ErrorCode::Conflict, "fst ls, then run it again")?;
    Ok(Done {
        path: whole(&changed.path),
        changed,
        operation,
    })
}

/// A better next step for failures of this code.
fn hinted<T>(done: Result<T, Failure>, code: ErrorCode, hint: &str) -> Result<T, Failure> {
    done.map_err(|failure| match failure.code == code {
        true => failure.hint(hint),
        false => failure,
    })
}

fn refuse_time(path: &Remote) -> Result<(), Failure> {
    match path.at {
        Some(_) => Err(Failure::new(
            ErrorCode::Usage,
            "what was cannot be changed: leave @TIME out",
        )),
        None => Ok(()),
    }
}

fn answer(context: &Context, schema: &'static str, word: &str, done: &Done) -> Answer {
    let n = done.changed.n_nodes;
    let good = context.look.symbol(Symbol::Good);
    let mut page = Page::default();
    page.line(match n {
        0 => format!("{good} {} is so already", done.path),
        _ => format!("{good} {} {word}", done.path),
    });
    let data = json!({ "path": done.path, "changed": n, "before": done.changed.before_ms });
    Answer::new(schema, data, page.into_text()).undone_by(done.operation.as_ref())
}
