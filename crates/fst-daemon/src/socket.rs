//! Makes the control socket: for its owner only, at a path that fits the kernel's 108 bytes.
//!
//! Called by [`crate::supervisor`] under the daemon lock. Invariant: the path is recorded in `daemon.json`,
//! so it may change from start to start. Not here: what is said over it ([`crate::ipc`]).

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use fst_client::dirs::Dirs;

use crate::DaemonError;
use crate::lock::private_dir;

/// `sun_path` holds 108 bytes on Linux and 104 on the BSDs, with a closing NUL.
const SOCKET_PATH_LEN_MAX: usize = 100;

/// The listening socket and where it is.
#[derive(Debug)]
pub(crate) struct ControlSocket {
    /// Accepts connections.
    pub listener: UnixListener,
    /// Its path.
    pub path: PathBuf,
    /// Directory made for it alone.
    own_dir: Option<PathBuf>,
}

impl ControlSocket {
    /// Binds in the state directory, or in the runtime directory or a temporary one when that is too deep.
    pub(crate) fn bind(dirs: &Dirs, runtime: Option<OsString>) -> Result<Self, DaemonError> {
        let place = choose(dirs, runtime.map(PathBuf::from), &std::env::temp_dir());
        if let Some(dir) = &place.own_dir {
            private_dir(dir)?;
        }
        // We hold the daemon lock, so a file there belongs to a daemon that died.
        std::fs::remove_file(&place.path).unwrap_or_default();
        let fail = |source| DaemonError::File {
            what: "listen on the socket",
            path: place.path.clone(),
            source,
        };
        let listener = UnixListener::bind(&place.path).map_err(fail)?;
        let only_owner = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(&place.path, only_owner).map_err(fail)?;
        Ok(Self {
            listener,
            path: place.path,
            own_dir: place.own_dir,
        })
    }

    /// Removes the socket's traces.
    pub(crate) fn remove(path: &Path, own_dir: Option<&Path>) {
        std::fs::remove_file(path).unwrap_or_default();
        if let Some(dir) = own_dir {
            std::fs::remove_dir(dir).unwrap_or_default();
        }
    }

    /// The directory that was made for the socket alone.
    pub(crate) fn own_dir(&self) -> Option<PathBuf> {
        self.own_dir.clone()
    }
}

/// Whether a path is one that [`ControlSocket::bind`] may have chosen.
pub(crate) fn is_name(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    let pid = |name: &str| {
        let digits = name.strip_prefix("fst-")?.strip_suffix(".sock")?;
        digits.parse::<u32>().ok()
    };
    name.is_some_and(|name| name == "daemon.sock" || pid(name).is_some())
}

/// Whether a directory is one that was made for the socket alone.
pub(crate) fn is_own_dir(dir: &Path) -> bool {
    let name = dir.file_name().and_then(|name| name.to_str());
    let digits = name.and_then(|name| name.strip_prefix("fst-"));
    digits.is_some_and(|digits| digits.parse::<u32>().is_ok())
}

struct Place {
    path: PathBuf,
    own_dir: Option<PathBuf>,
}

fn choose(dirs: &Dirs, runtime: Option<PathBuf>, temp: &Path) -> Place {
    let fits = |path: &PathBuf| path.as_os_str().as_bytes().len() <= SOCKET_PATH_LEN_MAX;
    let in_state = Some(dirs.state.join("daemon.sock")).filter(fits);
    let pid = std::process::id();
    // Several homes may share one runtime directory, hence the process id.
    let in_runtime = || {
        runtime
            .map(|dir| dir.join(format!("fst-{pid}.sock")))
            .filter(fits)
    };
    match in_state.or_else(in_runtime) {
        Some(path) => Place {
            path,
            own_dir: None,
        },
        None => {
            let dir = temp.join(format!("fst-{pid}"));
            Place {
                path: dir.join("daemon.sock"),
                own_dir: Some(dir),
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use fst_client::dirs::Variables;

    use super::*;

    fn dirs(state: &str) -> Dirs {
        Dirs {
            home: "/h".into(),
            config: "/h/c".into(),
            data: "/h/d".into(),
            state: state.into(),
            config_override: None,
            variables: Variables::default(),
        }
    }

    #[test]
    fn the_state_directory_comes_first() {
        let place = choose(&dirs("/h/s"), Some("/run/user/1".into()), Path::new("/tmp"));
        assert_eq!(place.path, Path::new("/h/s/daemon.sock"));
    }

    #[test]
    fn a_deep_home_falls_back_to_shorter_places() {
        let deep = format!("/{}", "d".repeat(120));
        let place = choose(&dirs(&deep), Some("/run/user/1".into()), Path::new("/tmp"));
        assert!(place.path.starts_with("/run/user/1"));
        let place = choose(&dirs(&deep), None, Path::new("/tmp"));
        assert!(place.path.starts_with("/tmp"));
        assert!(place.own_dir.is_some());
    }

    #[test]
    fn only_the_owner_may_connect() {
        let home = tempfile::tempdir().unwrap();
        let socket = ControlSocket::bind(&dirs(home.path().to_str().unwrap()), None).unwrap();
        let mode = std::fs::metadata(&socket.path)
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        // A second bind replaces what a dead daemon left behind.
        drop(socket);
        assert!(ControlSocket::bind(&dirs(home.path().to_str().unwrap()), None).is_ok());
    }
}
