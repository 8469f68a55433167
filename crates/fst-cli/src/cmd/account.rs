//! Words about accounts that several commands say: the recovery kit, the line for the next device.

use fst_client::remote::tls::is_loopback;
use fst_client::{Client, InitDone};
use serde_json::{Map, Value, json};

use crate::context::Context;
use crate::render::{Page, quote};
use crate::report::Failure;

/// Words of the recovery kit on one line of print.
const WORDS_PER_LINE: usize = 6;

/// The recovery kit with what it is for; shown once, because it is stored nowhere.
pub(crate) fn recovery_kit(words: &str) -> String {
    let words: Vec<&str> = words.split_whitespace().collect();
    let mut page = Page::default();
    page.line("\nRecovery kit: these words open your files when every device is lost.");
    page.line("They are shown this once. Write them down, keep them off this machine.\n");
    for (line, chunk) in words.chunks(WORDS_PER_LINE).enumerate() {
        page.line(format!(
            "  {:>2}  {}",
            line * WORDS_PER_LINE + 1,
            chunk.join(" ")
        ));
    }
    page.line("\n  To use them: fst init --server URL --recover WORDSFILE");
    page.into_text()
}

/// The fields of a device that was just set up.
pub(crate) fn init_fields(done: &InitDone, server: &str) -> Map<String, Value> {
    let mut fields = Map::new();
    fields.insert("account".to_owned(), json!(done.account));
    fields.insert("device".to_owned(), json!(done.device));
    fields.insert("server".to_owned(), json!(server));
    if let Some(words) = &done.recovery_words {
        fields.insert("recovery_words".to_owned(), json!(words));
    }
    fields
}

/// An invitation and the one line that uses it on another device.
#[derive(Debug)]
pub(crate) struct Invitation {
    /// The one-time string.
    pub join: String,
    /// The whole line, with a folder.
    pub line: String,
    /// The line that sets the device up without one.
    pub init: String,
    /// Whether other machines cannot reach this address.
    pub is_loopback: bool,
}

/// Makes a one-time string and the line around it for the remote folder `/NAME`.
pub(crate) fn invite(client: &Client, remote_path: &str) -> Result<Invitation, Failure> {
    let join = client.invite()?;
    let name = remote_path
        .rsplit('/')
        .next()
        .filter(|name| !name.is_empty());
    let folder = quote(&format!("~/{}", name.unwrap_or("Documents")));
    let join_words = join_words(client, &join);
    Ok(Invitation {
        join,
        line: format!("fst up {folder} {join_words}"),
        init: format!("fst init {join_words}"),
        is_loopback: is_loopback(client.server_url()),
    })
}

/// The options of a further device: the server, the key that it must have, the one-time string.
fn join_words(client: &Client, join: &str) -> String {
    let server = client.server_url();
    match client.config().trust.pin {
        Some(pin) => format!("--server {server} --pin {pin} --join {join}"),
        None => format!("--server {server} --join {join}"),
    }
}

/// What to say when only this machine can use the line.
pub(crate) fn loopback_note() -> &'static str {
    "This address works on this machine only. For other machines run the server with\n\
     an address they can reach: fst-server start --listen ADDR:PORT"
}

/// Lets a running daemon read the configuration again; `false` when none runs.
pub(crate) fn reload_daemon(context: &Context) -> Result<bool, Failure> {
    match context.daemon_if_any()? {
        Some(mut daemon) => {
            daemon.ask(&fst_proto::ipc::Request::Reload)?;
            Ok(true)
        },
        None => Ok(false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kit_says_what_it_is_for() {
        let words = (1..=24)
            .map(|n| format!("w{n}"))
            .collect::<Vec<_>>()
            .join(" ");
        insta::assert_snapshot!(recovery_kit(&words).trim_start(), @r"
        Recovery kit: these words open your files when every device is lost.
        They are shown this once. Write them down, keep them off this machine.

           1  w1 w2 w3 w4 w5 w6
           7  w7 w8 w9 w10 w11 w12
          13  w13 w14 w15 w16 w17 w18
          19  w19 w20 w21 w22 w23 w24

          To use them: fst init --server URL --recover WORDSFILE
        ");
    }
}
