//! `fst doctor --bundle`: what is in it, and above all what is not.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::world::{Home, Server};

/// Files of an archive by name, as any `tar` unpacks them.
fn unpacked(archive: &Path) -> BTreeMap<String, String> {
    let dir = tempfile::tempdir().expect("a directory");
    let tar = Command::new("tar")
        .arg("-xzf")
        .arg(archive)
        .arg("-C")
        .arg(dir.path())
        .status();
    assert!(tar.expect("tar runs").success());
    let files = fs::read_dir(dir.path().join("fst-support")).expect("a directory");
    let files = files.map(|file| file.expect("a file").path());
    let read = |path: PathBuf| {
        let name = path
            .file_name()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        (name, fs::read_to_string(path).expect("a text"))
    };
    files.map(read).collect()
}

/// What must be nowhere in the archive, in any of the forms that a key file could take.
fn forms(secret: &[u8]) -> Vec<String> {
    let hex: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut forms = vec![hex.to_uppercase(), hex, base64(secret)];
    forms.extend(String::from_utf8(secret.to_vec()));
    forms
}

/// Standard alphabet, whole groups only: a part of it is enough to be found.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let groups = bytes.chunks_exact(3);
    let digits = groups.flat_map(|it| {
        let n = u32::from_be_bytes([0, it[0], it[1], it[2]]);
        [18, 12, 6, 0].map(|shift| ALPHABET[(n >> shift & 63) as usize] as char)
    });
    digits.collect()
}

/// Pieces of the key store: any eighteen bytes of a key would be one too many.
fn pieces(home: &Home) -> Vec<String> {
    let dir = home.path(".local/share/filesynctool/keystore");
    let files = fs::read_dir(dir).expect("a key store");
    let bytes = files.map(|file| fs::read(file.expect("a file").path()).expect("ours"));
    let all: Vec<Vec<u8>> = bytes.collect();
    let pieces = all.iter().flat_map(|bytes| bytes.chunks_exact(18));
    pieces.flat_map(forms).collect()
}

fn assert_none(files: &BTreeMap<String, String>, secrets: &[String]) {
    for (name, text) in files {
        let lower = text.to_lowercase();
        for secret in secrets.iter().filter(|secret| secret.len() > 2) {
            let is_in = text.contains(secret) || lower.contains(&secret.to_lowercase());
            assert!(!is_in, "{secret:?} is in {name}:\n{text}");
        }
    }
}

/// A device whose every name is a canary, with a daemon that says much and a server that is away.
struct Canaries {
    home: Home,
    secrets: Vec<String>,
}

impl Canaries {
    fn new() -> Self {
        let mut server = Server::start();
        let (code, url, home) = (server.code(), server.url(), Home::new());
        let name = "canarydevice of greta";
        let enrol = [
            "init",
            "--server",
            &url,
            "--setup-code",
            &code,
            "--name",
            name,
        ];
        let words = home.fst(enrol).ok().out;
        let other = Home::joined(&home, &server);
        let folder = home.make_dir("canaryfolder in private");
        let add = ["add", &folder, "--two-way", "--remote-path", "/canaryspace"];
        home.fst(add).ok();
        home.fst(["ignore", "add", "*.canaryrule", "--device"]).ok();
        let mut start = home.command(crate::world::FST);
        start.args(["daemon", "start"]).env("FST_LOG", "debug");
        assert!(start.status().expect("it runs").success());
        home.write(
            "canaryfolder in private/canaryfile letter.txt",
            "canarycontent",
        );
        home.wait();
        home.fst(["config", "set", "server.api_key", "fst_at_canarytoken"])
            .ok();
        let join = home.fst(["devices", "invite", "--json"]).json();
        let join = join["data"]["join"].as_str().expect("a join string");
        let status = home.fst(["status", "--json"]).ok().out;
        server.stop();
        home.write(
            "canaryfolder in private/canarylater.txt",
            "canarycontent two",
        );
        home.comes_to(22);
        let log = ".local/state/filesynctool/daemon.log";
        // What a panic or a library could write.
        let line =
            format!("panicked at {folder}/canaryfile x.txt: {join} {code} canaryhost.example");
        home.write(log, format!("{}{line}\n", home.read(log)));
        let mut secrets = pieces(&home);
        secrets.extend(pieces(&other));
        secrets.extend(["canary", "greta", "fst_at_", "fst-join:", join].map(str::to_owned));
        secrets.extend([
            code,
            url.trim_start_matches("http://").to_owned(),
            url.clone(),
        ]);
        secrets.extend([home_path(&home), fst_client::machine_name()]);
        secrets.extend(ids(&status));
        secrets.extend(three_words(&words));
        Self { home, secrets }
    }
}

fn home_path(home: &Home) -> String {
    let path = home.path("");
    path.to_string_lossy().trim_end_matches('/').to_owned()
}

