//! `fst up PATH`: from nothing to a synced folder, in one command.
//!
//! A list of steps, each of which finds its work done or does it: account, folder, daemon, first sync, a line
//! for the next device. Invariant: running it again only adds what is missing; the recovery words are
//! printed when the account was made and never again. Not here: the steps' own work (`fst-client`,
//! `fst-daemon`). Source: docs/design/commands.md §6.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use fst_client::config::{Chosen, Config, EmbeddedServer, FolderConfig, Mode};
use fst_client::operations::Operation;
use fst_client::{Client, Enrol, InitDone, InitOptions};
use fst_daemon::DaemonError;
use fst_daemon::ipc::Connection;
use fst_proto::error::ErrorCode;
use fst_proto::ipc::{Request, Status};
use serde_json::{Map, Value, json};

use super::account::{self, Invitation};
use super::add::noted_folder;
use super::status::problem_warnings;
use super::{daemon, embedded};
use crate::args::Up;
use crate::context::{Context, absolute, shown};
use crate::render::{Page, Symbol, amounts, json as drawn};
use crate::report::{Answer, Failure};

/// How often the first sync says how far it is.
const PROGRESS_EVERY: Duration = Duration::from_secs(2);

/// Ports that others may snatch away before we give up.
const PORT_TRIES_MAX: u32 = 5;

pub(super) fn run(context: &Context, args: &Up) -> Result<Answer, Failure> {
    let path = prepare_folder(context, &args.path)?;
    let created = enrol(context, args)?;
    let mut client = context.client()?;
    let (folder, operation) = add(context, args, &client, &path)?;
    client.reload()?;
    let status = start_and_wait(context, &folder.path, args.timeout)?;
    let invitation = account::invite(&client, &folder.remote_path)?;
    let done = Done {
        folder,
        operation,
        status,
        invitation,
        created,
        server: client.server_url().to_owned(),
    };
    Ok(done.answer(context))
}

/// The folder, made when it does not exist.
fn prepare_folder(context: &Context, path: &Path) -> Result<PathBuf, Failure> {
    let path = absolute(path)?;
    if !path.exists() {
        std::fs::create_dir_all(&path).map_err(|error| {
            Failure::new(ErrorCode::Io, "cannot make the folder")
                .because(shown(&path))
                .because(error.to_string())
                .hint("choose another place, or make the folder yourself")
        })?;
        context.say(format!("folder: {} was made", context.look.tilde(&path)));
    }
    absolute(&path)
}

/// Makes this a device of an account, unless it is one.
fn enrol(context: &Context, args: &Up) -> Result<Option<InitDone>, Failure> {
    match Client::open(&context.dirs) {
        Ok(_) if args.join.is_some() => {
            context.say("account: this device has one already; the join string is not used");
            Ok(None)
        },
        Ok(_) => Ok(None),
        Err(error) if error.code() == ErrorCode::NotInitialised => {
            let done = match (&args.server, &args.join) {
                (Some(url), Some(join)) => init(context, args, url, Enrol::Join(join)),
                _ => init_embedded(context, args),
            };
            done.map(Some)
        },
        Err(error) => Err(error.into()),
    }
}

fn init(context: &Context, args: &Up, url: &str, enrol: Enrol<'_>) -> Result<InitDone, Failure> {
    let options = InitOptions {
        url,
        name: args.name.as_deref(),
        pin: args.pin,
        insecure_http: args.insecure_http,
    };
    let done = Client::init(&context.dirs, &options, enrol)?;
    context.say(format!("account: this device is set up with {url}"));
    Ok(done)
}

/// The daemon runs the server; it does so even before there is an account, so no other process has to.
fn init_embedded(context: &Context, args: &Up) -> Result<InitDone, Failure> {
    if embedded::start_hook().is_none() {
        return Err(
            Failure::new(ErrorCode::Usage, "this build has no server of its own")
                .hint("fst up PATH --server URL --join STRING"),
        );
    }
    let server = start_server(context)?;
    let url = format!("http://{}", server.listen);
    context.say(format!("server: runs inside the daemon, {url}"));
    let code = embedded::setup_code(&server.data).ok_or_else(|| {
        Failure::new(ErrorCode::BadSetupCode, "the server left no set-up code")
            .because(shown(&server.data.join("setup-code")))
            .hint("fst init --server URL --setup-code CODE")
    })?;
    init(context, args, &url, Enrol::SetupCode(&code))
}

/// The configured server, or a new one on the first port that is really free.
fn start_server(context: &Context) -> Result<EmbeddedServer, Failure> {
    let mut config = Config::load(&context.dirs)?;
    if let Some(server) = config.embedded_server {
        ensure_daemon(context)?;
        return Ok(server);
    }
    let mut tries = 0..PORT_TRIES_MAX;
    loop {
        let server = embedded::propose(&context.dirs)?;
        config.embedded_server = Some(server.clone());
        config.save(&context.dirs)?;
        match ensure_daemon(context) {
            Ok(()) => return Ok(server),
            // Somebody else took the port between looking and listening.
            Err(failure) if failure.code == ErrorCode::ServerFailed && tries.next().is_some() => {},
            Err(failure) => return Err(failure),
        }
    }
}

