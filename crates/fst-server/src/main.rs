//! The `fst-server` command: sets up and runs a server.
//!
//! Reads arguments, prints, and turns errors into exit codes. Invariant: nothing prompts; what people and
//! scripts read goes to stdout, logs and errors to stderr. Not here: everything else (`fst_server`).
//! Source: docs/book/reference/fst-server.md.

use std::fmt::Write as _;
use std::io::{self, IsTerminal as _, Write as _};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use fst_proto::error::ErrorCode;
use fst_proto::ids::{AccountId, DeviceId};
use fst_proto::time::UnixMillis;
use fst_server::config::{self, Asked, BadConfig, Database, Options, PlainHttp, Storage, Tls};
use fst_server::health::{self, Address};
use fst_server::openapi;
use fst_server::run::{self, RunError, Server};
use fst_server::service::Pruned;
use fst_server::upkeep::access;
use fst_server::upkeep::backup::{self, Step};
use fst_server::upkeep::restore::{self, Losses};
use fst_server::upkeep::verify::{self, Depth};
use fst_store::meta::Subject;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

mod command;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Runs the server of FileSyncTool.
#[derive(Debug, Parser)]
#[command(name = "fst-server", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Creates database and configuration and prints the set-up code; may be run again.
    Init {
        /// Database, `sqlite:///PATH` or `postgresql://USER:PASSWORD@HOST/NAME`; made when it is missing.
        #[arg(long, value_name = "URL")]
        db: Option<String>,
        #[command(flatten)]
        place: Place,
    },
    /// Runs the server in the foreground.
    Start {
        #[command(flatten)]
        place: Place,
        /// Address to listen on.
        #[arg(long, value_name = "ADDR:PORT")]
        listen: Option<SocketAddr>,
        #[command(flatten)]
        certificate: CertificateArgs,
        /// Offers plain HTTP to other machines.
        #[arg(long, conflicts_with_all = ["tls", "tls_cert"])]
        insecure_http: bool,
    },
    /// Asks a running server whether it is ready.
    Health {
        #[command(flatten)]
        place: Place,
        /// Address to ask instead of the running server's.
        #[arg(long, value_name = "ADDR:PORT")]
        listen: Option<SocketAddr>,
    },
    /// Brings the database to the version of this program.
    Migrate {
        /// Changes nothing; exits with 9 when the database is behind.
        #[arg(long, conflicts_with = "plan")]
        check: bool,
        /// Changes nothing; prints the steps to come.
        #[arg(long)]
        plan: bool,
        #[command(flatten)]
        place: Place,
    },
    /// Copies database and blobs into a folder; may run beside the server.
    Backup {
        /// Folder of the backup; an earlier backup in it is brought up to date.
        #[arg(long, value_name = "DIR")]
        to: PathBuf,
        #[command(flatten)]
        place: Place,
    },
    /// Makes a server's data from a backup, in an empty place.
    Restore {
        /// Folder of the backup.
        #[arg(long, value_name = "DIR")]
        from: PathBuf,
        /// Restores what is left of a damaged backup.
        #[arg(long)]
        accept_losses: bool,
        #[command(flatten)]
        place: Place,
    },
    /// Looks whether everything that the database names is there; may run beside the server.
    Verify {
        /// Looks at a backup instead, and reads all of it.
        #[arg(long, value_name = "DIR")]
        backup: Option<PathBuf>,
        /// Reads every blob, and checks what can be checked without keys.
        #[arg(long)]
        deep: bool,
        #[command(flatten)]
        place: Place,
    },
    /// Lists, disables and enables accounts; may run beside the server.
    User {
        #[command(subcommand)]
        action: User,
    },
    /// Lists devices, bars them and lets them in again; may run beside the server.
    Device {
        #[command(subcommand)]
        action: Device,
    },
    /// Deletes what no rule of any space keeps, as the server does every hour; may run beside it.
    Gc {
        /// Deletes nothing; tells what would go.
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        place: Place,
    },
    /// Shows and checks the log of what was done to accounts, devices and the server; may run beside it.
    Audit {
        #[command(subcommand)]
        action: command::audit::Audit,
    },
    /// Manages set-up codes.
    SetupCode {
        #[command(subcommand)]
        action: SetupCode,
    },
    #[command(about = "Prints the OpenAPI description of what this server answers")]
    Openapi,
}

