//! `fst devices invite`: a one-time string for a further device.

use serde_json::json;

use super::account::{invite, loopback_note};
use crate::args::DevicesCommand;
use crate::context::Context;
use crate::render::Page;
use crate::report::{Answer, Failure};

pub(super) fn run(context: &Context, command: &DevicesCommand) -> Result<Answer, Failure> {
    let DevicesCommand::Invite = command;
    let client = context.client()?;
    let remote = client
        .config()
        .folders
        .first()
        .map(|folder| folder.remote_path.clone());
    let invitation = invite(&client, remote.as_deref().unwrap_or("/Documents"))?;
    let mut page = Page::default();
    page.line("On the other device, within three days and once:\n");
    page.line(format!(
        "  {}\n\n  or without a folder: {}",
        invitation.line, invitation.init
    ));
    let mut warnings = Vec::new();
    if invitation.is_loopback {
        page.line(format!("\n{}", loopback_note()));
        warnings.push(loopback_note().replace('\n', " "));
    }
    let data = json!({
        "join": invitation.join,
        "server": client.server_url(),
        "run": invitation.line,
    });
    let answer = Answer::new("fst.invite/1", data, page.into_text()).then(invitation.line);
    Ok(if context.global.json {
        answer.warn(warnings)
    } else {
        answer
    })
}
