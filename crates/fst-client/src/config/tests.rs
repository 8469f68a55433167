use std::ffi::OsString;

use fst_engine::rate::Rate;
use fst_proto::value::BitRate;

use super::*;
use crate::dirs::Variables;

mod choosing;
mod drafts;

/// The sample of the documentation, byte for byte.
const SAMPLE: &str = include_str!("../../../../testdata/brief/client.yaml");

fn dirs() -> Dirs {
    let home = |name: &str| (name == "HOME").then(|| OsString::from("/h/anna"));
    Dirs::from_env(&home).expect("a home")
}

fn dirs_with(variables: &[(&str, &str)]) -> Dirs {
    let all = variables
        .iter()
        .map(|(name, value)| (name.into(), value.into()));
    Dirs {
        variables: Variables::new(all),
        ..dirs()
    }
}

/// Directories on disk that hold this file.
fn on_disk(text: &str) -> (tempfile::TempDir, Dirs) {
    let home = tempfile::tempdir().expect("a directory");
    let path = home.path().as_os_str().to_owned();
    let dirs = Dirs::from_env(&|name| (name == "HOME").then(|| path.clone())).expect("a home");
    write_durably(&dirs.config_file(), text.as_bytes()).expect("a file");
    (home, dirs)
}

fn rate(bits: u64) -> Option<Rate> {
    Rate::from_bits(bits)
}

fn parse(text: &str) -> Config {
    Config::parse(&dirs(), text).expect("a good file")
}

fn examined(text: &str) -> Report {
    Config::examine(&dirs(), &dirs().config_file(), text).report
}

fn briefs(text: &str) -> Vec<String> {
    examined(text).findings.iter().map(Finding::brief).collect()
}

/// Lines that are in one text only, as `-old` and `+new`.
fn diff(old: &str, new: &str) -> Vec<String> {
    let only = |a: &str, b: &str, sign: char| -> Vec<String> {
        let missing = a
            .lines()
            .filter(|line| !line.is_empty() && !b.lines().any(|other| other == *line));
        missing.map(|line| format!("{sign}{line}")).collect()
    };
    [only(old, new, '-'), only(new, old, '+')].concat()
}

fn set(dirs: &Dirs, path: &str, value: &str) -> Result<(), ClientError> {
    write(dirs, Config::draft_set(dirs, path, value))
}

fn unset(dirs: &Dirs, path: &str) -> Result<(), ClientError> {
    write(dirs, Config::draft_unset(dirs, path))
}

fn add_schedule(dirs: &Dirs, schedule: &Schedule) -> Result<(), ClientError> {
    write(dirs, Config::draft_schedule(dirs, schedule))
}

fn remove_schedule(dirs: &Dirs, name: &str) -> Result<(), ClientError> {
    write(dirs, Config::draft_no_schedule(dirs, name))
}

fn write(dirs: &Dirs, draft: Result<Draft, ClientError>) -> Result<(), ClientError> {
    assert!(draft?.write(dirs)?, "nobody else writes");
    Ok(())
}

#[test]
fn the_sample_loads_unchanged() {
    let config = parse(SAMPLE);
    assert_eq!(
        config.server_url.as_deref(),
        Some("https://sync.yourcompany.com")
    );
    let [documents, photos] = config.folders.as_slice() else {
        panic!("{:?}", config.folders)
    };
    assert_eq!(documents.path, Path::new("/h/anna/Documents"));
    assert_eq!(documents.remote_path, "/Documents");
    assert_eq!(documents.mode, Mode::TwoWay);
    assert_eq!(documents.ignore, ["*.tmp", ".git/", "node_modules/"]);
    assert_eq!(photos.mode, Mode::UploadOnly);
    assert_eq!(config.conflicts.strategy, Strategy::Newest);
    assert_eq!(config.conflicts.backup, Backup::Keep);
    assert_eq!(config.performance.limits.upload, rate(10_000_000));
    assert_eq!(config.performance.limits.download, rate(50_000_000));
    assert_eq!(config.performance.parallel, 4);
    assert_eq!(config.new_spaces, Policy::default());
    let (errors, _) = config.report.counts();
    assert_eq!(errors, 0, "{}", config.report.draw());
}