fn ensure_daemon(context: &Context) -> Result<(), Failure> {
    if let Some(mut daemon) = context.daemon_if_any()? {
        daemon.ask(&Request::Reload)?;
        return Ok(());
    }
    let record = daemon::start_background(context)?;
    context.say(format!("daemon: started (pid {})", record.pid));
    Ok(())
}

/// Adds the folder, unless it is there.
fn add(
    context: &Context,
    args: &Up,
    client: &Client,
    path: &Path,
) -> Result<(FolderConfig, Option<Operation>), Failure> {
    let known = client
        .config()
        .folders
        .iter()
        .find(|folder| folder.path == path);
    if let Some(folder) = known {
        return Ok((folder.clone(), None));
    }
    // An account whose server runs inside the daemon needs the daemon to add a folder.
    ensure_daemon(context)?;
    let place = (path, &args.remote_path);
    let (folder, operation) =
        noted_folder(context, client, place, (Mode::TwoWay, &Chosen::default()))?;
    let (here, there) = (context.look.tilde(&folder.path), &folder.remote_path);
    context.say(format!(
        "folder: {here} {} {there}",
        context.look.symbol(Symbol::Both)
    ));
    Ok((folder, operation))
}

/// Makes sure that the daemon runs and has synced the folder; says how far it is meanwhile.
fn start_and_wait(context: &Context, folder: &Path, limit: Duration) -> Result<Status, Failure> {
    ensure_daemon(context)?;
    let mut watching = context.daemon()?;
    let mut waiting = context.daemon()?;
    let (done, end) = mpsc::channel();
    let path = folder.to_owned();
    std::thread::spawn(move || {
        done.send(waiting.wait(Some(&path), limit))
            .unwrap_or_default();
    });
    let mut said = String::new();
    loop {
        match end.recv_timeout(PROGRESS_EVERY) {
            Ok(result) => return finish(context, folder, result, &mut watching),
            Err(RecvTimeoutError::Timeout) => {
                let now = progress(&watching.status()?);
                if now != said {
                    context.say(&now);
                    said = now;
                }
            },
            Err(RecvTimeoutError::Disconnected) => {
                return Err(Failure::new(
                    ErrorCode::Internal,
                    "the wait ended without a result",
                ));
            },
        }
    }
}

fn finish(
    context: &Context,
    folder: &Path,
    result: Result<(), DaemonError>,
    daemon: &mut Connection,
) -> Result<Status, Failure> {
    result.map_err(|error| Failure::from(error).about(&context.look.quoted(folder)))?;
    Ok(daemon.status()?)
}

/// How far the sync is, or why it is not going on.
fn progress(status: &Status) -> String {
    let stopped = status
        .folders
        .iter()
        .find_map(|folder| folder.stopped.as_ref());
    if let Some(problem) = stopped {
        return format!("sync: waiting: {}: {}", problem.title, problem.detail);
    }
    let pending = &status.pending;
    format!(
        "sync: {} to send, {} to receive, {}",
        amounts::plural(pending.uploads, "file"),
        amounts::plural(pending.downloads, "file"),
        amounts::size(pending.bytes)
    )
}

/// Everything that was done, ready to be told.
struct Done {
    folder: FolderConfig,
    operation: Option<Operation>,
    status: Status,
    invitation: Invitation,
    created: Option<InitDone>,
    server: String,
}

impl Done {
    fn answer(&self, context: &Context) -> Answer {
        let folders: Vec<_> = self.status.folders.clone();
        let answer = Answer::new("fst.up/1", Value::Object(self.data()), self.text(context))
            .then("fst status")
            .then(self.invitation.line.clone());
        let answer = answer.undone_by(self.operation.as_ref());
        answer.warn(problem_warnings(&folders))
    }

    fn data(&self) -> Map<String, Value> {
        let created = self.created.as_ref();
        let mut data =
            created.map_or_else(Map::new, |done| account::init_fields(done, &self.server));
        data.insert("server".to_owned(), json!(self.server));
        data.insert("path".to_owned(), json!(shown(&self.folder.path)));
        data.insert("remote_path".to_owned(), json!(self.folder.remote_path));
        data.insert("join".to_owned(), json!(self.invitation.join));
        data.insert("second_device".to_owned(), json!(self.invitation.line));
        data.insert("status".to_owned(), drawn::value(&self.status));
        data
    }

    fn text(&self, context: &Context) -> String {
        let look = &context.look;
        let mut page = Page::default();
        page.line(format!(
            "{} {} {} {} is synced{}",
            look.symbol(Symbol::Good),
            look.tilde(&self.folder.path),
            look.symbol(Symbol::Both),
            self.folder.remote_path,
            self.amounts()
        ));
        let words = self
            .created
            .as_ref()
            .and_then(|done| done.recovery_words.as_deref());
        if let Some(words) = words {
            page.block(account::recovery_kit(words));
        }
        page.line("\nOn a second device, within three days and once:\n");
        page.line(format!("  {}", self.invitation.line));
        if self.invitation.is_loopback {
            page.line(format!("\n{}", account::loopback_note()));
        }
        page.into_text()
    }

    fn amounts(&self) -> String {
        let path = shown(&self.folder.path);
        let folder = self
            .status
            .folders
            .iter()
            .find(|folder| folder.path == path);
        folder.map_or_else(String::new, |folder| {
            let files = amounts::plural(folder.files, "file");
            format!("   {files}, {}", amounts::size(folder.bytes))
        })
    }
}
