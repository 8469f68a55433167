//! `/metrics` and the health routes.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::{Command, Stdio};

use reqwest::StatusCode;

use crate::binary::run;
use crate::client::{Process, TestServer};
use crate::support::{put, put_with};

async fn text(server: &TestServer) -> String {
    let answer = server.http.get("/metrics", "").await;
    assert_eq!(
        answer.headers()["content-type"],
        "text/plain; version=0.0.4; charset=utf-8"
    );
    answer.text().await.unwrap()
}

fn value(text: &str, series: &str) -> u64 {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no series {series} in\n{text}"))
        .parse()
        .unwrap()
}

#[tokio::test]
async fn every_series_is_there_from_the_start() {
    let server = TestServer::start().await;
    let text = text(&server).await;
    let labelled = [
        (
            "fst_files_synced_total",
            "direction",
            &["upload", "download"][..],
        ),
        (
            "fst_bandwidth_usage_bytes",
            "direction",
            &["upload", "download"],
        ),
        (
            "fst_sync_errors_total",
            "kind",
            &[
                "network",
                "auth",
                "disk",
                "permission",
                "conflict",
                "integrity",
                "quota",
                "locked",
                "other",
            ],
        ),
        (
            "fst_conflicts_total",
            "outcome",
            &["merged", "kept_both", "manual"],
        ),
        (
            "fst_commits_total",
            "result",
            &["committed", "repeated", "conflict", "failed"],
        ),
    ];
    for (name, label, values) in labelled {
        for one in values {
            assert_eq!(value(&text, &format!("{name}{{{label}=\"{one}\"}}")), 0);
        }
    }
    let singles = [
        "fst_active_clients",
        "fst_storage_used_bytes",
        "fst_storage_fsyncs_total",
        "fst_changing_requests_total",
        "fst_rate_limited_total",
        "fst_devices_registered",
        "fst_streams",
    ];
    for name in singles {
        assert_eq!(value(&text, name), 0);
    }
    assert_eq!(value(&text, "fst_http_in_flight"), 1, "this one");
    assert_eq!(value(&text, "fst_ready"), 1);
    assert!(text.contains("# TYPE fst_bandwidth_usage_bytes untyped\n"));
    assert!(text.contains("# TYPE fst_files_synced_total counter\n"));
    assert!(text.contains("fst_build_info{version=\"3.2.0\"} 1\n"));
    check_exposition(&text);
}

/// Checks a text as a scraper reads it: the series of a name stand together behind one help and one type, whose kind fits
/// the name; none comes twice; each has a number.
fn check_exposition(text: &str) {
    let (mut current, mut names, mut series) = (("", ""), BTreeSet::new(), BTreeSet::new());
    let mut helped = "";
    for line in text.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, words) = help.split_once(' ').unwrap();
            assert!(names.insert(name) && words.ends_with('.'), "{line}");
            helped = name;
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            current = kind.split_once(' ').unwrap();
            assert_eq!(current.0, helped, "{line}");
            assert_eq!(
                current.1 == "counter",
                current.0.ends_with("_total"),
                "{line}"
            );
        } else {
            let (name, value) = line.rsplit_once(' ').unwrap();
            let bare = name.split('{').next().unwrap();
            let base = match current.1 {
                "histogram" => ["_bucket", "_sum", "_count"]
                    .iter()
                    .find_map(|suffix| bare.strip_suffix(suffix))
                    .unwrap(),
                _ => bare,
            };
            assert_eq!(base, current.0, "{line}");
            assert!(series.insert(name), "twice: {line}");
            value.parse::<f64>().unwrap();
        }
    }
    assert!(!series.is_empty());
}

/// What the scraper itself says of the text.
#[tokio::test]
async fn promtool_has_no_objections() {
    let (server, _, token, space) = TestServer::with_space().await;
    server.http.changes(&token, space, 0).await;
    let text = text(&server).await;
    let mut promtool = Command::new("promtool");
    promtool.args(["check", "metrics"]);
    let pipes = promtool.stdin(Stdio::piped()).stderr(Stdio::piped());
    let Ok(mut promtool) = pipes.spawn() else {
        eprintln!("SKIPPED: promtool is not installed (Debian: prometheus)");
        return;
    };
    let mut input = promtool.stdin.take().unwrap();
    input.write_all(text.as_bytes()).unwrap();
    drop(input);
    let said = promtool.wait_with_output().unwrap();
    assert!(said.status.success(), "{said:?}\n{text}");
}

