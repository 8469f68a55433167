//! The programs that are compared, each set up between A and B as its users would.
//!
//! Used by the comparison. Invariant: [`Tool::sync`] returns when the program itself says that B has what A has; whether that
//! is so is compared by the caller. Not here: hosts, work, figures.
//!
//! | name | what | encrypted | durable at the end |
//! |---|---|---|---|
//! | `fst` | A → server → B, daemons running | end to end | at the server and at B |
//! | `rsync` | A → rsync's daemon at B | no | no |
//! | `rsync-z` | the same, compressed with zstd | no | no |
//! | `rsync-ssh` | A → sshd at B, AES-128-GCM | on the line | no |
//! | `unison` | both ways, over a socket | no | no |

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use serde_json::Value;

use super::hosts::{Host, Hosts, done};
use crate::process;

/// Longest wait of `fst` for one sync.
const PATIENCE: &str = "1800s";

/// Tries until a server takes connections, and the time between them: half a minute together.
const TRIES_MAX: u32 = 600;
const BETWEEN_TRIES: Duration = Duration::from_millis(50);

/// A program set up between A and B.
pub(crate) trait Tool {
    /// Brings what changed at either side to the other.
    fn sync(&self, hosts: &Hosts) -> anyhow::Result<()>;

    /// Whether changes at B come to A, too.
    fn is_two_way(&self) -> bool {
        false
    }

    /// Whether it notices changes by itself.
    fn is_watching(&self) -> bool {
        false
    }
}

/// Names of all programs, in the order of the tables.
pub(crate) const NAMES: [&str; 5] = ["fst", "rsync", "rsync-z", "rsync-ssh", "unison"];

/// Where one program finds its files: `a/tree` and `b/tree` are to become equal.
#[derive(Debug, Clone)]
pub(crate) struct Place(pub(crate) PathBuf);

impl Place {
    /// The tree of a host.
    pub(crate) fn tree(&self, host: Host) -> PathBuf {
        self.home(host).join("tree")
    }

    fn home(&self, host: Host) -> PathBuf {
        self.0.join(match host {
            Host::A => "a",
            Host::S => "s",
            Host::B => "b",
        })
    }

    fn text(path: &Path) -> anyhow::Result<String> {
        Ok(path.to_str().context("a path that is text")?.to_owned())
    }
}

/// Sets up the program `name`.
pub(crate) fn set_up(
    name: &str,
    hosts: &Hosts,
    place: &Place,
    fst: &Path,
) -> anyhow::Result<Box<dyn Tool>> {
    for host in [Host::A, Host::B] {
        fs::create_dir_all(place.tree(host))?;
    }
    Ok(match name {
        "fst" => Box::new(Fst::set_up(hosts, place, fst)?),
        "rsync" => Box::new(Rsync::by_daemon(hosts, place, &[])?),
        "rsync-z" => Box::new(Rsync::by_daemon(hosts, place, &["-z", "--zc=zstd"])?),
        "rsync-ssh" => Box::new(Rsync::by_ssh(hosts, place)?),
        "unison" => Box::new(Unison::set_up(hosts, place)?),
        other => bail!("unknown program `{other}`; there are {}", NAMES.join(", ")),
    })
}

struct Fst {
    fst: PathBuf,
    place: Place,
}

impl Fst {
    fn set_up(hosts: &Hosts, place: &Place, fst: &Path) -> anyhow::Result<Self> {
        let data = place.home(Host::S).join("data");
        fs::create_dir_all(&data)?;
        let mut server = hosts.command(Host::S, fst.with_file_name("fst-server"));
        server.args([
            "start",
            "--listen",
            "0.0.0.0:8765",
            "--insecure-http",
            "--data",
        ]);
        hosts.start(server.arg(&data), &place.0.join("server.log"))?;
        await_port(hosts, Host::A, (Host::S.address(), 8765))?;
        let fst = Self {
            fst: fst.to_owned(),
            place: place.clone(),
        };
        let code = fs::read_to_string(data.join("setup-code"))?;
        fst.enrol(hosts, Host::A, "10.213.1.2", &["--setup-code", code.trim()])?;
        let invite = fst.run(hosts, Host::A, &["devices", "invite", "--json"])?;
        let invite: Value = serde_json::from_str(&invite)?;
        let join = invite["data"]["join"].as_str().context("join string")?;
        fst.enrol(hosts, Host::B, "10.213.2.2", &["--join", join])?;
        Ok(fst)
    }

    fn enrol(&self, hosts: &Hosts, host: Host, server: &str, how: &[&str]) -> anyhow::Result<()> {
        let url = format!("http://{server}:8765");
        let init = ["init", "--server", &url, "--insecure-http", "--no-input"];
        self.run(hosts, host, &[&init, how].concat())?;
        let tree = Place::text(&self.place.tree(host))?;
        self.run(
            hosts,
            host,
            &["add", &tree, "--two-way", "--remote-path", "/tree"],
        )?;
        self.run(hosts, host, &["daemon", "start"])?;
        Ok(())
    }

    fn run(&self, hosts: &Hosts, host: Host, args: &[&str]) -> anyhow::Result<String> {
        let mut command = hosts.command(host, &self.fst);
        for name in ["CONFIG_HOME", "DATA_HOME", "STATE_HOME", "RUNTIME_DIR"] {
            command.env_remove(format!("XDG_{name}"));
        }
        command.env("HOME", self.place.home(host)).args(args);
        let ran = process::run_quietly(&mut command)?;
        ensure!(ran.is_ok, "fst {args:?} on {host:?}: {}", ran.text);
        Ok(ran.text)
    }
}

