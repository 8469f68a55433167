//! The audit log from the commands: written beside a running server, exported, and broken by hand.

use std::path::Path;

use fst_proto::wire::ChallengeRequest;
use fst_server::Embedded;
use fst_server::refusal::Refusal;
use fst_store::meta::{AuditEvent, AuditKind};
use rusqlite::Connection;
use serde_json::Value;

use crate::client::{Http, command};
use crate::support::{World, assert_refused, new_account, sign};

fn run(data: &Path, words: &[&str]) -> (Option<i32>, String, String) {
    let out = command(data).args(words).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (out.status.code(), text(out.stdout), text(out.stderr))
}

fn exported(data: &Path, since: &str) -> Vec<Value> {
    let (code, out, _) = run(data, &["audit", "export", "--json", "--since", since]);
    assert_eq!(code, Some(0));
    out.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[tokio::test]
async fn what_was_done_is_exported_and_tampering_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path();
    let server = Embedded::start(data, "127.0.0.1:0".parse().unwrap()).unwrap();
    let http = Http::new(&server.url);
    let code = server.setup_code.clone().unwrap();
    let device = http.create_account(1, &code).await;
    let account = device.caller().account.to_string();
    run(data, &["user", "disable", &account]);
    run(data, &["user", "enable", &account]);
    run(data, &["user", "quota", &account, "--bytes", "5gb"]);
    let backup = dir.path().join("backup");
    run(data, &["backup", "--to", backup.to_str().unwrap()]);
    let records = exported(data, "0");
    let kinds: Vec<&str> = records
        .iter()
        .map(|record| record["kind"].as_str().unwrap())
        .collect();
    let expected = [
        "setup-code-made",
        "setup-code-used",
        "account-created",
        "user-disabled",
        "user-enabled",
        "quota-changed",
        "backup-made",
    ];
    assert_eq!(kinds, expected);
    assert_eq!(records[3]["actor"], "administrator");
    assert_eq!(records[3]["account"], account.as_str());
    assert_eq!(records[2]["actor"], device.id.to_string().as_str());
    assert_eq!(exported(data, "6").len(), 1);
    let all = run(data, &["audit", "export"]).1;
    assert!(!all.contains(&code), "nothing secret");
    let (code, said, _) = run(data, &["audit", "verify"]);
    assert_eq!(code, Some(0));
    assert!(
        said.contains("follow: 7") && said.contains(records[6]["hash"].as_str().unwrap()),
        "{said}"
    );
    server.stop().unwrap();

    for (sql, broken) in [
        ("UPDATE audit SET body = x'00' WHERE no = 7", "record 7"),
        ("DELETE FROM audit WHERE no = 5", "record 6"),
        (
            "INSERT INTO audit SELECT 5, body, hash FROM audit WHERE no = 4",
            "record 5",
        ),
    ] {
        Connection::open(data.join("fst.db"))
            .unwrap()
            .execute(sql, [])
            .unwrap();
        let (code, _, said) = run(data, &["audit", "verify"]);
        assert_eq!(code, Some(10), "{sql}");
        assert!(said.contains(broken), "{sql}: {said}");
    }
}

#[tokio::test]
async fn a_back_off_is_recorded_once_and_not_for_who_does_not_exist() {
    let world = World::new();
    let device = world.account(1).await;
    let (unknown, _) = new_account(2, "");
    for who in [&device, &unknown] {
        for _ in 0..8 {
            let request = ChallengeRequest { device: who.id };
            let nonce = world.service.challenge(request).await.unwrap().nonce;
            let request = fst_proto::wire::TokenRequest {
                device: who.id,
                nonce,
                sig: sign(&who.pair, b"something else"),
            };
            let refused = world.service.token(request).await;
            if !matches!(refused, Err(Refusal::RateLimited { .. })) {
                assert_refused!(refused, Refusal::Unauthorized(_));
            }
        }
    }
    let records = world.service.audit_records(3, 99).await.unwrap();
    let [record] = &records[..] else {
        panic!("{records:?}");
    };
    let event = AuditEvent::decode(&record.body).unwrap();
    assert_eq!(
        (event.kind, event.device),
        (AuditKind::BackOffBegun, Some(device.id))
    );
}
