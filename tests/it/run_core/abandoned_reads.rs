//! Reads whose clients have disconnected: the number of concurrent reads stays bounded.

use std::time::Duration;

use crate::support::{Server, live};

/// The number of connections to its database that the server has open.
fn database_connections(server: &Server) -> usize {
    let database = server.data().join("openrunner.db");
    let descriptors = std::fs::read_dir(format!("/proc/{}/fd", server.pid())).expect("Linux");
    descriptors
        .filter(|entry| entry.as_ref().is_ok_and(|entry| std::fs::read_link(entry.path()).is_ok_and(|path| path == database)))
        .count()
}

/// One connection that writes and four that read.
const MAX_CONNECTIONS: usize = 5;

/// Number of runs among which looking for a label takes a noticeable time.
const RUNS: usize = 20_000;

#[test]
fn reads_that_clients_abandon_do_not_pile_up() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let id = user.script("result done").await;
        user.end_of(&id).await;
        let change = format!(
            "CREATE TEMP TABLE copy AS WITH RECURSIVE number(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < {RUNS})
             SELECT runs.* FROM runs, number WHERE id = '{id}';
             UPDATE copy SET id = 'run_0' || rowid;
             INSERT INTO runs SELECT * FROM copy"
        );
        let server = server.killed_and_changed(&change).await.start().await;
        let user = user.at(server.url());
        let mut most = 0;
        for _ in 0..20 {
            let list = || user.request(reqwest::Method::GET, "/api/runs?label=no-run=has-this-label").send();
            let lists = futures_util::future::join_all((0..8).map(|_| list()));
            // Dropping the requests closes their connections.
            assert!(tokio::time::timeout(Duration::from_millis(20), lists).await.is_err(), "a list is too fast for this test");
            most = most.max(database_connections(&server));
        }
        assert!(most <= MAX_CONNECTIONS, "{most} connections to the database");
        assert_eq!(user.get("/health").await.body["status"], "ok");
    });
}