#[tokio::test]
async fn the_last_backup_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let server = Process::start(&data);
    let text = async || {
        server
            .http()
            .get("/metrics", "")
            .await
            .text()
            .await
            .unwrap()
    };
    let name = "fst_backup_last_success_timestamp_seconds";
    assert!(!text().await.contains(name), "there is none yet");
    let to = dir.path().join("backup");
    let (code, _, err) = run(&data, &["backup", "--to", to.to_str().unwrap()]);
    assert_eq!(code, Some(0), "{err}");
    let text = text().await;
    check_exposition(&text);
    let noted = std::fs::read_to_string(data.join("last-backup")).unwrap();
    assert_eq!(value(&text, name).to_string(), noted.trim());
}

#[tokio::test]
async fn work_is_counted() {
    let (server, mut device, token, space) = TestServer::with_space().await;
    let op = put_with(1, 0, vec![1; 281], Some(vec![2; 4000]));
    let commit = device.batch(space, vec![op, put(2, 0)]);
    let receipt = server.http.commit(&token, space, &commit).await;
    server.http.commit(&token, space, &commit).await;
    device.wrote(&commit, receipt.head);
    let stale = device.batch(space, vec![put(1, 0)]);
    server
        .http
        .post(&format!("/v1/spaces/{space}/commit"), &token, &stale)
        .await;
    server.http.changes(&token, space, 0).await;
    server.http.get("/v1/spaces", "wrong").await;
    let text = text(&server).await;
    assert_eq!(
        value(&text, "fst_files_synced_total{direction=\"upload\"}"),
        2
    );
    assert_eq!(
        value(&text, "fst_files_synced_total{direction=\"download\"}"),
        2
    );
    let route = "route=\"/v1/spaces/{space}/commit\"";
    let took = format!("fst_http_request_duration_seconds_count{{{route}}}");
    assert_eq!(value(&text, &took), 3);
    assert_eq!(value(&text, "fst_http_in_flight"), 1, "the others are over");
    assert_eq!(value(&text, "fst_commits_total{result=\"committed\"}"), 2);
    assert_eq!(value(&text, "fst_commits_total{result=\"repeated\"}"), 1);
    assert_eq!(value(&text, "fst_commits_total{result=\"conflict\"}"), 1);
    assert_eq!(value(&text, "fst_sync_errors_total{kind=\"conflict\"}"), 1);
    assert_eq!(value(&text, "fst_sync_errors_total{kind=\"auth\"}"), 1);
    // The space and one commit; repeats and refusals change nothing.
    assert_eq!(value(&text, "fst_changing_requests_total"), 2);
    assert_eq!(value(&text, "fst_active_clients"), 1);
    assert!(value(&text, "fst_storage_used_bytes") > 4281);
    assert!(value(&text, "fst_bandwidth_usage_bytes{direction=\"upload\"}") > 8000);
    assert!(value(&text, "fst_bandwidth_usage_bytes{direction=\"download\"}") > 4000);
    let series =
        "fst_http_requests_total{route=\"/v1/spaces/{space}/commit\",method=\"POST\",status_class=";
    assert_eq!(value(&text, &format!("{series}\"2xx\"}}")), 2);
    assert_eq!(value(&text, &format!("{series}\"4xx\"}}")), 1);
    server.world.clock.advance(5 * 60 * 1000);
    let text = self::text(&server).await;
    assert_eq!(value(&text, "fst_active_clients"), 0);
}

#[tokio::test]
async fn no_label_comes_from_a_client() {
    let server = TestServer::start().await;
    server.http.get("/canary/\"%0A", "").await;
    let method = reqwest::Method::from_bytes(b"CANARY").unwrap();
    server.http.send(method, "/v1/server", "", Vec::new()).await;
    let text = text(&server).await;
    assert!(!text.to_lowercase().contains("canary"), "{text}");
    assert!(text.contains("route=\"unmatched\""));
    assert!(text.contains("method=\"OTHER\""));
}

#[tokio::test]
async fn health_is_answered() {
    let server = TestServer::start().await;
    assert_eq!(
        server.http.get("/healthz", "").await.status(),
        StatusCode::OK
    );
    assert_eq!(
        server.http.get("/readyz", "").await.text().await.unwrap(),
        "ready\n"
    );
}
