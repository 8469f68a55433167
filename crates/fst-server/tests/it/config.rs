//! Where settings come from.

use std::path::{Path, PathBuf};

use fst_server::config::{
    Asked, BadConfig, CONFIG_FILE, Database, Options, PlainHttp, RateLimits, Storage, Tls, render,
    resolve,
};

fn none(_: &str) -> Option<String> {
    None
}

fn sqlite(path: &str) -> Database {
    Database::Sqlite(path.into())
}

#[test]
fn data_is_found_in_order() {
    let env = |set: &'static [(&'static str, &'static str)]| {
        move |name: &str| {
            set.iter()
                .find(|(n, _)| *n == name)
                .map(|(_, value)| (*value).to_owned())
        }
    };
    let all = [
        ("FST_SERVER_DATA", "/nowhere/a"),
        ("XDG_DATA_HOME", "/nowhere/b"),
        ("HOME", "/nowhere/c"),
    ];
    let all: &'static [_] = Box::leak(Box::new(all));
    let asked = Asked {
        data: Some("/nowhere/x".into()),
        ..Asked::default()
    };
    assert_eq!(
        resolve(&asked, env(all)).unwrap().data,
        Path::new("/nowhere/x")
    );
    let at = |set| resolve(&Asked::default(), env(set)).unwrap().data;
    assert_eq!(at(all), Path::new("/nowhere/a"));
    assert_eq!(at(&all[1..]), Path::new("/nowhere/b/filesynctool/server"));
    assert_eq!(
        at(&all[2..]),
        Path::new("/nowhere/c/.local/share/filesynctool/server")
    );
    assert!(matches!(
        resolve(&Asked::default(), none),
        Err(BadConfig::NoData)
    ));
}

#[test]
fn defaults_listen_on_this_machine_only() {
    let asked = Asked {
        data: Some("/nowhere".into()),
        ..Asked::default()
    };
    let options = resolve(&asked, none).unwrap();
    assert_eq!(options.listen.to_string(), "127.0.0.1:8000");
    assert_eq!(options.database, sqlite("/nowhere/fst.db"));
    assert_eq!(options.plain_http, PlainHttp::LoopbackOnly);
}

#[test]
fn a_rendered_file_reads_back() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("with \"quotes\" and : colon");
    let asked = Asked {
        data: Some(data.clone()),
        db: Some("sqlite:///elsewhere/x.db".to_owned()),
        listen: Some("127.0.0.1:9999".parse().unwrap()),
        ..Asked::default()
    };
    let options = resolve(&asked, none).unwrap();
    std::fs::create_dir(&data).unwrap();
    std::fs::write(data.join(CONFIG_FILE), render(&options)).unwrap();
    let found = resolve(
        &Asked {
            data: Some(data.clone()),
            ..Asked::default()
        },
        none,
    )
    .unwrap();
    assert_eq!(found, options);
    let by_file = Asked {
        config: Some(data.join(CONFIG_FILE)),
        ..Asked::default()
    };
    assert_eq!(resolve(&by_file, none).unwrap(), options);
}

#[test]
fn what_cannot_be_honoured_is_an_error() {
    let with = |db: &str| {
        let asked = Asked {
            data: Some("/nowhere".into()),
            db: Some(db.to_owned()),
            ..Asked::default()
        };
        resolve(&asked, none)
    };
    assert!(matches!(with("mysql://x"), Err(BadConfig::UnknownDatabase)));
    assert!(matches!(with("nothing"), Err(BadConfig::UnknownDatabase)));
    assert_eq!(with("sqlite:").unwrap().database, sqlite("/nowhere/fst.db"));
    assert_eq!(
        with("sqlite:x.db").unwrap().database,
        sqlite("/nowhere/x.db")
    );
    assert_eq!(
        with("sqlite:///a/x.db").unwrap().database,
        sqlite("/a/x.db")
    );

    let dir = tempfile::tempdir().unwrap();
    let file: PathBuf = dir.path().join("server.yaml");
    for text in [
        "redis:\n  uri: redis://x\n",
        "api:\n  prot: 80\n",
        "api:\n  port: many\n",
    ] {
        std::fs::write(&file, text).unwrap();
        let asked = Asked {
            config: Some(file.clone()),
            ..Asked::default()
        };
        assert!(
            matches!(resolve(&asked, none), Err(BadConfig::Parse { .. })),
            "{text}"
        );
    }
    let asked = Asked {
        config: Some(dir.path().join("none")),
        ..Asked::default()
    };
    assert!(matches!(resolve(&asked, none), Err(BadConfig::Read { .. })));
}