#[derive(Debug, Subcommand)]
enum User {
    /// Lists accounts.
    List {
        #[command(flatten)]
        place: Place,
    },
    /// Refuses an account from now on; nothing of it is deleted.
    Disable {
        /// Account, 32 hex digits.
        #[arg(value_parser = account_id)]
        account: AccountId,
        #[command(flatten)]
        place: Place,
    },
    /// Serves a disabled account again.
    Enable {
        /// Account, 32 hex digits.
        #[arg(value_parser = account_id)]
        account: AccountId,
        #[command(flatten)]
        place: Place,
    },
    /// Shows what an account keeps and may keep, and sets it; nothing is deleted.
    Quota {
        /// Account, 32 hex digits.
        #[arg(value_parser = account_id)]
        account: AccountId,
        #[command(flatten)]
        quota: command::quota::QuotaArgs,
        #[command(flatten)]
        place: Place,
    },
}

#[derive(Debug, Subcommand)]
enum Device {
    /// Lists devices.
    List {
        /// Only those of this account.
        #[arg(long, value_name = "ACCOUNT", value_parser = account_id)]
        account: Option<AccountId>,
        #[command(flatten)]
        place: Place,
    },
    /// Refuses a device from now on; its keys stay valid until its account revokes it.
    Revoke {
        /// Device, 32 hex digits.
        #[arg(value_parser = device_id)]
        device: DeviceId,
        #[command(flatten)]
        place: Place,
    },
    /// Serves a device again that was refused by `revoke`.
    Admit {
        /// Device, 32 hex digits.
        #[arg(value_parser = device_id)]
        device: DeviceId,
        #[command(flatten)]
        place: Place,
    },
}

#[derive(Debug, Subcommand)]
enum SetupCode {
    /// Makes a new code and prints it; an earlier unused one ends.
    New {
        #[command(flatten)]
        place: Place,
    },
}

