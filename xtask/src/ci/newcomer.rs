//! Does what the README promises to somebody who has just cloned the repository.
//!
//! Clones HEAD, reads the two commands from the clone's README, runs the first one word by word in a shell with
//! an empty `HOME`, waits until the folder is synced, and stops the daemon. (The second command is the one that
//! calls us.) Invariant: nothing is touched but a temporary home and the build directory.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use anyhow::{Context as _, bail};

use crate::process;
use crate::say::say;
use crate::workspace;

/// The commands that the README begins with, word by word.
const FIRST: &str = "cargo run --release -- up ~/Documents";
const SECOND: &str = "cargo xtask test";

/// Where paths of a user come from besides `HOME`; a newcomer has none of them set.
const USER_DIRS: &[&str] = &[
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "XDG_STATE_HOME",
    "XDG_CACHE_HOME",
    "XDG_RUNTIME_DIR",
];

/// A clean checkout and an empty home.
struct Newcomer {
    checkout: PathBuf,
    home: PathBuf,
    target: PathBuf,
}

/// True when the first command works from a clean checkout and its folder gets synced.
pub(super) fn run(root: &Path) -> anyhow::Result<bool> {
    let dir = tempfile::tempdir().context("make a temporary directory")?;
    let newcomer = Newcomer::new(root, dir.path())?;
    let readme =
        fs::read_to_string(newcomer.checkout.join("README.md")).context("read README.md")?;
    if let Some(problem) = problem(&readme) {
        say(format!("README.md {problem}"));
        return Ok(false);
    }
    say(format!("$ {FIRST}"));
    let is_up = process::run(newcomer.shell(FIRST).current_dir(&newcomer.checkout))?;
    // Whatever happened, the daemon must not outlive this step.
    let is_synced = is_up && newcomer.is_synced()?;
    let is_stopped = newcomer.fst(&["daemon", "stop"])?;
    Ok(is_up && is_synced && is_stopped)
}

/// What is wrong with the quick start, if anything: the two commands come first, in this order.
fn problem(readme: &str) -> Option<String> {
    let commands: Vec<&str> = code_lines(readme).take(2).collect();
    (commands != [FIRST, SECOND])
        .then(|| format!("does not begin with the commands `{FIRST}` and `{SECOND}`: {commands:?}"))
}

/// Commands inside code blocks, without comments.
fn code_lines(page: &str) -> impl Iterator<Item = &str> {
    let mut is_inside = false;
    page.lines().filter_map(move |line| {
        if line.starts_with("```") {
            is_inside = !is_inside;
            return None;
        }
        let command = line.split("  #").next().unwrap_or_default().trim();
        (is_inside && !command.is_empty() && !command.starts_with('#')).then_some(command)
    })
}

impl Newcomer {
    fn new(root: &Path, home: &Path) -> anyhow::Result<Self> {
        let metadata = workspace::metadata(root)?;
        let target = metadata["target_directory"].as_str();
        let target = PathBuf::from(target.context("cargo names no target directory")?);
        // Always the same place: a new one each time would leave a full set of artifacts behind. Not our own
        // build directory: cargo notes the checkout's paths there and would not see our own files change.
        let place = target.join("newcomer");
        let checkout = place.join("checkout");
        if checkout.exists() {
            fs::remove_dir_all(&checkout).context("remove the last newcomer's checkout")?;
        }
        let newcomer = Self {
            checkout,
            home: home.to_owned(),
            target: place.join("build"),
        };
        let documents = newcomer.home.join("Documents");
        fs::create_dir_all(&documents).context("make a home")?;
        fs::write(documents.join("hello.txt"), "hello\n").context("write the first file")?;
        let mut clone = Command::new("git");
        clone
            .args(["clone", "--quiet", "--no-hardlinks"])
            .arg(root)
            .arg(&newcomer.checkout);
        if !process::run(&mut clone)? {
            bail!("git clone failed: the newcomer step needs a repository with a commit");
        }
        Ok(newcomer)
    }

    /// `command` in a shell of the newcomer; Rust itself stays where it is.
    fn shell(&self, command: &str) -> Command {
        let real = env::home_dir().unwrap_or_default();
        let keep =
            |name: &str, dir: &str| env::var_os(name).unwrap_or_else(|| real.join(dir).into());
        let mut shell = Command::new("sh");
        shell
            .args(["-c", command])
            .env("CARGO_HOME", keep("CARGO_HOME", ".cargo"))
            .env("RUSTUP_HOME", keep("RUSTUP_HOME", ".rustup"))
            .env("CARGO_TARGET_DIR", &self.target)
            .env("HOME", &self.home);
        for name in USER_DIRS {
            shell.env_remove(name);
        }
        shell
    }

    /// Runs the program that the first command built.
    fn fst(&self, args: &[&str]) -> anyhow::Result<bool> {
        say(format!("$ fst {}", args.join(" ")));
        let fst = self.target.join("release/fst");
        process::run(
            self.shell("exec \"$0\" \"$@\"")
                .arg(fst)
                .args(args)
                .current_dir(&self.home),
        )
    }

    fn is_synced(&self) -> anyhow::Result<bool> {
        Ok(self.fst(&["wait", "--synced", "--timeout", "60s"])? && self.fst(&["status"])?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_two_commands_come_first() {
        let good = "# F\n```sh\ncargo run --release -- up ~/Documents   # sync\n```\ntext\n```sh\n# all\ncargo xtask test\n```\n";
        assert_eq!(problem(good), None);
        assert!(problem("```sh\ncargo build\ncargo xtask test\n```").is_some());
        assert!(problem("cargo run --release -- up ~/Documents").is_some());
    }
}
