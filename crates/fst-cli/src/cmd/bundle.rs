//! `fst doctor --bundle [FILE]`: an archive that helps others to help, without names, keys or contents.
//!
//! Works with a daemon and without, also on a device that is not set up or whose configuration is bad. Invariant: every text
//! in it went through [`Redactor`] or is a word of ours; the file is new, for its owner only, and is sent to nobody.
//! Not here: what is harmless ([`crate::redact`]). Source: docs/design/commands.md §13, ADR 0045.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use fst_client::config::{Config, Setting, keys};
use fst_client::{Client, Topic, machine_name, pseudonym_key};
use fst_daemon::log as daemon_log;
use fst_proto::error::ErrorCode;
use jiff::Timestamp;
use rustix::process::{Resource, getrlimit};
use serde_json::{Value, json};

use super::{config, doctor, log, status};
use crate::context::{Context, absolute, shown, var};
use crate::redact::Redactor;
use crate::render::{Page, Symbol, amounts, json as drawn, quote};
use crate::report::{Answer, Failure};

/// Largest file in the archive, in bytes: hundreds of folders or thousands of problems, and more than anybody reads. With
/// as many files as there are it bounds the archive, and the memory that it takes to make it.
const FILE_BYTES_MAX: usize = 512 << 10;

/// Lines of the log that go in: a day of a device with troubles.
const LOG_LINES_MAX: u64 = 5000;

/// Distributions that many people use; the name of a company's own would tell the company.
const DISTRIBUTIONS: [&str; 12] = [
    "almalinux",
    "alpine",
    "arch",
    "centos",
    "debian",
    "fedora",
    "linuxmint",
    "nixos",
    "opensuse-leap",
    "rhel",
    "rocky",
    "ubuntu",
];

/// Directory in the archive.
const DIR: &str = "fst-support";

/// One file of the archive.
struct Part {
    name: &'static str,
    about: &'static str,
    text: String,
}

pub(super) fn run(context: &Context, file: Option<&Path>) -> Result<Answer, Failure> {
    let now = Timestamp::from_millisecond(i64::try_from(Context::now().0).unwrap_or(0));
    let now = now.unwrap_or_default();
    let default = || {
        PathBuf::from(
            now.strftime("fst-support-%Y-%m-%d-%H%M%S.tar.gz")
                .to_string(),
        )
    };
    let path = absolute(&file.map_or_else(default, Path::to_owned))?;
    let parts = collect(context);
    let packed = pack(&parts, now).map_err(|error| failed(&path, &error))?;
    write_new(&path, &packed).map_err(|error| failed(&path, &error))?;
    Ok(answer(context, &path, &parts, packed.len()))
}

fn failed(path: &Path, error: &io::Error) -> Failure {
    let message = format!("write {}", shown(path));
    match error.kind() {
        io::ErrorKind::AlreadyExists => Failure::new(ErrorCode::InTheWay, message)
            .because("it exists already, and nothing is overwritten")
            .hint("name another file: fst doctor --bundle FILE"),
        _ => Failure::new(ErrorCode::Io, message)
            .because(error.to_string())
            .hint("name a file where you may write: fst doctor --bundle FILE"),
    }
}

/// Everything that goes in; what cannot be had says why in its place.
fn collect(context: &Context) -> Vec<Part> {
    let client = context.client();
    let redactor = redactor(context, client.as_ref().ok());
    let told = |value: Result<Value, Failure>| {
        value.unwrap_or_else(|failure| why_not(&failure, &redactor))
    };
    let of_client = |read: &dyn Fn(&Client) -> Value| match &client {
        Ok(client) => read(client),
        Err(failure) => why_not(failure, &redactor),
    };
    let status = status::read(context).map(|status| redactor.json(&drawn::value(&status)));
    let settings = Config::inspect(&context.dirs).map_err(Failure::from);
    let findings = of_client(&|client| {
        let findings = doctor::examine(context, client, &Topic::ALL);
        redactor.json(&doctor::documents(&findings).into())
    });
    let config = told(settings.map(|config| configuration(context, &redactor, &config)));
    let rows = of_client(&|client| row_counts(client, &redactor));
    let versions = versions(context);
    let mut parts = vec![
        part(
            "versions.json",
            "versions of fst, its daemon and the system",
            &versions,
        ),
        part("limits.json", "limits of the system", &limits()),
        part("doctor.json", "what fst doctor finds", &findings),
        part("status.json", "what fst status shows", &told(status)),
        part("config.json", "settings that are not the default", &config),
        part("databases.json", "how many rows the tables have", &rows),
        Part {
            name: "daemon.log",
            about: "the end of the daemon's log",
            text: log_tail(context, &redactor),
        },
    ];
    parts.insert(0, read_me(&parts));
    parts
}

