//! `fst init`: make this a device of an account.
//!
//! Invariant: it asks only on a terminal, and only when no credential was given and none lies ready.
//! Not here: what enrolling does (`fst_client::Client::init`).

use std::io::{BufRead as _, Read as _};
use std::path::Path;

use fst_client::remote::tls::is_loopback;
use fst_client::{Client, Enrol, InitDone, InitOptions};
use fst_proto::error::ErrorCode;
use serde_json::Value;

use super::account::{init_fields, recovery_kit, reload_daemon};
use super::embedded;
use crate::args::{Credential, Init};
use crate::context::{Context, shown};
use crate::render::Symbol;
use crate::report::{Answer, Failure};
use crate::screen;

/// What every join string begins with.
const JOIN_PREFIX: &str = "fst-join:";

/// Longest file of recovery words that is read.
const WORDS_BYTES_MAX: u64 = 4096;

/// A credential with its text.
enum Key {
    Setup(String),
    Join(String),
    Recover(String),
}

impl Key {
    fn enrol(&self) -> Enrol<'_> {
        match self {
            Self::Setup(code) => Enrol::SetupCode(code),
            Self::Join(text) => Enrol::Join(text),
            Self::Recover(words) => Enrol::Recover(words),
        }
    }
}

pub(super) fn run(context: &Context, args: &Init) -> Result<Answer, Failure> {
    let key = find_key(context, args)?;
    let options = InitOptions {
        url: &args.server,
        name: args.name.as_deref(),
        pin: args.pin,
        insecure_http: args.insecure_http,
    };
    let done = Client::init(&context.dirs, &options, key.enrol())?;
    reload_daemon(context)?;
    let text = text(context, &done, &args.server);
    let data = Value::Object(init_fields(&done, &args.server));
    Ok(Answer::new("fst.init/1", data, text).then("fst add PATH --two-way"))
}

fn text(context: &Context, done: &InitDone, server: &str) -> String {
    let look = &context.look;
    let mut text = format!(
        "{} This device is set up with {server}\n{}",
        look.symbol(Symbol::Good),
        look.next("fst add ~/Documents --two-way && fst daemon start")
    );
    if let Some(words) = &done.recovery_words {
        text.push_str(&recovery_kit(words));
    }
    text
}

fn find_key(context: &Context, args: &Init) -> Result<Key, Failure> {
    let Credential {
        setup_code,
        join,
        recover,
    } = &args.credential;
    match (setup_code, join, recover) {
        (Some(code), _, _) => Ok(Key::Setup(code.trim().to_owned())),
        (_, Some(text), _) => Ok(Key::Join(text.trim().to_owned())),
        (_, _, Some(file)) => Ok(Key::Recover(read_words(file)?)),
        (None, None, None) => ready_code(context, &args.server)
            .map_or_else(|| ask(context, &args.server), |code| Ok(Key::Setup(code))),
    }
}

/// The set-up code of a server that runs on this machine under the same user.
fn ready_code(context: &Context, server: &str) -> Option<String> {
    let data = Some(embedded::data_dir(&context.dirs)).filter(|_| is_loopback(server))?;
    embedded::setup_code(&data)
}

fn ask(context: &Context, server: &str) -> Result<Key, Failure> {
    if !context.may_ask() {
        let message = "cannot sign in without a terminal";
        let hint = format!("fst init --server {server} --setup-code CODE, or: --join STRING");
        return Err(Failure::new(ErrorCode::NotInitialised, message).hint(hint));
    }
    screen::say("Set-up code that the server printed, or a line from 'fst devices invite':");
    let mut line = String::new();
    let failed = |error: std::io::Error| {
        Failure::new(ErrorCode::Usage, "cannot read the terminal").because(error.to_string())
    };
    std::io::stdin()
        .lock()
        .read_line(&mut line)
        .map_err(failed)?;
    // Whoever pastes the whole line means the string in it.
    let join = line
        .split_whitespace()
        .find(|word| word.starts_with(JOIN_PREFIX));
    Ok(match join {
        Some(join) => Key::Join(join.to_owned()),
        None => Key::Setup(line.trim().to_owned()),
    })
}

fn read_words(file: &Path) -> Result<String, Failure> {
    let mut text = String::new();
    let read = if file == Path::new("-") {
        std::io::stdin()
            .lock()
            .take(WORDS_BYTES_MAX)
            .read_to_string(&mut text)
    } else {
        std::fs::File::open(file)
            .and_then(|words| words.take(WORDS_BYTES_MAX).read_to_string(&mut text))
    };
    read.map_err(|error| {
        Failure::new(ErrorCode::BadRecovery, "cannot read the recovery words")
            .because(shown(file))
            .because(error.to_string())
            .hint("give a file with the 24 words, or - for standard input")
    })?;
    Ok(words_of(&text))
}

/// The words alone: the printed kit has numbers before them.
fn words_of(text: &str) -> String {
    let words = text
        .split_whitespace()
        .filter(|word| word.chars().all(char::is_alphabetic));
    words.map(str::to_lowercase).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kit_is_read_as_it_was_printed() {
        assert_eq!(
            words_of("   1  Anchor violin\n   7  cactus\n"),
            "anchor violin cactus"
        );
    }
}
