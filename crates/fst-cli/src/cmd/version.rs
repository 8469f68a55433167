//! `fst version`: this program's, and the daemon's when it is another one.

use serde_json::json;

use crate::context::Context;
use crate::report::{Answer, Failure};

const VERSION: &str = env!("CARGO_PKG_VERSION");

pub(super) fn run(context: &Context) -> Result<Answer, Failure> {
    let daemon = context
        .daemon_if_any()?
        .map(|daemon| daemon.record().version.clone());
    let data = json!({ "version": VERSION, "daemon": daemon });
    let answer = Answer::new("fst.version/1", data, format!("fst {VERSION}\n"));
    Ok(match daemon.filter(|daemon| daemon != VERSION) {
        None => answer,
        Some(other) => answer
            .warn([format!("the daemon runs {other}")])
            .then("fst daemon restart"),
    })
}