/// What stands in the place of something that cannot be had.
fn why_not(failure: &Failure, redactor: &Redactor) -> Value {
    let message = &failure.envelope()["message"];
    json!({ "code": failure.code.to_string(), "message": redactor.json(message) })
}

fn part(name: &'static str, about: &'static str, value: &Value) -> Part {
    let mut text = format!("{value:#}\n");
    if text.len() > FILE_BYTES_MAX {
        text = format!(
            "{:#}\n",
            json!({ "left_out": "too large", "bytes": text.len() })
        );
    }
    Part { name, about, text }
}

fn read_me(parts: &[Part]) -> Part {
    let mut text = String::from(
        "Written by 'fst doctor --bundle'. It was sent to nobody; read it before you send it.\n\n\
         Names of files, folders, spaces, devices, accounts, hosts and people are pseudonyms, such as\n\
         folder-0123456789: equal ones stand for equal names in this archive, and nobody can find the\n\
         name from them. Words that are not part of a known message are replaced as well. There are\n\
         no keys, no tokens, no secrets and no contents in here.\n\n",
    );
    let lines = parts.iter();
    let lines = lines.map(|part| format!("{:<16} {}\n", part.name, part.about));
    text.extend(lines);
    Part {
        name: "README.txt",
        about: "what this is",
        text,
    }
}

/// Knows all names of this device; what it does not know is hidden all the same.
fn redactor(context: &Context, client: Option<&Client>) -> Redactor {
    let codes = ErrorCode::ALL.iter();
    let words = codes.flat_map(|code| [code.title(), code.next_step()]);
    let mut redactor = Redactor::new(pseudonym_key(), words);
    redactor.know("home", &context.dirs.home.to_string_lossy());
    redactor.know("host", &machine_name());
    for name in ["USER", "LOGNAME"].into_iter().filter_map(var) {
        redactor.know("user", &name.to_string_lossy());
    }
    let Some(client) = client else {
        return redactor;
    };
    redactor.know("server", client.server_url());
    for folder in &client.config().folders {
        redactor.know("folder", &folder.path.to_string_lossy());
        redactor.know("folder", &context.dirs.tilde(&folder.path));
        redactor.know("space", &folder.remote_path);
    }
    redactor.know("device", client.device_name());
    for name in client.known_device_names() {
        redactor.know("device", &name);
    }
    redactor
}

fn versions(context: &Context) -> Value {
    let daemon = context.daemon_if_any().ok().flatten();
    let kernel = rustix::system::uname()
        .release()
        .to_string_lossy()
        .into_owned();
    // What stands behind the numbers is anybody's choice.
    let numbers = kernel
        .split(|c: char| !c.is_ascii_digit() && c != '.')
        .next();
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let release = |key: &str| {
        let mut lines = release.lines();
        let value = lines.find_map(|line| line.strip_prefix(key));
        value.map(|value| value.trim_matches('"').to_owned())
    };
    let is_known = |id: &String| DISTRIBUTIONS.contains(&id.as_str());
    let is_number = |text: &String| text.chars().all(|c| c.is_ascii_digit() || c == '.');
    json!({
        "fst": env!("CARGO_PKG_VERSION"),
        "daemon": daemon.map(|daemon| daemon.record().version.clone()),
        "system": std::env::consts::OS,
        "processor": std::env::consts::ARCH,
        "kernel": numbers,
        "distribution": release("ID=").filter(is_known),
        "distribution_version": release("VERSION_ID=").filter(is_number),
        "is_root": rustix::process::geteuid().is_root(),
    })
}

fn limits() -> Value {
    let kernel = |name: &str| {
        let text = fs::read_to_string(format!("/proc/sys/fs/inotify/{name}")).ok();
        text.and_then(|text| text.trim().parse::<u64>().ok())
    };
    let files = getrlimit(Resource::Nofile);
    json!({
        "watched_directories": kernel("max_user_watches"),
        "watchers": kernel("max_user_instances"),
        "open_files": files.current,
        "open_files_max": files.maximum,
    })
}

