//! The worlds that the conformance suite runs in: a real folder, and one in memory.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::PathBuf;
use std::sync::Mutex;

use fst_fs::conformance::{HeldFile, World};
use fst_fs::fake::{FakeVault, RootState};
use fst_fs::real::{Means, RealVault};
use fst_fs::vault::{FileKind, Vault};
use fst_proto::path::RelPath;
use tempfile::TempDir;

/// A folder on the disk, with a directory beside it that nothing may touch.
#[derive(Debug)]
pub(crate) struct RealWorld {
    pub(crate) vault: RealVault,
    home: TempDir,
    /// Given back their permissions at the end, so that they can be removed.
    unreadable: Mutex<Vec<PathBuf>>,
}

impl RealWorld {
    pub(crate) fn new(means: Means) -> Self {
        let home = tempfile::tempdir().expect("make a directory");
        fs::create_dir(home.path().join("folder")).expect("make the folder");
        fs::create_dir_all(home.path().join("outside/sub")).expect("make the outside");
        fs::write(home.path().join("outside/file"), b"outside").expect("write outside");
        let vault = RealVault::open_with(&home.path().join("folder"), means).expect("open");
        Self {
            vault,
            home,
            unreadable: Mutex::new(Vec::new()),
        }
    }

    pub(crate) fn folder(&self) -> PathBuf {
        self.home.path().join("folder")
    }

    pub(crate) fn at(&self, path: &RelPath) -> PathBuf {
        self.folder()
            .join(std::ffi::OsStr::from_bytes(&path.to_bytes()))
    }

    /// A place outside of the folder, on the same file system.
    pub(crate) fn beside(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }
}

impl World for RealWorld {
    fn vault(&self) -> &dyn Vault {
        &self.vault
    }

    fn write(&self, path: &RelPath, bytes: &[u8]) {
        fs::write(self.at(path), bytes).expect("write");
    }

    fn save(&self, path: &RelPath, bytes: &[u8]) {
        fs::write(self.beside("saved"), bytes).expect("write beside");
        fs::rename(self.beside("saved"), self.at(path)).expect("rename over");
    }

    fn hold(&self, path: &RelPath) -> HeldFile {
        let mut file = OpenOptions::new()
            .append(true)
            .open(self.at(path))
            .expect("open");
        Box::new(move |bytes| file.write_all(bytes).expect("append"))
    }

    fn remove(&self, path: &RelPath) {
        let at = self.at(path);
        let is_dir = fs::symlink_metadata(&at).expect("look").is_dir();
        if is_dir {
            fs::remove_dir_all(at)
        } else {
            fs::remove_file(at)
        }
        .expect("remove");
    }

    fn rename(&self, from: &RelPath, to: &RelPath) {
        fs::rename(self.at(from), self.at(to)).expect("rename");
    }

    fn mkdir(&self, path: &RelPath) {
        fs::create_dir(self.at(path)).expect("make a directory");
    }

    fn symlink(&self, path: &RelPath, target: &[u8]) {
        symlink(std::ffi::OsStr::from_bytes(target), self.at(path)).expect("make a link");
    }

    fn link_outside(&self, path: &RelPath) {
        symlink(self.beside("outside"), self.at(path)).expect("make a link");
    }

    fn is_outside_untouched(&self) -> bool {
        let names = |dir: &str| -> Vec<String> {
            let entries = fs::read_dir(self.beside(dir))
                .expect("list outside")
                .flatten();
            let mut names: Vec<_> = entries
                .map(|e| e.file_name().into_string().expect("UTF-8"))
                .collect();
            names.sort();
            names
        };
        let file = fs::metadata(self.beside("outside/file")).expect("look outside");
        names("outside") == ["file", "sub"]
            && names("outside/sub").is_empty()
            && fs::read(self.beside("outside/file")).expect("read outside") == b"outside"
            && file.mode() & 0o111 == 0
            && file.mtime() != 0
    }

    fn link(&self, from: &RelPath, to: &RelPath) {
        fs::hard_link(self.at(from), self.at(to)).expect("make a second name");
    }

    fn pipe(&self, path: &RelPath) {
        use rustix::fs::{CWD, FileType, Mode, mknodat};
        mknodat(
            CWD,
            self.at(path),
            FileType::Fifo,
            Mode::RUSR | Mode::WUSR,
            0,
        )
        .expect("make a pipe");
    }

