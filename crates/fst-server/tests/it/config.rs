//! Where settings come from.

use std::path::{Path, PathBuf};

use fst_proto::error::{ErrorCode, Exit};
use fst_server::config::{Asked, BadConfig, CONFIG_FILE, PlainHttp, render, resolve};

fn none(_: &str) -> Option<String> {
    None
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
    assert_eq!(options.database, Path::new("/nowhere/fst.db"));
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
    for db in ["postgresql://localhost/fst", "postgres://localhost/fst"] {
        let error = with(db).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("PostgreSQL is not supported by this build")
        );
        assert_eq!(error.code().exit(), Exit::Config);
        assert_eq!(error.code(), ErrorCode::BadConfig);
    }
    assert!(matches!(with("mysql://x"), Err(BadConfig::UnknownDatabase)));
    assert!(matches!(with("nothing"), Err(BadConfig::UnknownDatabase)));
    assert_eq!(
        with("sqlite:").unwrap().database,
        Path::new("/nowhere/fst.db")
    );
    assert_eq!(
        with("sqlite:x.db").unwrap().database,
        Path::new("/nowhere/x.db")
    );
    assert_eq!(
        with("sqlite:///a/x.db").unwrap().database,
        Path::new("/a/x.db")
    );

    let dir = tempfile::tempdir().unwrap();
    let file: PathBuf = dir.path().join("server.yaml");
    for text in [
        "redis:\n  url: redis://x\n",
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