#[test]
fn limits_and_proxies_come_from_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let read = |text: &str| {
        let file = dir.path().join("server.yaml");
        std::fs::write(&file, text).unwrap();
        let asked = Asked {
            data: Some(dir.path().to_owned()),
            config: Some(file),
            ..Asked::default()
        };
        resolve(&asked, none)
    };
    let options = read(
        "security:\n  trusted_proxies: [10.0.0.0/8, \"::1\"]\n  rate_limit:\n    read: 100\n    write: unlimited\n    bytes: 2gb\n",
    );
    let options = options.unwrap();
    let default = RateLimits::default();
    assert_eq!(options.rate_limits.read, RateLimits::in_a_minute(100));
    assert_eq!(options.rate_limits.write, None);
    assert_eq!(options.rate_limits.bytes, RateLimits::in_a_minute(2 << 30));
    assert_eq!(options.rate_limits.sign_in, default.sign_in);
    assert_eq!(options.trusted_proxies.len(), 2);
    for (text, said) in [
        ("rate_limit: {read: 0}", "a number above 0"),
        ("rate_limit: {bytes: fast}", "a size such as"),
        ("trusted_proxies: [proxy]", "a network such as `10.0.0.0/8`"),
        ("rate_limit: {wirte: 5}", "did you mean `write`?"),
    ] {
        let error = read(&format!("security: {{{text}}}\n")).unwrap_err();
        assert!(error.to_string().contains(said), "{error}");
    }
}

/// The sample of the manual, byte for byte.
const SAMPLE: &str = include_str!("../../../../testdata/brief/server.yaml");

/// Options of a file with this text.
fn read(text: &str) -> Result<Options, BadConfig> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("server.yaml");
    std::fs::write(&file, text).unwrap();
    let asked = Asked {
        config: Some(file),
        data: Some("/nowhere".into()),
        ..Asked::default()
    };
    resolve(&asked, |name| {
        let keys = [
            ("AWS_ACCESS_KEY_ID", "id"),
            ("AWS_SECRET_ACCESS_KEY", "env-secret"),
        ];
        let found = keys.iter().find(|(key, _)| *key == name);
        found.map(|(_, value)| (*value).to_owned())
    })
}

#[test]
fn the_sample_of_the_manual_loads_unchanged() {
    let options = read(SAMPLE).unwrap();
    let Database::Postgres(database) = &options.database else {
        panic!("{:?}", options.database);
    };
    assert_eq!(
        database.url.expose_secret(),
        "postgresql://user:pass@localhost/fst"
    );
    assert_eq!((database.pool_size, &database.migration_url), (20, &None));
    let redis = options.redis.as_ref().unwrap();
    assert_eq!(
        (redis.url.expose_secret(), redis.db),
        ("redis://localhost:6379", Some(0))
    );
    let Storage::S3(s3) = &options.storage else {
        panic!("{:?}", options.storage);
    };
    assert_eq!(
        (s3.bucket.as_str(), s3.region.as_str()),
        ("filesynctool-storage", "us-east-1")
    );
    assert_eq!((&s3.endpoint, s3.is_path_style), (&None, false));
    assert_eq!(
        s3.credentials,
        Some(("id".to_owned(), "env-secret".to_owned(), None))
    );
    assert_eq!(options.token_secret, None, "a placeholder is no secret");
    assert_eq!((options.listen.port(), options.threads), (8000, Some(4)));
    let silent = [
        "sync.conflict_check_interval",
        "sync.garbage_collection_interval",
        "api.cors_origins",
    ];
    assert_eq!(options.without_effect, silent);
    let shown = format!("{options:?} {}", options.database);
    assert!(
        !shown.contains("pass") && !shown.contains("env-secret"),
        "{shown}"
    );
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    for (text, says) in [
        (
            "api:\n  prot: 80\n",
            "there is no setting `api.prot`: did you mean `port`? known here: host, port",
        ),
        ("database:\n  pool_size: 0\n", "line 2"),
        (
            "api:\n  workers: many\n",
            "a number of threads from 1 to 1024, or `auto`",
        ),
        ("api:\n  workers: 0\n", "a number of threads from 1 to 1024"),
        ("api:\n  cors_origins: [\"*\"]\n", "an exact origin such as"),
        (
            "storage:\n  backend: ftp\n",
            "expected one of `local`, `memory`, `s3`",
        ),
        ("security:\n  jwt_secret: hunter2\n", "openssl rand -hex 32"),
        ("security:\n  max_file_size: huge\n", "`500mb` or `5gb`"),
        (
            "security:\n  allowed_extensions: [pdf]\n",
            "only `all` is possible",
        ),
        (
            "sync:\n  garbage_collection_interval: often\n",
            "`30s`, `5m` or `1h`",
        ),
        ("database: [\n", "line 1"),
        ("databse:\n  url: x\n", "did you mean `database`?"),
        ("api:\n  port: 1\n  port: 2\n", "duplicate"),
        (
            "security:\n  jwt_secret: 12345678\n",
            "`security.jwt_secret` is a text: put it in quotes",
        ),
        ("database: here\n", "`database`: invalid type"),
    ] {
        let error = read(text).unwrap_err();
        assert!(matches!(error, BadConfig::Parse { .. }), "{text}: {error}");
        let error = error.to_string();
        assert!(error.contains(says), "{text}: {error}");
        assert!(
            error.contains("line ") && error.contains("column "),
            "{text}: {error}"
        );
        assert!(
            !error.contains("hunter2") && !error.contains("12345678"),
            "{error}"
        );
    }
    for (text, says) in [
        ("storage:\n  backend: s3\n", "storage.s3_bucket is missing"),
        (
            "storage:\n  backend: s3\n  s3_bucket: b\n  s3_access_key_id: x\n",
            "belong together",
        ),
    ] {
        let error = read(text).unwrap_err().to_string();
        assert!(error.contains(says), "{text}: {error}");
    }
}

