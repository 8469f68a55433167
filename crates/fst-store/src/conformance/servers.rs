//! Private database servers for tests: Debian's PostgreSQL and Redis in a folder of their own.
//!
//! Used by `tests/it` of this crate and of the server. Each server listens on a Unix socket in its temporary folder
//! alone, so that no port is shared. Invariant: a server ends with its test, however the test ends, because a small
//! shell keeps it and sees its standard input close; PostgreSQL, which refuses root, then runs as `nobody`.
//! A program that is missing fails the test with the line that installs it.
#![allow(
    clippy::missing_panics_doc,
    clippy::panic,
    reason = "a test without its server fails"
)]

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Where Debian puts versions of PostgreSQL.
const POSTGRES_ROOT: &str = "/usr/lib/postgresql";

/// Pause between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(30);

/// Makes a folder, says where, then obeys `start` and `stop` until its standard input ends. `up` and `down` are
/// defined by each server's script; `down` kills without letting it clean up.
const KEEPER: &str = r#"
cleanup() { down >/dev/null 2>&1; rm -rf "$dir"; }
trap 'exit 1' INT TERM HUP
trap cleanup EXIT
echo "$dir"
while read -r word; do
  case $word in
    start) up >>"$dir/log" 2>&1 && echo ok || { tail -n 20 "$dir/log" | tr '\n' ' '; echo; } ;;
    stop) down >>"$dir/log" 2>&1; echo ok ;;
  esac
done
"#;

const POSTGRES: &str = r#"
dir=$(mktemp -d /tmp/fst-postgres.XXXXXX)
chmod 755 "$dir"
"$BIN/initdb" -D "$dir/data" -U fst -A trust --no-sync --locale=C -E UTF8 >"$dir/log" 2>&1
up() {
  "$BIN/pg_ctl" -D "$dir/data" -w -t 60 -l "$dir/server.log" \
    -o "-k $dir -c listen_addresses= -c fsync=$FSYNC -c max_connections=200" start
}
down() { "$BIN/pg_ctl" -D "$dir/data" -w -t 60 -m immediate stop; }
"#;

const REDIS: &str = r#"
dir=$(mktemp -d /tmp/fst-redis.XXXXXX)
up() {
  redis-server --port 0 --unixsocket "$dir/socket" --save '' --appendonly no \
    --maxmemory-policy noeviction --dir "$dir" &
  pid=$!
  for _ in $(seq 600); do
    redis-cli -s "$dir/socket" ping 2>/dev/null | grep -q PONG && return 0
    sleep 0.1
  done
  return 1
}
down() { kill -9 "$pid"; wait "$pid"; rm -f "$dir/socket"; true; }
"#;

/// Pause between two looks at a server that changes by itself; the test's own limit ends the waiting.
pub async fn look_again() {
    // tidy: real-time wait, because other processes come and go and tell nobody here.
    tokio::time::sleep(LOOK_EVERY).await;
}

/// Whether PostgreSQL forces its files to disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fsync {
    /// As in production.
    On,
    /// Faster, for tests that crash nothing.
    Off,
}

/// A server that runs as long as this lives.
#[derive(Debug)]
struct Kept {
    child: Child,
    pipes: Mutex<(Option<ChildStdin>, BufReader<ChildStdout>)>,
    dir: PathBuf,
}

/// A private PostgreSQL.
#[derive(Debug)]
pub struct PrivatePostgres(Kept);

/// A private Redis.
#[derive(Debug)]
pub struct PrivateRedis(Kept);

impl PrivatePostgres {
    /// Makes a cluster and starts it.
    #[must_use]
    pub fn start(fsync: Fsync) -> Self {
        let bin = postgres_bin();
        let fsync = match fsync {
            Fsync::On => "on",
            Fsync::Off => "off",
        };
        let vars = [("BIN", bin.as_path()), ("FSYNC", Path::new(fsync))];
        let kept = Kept::new(&format!("{POSTGRES}{KEEPER}"), &vars, is_root());
        kept.order("start");
        Self(kept)
    }

