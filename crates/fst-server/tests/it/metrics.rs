//! `/metrics` and the health routes.

use reqwest::StatusCode;

use crate::client::TestServer;
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
    ];
    for name in singles {
        assert_eq!(value(&text, name), 0);
    }
    assert!(text.contains("# TYPE fst_bandwidth_usage_bytes untyped\n"));
    assert!(text.contains("# TYPE fst_files_synced_total counter\n"));
    assert!(text.contains("fst_build_info{version=\"3.2.0\"} 1\n"));
    // Each series of the text has a type before it.
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let name = line.split(['{', ' ']).next().unwrap();
        assert!(text.contains(&format!("# TYPE {name} ")), "{line}");
    }
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