    fn chmod(&self, path: &RelPath, exec: bool) {
        let mode = if exec { 0o755 } else { 0o644 };
        fs::set_permissions(self.at(path), Permissions::from_mode(mode)).expect("chmod");
    }

    fn read(&self, path: &RelPath) -> Option<Vec<u8>> {
        fs::read(self.at(path)).ok()
    }

    fn try_make_unreadable(&self, path: &RelPath) -> bool {
        let at = self.at(path);
        fs::set_permissions(&at, Permissions::from_mode(0o000)).expect("chmod");
        self.unreadable
            .lock()
            .expect("not poisoned")
            .push(at.clone());
        let is_denied = File::open(at).is_err();
        if !is_denied {
            eprintln!("SKIPPED: this process may read everything, so nothing is unreadable");
        }
        is_denied
    }

    fn lose_root(&self) {
        fs::rename(self.folder(), self.beside("elsewhere")).expect("move the folder away");
    }

    fn replace_root(&self) {
        self.lose_root();
        fs::create_dir(self.folder()).expect("make another folder");
    }
}

impl Drop for RealWorld {
    fn drop(&mut self) {
        for at in self.unreadable.lock().expect("not poisoned").drain(..) {
            drop(fs::set_permissions(at, Permissions::from_mode(0o700)));
        }
    }
}

/// A folder in memory.
#[derive(Debug, Default)]
pub(crate) struct FakeWorld {
    pub(crate) vault: FakeVault,
}

impl World for FakeWorld {
    fn vault(&self) -> &dyn Vault {
        &self.vault
    }

    fn write(&self, path: &RelPath, bytes: &[u8]) {
        self.vault.user_write(path, bytes).expect("write");
    }

    fn save(&self, path: &RelPath, bytes: &[u8]) {
        self.vault.user_save(path, bytes).expect("save");
    }

    fn hold(&self, path: &RelPath) -> HeldFile {
        let file = self.vault.user_open(path).expect("open");
        Box::new(move |bytes| file.append(bytes))
    }

    fn remove(&self, path: &RelPath) {
        self.vault.user_remove(path).expect("remove");
    }

    fn rename(&self, from: &RelPath, to: &RelPath) {
        self.vault.user_rename(from, to).expect("rename");
    }

    fn mkdir(&self, path: &RelPath) {
        self.vault.user_mkdir(path).expect("make a directory");
    }

    fn symlink(&self, path: &RelPath, target: &[u8]) {
        self.vault.user_symlink(path, target).expect("make a link");
    }

    fn link_outside(&self, path: &RelPath) {
        self.symlink(path, b"/outside");
    }

    fn is_outside_untouched(&self) -> bool {
        // There is no outside in memory.
        self.vault
            .user_stat(&RelPath::root())
            .is_none_or(|root| root.kind == FileKind::Dir)
    }

    fn link(&self, from: &RelPath, to: &RelPath) {
        self.vault.user_link(from, to).expect("make a second name");
    }

    fn pipe(&self, path: &RelPath) {
        self.vault.user_special(path).expect("make a pipe");
    }

    fn chmod(&self, path: &RelPath, exec: bool) {
        self.vault.user_chmod(path, exec).expect("chmod");
    }

    fn read(&self, path: &RelPath) -> Option<Vec<u8>> {
        self.vault.user_read(path)
    }

    fn try_make_unreadable(&self, path: &RelPath) -> bool {
        self.vault.user_set_readable(path, false).is_ok()
    }

    fn lose_root(&self) {
        self.vault.set_root(RootState::Missing);
    }

    fn replace_root(&self) {
        self.vault.set_root(RootState::Replaced);
    }
}

/// Runs `work` on a thread without the rights of the superuser.
///
/// Returns what it returns; without such rights to begin with, the thread is like any other.
pub(crate) fn as_nobody<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    use rustix::process::{Gid, Uid, getuid};
    let thread = std::thread::spawn(move || {
        if getuid().is_root() {
            rustix::thread::set_thread_groups(&[]).expect("give up groups");
            rustix::thread::set_thread_gid(Gid::from_raw(65534)).expect("give up the group");
            rustix::thread::set_thread_uid(Uid::from_raw(65534)).expect("give up the user");
        }
        work()
    });
    thread.join().expect("the work went well")
}
