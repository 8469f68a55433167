//! `fst conflicts list`: files that two devices changed at once, with both sides.

use std::path::Path;

use fst_client::ConflictItem;
use fst_client::views::ConflictSide;
use fst_proto::time::UnixMillis;
use jiff::tz::TimeZone;
use serde_json::json;

use crate::args::ConflictsCommand;
use crate::context::Context;
use crate::render::table::{Side, Table};
use crate::render::{Look, Symbol, amounts, json as drawn};
use crate::report::{Answer, Failure};

/// Widest name column.
const NAME_WIDTH_MAX: usize = 28;

pub(super) fn run(context: &Context, command: &ConflictsCommand) -> Result<Answer, Failure> {
    let ConflictsCommand::List = command;
    let conflicts = context.client()?.conflicts()?;
    let data = json!({ "conflicts": drawn::value(&conflicts) });
    Ok(Answer::new(
        "fst.conflicts/1",
        data,
        text(context, &conflicts),
    ))
}

fn text(context: &Context, conflicts: &[ConflictItem]) -> String {
    let look = &context.look;
    if conflicts.is_empty() {
        return format!("{} No conflicts\n", look.symbol(Symbol::Good));
    }
    let mut table = Table::new(&[
        ("ID", Side::Left),
        ("File", Side::Left),
        ("Here", Side::Left),
        ("Kept beside it", Side::Left),
    ]);
    for conflict in conflicts {
        let folder = look.tilde(&conflict.folder);
        table.row(vec![
            conflict.id.clone(),
            look.clip(&format!("{folder}/{}", conflict.path), NAME_WIDTH_MAX),
            side(conflict.local.as_ref()),
            side(conflict.remote.as_ref()),
        ]);
    }
    let mut out = format!(
        "{}\n\n",
        amounts::plural(conflicts.len() as u64, "conflict")
    );
    out.push_str(&table.draw());
    out.push_str("\n  Nothing is lost: keep what you want, delete or rename the other file.\n");
    for conflict in conflicts {
        out.push_str(&copy_line(look, conflict));
    }
    out
}

fn side(side: Option<&ConflictSide>) -> String {
    let Some(side) = side else {
        return "gone".to_owned();
    };
    let when = amounts::when(
        Context::now(),
        UnixMillis(side.time_ms),
        &TimeZone::system(),
    );
    format!("{} {when} {}", side.device, amounts::size(side.size))
}

fn copy_line(look: &Look, conflict: &ConflictItem) -> String {
    let copy = conflict
        .remote
        .as_ref()
        .map_or("", |side| side.path.as_str());
    let path = conflict.folder.join(Path::new(copy));
    format!("  {}  {}\n", conflict.id, look.quoted(&path))
}