impl Tool for Fst {
    fn sync(&self, hosts: &Hosts) -> anyhow::Result<()> {
        for host in [Host::A, Host::B, Host::A] {
            self.run(hosts, host, &["wait", "--synced", "--timeout", PATIENCE])?;
        }
        Ok(())
    }

    fn is_two_way(&self) -> bool {
        true
    }

    fn is_watching(&self) -> bool {
        true
    }
}

struct Rsync {
    args: Vec<String>,
}

impl Rsync {
    fn by_daemon(hosts: &Hosts, place: &Place, how: &[&str]) -> anyhow::Result<Self> {
        let config = place.0.join("rsyncd.conf");
        let tree = Place::text(&place.tree(Host::B))?;
        let text = format!(
            "use chroot = no\nuid = root\ngid = root\nreverse lookup = no\n[m]\npath = {tree}\nread only = no\n"
        );
        fs::write(&config, text)?;
        let mut daemon = hosts.command(Host::B, "rsync");
        daemon.args(["--daemon", "--no-detach", "--port=8730", "--config"]);
        hosts.start(daemon.arg(&config), &place.0.join("rsyncd.log"))?;
        await_port(hosts, Host::A, (Host::B.address(), 8730))?;
        Self::with(
            place,
            how,
            &format!("rsync://{}:8730/m/", Host::B.address()),
        )
    }

    fn by_ssh(hosts: &Hosts, place: &Place) -> anyhow::Result<Self> {
        let (host_key, key) = (place.0.join("host_key"), place.0.join("key"));
        for file in [&host_key, &key] {
            let mut make = std::process::Command::new("ssh-keygen");
            done(make.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(file))?;
        }
        // Where sshd goes to shed its rights; a running system has it.
        fs::create_dir_all("/run/sshd")?;
        let option = |name: &str, path: &Path| format!("{name}={}", path.display());
        let mut sshd = hosts.command(Host::B, "/usr/sbin/sshd");
        sshd.args([
            "-D",
            "-e",
            "-p",
            "2222",
            "-f",
            "/dev/null",
            "-o",
            "StrictModes=no",
        ]);
        sshd.args([
            "-o",
            "UsePAM=no",
            "-o",
            "PidFile=none",
            "-o",
            "PermitRootLogin=yes",
        ]);
        sshd.args(["-o", &option("HostKey", &host_key)]);
        sshd.args([
            "-o",
            &option("AuthorizedKeysFile", &key.with_extension("pub")),
        ]);
        hosts.start(&mut sshd, &place.0.join("sshd.log"))?;
        await_port(hosts, Host::A, (Host::B.address(), 2222))?;
        let shell = format!(
            "ssh -p 2222 -i {} -c aes128-gcm@openssh.com -o BatchMode=yes -o StrictHostKeyChecking=no \
             -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR",
            key.display()
        );
        let target = format!(
            "root@{}:{}/",
            Host::B.address(),
            place.tree(Host::B).display()
        );
        Self::with(place, &["-e", &shell], &target)
    }

    fn with(place: &Place, how: &[&str], target: &str) -> anyhow::Result<Self> {
        let source = format!("{}/", Place::text(&place.tree(Host::A))?);
        let args = [&["-a", "--delete"], how, &[&source, target]].concat();
        Ok(Self {
            args: args.into_iter().map(str::to_owned).collect(),
        })
    }
}

impl Tool for Rsync {
    fn sync(&self, hosts: &Hosts) -> anyhow::Result<()> {
        done(hosts.command(Host::A, "rsync").args(&self.args))
    }
}

struct Unison {
    place: Place,
    roots: [String; 2],
}

impl Unison {
    fn set_up(hosts: &Hosts, place: &Place) -> anyhow::Result<Self> {
        let mut server = hosts.command(Host::B, "unison");
        server.env("HOME", place.home(Host::B));
        server.args(["-socket", "5555", "-listen", Host::B.address()]);
        hosts.start(&mut server, &place.0.join("unison.log"))?;
        await_port(hosts, Host::A, (Host::B.address(), 5555))?;
        let near = Place::text(&place.tree(Host::A))?;
        let far = Place::text(&place.tree(Host::B))?;
        let far = format!("socket://{}:5555/{far}", Host::B.address());
        Ok(Self {
            place: place.clone(),
            roots: [near, far],
        })
    }
}

impl Tool for Unison {
    fn sync(&self, hosts: &Hosts) -> anyhow::Result<()> {
        let mut command = hosts.command(Host::A, "unison");
        command
            .env("HOME", self.place.home(Host::A))
            .args(&self.roots);
        command.args([
            "-ui",
            "text",
            "-batch",
            "-auto",
            "-times",
            "-confirmbigdel=false",
            "-silent",
        ]);
        done(&mut command)
    }

    fn is_two_way(&self) -> bool {
        true
    }
}

fn await_port(hosts: &Hosts, from: Host, (address, port): (&str, u16)) -> anyhow::Result<()> {
    let connect = format!("exec 3<>/dev/tcp/{address}/{port}");
    for _ in 0..TRIES_MAX {
        if process::run_quietly(hosts.command(from, "bash").args(["-c", &connect]))?.is_ok {
            return Ok(());
        }
        std::thread::park_timeout(BETWEEN_TRIES);
    }
    bail!("nothing answers at {address}:{port}")
}