#[test]
fn every_key_of_the_sample_is_in_the_table() {
    let leaves = SAMPLE.lines().filter_map(|line| line.split_once(": "));
    for (name, _) in leaves {
        let name = name.trim_start_matches([' ', '-']);
        assert!(keys::KEYS.iter().any(|key| key.leaf() == name), "{name}");
    }
}

#[test]
fn every_default_is_a_value_of_its_key() {
    for key in keys::KEYS.iter().filter(|key| !key.default.is_empty()) {
        assert!(parse_value(key, key.default).is_ok(), "{}", key.path);
    }
}

#[test]
fn the_example_key_counts_as_absent() {
    let config = parse(SAMPLE);
    assert!(
        !config
            .settings
            .iter()
            .any(|setting| setting.key.path == "server.api_key")
    );
    let codes: Vec<_> = config.report.findings.iter().map(|one| one.code).collect();
    assert!(codes.contains(&ErrorCode::ExampleSecret), "{codes:?}");
}

#[test]
fn all_mistakes_are_told_at_once_with_their_places() {
    let text = "\
server:
  url: sync.example.com
performance:
  chunk_size: 4mb
  max_uplod_speed: 10mbps
  max_download_speed: 10MBps
  parallel_transfers: 100
encryption:
  algorithm: rot13
sync_folders:
  - remote_path: /A
";
    insta::assert_snapshot!(examined(text).draw(), @r#"
    error[FST-2011]: url cannot be "sync.example.com"
       ~/.config/filesynctool/config.yaml, line 2, column 8
     1 | server:
     2 |   url: sync.example.com
       |        ^^^^^^^^^^^^^^^^ wanted: an address that begins with https:// or http://

    error[FST-2003]: unknown setting "max_uplod_speed"
       ~/.config/filesynctool/config.yaml, line 5, column 3
     3 | performance:
     4 |   chunk_size: 4mb
     5 |   max_uplod_speed: 10mbps
       |   ^^^^^^^^^^^^^^^ did you mean max_upload_speed?
       help: valid here: max_upload_speed, max_download_speed, chunk_size, parallel_transfers, memory_limit

    error[FST-2011]: max_download_speed cannot be "10MBps"
       ~/.config/filesynctool/config.yaml, line 6, column 23
     4 |   chunk_size: 4mb
     5 |   max_uplod_speed: 10mbps
     6 |   max_download_speed: 10MBps
       |                       ^^^^^^ wanted: 10mbps for bits or 10MB/s for bytes, or unlimited

    error[FST-2011]: parallel_transfers cannot be "100"
       ~/.config/filesynctool/config.yaml, line 7, column 23
     5 |   max_uplod_speed: 10mbps
     6 |   max_download_speed: 10MBps
     7 |   parallel_transfers: 100
       |                       ^^^ wanted: a number from 1 to 64

    error[FST-2011]: algorithm cannot be "rot13"
       ~/.config/filesynctool/config.yaml, line 9, column 14
     7 |   parallel_transfers: 100
     8 | encryption:
     9 |   algorithm: rot13
       |              ^^^^^ wanted: aes-256-gcm

    error[FST-2011]: path is missing
       ~/.config/filesynctool/config.yaml, line 11, column 5
     9 |   algorithm: rot13
    10 | sync_folders:
    11 |   - remote_path: /A
       |     ^
    "#);
}

#[test]
fn a_text_that_is_no_yaml_has_a_place() {
    insta::assert_snapshot!(examined("sync_folders: [\n").draw(), @"
    error[FST-2004]: unclosed bracket '['
       ~/.config/filesynctool/config.yaml, line 1, column 15
     1 | sync_folders: [
       |               ^
    ");
    assert!(briefs("a: &x 1\nb: *x\n")[0].contains("a reference"));
    assert!(briefs("server:\n  url: http://a\n  url: http://b\n")[0].contains("line 2 already"));
    let deep = format!("{}{}", "[".repeat(100), "]".repeat(100));
    assert!(briefs(&deep)[0].contains("nested"));
}

#[test]
fn settings_that_contradict_each_other_are_found() {
    let folder = "sync_folders:\n  - path: ~/A\n";
    for (more, message) in [
        ("    mode: download\n    two_way: true\n", "contradict"),
        ("  - path: ~/A/B\n", "overlaps ~/A"),
        ("  - path: B\n", "a path from / or from ~"),
        ("  - path: /\n", "remote_path is missing"),
        ("    remote_path: A\n", "a name with a slash"),
        ("server:\n  embedded:\n    data: /d\n", "listen is missing"),
    ] {
        let found = briefs(&format!("{folder}{more}"));
        assert!(
            found.iter().any(|brief| brief.contains(message)),
            "{more}: {found:?}"
        );
    }
    let twice = "schedules:\n  - name: a\n  - name: a\n";
    assert!(briefs(twice)[0].contains("already"));
}

#[test]
fn unknown_keys_stop_nobody_who_only_reads() {
    let config = parse("server:\n  url: https://a\nfrom_the_future:\n  x: 1\n");
    assert_eq!(config.server_url.as_deref(), Some("https://a"));
    assert_eq!(config.report.counts(), (1, 0));
}

#[test]
fn the_environment_comes_before_the_file() {
    let dirs = dirs_with(&[
        ("FST_PERFORMANCE__MAX_UPLOAD_SPEED", "2mbps"),
        ("FST_SERVER", "https://env"),
    ]);
    let config = Config::parse(&dirs, SAMPLE).expect("a good file");
    assert_eq!(config.performance.limits.upload, rate(2_000_000));
    assert_eq!(config.server_url.as_deref(), Some("https://env"));
    let slip = dirs_with(&[("FST_PERFORMANCE__PARALEL_TRANSFERS", "2")]);
    let report = Config::parse(&slip, "").expect("a good file").report;
    assert!(
        report
            .draw()
            .contains("did you mean FST_PERFORMANCE__PARALLEL_TRANSFERS?"),
        "{}",
        report.draw()
    );
    let bad = dirs_with(&[("FST_PERFORMANCE__PARALLEL_TRANSFERS", "many")]);
    let error = Config::parse(&bad, "").unwrap_err().problem().detail;
    assert!(
        error.contains("FST_PERFORMANCE__PARALLEL_TRANSFERS"),
        "{error}"
    );
}

#[test]
fn variables_are_put_in() {
    let dirs = dirs_with(&[("DISK", "/mnt/d")]);
    let text = "sync_folders:\n  - path: ${DISK}/A\n    remote_path: /${NAME:-B}\n    ignore: [\"a$$b\", \"c$\"]\n";
    let config = Config::parse(&dirs, text).expect("a good file");
    assert_eq!(config.folders[0].path, Path::new("/mnt/d/A"));
    assert_eq!(config.folders[0].remote_path, "/B");
    assert_eq!(config.folders[0].ignore, ["a$b", "c$"]);
    let unset = briefs("server:\n  url: https://${NOWHERE}\n");
    assert!(unset[0].contains("NOWHERE is not set"), "{unset:?}");
}

#[test]
fn no_secret_is_shown() {
    let text = "server:\n  api_key: fst_at_verysecret\n  urk: x\n";
    assert!(!examined(text).draw().contains("verysecret"));
    let secret = dirs_with(&[("FST_API_KEY", "verysecret")]);
    assert!(!format!("{secret:?}").contains("verysecret"));
}

#[test]
fn a_setting_without_effect_says_so() {
    let found = briefs("server:\n  api_key: fst_at_x\nencryption:\n  enabled: false\n");
    assert!(found[0].contains("no effect in this version"), "{found:?}");
    assert!(found[1].contains("stay end-to-end encrypted"), "{found:?}");
    // What is as without it misleads nobody.
    let usual = "encryption:\n  enabled: true\nperformance:\n  parallel_transfers: 4\n";
    assert_eq!(briefs(usual), [""; 0]);
}

#[test]
fn rules_of_new_folders_follow_the_file() {
    let policy = parse("performance:\n  chunk_size: 2mb\nversion_history:\n  retention_days: 60\n")
        .new_spaces;
    assert_eq!(
        (policy.chunk_min, policy.chunk_avg, policy.chunk_max),
        (128 << 10, 512 << 10, 2 << 20)
    );
    assert_eq!((policy.retention_days, policy.max_versions), (60, 10));
    let least = parse("version_history:\n  enabled: false\n").new_spaces;
    assert!(least.retention().is_acceptable());
    assert_eq!((least.retention_days, least.max_versions), (1, 1));
}

#[test]
fn set_changes_one_line() {
    for (path, value, changed) in [
        (
            "performance.max_upload_speed",
            "5mbps",
            vec!["-  max_upload_speed: 10mbps", "+  max_upload_speed: 5mbps"],
        ),
        (
            "performance.parallel_transfers",
            "2",
            vec!["-  parallel_transfers: 4", "+  parallel_transfers: 2"],
        ),
        (
            "conflict_resolution.strategy",
            "merge",
            vec![
                "-  strategy: newest  # newest, oldest, manual, merge",
                "+  strategy: merge  # newest, oldest, manual, merge",
            ],
        ),
        (
            "performance.memory_limit",
            "200mb",
            vec!["+  memory_limit: 200mb"],
        ),
        ("sync_folders[1].paused", "true", vec!["+    paused: true"]),
        (
            "conflict_resolution.backup_conflicts",
            "false",
            vec!["-  backup_conflicts: true", "+  backup_conflicts: false"],
        ),
    ] {
        let (_home, dirs) = on_disk(SAMPLE);
        set(&dirs, path, value).expect(path);
        let now = std::fs::read_to_string(dirs.config_file()).expect("a file");
        assert_eq!(diff(SAMPLE, &now), changed, "{path}");
        assert!(now.starts_with(
            "server:\n  url: https://sync.yourcompany.com\n  api_key: your_api_key_here\n  \n"
        ));
    }
}

#[test]
fn set_makes_file_and_section() {
    let (_home, dirs) = on_disk("");
    set(&dirs, "performance.max_upload_speed", "5mbps").expect("set");
    set(&dirs, "version_history.max_versions", "3").expect("set");
    let now = std::fs::read_to_string(dirs.config_file()).expect("a file");
    assert_eq!(
        now,
        "performance:\n  max_upload_speed: 5mbps\n\nversion_history:\n  max_versions: 3\n"
    );
    let (_home, dirs) = on_disk("# mine\nperformance:\n");
    set(&dirs, "performance.max_upload_speed", "5mbps").expect("set");
    assert_eq!(
        parse(&std::fs::read_to_string(dirs.config_file()).expect("a file"))
            .performance
            .limits
            .upload,
        rate(5_000_000)
    );
}

#[test]
fn a_bad_value_is_not_written() {
    let (_home, dirs) = on_disk(SAMPLE);
    let code = |path: &str, value: &str| set(&dirs, path, value).unwrap_err().code();
    assert_eq!(
        code("performance.max_upload_speed", "fast"),
        ErrorCode::BadValue
    );
    assert_eq!(code("performance.nonsense", "1"), ErrorCode::UnknownSetting);
    assert_eq!(
        code("sync_folders[1].path", "~/Documents/inside"),
        ErrorCode::BadConfig
    );
    assert_eq!(
        code("sync_folders[7].paused", "true"),
        ErrorCode::EditByHand
    );
    assert_eq!(
        std::fs::read_to_string(dirs.config_file()).expect("a file"),
        SAMPLE
    );
}

#[test]
fn unset_takes_one_line_away() {
    let (_home, dirs) = on_disk(SAMPLE);
    unset(&dirs, "performance.max_upload_speed").expect("unset");
    let now = std::fs::read_to_string(dirs.config_file()).expect("a file");
    assert_eq!(diff(SAMPLE, &now), ["-  max_upload_speed: 10mbps"]);
    let again = unset(&dirs, "performance.max_upload_speed");
    assert_eq!(again.unwrap_err().code(), ErrorCode::NotFound);
}

/// Lines that saving an edit of the configuration changes in its file.
fn saved(dirs: &Dirs, edit: &dyn Fn(&mut Config)) -> Vec<String> {
    let before = std::fs::read_to_string(dirs.config_file()).expect("a file");
    let mut config = Config::load(dirs).expect("a good file");
    edit(&mut config);
    config.save(dirs).expect("saved");
    let now = std::fs::read_to_string(dirs.config_file()).expect("a file");
    assert_eq!(
        Config::load(dirs).expect("a good file").folders,
        config.folders
    );
    diff(&before, &now)
}

#[test]
fn commands_change_only_what_they_are_about() {
    let (_home, dirs) = on_disk(SAMPLE);
    let change = |edit: &dyn Fn(&mut Config)| saved(&dirs, edit);
    assert_eq!(change(&|_| {}), [""; 0]);
    assert_eq!(
        change(&|config| config.folders[0].paused = true),
        ["+    paused: true"]
    );
    assert_eq!(
        change(&|config| config.folders[0].ignore.push("a${b}".to_owned())),
        ["+      - a$${b}"]
    );
    assert_eq!(
        change(&|config| drop(config.folders[0].ignore.remove(0))),
        ["-      - \"*.tmp\""]
    );
    let music = FolderConfig {
        path: dirs.home.join("Music"),
        remote_path: "/Music".to_owned(),
        mode: Mode::DownloadOnly,
        ..FolderConfig::default()
    };
    assert_eq!(
        change(&|config| config.folders.push(music.clone())),
        [
            "+  - path: ~/Music",
            "+    remote_path: /Music",
            "+    mode: download-only"
        ]
    );
    assert_eq!(
        change(&|config| drop(config.folders.remove(1))),
        [
            "-  - path: ~/Photos",
            "-    remote_path: /Photos",
            "-    two_way: false  # one-way upload only"
        ]
    );
    change(&|config| config.folders.clear());
    let added = change(&|config| config.folders.push(music.clone()));
    assert_eq!(added[..2], ["+sync_folders:", "+  - path: ~/Music"]);
    change(&|config| config.folders.clear());
    assert_eq!(
        change(&|config| config.folders.push(music.clone())).len(),
        4
    );
}

#[test]
fn two_commands_at_once_both_count() {
    let (_home, dirs) = on_disk(SAMPLE);
    let mut slow = Config::load(&dirs).expect("a good file");
    let mut quick = slow.clone();
    let music = FolderConfig {
        path: dirs.home.join("Music"),
        remote_path: "/Music".to_owned(),
        ..FolderConfig::default()
    };
    quick.folders.push(music);
    quick.folders.remove(0);
    quick.save(&dirs).expect("saved");
    set(&dirs, "performance.parallel_transfers", "2").expect("set");
    slow.folders[1].paused = true;
    slow.save(&dirs).expect("saved");
    let now = Config::load(&dirs).expect("a good file");
    let seen: Vec<_> = now
        .folders
        .iter()
        .map(|f| (f.remote_path.as_str(), f.paused))
        .collect();
    assert_eq!(seen, [("/Photos", true), ("/Music", false)]);
    assert_eq!(now.performance.parallel, 2);
    assert!(!Config::replace(&dirs, SAMPLE, "").expect("looked"));
}

#[test]
fn a_value_of_the_environment_is_not_written() {
    let (_home, dirs) = on_disk(SAMPLE);
    let dirs = Dirs {
        variables: Variables::new([("FST_SERVER".into(), "https://env".into())]),
        ..dirs
    };
    let mut config = Config::load(&dirs).expect("a good file");
    config.folders[0].paused = true;
    config.save(&dirs).expect("saved");
    let now = std::fs::read_to_string(dirs.config_file()).expect("a file");
    assert!(!now.contains("https://env"), "{now}");
}

#[test]
fn schedules_come_and_go() {
    let (_home, dirs) = on_disk(SAMPLE);
    let schedule = Schedule {
        name: "business-hours".to_owned(),
        window: "09:00-17:00".parse().expect("a window"),
        days: "mon-fri".parse().expect("days"),
        max_upload: Some(BitRate(1_000_000)),
        max_download: None,
        pause: false,
    };
    add_schedule(&dirs, &schedule).expect("added");
    let now = Config::load(&dirs).expect("a good file");
    assert_eq!(now.performance.schedules, std::slice::from_ref(&schedule));
    let twice = add_schedule(&dirs, &schedule);
    assert_eq!(twice.unwrap_err().code(), ErrorCode::BadConfig);
    let night = Schedule {
        name: "night".to_owned(),
        ..schedule
    };
    add_schedule(&dirs, &night).expect("added");
    remove_schedule(&dirs, "business-hours").expect("removed");
    assert_eq!(
        Config::load(&dirs)
            .expect("a good file")
            .performance
            .schedules,
        [night]
    );
    remove_schedule(&dirs, "night").expect("removed");
    let missing = remove_schedule(&dirs, "night");
    assert_eq!(missing.unwrap_err().code(), ErrorCode::NotFound);
    assert_eq!(
        diff(
            SAMPLE,
            &std::fs::read_to_string(dirs.config_file()).expect("a file")
        ),
        [""; 0]
    );
}

#[test]
fn a_bad_file_leaves_what_was_good_in_force() {
    let (_home, dirs) = on_disk(SAMPLE);
    let good = Config::load_or_last_good(&dirs).expect("a good file");
    assert_eq!(good.trouble, None);
    write_durably(&dirs.config_file(), b"performance:\n  chunk_size: huge\n").expect("a file");
    let kept = Config::load_or_last_good(&dirs).expect("the last good one");
    assert_eq!(kept.folders, good.folders);
    let trouble = kept.trouble.expect("trouble").detail;
    assert!(trouble.contains("line 2, column 15"), "{trouble}");
    let (_other, never) = on_disk("x: [\n");
    assert_eq!(
        Config::load_or_last_good(&never).unwrap_err().code(),
        ErrorCode::BadConfig
    );
}

#[test]
fn names_are_understood_in_short() {
    let full = |typed: &str| keys::resolve(typed);
    assert_eq!(
        full("max_upload").as_deref(),
        Some("performance.max_upload_speed")
    );
    assert_eq!(
        full("chunk_size").as_deref(),
        Some("performance.chunk_size")
    );
    assert_eq!(
        full("sync_folders[0].paused").as_deref(),
        Some("sync_folders[0].paused")
    );
    // Two sections have it.
    assert_eq!(full("enabled"), None);
    let hint = unknown("max_uplaod").problem().detail;
    assert!(hint.contains("did you mean"), "{hint}");
}

/// Whatever is set, in whatever valid file, either only that changes or nothing does.
#[test]
fn odd_files_are_edited_exactly_or_not_at_all() {
    let odd = [
        "performance: {chunk_size: 1mb}\n",
        "performance: {chunk_size: 1mb} # why\n",
        "performance: {}\n",
        "performance:\r\n  chunk_size: 1mb\r\n",
        "performance:\n      chunk_size: 1mb   # wide\n# end",
        "---\nperformance:\n  chunk_size: '1mb'\n...\n",
        "performance:\n  chunk_size: |\n    1mb\n",
        "\u{feff}performance:\n  chunk_size: 1mb\n",
        "\"performance\":\n  ? chunk_size\n  : 1mb\n",
        "# only words\n",
        "performance: ~\nserver:\n  url: https://ä.example # ö\n",
    ];
    for text in odd {
        let before = tree::parse(text).expect(text).plain();
        for (path, value) in [
            ("performance.chunk_size", "2mb"),
            ("performance.max_upload_speed", "5mbps"),
        ] {
            let change =
                edit::Change::Set(edit::steps(path), edit::Written::Text(value.to_owned()));
            if let Ok(now) = edit::apply(text, &change) {
                let after = tree::parse(&now).expect(&now).plain();
                assert_eq!(
                    after["performance"][path.rsplit('.').next().expect("a leaf")],
                    value,
                    "{text}"
                );
                assert_eq!(after.get("server"), before.get("server"));
            }
        }
    }
}

/// Whether the published schema takes a text.
fn fits_schema(text: &str) -> bool {
    let published = include_str!("../../../../docs/schema/client.json");
    let published = serde_json::from_str(published).expect("JSON");
    let (mut schemas, mut compiler) = (boon::Schemas::new(), boon::Compiler::new());
    compiler
        .add_resource("client.json", published)
        .expect("a schema");
    let schema = compiler
        .compile("client.json", &mut schemas)
        .expect("a sound schema");
    let instance: serde_json::Value = serde_saphyr::from_str(text).expect("YAML");
    schemas.validate(&instance, schema).is_ok()
}

#[test]
fn schema_and_reader_agree() {
    assert!(fits_schema(SAMPLE));
    for text in [
        "performance:\n  max_uplod_speed: 10mbps\n",
        "performance:\n  max_upload_speed: fast\n",
        "performance:\n  parallel_transfers: 100\n",
        "conflict_resolution:\n  strategy: latest\n",
        "sync_folders:\n  - remote_path: /A\n",
        "schedules:\n  - name: a\n    time: nine\n",
        "server:\n  url: example.com\n",
    ] {
        let (errors, _) = examined(text).counts();
        assert!(errors > 0 && !fits_schema(text), "{text}");
    }
    for text in [
        "performance:\n  max_upload_speed: unlimited\n  chunk_size: 65536\n",
        "performance:\n  max_upload_speed: 2MB/s\n  chunk_size: 1.5 MiB\n",
        "schedules:\n  - name: a\n    time: 22:00-06:00\n    weekdays: mon-fri\n    pause: true\n",
        "sync_folders:\n  - path: ${HOME}/A\n    mode: download-only\n    ignore: [a, b]\n",
    ] {
        let dirs = dirs_with(&[("HOME", "/h/anna")]);
        let report = Config::examine(&dirs, &dirs.config_file(), text).report;
        assert_eq!(report.counts().0, 0, "{}", report.draw());
        assert!(fits_schema(text), "{text}");
    }
}

/// A slip of the keyboard anywhere in a file: edits are exact or refused, and nothing falls over.
#[test]
fn damaged_files_are_edited_exactly_or_not_at_all() {
    let rate = edit::Written::Text("5mbps".to_owned());
    let changes = [
        edit::Change::Set(edit::steps("performance.max_upload_speed"), rate.clone()),
        edit::Change::Set(
            edit::steps("sync_folders[1].paused"),
            edit::Written::Bool(true),
        ),
        edit::Change::Push(edit::steps("sync_folders[0].ignore"), rate),
        edit::Change::Unset(edit::steps("sync_folders[0]")),
    ];
    let mut n_refused = 0;
    let mut n_made = 0;
    for at in (0..SAMPLE.len()).step_by(7) {
        let (before, after) = (&SAMPLE[..at], &SAMPLE[at + 1..]);
        for text in [
            before.to_owned(),
            format!("{before}{after}"),
            format!("{before}\t{after}"),
        ] {
            for change in &changes {
                match edit::apply(&text, change) {
                    Ok(now) => n_made += usize::from(now != text),
                    Err(edit::NotExact) => n_refused += 1,
                }
            }
        }
    }
    assert!(
        n_made > 300 && n_refused > 50,
        "{n_made} made, {n_refused} refused"
    );
}
