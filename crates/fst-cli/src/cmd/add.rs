//! `fst add PATH`: sync a folder.

use fst_client::config::Mode;
use serde_json::json;

use super::account::reload_daemon;
use crate::args::{Add, Direction};
use crate::context::{Context, absolute, shown};
use crate::render::Symbol;
use crate::report::{Answer, Failure};

pub(super) fn run(context: &Context, args: &Add) -> Result<Answer, Failure> {
    let path = absolute(&args.path)?;
    let mut client = context.client()?;
    let mode = mode(&args.direction);
    let folder = client.add_folder(&path, args.remote_path.as_deref(), mode).map_err(|error| {
        Failure::from(error).about(&context.look.quoted(&path))
    })?;
    let is_running = reload_daemon(context)?;
    let look = &context.look;
    let arrow = match mode {
        Mode::TwoWay => Symbol::Both,
        Mode::UploadOnly => Symbol::Up,
        Mode::DownloadOnly => Symbol::Down,
    };
    let next = if is_running { "fst status" } else { "fst daemon start" };
    let text = format!(
        "{} {} {} {} added\n{}",
        look.symbol(Symbol::Good),
        look.tilde(&folder.path),
        look.symbol(arrow),
        folder.remote_path,
        look.next(next)
    );
    let data = json!({
        "path": shown(&folder.path),
        "remote_path": folder.remote_path,
        "mode": folder.mode.as_str(),
    });
    Ok(Answer::new("fst.add/1", data, text).then(next))
}

fn mode(direction: &Direction) -> Mode {
    match (direction.upload_only, direction.download_only) {
        (true, _) => Mode::UploadOnly,
        (_, true) => Mode::DownloadOnly,
        (false, false) => Mode::TwoWay,
    }
}