#[derive(Debug, clap::Args)]
struct CertificateArgs {
    /// Makes a certificate and keeps it; clients pin its key.
    #[arg(long, value_enum, value_name = "auto", conflicts_with = "tls_cert")]
    tls: Option<OwnTls>,
    /// Certificate in PEM, with those between it and a root; read again when it is renewed.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// Its private key in PEM.
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum OwnTls {
    Auto,
}

impl CertificateArgs {
    fn asked(&self) -> Option<Tls> {
        match (self.tls, &self.tls_cert, &self.tls_key) {
            (Some(OwnTls::Auto), _, _) => Some(Tls::Own),
            (None, Some(chain), Some(key)) => Some(Tls::Files {
                chain: chain.clone(),
                key: key.clone(),
            }),
            (None, _, _) => None,
        }
    }
}

#[derive(Debug, clap::Args)]
struct Place {
    /// Configuration file.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Folder of everything the server keeps.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

/// Why the command failed.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Config(#[from] BadConfig),
    #[error(transparent)]
    Run(#[from] RunError),
    #[error("{what}")]
    Io {
        what: &'static str,
        #[source]
        source: io::Error,
    },
    #[error("the server is not ready")]
    NotReady,
    #[error("the database is behind, steps to do: {0}: run fst-server migrate")]
    Behind(usize),
    #[error("damaged places: {0}; they are listed above")]
    Damaged(usize),
    #[error("record {0} of the audit log is not as it was written, or one before it is gone")]
    Tampered(u64),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    start_logging();
    match execute(&cli.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => report(&failure),
    }
}

fn execute(command: &Command) -> Result<(), Failure> {
    let options = || config::resolve(&asked(command), |name| std::env::var(name).ok());
    match command {
        Command::Init { place, .. } => init(place, &options()?),
        Command::Start { .. } => start(&options()?),
        Command::Health { listen, .. } => health(&options()?, *listen),
        Command::Migrate { check, plan, .. } => migrate(&options()?, *check, *plan),
        Command::Backup { to, .. } => {
            let moved = block_on(None, backup::backup(&options()?, to, &mut progress()))??;
            print(&format!("backed up to {}: {moved}", to.display()))
        },
        Command::Restore {
            from,
            accept_losses,
            ..
        } => restore(&options()?, from, *accept_losses),
        Command::Verify {
            backup: Some(from), ..
        } => verify_backup(from),
        Command::Verify { deep, .. } => verify(&options()?, *deep),
        Command::User { action } => user(&options()?, action),
        Command::Device { action } => device(&options()?, action),
        Command::Gc { dry_run, .. } => gc(&options()?, *dry_run),
        Command::Audit { action } => action.run(&options()?),
        Command::SetupCode { .. } => {
            let code = block_on(None, run::new_setup_code(&options()?))??;
            print(&format!("{code}\n"))
        },
        Command::Openapi => print(&format!("{:#}\n", openapi::document())),
    }
}

fn asked(command: &Command) -> Asked {
    let at = |place: &Place| Asked {
        config: place.config.clone(),
        data: place.data.clone(),
        ..Asked::default()
    };
    match command {
        // A file that `init` is to write need not be there yet.
        Command::Init { db, place } => Asked {
            db: db.clone(),
            config: place.config.clone().filter(|path| path.exists()),
            ..at(place)
        },
        Command::Start {
            place,
            listen,
            certificate,
            insecure_http,
        } => Asked {
            listen: *listen,
            tls: certificate.asked(),
            plain_http: if *insecure_http {
                PlainHttp::Anywhere
            } else {
                PlainHttp::LoopbackOnly
            },
            ..at(place)
        },
        Command::Audit { action } => at(action.place()),
        Command::Health { place, .. }
        | Command::Migrate { place, .. }
        | Command::Backup { place, .. }
        | Command::Restore { place, .. }
        | Command::Verify { place, .. }
        | Command::Gc { place, .. }
        | Command::User {
            action:
                User::List { place }
                | User::Disable { place, .. }
                | User::Enable { place, .. }
                | User::Quota { place, .. },
        }
        | Command::Device {
            action:
                Device::List { place, .. } | Device::Revoke { place, .. } | Device::Admit { place, .. },
        }
        | Command::SetupCode {
            action: SetupCode::New { place },
        } => at(place),
        Command::Openapi => Asked::default(),
    }
}

fn init(place: &Place, options: &Options) -> Result<(), Failure> {
    let code = block_on(None, run::init(options))??;
    let file = place
        .config
        .clone()
        .unwrap_or_else(|| options.data.join(config::CONFIG_FILE));
    if !file.exists() {
        // A database URL may hold a password.
        let mut how = std::fs::OpenOptions::new();
        let opened = how.write(true).create_new(true).mode(0o600).open(&file);
        let written =
            opened.and_then(|mut file| file.write_all(config::render(options).as_bytes()));
        written.map_err(|source| Failure::Io {
            what: "write the configuration",
            source,
        })?;
    }
    let mut out = format!(
        "database     {}\ndata         {}\n",
        options.database,
        options.data.display()
    );
    // Writing to a String cannot fail.
    match code {
        Some(code) => writeln!(out, "set-up code  {code}   (valid 24 h, once)"),
        None => writeln!(out, "set-up code  none: there is an account already"),
    }
    .unwrap_or_default();
    print(&out)
}

fn migrate(options: &Options, check: bool, plan: bool) -> Result<(), Failure> {
    let steps = if check || plan {
        block_on(None, run::pending_migrations(options))??
    } else {
        block_on(None, run::migrate(options))??
    };
    if check && !steps.is_empty() {
        return Err(Failure::Behind(steps.len()));
    }
    let what = if plan { "to do" } else { "done" };
    let mut out: String = steps.iter().fold(String::new(), |out, step| {
        out + &format!("{what}  {step}\n")
    });
    if steps.is_empty() {
        out = "the database is up to date\n".to_owned();
    }
    print(&out)
}

fn verify(options: &Options, deep: bool) -> Result<(), Failure> {
    let depth = if deep { Depth::Deep } else { Depth::Lengths };
    let report = block_on(None, verify::verify(options, depth))??;
    print(&report.to_string())?;
    if report.damage.is_empty() {
        Ok(())
    } else {
        Err(Failure::Damaged(report.damage.len()))
    }
}

fn verify_backup(from: &Path) -> Result<(), Failure> {
    let looked = block_on(None, restore::verify_backup(from, &mut progress()))??;
    print(&looked.to_string())?;
    match looked.damage.len() {
        0 => Ok(()),
        damaged => Err(Failure::Damaged(damaged)),
    }
}

fn restore(options: &Options, from: &Path, accept_losses: bool) -> Result<(), Failure> {
    let losses = if accept_losses {
        Losses::Accept
    } else {
        Losses::Refuse
    };
    let mut tell = progress();
    let work = restore::restore(options, from, losses, &mut tell);
    let moved = block_on(None, work)??;
    let to = options.data.display();
    print(&format!("restored to {to}: {moved}"))
}

fn account_id(text: &str) -> Result<AccountId, &'static str> {
    AccountId::parse(text).ok_or("an account is 32 hex digits: see fst-server user list")
}

fn device_id(text: &str) -> Result<DeviceId, &'static str> {
    DeviceId::parse(text).ok_or("a device is 32 hex digits: see fst-server device list")
}