    /// URL of a database on it, which need not exist.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        let dir = self.0.dir.display();
        format!("postgresql:///{database}?host={dir}&user=fst")
    }

    /// Kills it as a crash would.
    pub fn crash(&self) {
        self.0.order("stop");
    }

    /// Starts it again after [`PrivatePostgres::crash`].
    pub fn restart(&self) {
        self.0.order("start");
    }
}

impl PrivateRedis {
    /// Starts a server that stores nothing on disk and refuses writes when it is full.
    #[must_use]
    pub fn start() -> Self {
        assert!(
            is_installed("redis-server"),
            "redis-server is missing: run `apt-get install redis-server`"
        );
        let kept = Kept::new(&format!("{REDIS}{KEEPER}"), &[], false);
        kept.order("start");
        Self(kept)
    }

    /// URL of it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis+unix://{}", self.socket().display())
    }

    /// Kills it.
    pub fn crash(&self) {
        self.0.order("stop");
    }

    /// Starts it again after [`PrivateRedis::crash`].
    pub fn restart(&self) {
        self.0.order("start");
    }

    /// Sends a command with `redis-cli` and returns what it prints.
    #[must_use]
    pub fn cli(&self, words: &[&str]) -> String {
        let mut command = Command::new("redis-cli");
        command.arg("-s").arg(self.socket()).args(words);
        let output = command.output().expect("redis-cli comes with redis-server");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    fn socket(&self) -> PathBuf {
        self.0.dir.join("socket")
    }
}

impl Kept {
    fn new(script: &str, vars: &[(&str, &Path)], is_nobody: bool) -> Self {
        let mut command = if is_nobody {
            let mut command = Command::new("runuser");
            command.args(["-u", "nobody", "--"]);
            command.arg("sh");
            command
        } else {
            Command::new("sh")
        };
        command.arg("-c").arg(script).current_dir("/");
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        command.envs(vars.iter().copied());
        let mut child = command.spawn().expect("there is a shell");
        let stdin = child.stdin.take().expect("stdin is piped");
        let stdout = child.stdout.take().expect("stdout is piped");
        let mut stdout = BufReader::new(stdout);
        let dir = PathBuf::from(line(&mut stdout));
        Self {
            child,
            pipes: Mutex::new((Some(stdin), stdout)),
            dir,
        }
    }

    fn order(&self, word: &str) {
        let mut pipes = self.pipes.lock().unwrap_or_else(PoisonError::into_inner);
        let stdin = pipes.0.as_mut().expect("it is closed by drop alone");
        writeln!(stdin, "{word}").expect("the keeper reads");
        let answer = line(&mut pipes.1);
        assert_eq!(answer, "ok", "{word} in {}", self.dir.display());
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        let mut pipes = self.pipes.lock().unwrap_or_else(PoisonError::into_inner);
        // Closing its standard input ends the keeper, which stops the server and removes the folder.
        drop(pipes.0.take());
        drop(pipes);
        self.child.wait().map(drop).unwrap_or_default();
    }
}

fn line(stdout: &mut BufReader<ChildStdout>) -> String {
    let mut line = String::new();
    stdout.read_line(&mut line).expect("the keeper answers");
    line.trim().to_owned()
}

/// The newest version that is installed.
fn postgres_bin() -> PathBuf {
    let versions = std::fs::read_dir(POSTGRES_ROOT).into_iter().flatten();
    let numbers = versions.filter_map(|version| {
        let name = version.ok()?.file_name();
        name.to_str()?.parse::<u32>().ok()
    });
    let bin = numbers.max().map(|newest| {
        let root = Path::new(POSTGRES_ROOT);
        root.join(newest.to_string()).join("bin")
    });
    match bin.filter(|bin| bin.join("initdb").exists()) {
        Some(bin) => bin,
        None => panic!("PostgreSQL is missing: run `apt-get install postgresql`"),
    }
}

fn is_installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| dir.join(program).exists())
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output();
    id.is_ok_and(|id| id.stdout.trim_ascii() == b"0")
}