fn row_counts(client: &Client, redactor: &Redactor) -> Value {
    let folders = client.row_counts().map(|(folder, counts)| {
        let path = redactor.name("folder", &folder.path.to_string_lossy());
        json!({ "folder": path, "rows": counts.ok() })
    });
    folders.collect()
}

/// What is set, and what is wrong with the file.
fn configuration(context: &Context, redactor: &Redactor, config: &Config) -> Value {
    let settings = config.settings.iter();
    let settings = settings.map(|one| setting(context, redactor, one));
    let findings = config.report.findings.iter().map(|finding| {
        json!({ "code": finding.code.to_string(), "text": redactor.text(&finding.brief()) })
    });
    json!({
        "settings": settings.collect::<Vec<_>>(),
        "findings": findings.collect::<Vec<_>>(),
    })
}

/// Keys and values of a closed set are as they are; whatever a person wrote freely is not.
fn setting(context: &Context, redactor: &Redactor, setting: &Setting) -> Value {
    let written = setting.written.as_str();
    let value = match setting.key.kind {
        keys::Kind::Secret => json!("set, not shown"),
        keys::Kind::Path => {
            let path = context.dirs.expand(written);
            json!(redactor.name("path", &path.to_string_lossy()))
        },
        keys::Kind::Url => json!(redactor.name("server", written)),
        keys::Kind::Remote => json!(redactor.name("space", written)),
        keys::Kind::Pin => json!(redactor.name("pin", written)),
        keys::Kind::Text | keys::Kind::Texts => json!(redactor.name("text", written)),
        keys::Kind::Bool
        | keys::Kind::Word(_)
        | keys::Kind::Size { .. }
        | keys::Kind::Rate
        | keys::Kind::Number { .. }
        | keys::Kind::Window
        | keys::Kind::Days => config::typed(&setting.value),
    };
    json!({ "key": setting.key.path, "value": value })
}

fn log_tail(context: &Context, redactor: &Redactor) -> String {
    let path = daemon_log::path_of(&context.dirs);
    let lines = match log::last(&path, LOG_LINES_MAX, FILE_BYTES_MAX as u64) {
        Ok(lines) => lines,
        Err(error) => return redactor.text(&format!("{error}\n")),
    };
    let mut kept: Vec<String> = Vec::new();
    let mut room = FILE_BYTES_MAX;
    for line in lines.iter().rev() {
        let line = redactor.text(line);
        if line.len() >= room {
            break;
        }
        room -= line.len() + 1;
        kept.push(line);
    }
    kept.iter().rev().map(|line| format!("{line}\n")).collect()
}

/// Owners and names of this machine are not in it.
fn pack(parts: &[Part], now: Timestamp) -> io::Result<Vec<u8>> {
    let gzip = GzEncoder::new(Vec::new(), Compression::default());
    let mut archive = tar::Builder::new(gzip);
    for part in parts {
        let mut header = tar::Header::new_gnu();
        header.set_size(part.text.len() as u64);
        header.set_mode(0o600);
        header.set_mtime(u64::try_from(now.as_second()).unwrap_or(0));
        let name = format!("{DIR}/{}", part.name);
        archive.append_data(&mut header, name, part.text.as_bytes())?;
    }
    archive.into_inner()?.finish()
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut options = File::options();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    if written.is_err() {
        // Half an archive helps nobody, and it is ours.
        fs::remove_file(path).unwrap_or_default();
    }
    written
}

fn answer(context: &Context, path: &Path, parts: &[Part], n_bytes: usize) -> Answer {
    let look = &context.look;
    let mut page = Page::default();
    let (symbol, file) = (look.symbol(Symbol::Good), look.tilde(path));
    page.line(format!(
        "{symbol} {file}  {}",
        amounts::size(n_bytes as u64)
    ));
    for part in parts {
        let size = amounts::size(part.text.len() as u64);
        page.line(format!("  {:<16} {size:>9}  {}", part.name, part.about));
    }
    page.line(
        "  Names in it are pseudonyms. It was sent to nobody; you may read it before you send it.",
    );
    let command = format!("tar -xzOf {} | less", quote(&shown(path)));
    page.block(look.next(&command));
    let files = parts.iter().map(|part| {
        json!({ "name": format!("{DIR}/{}", part.name), "about": part.about, "bytes": part.text.len() })
    });
    let data = json!({
        "path": shown(path),
        "bytes": n_bytes,
        "files": files.collect::<Vec<_>>(),
    });
    Answer::new("fst.doctor.bundle/1", data, page.into_text())
}