fn user(options: &Options, action: &User) -> Result<(), Failure> {
    let (account, what, told) = match action {
        User::List { .. } => {
            let rows = block_on(None, access::accounts(options))??;
            let lines = rows.iter().map(|row| {
                let (account, devices, spaces) = (row.account, row.devices, row.spaces);
                let state = since("disabled", row.disabled);
                format!("{account}  devices {devices}  spaces {spaces}  {state}\n")
            });
            return print(&lines.collect::<String>());
        },
        User::Quota { account, quota, .. } => {
            return command::quota::run(options, *account, *quota);
        },
        User::Disable { account, .. } => (account, access::Change::Bar, "disabled"),
        User::Enable { account, .. } => (account, access::Change::Admit, "enabled"),
    };
    let subject = Subject::Account(*account);
    block_on(None, access::change(options, subject, what))??;
    print(&format!("account {account}: {told}\n"))
}

fn device(options: &Options, action: &Device) -> Result<(), Failure> {
    let (device, what, told) = match action {
        Device::List { account, .. } => {
            let rows = block_on(None, access::devices(options, *account))??;
            let lines = rows.iter().map(|row| {
                let (device, account) = (row.device, row.account);
                let state = if row.is_revoked {
                    "revoked by its account".to_owned()
                } else {
                    since("refused", row.barred)
                };
                format!("{device}  account {account}  {state}\n")
            });
            return print(&lines.collect::<String>());
        },
        Device::Revoke { device, .. } => (device, access::Change::Bar, "refused"),
        Device::Admit { device, .. } => (device, access::Change::Admit, "admitted"),
    };
    let subject = Subject::Device(*device);
    block_on(None, access::change(options, subject, what))??;
    print(&format!("device {device}: {told}\n"))
}