#[test]
fn everything_that_is_wrong_is_said_at_once() {
    let text =
        "database:\n  pool_sise: 20\n  pool_size: none\napi:\n  port: 99999\n  wokers: 4\nredis:\n";
    let error = read(text).unwrap_err().to_string();
    let found: Vec<&str> = error.lines().skip(1).collect();
    let said = [
        (
            "line 2, column 3: ",
            "`database.pool_sise`: did you mean `pool_size`?",
        ),
        ("line 3, column 3: ", "`database.pool_size`"),
        ("line 5, column 3: ", "`api.port`"),
        (
            "line 6, column 3: ",
            "`api.wokers`: did you mean `workers`?",
        ),
    ];
    assert_eq!(found.len(), said.len(), "{error}");
    for (line, (place, what)) in found.iter().zip(said) {
        assert!(
            line.trim().starts_with(place) && line.contains(what),
            "{error}"
        );
    }
}

#[test]
fn secrets_come_from_files_too() {
    let dir = tempfile::tempdir().unwrap();
    let keys = dir.path().join("keys");
    std::fs::write(
        &keys,
        "[default]\naws_access_key_id = a\naws_secret_access_key = b\n",
    )
    .unwrap();
    let text = format!(
        "storage:\n  backend: s3\n  s3_bucket: b\n  s3_endpoint: http://localhost:1\n  \
         s3_credentials_file: {}\nsecurity:\n  jwt_secret: {}\n",
        keys.display(),
        "s".repeat(32)
    );
    let options = read(&text).unwrap();
    let Storage::S3(s3) = &options.storage else {
        panic!("{:?}", options.storage);
    };
    assert_eq!(s3.credentials, Some(("a".to_owned(), "b".to_owned(), None)));
    assert!(
        s3.is_path_style,
        "servers other than AWS name the bucket in the path"
    );
    assert!(options.token_secret.is_some());
    std::fs::write(&keys, "nothing\n").unwrap();
    assert!(
        read(&text)
            .unwrap_err()
            .to_string()
            .contains("aws_access_key_id")
    );
}

#[test]
fn a_certificate_comes_from_the_file_or_from_flags() {
    let facts = |options: Options| (options.tls, options.listen.to_string());
    let files = |chain: &str, key: &str| {
        Some(Tls::Files {
            chain: chain.into(),
            key: key.into(),
        })
    };
    for (text, tls, listen) in [
        ("api:\n  port: 1\n", None, "127.0.0.1:1"),
        // With TLS others may come.
        (
            "security:\n  tls:\n    auto: true\n",
            Some(Tls::Own),
            "0.0.0.0:8000",
        ),
        (
            "security:\n  tls:\n    auto: true\napi:\n  host: 127.0.0.1\n",
            Some(Tls::Own),
            "127.0.0.1:8000",
        ),
        (
            "security:\n  tls:\n    cert: /c\n    key: /k\n",
            files("/c", "/k"),
            "0.0.0.0:8000",
        ),
    ] {
        assert_eq!(
            facts(read(text).unwrap()),
            (tls, listen.to_owned()),
            "{text}"
        );
    }
    let asked = Asked {
        data: Some("/data".into()),
        tls: files("c", "k"),
        ..Asked::default()
    };
    // As they were typed: relative to where the command was run.
    let options = resolve(&asked, |_| None).unwrap();
    assert_eq!(facts(options), (files("c", "k"), "0.0.0.0:8000".to_owned()));
    for (text, says) in [
        ("cert: c.pem", "belong together"),
        ("key: k.pem", "belong together"),
        ("auto: true\n    cert: c.pem", "leave out"),
        ("acme: true", "`security.tls.acme`"),
    ] {
        let error = read(&format!("security:\n  tls:\n    {text}\n")).unwrap_err();
        assert!(error.to_string().contains(says), "{text}: {error}");
    }
}
