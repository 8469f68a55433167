//! Programs that the build and the tests need from the system, and how to get them on Debian.
//!
//! A row more is a program more. Invariant: nothing is installed unless we are root and `apt-get` exists;
//! else the line to type is printed. Not here: Rust itself (`rust-toolchain.toml`).

use std::process::Command;

use crate::process;
use crate::say::say;

/// A program and the Debian package it comes in.
struct Need {
    program: &'static str,
    package: &'static str,
    /// What it is for; without `is_required` the tests that use it say that they were skipped.
    purpose: &'static str,
    is_required: bool,
}

const NEEDS: &[Need] = &[
    Need {
        program: "cc",
        package: "build-essential",
        purpose: "builds SQLite, zstd and the cryptography",
        is_required: true,
    },
    Need {
        program: "git",
        package: "git",
        purpose: "makes the clean checkout of the newcomer step",
        is_required: true,
    },
    Need {
        program: "pg_ctlcluster",
        package: "postgresql",
        purpose: "tests start their own private PostgreSQL",
        is_required: true,
    },
    Need {
        program: "redis-server",
        package: "redis-server",
        purpose: "tests start their own private Redis",
        is_required: true,
    },
    Need {
        program: "strace",
        package: "strace",
        purpose: "shows in which order files are made durable",
        is_required: false,
    },
];

/// Installs what is missing, if we may; `false` when something required is still missing.
pub(super) fn install() -> anyhow::Result<bool> {
    let missing = missing();
    for need in &missing {
        say(format!("missing: {} ({})", need.program, need.purpose));
    }
    if missing.is_empty() {
        say("nothing is missing");
        return Ok(true);
    }
    let packages: Vec<&str> = missing.iter().map(|need| need.package).collect();
    let line = format!(
        "apt-get install --yes --no-install-recommends {}",
        packages.join(" ")
    );
    if is_root() && process::is_installed("apt-get") {
        say(&line);
        process::run(Command::new("apt-get").args(["update", "--quiet"]))?;
        let words: Vec<&str> = line.split(' ').collect();
        let mut command = Command::new(words[0]);
        process::run(
            command
                .args(&words[1..])
                .env("DEBIAN_FRONTEND", "noninteractive"),
        )?;
    } else {
        say(format!("run this line as root: {line}"));
    }
    Ok(self::missing().iter().all(|need| !need.is_required))
}

fn missing() -> Vec<&'static Need> {
    NEEDS
        .iter()
        .filter(|need| !process::is_installed(need.program))
        .collect()
}

fn is_root() -> bool {
    process::run_quietly(Command::new("id").arg("-u")).is_ok_and(|id| id.text.trim() == "0")
}