fn since(what: &str, time: Option<UnixMillis>) -> String {
    time.map_or_else(
        || "open".to_owned(),
        |time| {
            let at = time.to_civil();
            let (year, month, day) = (at.year, at.month, at.day);
            let (hour, minute, second) = (at.hour, at.minute, at.second);
            format!("{what} since {year}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
        },
    )
}

fn gc(options: &Options, is_dry: bool) -> Result<(), Failure> {
    if is_dry {
        let Pruned { objects, bytes, .. } = block_on(None, access::garbage(options))??;
        return print(&format!(
            "to delete: objects {objects}  bytes {bytes}; of them uploads of the last three days stay\n"
        ));
    }
    let Pruned {
        objects,
        bytes,
        blobs,
    } = block_on(None, access::gc(options))??;
    print(&format!(
        "deleted: objects {objects}  bytes {bytes}  blobs {blobs}\n"
    ))
}

/// Shows on a terminal how far the work is.
fn progress() -> impl FnMut(Step) + Send {
    let is_shown = io::stderr().is_terminal();
    move |step| {
        let (Step::Blobs { done, of }, true) = (step, is_shown) else {
            return;
        };
        let end = if done == of { "\n" } else { "" };
        // Who does not see it misses nothing.
        write!(io::stderr().lock(), "\rblobs {done} of {of}{end}").unwrap_or_default();
    }
}

fn start(options: &Options) -> Result<(), Failure> {
    let served = block_on(options.threads, async {
        let is_new = matches!(&options.database, Database::Sqlite(path) if !path.exists());
        let server = Server::bind(options).await?;
        print(&banner(options, &server, is_new))?;
        server.serve(stop_signal()).await;
        Ok::<_, Failure>(())
    })?;
    tracing::info!("stopped");
    served
}

fn banner(options: &Options, server: &Server, is_new: bool) -> String {
    let state = match (&options.database, is_new) {
        (Database::Sqlite(_), true) => "SQLite, new",
        (Database::Sqlite(_), false) => "SQLite",
        (Database::Postgres(_), _) => "PostgreSQL",
    };
    let reach = match (&options.tls, options.listen.ip().is_loopback()) {
        (Some(_), _) => "TLS 1.3",
        (None, true) => "only this machine can connect",
        (None, false) => "plain http: anybody on the way sees who syncs, though not what",
    };
    let url = server.url();
    let pin = server
        .pin()
        .map_or_else(String::new, |pin| format!("  pin       {pin}\n"));
    let mut out = format!(
        "FileSyncTool server {}\n  database  {} ({state})\n  data      {}\n{pin}  listening {url}   {reach}\n",
        env!("CARGO_PKG_VERSION"),
        options.database,
        options.data.display(),
    );
    if options.listen.ip().is_loopback() && server.pin().is_none() {
        let port = options.listen.port();
        let others = format!("fst-server start --listen 0.0.0.0:{port} --tls auto");
        writeln!(out, "            → for others: {others}").unwrap_or_default();
    }
    if let Storage::S3(place) = &options.storage {
        writeln!(out, "  storage   {place}").unwrap_or_default();
    }
    if let Some(place) = &options.redis {
        writeln!(out, "  redis     {}", place.url).unwrap_or_default();
    }
    if let Some(code) = server.setup_code() {
        write!(
            out,
            "\n  No account yet. On any device run:\n    fst init --server {} --setup-code {code}\n\
             \x20 (the code is valid 24 h and once; it also lies in {})\n",
            server_words(options, server),
            options.data.join(run::SETUP_CODE_FILE).display(),
        )
        .unwrap_or_default();
    }
    out
}

/// The server as a client names it: with the pin where no root vouches for it.
fn server_words(options: &Options, server: &Server) -> String {
    let url = server.url().to_owned();
    let url = if options.listen.ip().is_unspecified() {
        url.replacen("0.0.0.0", "HOST", 1)
            .replacen("[::]", "HOST", 1)
    } else {
        url
    };
    match (&options.tls, server.pin()) {
        (Some(Tls::Own), Some(pin)) => format!("{url} --pin {pin}"),
        (Some(_) | None, _) => url,
    }
}

/// Completes at SIGTERM or SIGINT.
async fn stop_signal() {
    let (Ok(mut term), Ok(mut int)) = (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    ) else {
        tracing::error!("signals cannot be received: stop the server with SIGKILL");
        return std::future::pending().await;
    };
    tokio::select! {
        _ = term.recv() => {},
        _ = int.recv() => {},
    }
}

fn health(options: &Options, listen: Option<SocketAddr>) -> Result<(), Failure> {
    let noted = health::noted(&options.data);
    let address = Address {
        listen: listen
            .or(noted.map(|noted| noted.listen))
            .unwrap_or(options.listen),
        pin: noted.and_then(|noted| noted.pin),
    };
    if health::is_ready(&address).unwrap_or(false) {
        print("ready\n")
    } else {
        Err(Failure::NotReady)
    }
}

fn block_on<T>(threads: Option<usize>, work: impl Future<Output = T>) -> Result<T, Failure> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    if let Some(threads) = threads {
        builder.worker_threads(threads);
    }
    let runtime = builder.enable_all().build();
    let runtime = runtime.map_err(|source| Failure::Io {
        what: "start the runtime",
        source,
    })?;
    Ok(runtime.block_on(work))
}

fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    written.map_err(|source| Failure::Io {
        what: "write to stdout",
        source,
    })
}

fn start_logging() {
    let filter = EnvFilter::try_from_env("FST_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .init();
}

fn report(failure: &Failure) -> ExitCode {
    let code = match failure {
        Failure::Config(error) => error.code(),
        Failure::Run(error) => error.code(),
        Failure::Io { .. } => ErrorCode::Io,
        Failure::NotReady => ErrorCode::Unreachable,
        Failure::Behind(_) => ErrorCode::BadConfig,
        Failure::Damaged(_) | Failure::Tampered(_) => ErrorCode::DataDamaged,
    };
    let mut text = format!("error[{code}]: {failure}");
    let mut cause = std::error::Error::source(failure);
    while let Some(error) = cause {
        // Some libraries print their own cause too.
        let said = error.to_string();
        if !text.contains(&said) {
            write!(text, ": {said}").unwrap_or_default();
        }
        cause = error.source();
    }
    // Nobody is left to tell when stderr is closed.
    writeln!(io::stderr().lock(), "{text}").unwrap_or_default();
    ExitCode::from(code.exit() as u8)
}
