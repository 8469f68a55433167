//! `fst events [--follow]`: what the daemon did lately, or does from now on.
//!
//! Invariant: one event a line, printed when it comes; ends with the daemon and when nobody reads any more. Not here:
//! which events there are ([`fst_proto::ipc::Event`]). Source: docs/design/commands.md §19.

use std::io::IsTerminal as _;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;

use fst_proto::ipc::Event;
use fst_proto::time::UnixMillis;
use jiff::tz::TimeZone;

use crate::context::Context;
use crate::render::amounts::{plural, when};
use crate::render::{Look, json};
use crate::report::{Answer, Failure};
use crate::screen::{self, Reader};

const SCHEMA: &str = "fst.event/1";

pub(super) fn run(context: &Context, follow: bool) -> Result<Answer, Failure> {
    let mut daemon = context.daemon()?;
    let is_json = context.global.json || !std::io::stdout().is_terminal();
    let zone = TimeZone::system();
    let mut is_new = true;
    daemon.events(follow, &mut |event| {
        let reader = match event {
            Some(event) if is_json => screen::stream(&format!("{}\n", document(event))),
            Some(event) => {
                let at = when(Context::now(), UnixMillis(event.time_ms), &zone);
                screen::stream(&format!("{at}  {}\n", told(&context.look, event)))
            },
            None => {
                if std::mem::take(&mut is_new) {
                    context.say("following: Ctrl-C ends it");
                }
                screen::wait(Duration::ZERO)
            },
        };
        match reader {
            Reader::There => ControlFlow::Continue(()),
            Reader::Gone => ControlFlow::Break(()),
        }
    })?;
    Ok(Answer::told(SCHEMA))
}

fn document(event: &Event) -> String {
    let data = json::value(event);
    Answer::new(SCHEMA, data, "").envelope().to_string()
}

/// One event in words.
fn told(look: &Look, event: &Event) -> String {
    let folder = event.folder.as_deref().unwrap_or_default();
    let folder = look.tilde(Path::new(folder));
    let code = event.code.as_ref().map(|code| format!(" ({code})"));
    let code = code.unwrap_or_default();
    let path = event.path.as_deref().unwrap_or_default();
    let action = event.action.as_deref().unwrap_or_default();
    let state = event.state.as_deref().unwrap_or_default();
    let count = event.count.unwrap_or_default();
    match event.event.as_str() {
        "sent" | "received" => format!("{:<8}  {folder}/{path} ({action})", event.event),
        "problem" => format!("problem   {folder}/{path}{code}"),
        "conflict" => format!("conflict  {folder}: {}", plural(count, "open conflict")),
        "state" => format!("state     {folder}: {state}{code}"),
        "server" => format!("server    {state}"),
        "missed" => format!("missed    {}", plural(count, "event")),
        "stopping" => "stopping  the daemon ends".to_owned(),
        other => other.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_told_in_words() {
        for (given, wanted) in [
            (
                r#""event":"sent","folder":"/h/d","path":"a/b","action":"edit""#,
                "sent      ~/d/a/b (edit)",
            ),
            (
                r#""event":"received","folder":"/x","path":"a","action":"delete""#,
                "received  /x/a (delete)",
            ),
            (
                r#""event":"state","folder":"/h/d","state":"paused""#,
                "state     ~/d: paused",
            ),
            (
                r#""event":"state","folder":"/h/d","state":"error","code":"FST-3001""#,
                "state     ~/d: error (FST-3001)",
            ),
            (
                r#""event":"problem","folder":"/h/d","path":"a","code":"FST-3002""#,
                "problem   ~/d/a (FST-3002)",
            ),
            (
                r#""event":"conflict","folder":"/h/d","count":2"#,
                "conflict  ~/d: 2 open conflicts",
            ),
            (r#""event":"server","state":"offline""#, "server    offline"),
            (r#""event":"missed","count":1"#, "missed    1 event"),
            (r#""event":"stopping""#, "stopping  the daemon ends"),
            (r#""event":"from-the-future""#, "from-the-future"),
        ] {
            let text = format!(r#"{{"seq":1,"time_ms":7,{given}}}"#);
            let event: Event = serde_json::from_str(&text).expect("an event");
            let look = Look {
                home: "/h".into(),
                ..Look::default()
            };
            assert_eq!(told(&look, &event), wanted);
        }
    }
}
