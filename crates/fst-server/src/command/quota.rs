//! `fst-server user quota`.
//!
//! Invariant: without a wish it changes nothing; what it prints names the command that takes a change back.
//! Not here: what is counted (`fst_server::upkeep::quota`).

use fst_proto::ids::AccountId;
use fst_proto::value::{ByteSize, parse_limit};
use fst_server::config::Options;
use fst_server::service::Room;
use fst_server::upkeep::quota::{self, Wish};

use crate::{Failure, block_on, print};

/// What a quota is to be.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct QuotaArgs {
    /// Most bytes, such as `50gb`, or `none`.
    #[arg(long, value_name = "SIZE|none", value_parser = size)]
    bytes: Option<Bound>,
    /// Most files, directories and links, or `none`.
    #[arg(long, value_name = "N|none", value_parser = count)]
    files: Option<Bound>,
    /// What the settings of the server say again.
    #[arg(long, conflicts_with_all = ["bytes", "files"])]
    default: bool,
}

/// A bound, or none.
#[derive(Debug, Clone, Copy)]
struct Bound(Option<u64>);

fn size(text: &str) -> Result<Bound, String> {
    if text == "none" {
        return Ok(Bound(None));
    }
    let size = parse_limit::<ByteSize>(text).map_err(|error| error.to_string())?;
    Ok(Bound(size.map(|size| size.0)))
}

fn count(text: &str) -> Result<Bound, &'static str> {
    match text {
        "none" => Ok(Bound(None)),
        text => text
            .parse()
            .map(|count| Bound(Some(count)))
            .map_err(|_| "a number of files, or none"),
    }
}

impl QuotaArgs {
    fn wish(self) -> Wish {
        match (self.bytes, self.files, self.default) {
            (_, _, true) => Wish::Default,
            (None, None, false) => Wish::Show,
            (bytes, files, false) => Wish::Set {
                bytes: bytes.map(|bound| bound.0),
                files: files.map(|bound| bound.0),
            },
        }
    }
}

/// Shows or sets the quota of an account.
pub(crate) fn run(options: &Options, account: AccountId, args: QuotaArgs) -> Result<(), Failure> {
    let before = block_on(None, quota::quota(options, account, Wish::Show))??;
    let after = block_on(None, quota::quota(options, account, args.wish()))??;
    let out = format!("account {account}\n{}", shown(&after));
    if (before.quota, before.is_own) != (after.quota, after.is_own) {
        let words = words(&before);
        return print(&format!(
            "{out}undo: fst-server user quota {account} {words}\n"
        ));
    }
    print(&out)
}

fn shown(room: &Room) -> String {
    let row = |what: &str, used: u64, limit: Option<u64>| {
        let limit = limit.map_or_else(|| "no bound".to_owned(), |limit| limit.to_string());
        format!("{what}  {used} of {limit}\n")
    };
    let whose = if room.is_own {
        "its own"
    } else {
        "the default of the server"
    };
    row("bytes", room.usage.bytes, room.quota.bytes)
        + &row("files", room.usage.files, room.quota.files)
        + &format!("quota  {whose}\n")
}

/// The flags that say this quota.
fn words(room: &Room) -> String {
    if !room.is_own {
        return "--default".to_owned();
    }
    let word =
        |limit: Option<u64>| limit.map_or_else(|| "none".to_owned(), |limit| limit.to_string());
    format!(
        "--bytes {} --files {}",
        word(room.quota.bytes),
        word(room.quota.files)
    )
}