/// Long hexadecimal words of a document.
fn ids(document: &str) -> Vec<String> {
    let is_id = |word: &&str| word.len() >= 16 && word.bytes().all(|b| b.is_ascii_hexdigit());
    document
        .split('"')
        .filter(is_id)
        .map(str::to_owned)
        .collect()
}

/// The words of recovery are plain words; three of them in a row are not.
fn three_words(shown: &str) -> Vec<String> {
    let is_plain = |word: &&str| word.bytes().all(|byte| byte.is_ascii_lowercase());
    let words: Vec<&str> = shown.split_whitespace().filter(is_plain).collect();
    let threes = words.windows(3).map(|three| three.join(" "));
    let threes: Vec<String> = threes.collect();
    assert!(threes.len() >= 22, "{shown}");
    threes
}

#[test]
fn no_name_and_no_secret_is_in_the_archive() {
    let Canaries { home, secrets } = Canaries::new();
    let file = home.path("b.tar.gz");
    let path = file.to_str().expect("text");
    let told = home.fst(["doctor", "--bundle", path, "--json"]).ok().json();
    assert_eq!(told["schema"], "fst.doctor.bundle/1");
    let files = unpacked(&file);
    let names: Vec<&str> = files.keys().map(String::as_str).collect();
    let wanted = "README.txt config.json daemon.log databases.json doctor.json limits.json status.json versions.json";
    assert_eq!(names.join(" "), wanted);
    assert_none(&files, &secrets);
    // It is of use all the same.
    for (file, part) in [
        ("status.json", "\"state\": \"offline\""),
        ("daemon.log", "started pid="),
        ("databases.json", "\"base\": 1"),
        ("config.json", "set, not shown"),
        ("doctor.json", "\"health\": \"bad\""),
    ] {
        assert!(files[file].contains(part), "{part}: {}", files[file]);
    }
    let folder = |name: &str| {
        let at = files[name].find("folder-").expect("a pseudonym");
        files[name][at..at + 17].to_owned()
    };
    assert_eq!(folder("status.json"), folder("databases.json"));
}

#[test]
fn an_archive_is_private_new_and_says_what_is_in_it() {
    let server = Server::start();
    let home = Home::first(&server);
    let run = home.shell("fst doctor --bundle").ok();
    assert!(
        run.out.contains("read it before you send it"),
        "{}",
        run.out
    );
    let here = fs::read_dir(home.path(""))
        .expect("a home")
        .map(|entry| entry.expect("an entry").path());
    let made: Vec<PathBuf> = here
        .filter(|path| path.to_string_lossy().ends_with(".tar.gz"))
        .collect();
    let [made] = made.as_slice() else {
        panic!("{made:?}");
    };
    let name = made.file_name().expect("a name").to_string_lossy();
    assert!(name.starts_with("fst-support-20"), "{name}");
    let mode = fs::metadata(made).expect("ours").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let before = fs::read(made).expect("ours");
    let again = home.fst(["doctor", "--bundle", made.to_str().expect("text")]);
    again.failed("FST-6022", 6);
    assert_eq!(fs::read(made).expect("ours"), before);
    let nowhere = home.path("none/b.tar.gz");
    home.fst(["doctor", "--bundle", nowhere.to_str().expect("text")])
        .failed("FST-3007", 1);
}

#[test]
fn a_device_without_keys_or_with_a_bad_configuration_can_be_told_of() {
    for (text, code) in [
        ("canarykey: [\n", "FST-2004"),
        ("canarykey: canaryvalue\n", "FST-2003"),
    ] {
        let home = Home::new();
        let file = home.path("b.tar.gz");
        home.make_dir(".config/filesynctool");
        home.write(".config/filesynctool/config.yaml", text);
        let path = file.to_str().expect("text");
        home.fst(["doctor", "--bundle", path]).ok();
        let files = unpacked(&file);
        assert!(
            files["config.json"].contains(code),
            "{}",
            files["config.json"]
        );
        assert!(
            files["doctor.json"].contains("FST-"),
            "{}",
            files["doctor.json"]
        );
        assert_none(&files, &["canary".to_owned()]);
    }
}

#[test]
fn a_long_log_is_cut_at_its_beginning() {
    let home = Home::new();
    let file = home.path("b.tar.gz");
    home.make_dir(".local/state/filesynctool");
    let lines: String = (0..20_000)
        .map(|n| format!("WARN cycle failed {n} q w e r t z u i o p\n"))
        .collect();
    home.write(".local/state/filesynctool/daemon.log", lines);
    home.fst(["doctor", "--bundle", file.to_str().expect("text")])
        .ok();
    let log = &unpacked(&file)["daemon.log"];
    assert!(
        log.len() <= 512 << 10 && log.lines().count() <= 5000,
        "{}",
        log.len()
    );
    assert!(
        log.lines()
            .last()
            .is_some_and(|line| line.contains("failed 19999"))
    );
}
