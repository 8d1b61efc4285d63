//! Lists leave out damaged rows, log them, and have everything else.

use serde_json::{Value, json};

use super::listed;
use crate::support::{Client, Receiver, Server, Setup, live};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// The items of a list, or a fault.
async fn items(client: &Client, path: &str) -> Result<Vec<Value>, String> {
    let answer = client.get(path).await;
    match (answer.status, answer.body["items"].as_array()) {
        (200, Some(items)) => Ok(items.clone()),
        _ => Err(format!("{path}: {}", answer.text)),
    }
}

#[test]
fn lists_leave_out_damaged_rows_and_log_them() {
    live(async {
        let receiver = Receiver::start(&[]).await;
        let server = Setup::new().env("OPENRUNNER_WEBHOOK_ALLOW", "127.0.0.1").start().await;
        let admin = server.client("admin").await;
        for name in ["carol", "dave"] {
            let user = json!({ "username": name, "password": "correct horse battery" });
            assert_eq!(admin.post("/api/users", &user).await.status, 201);
        }
        let carol = server.guest().login("carol", "correct horse battery").await;
        let mut keys = Vec::new();
        for name in ["damaged", "sound"] {
            let key = json!({ "name": name, "scopes": ["runs:read"] });
            keys.push(carol.post("/api/keys", &key).await.body["id"].as_str().expect("an id").to_owned());
        }
        let webhook = json!({ "url": receiver.url, "secret": SECRET, "events": ["done"] });
        let mut runs = Vec::new();
        for _ in 0..7 {
            let run = carol.script_with("result done", json!({ "webhook": webhook })).await;
            carol.end_of(&run).await;
            runs.push(run);
        }
        receiver.received(runs.len()).await;
        // A delivery is stored slightly after the response of its receiver.
        while items(&carol, "/api/webhooks/deliveries?status=delivered").await.expect("a list").len() < runs.len() {
            tokio::task::yield_now().await;
        }
        let sound = runs.pop().expect("a run");
        let damages = ["spec = '{'", "status = 'lost'", "widened = '?'", "done = '{}'", "owner = 'no/name'", "last_seq = 0"];
        let of_runs: Vec<String> =
            damages.iter().zip(&runs).map(|(damage, run)| format!("UPDATE runs SET {damage} WHERE id = '{run}';")).collect();
        let sessions = listed(&carol, "/api/sessions", "session_id").await;
        let of_others = format!(
            "UPDATE sessions SET working_dir = '{{' WHERE id = '{}';
             UPDATE users SET role = 'king' WHERE name = 'dave';
             UPDATE api_keys SET scopes = '[' WHERE id = '{}';
             UPDATE webhook_deliveries SET status = 'lost' WHERE id = (SELECT min(id) FROM webhook_deliveries);
             DROP TRIGGER audit_no_update; UPDATE audit SET action = 'stare' WHERE id = 2;
             CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END",
            sessions[0], keys[0]
        );
        let change = of_runs.concat() + &of_others;
        let before = items(&admin, "/api/audit?limit=200").await.expect("a list").len();
        let server = server.killed_and_changed(&change).await.start().await;
        let (admin, carol) = (admin.at(server.url()), carol.at(server.url()));

        let mut faults = Vec::new();
        let mut expect = |path: &str, field: &str, found: Result<Vec<Value>, String>, expected: Vec<&str>| match found {
            Ok(found) => {
                let mut found: Vec<&str> = found.iter().map(|item| item[field].as_str().expect("a name")).collect();
                found.sort_unstable();
                if found != expected {
                    faults.push(format!("{path} lists {found:?}, not {expected:?}"));
                }
            }
            Err(fault) => faults.push(fault),
        };
        for (client, path) in [(&carol, "/api/runs"), (&admin, "/api/runs"), (&admin, "/api/runs?owner=carol&agent_type=claude_code")] {
            expect(path, "run_id", items(client, path).await, vec![&sound]);
        }
        let mut whole: Vec<&str> = sessions[1..].iter().map(String::as_str).collect();
        whole.sort_unstable();
        expect("/api/sessions", "session_id", items(&carol, "/api/sessions").await, whole);
        expect("/api/users", "username", items(&admin, "/api/users").await, vec!["admin", "carol", "user"]);
        expect("/api/keys", "id", items(&carol, "/api/keys").await, vec![&keys[1]]);
        let deliveries = items(&carol, "/api/webhooks/deliveries").await.map(|found| found.len());
        // Without the damaged one, and that of the run whose owner is damaged.
        if deliveries != Ok(5) {
            faults.push(format!("deliveries: {deliveries:?}"));
        }
        let audited = items(&admin, "/api/audit?limit=200").await.map(|found| found.len());
        if audited != Ok(before - 1) {
            faults.push(format!("audit: {audited:?} of {before}"));
        }
        assert!(faults.is_empty(), "{}", faults.join("\n"));

        let log = server.log();
        let named = [runs[0].as_str(), &sessions[0], "table=\"users\"", &keys[0]];
        for id in named {
            assert!(log.lines().any(|line| line.contains("WARN") && line.contains(id)), "the damage of {id} is not in the log");
        }
        assert_eq!(carol.end_of(&carol.script("result again").await).await["status"], "completed");
    });
}

#[test]
fn a_list_of_damaged_rows_has_pages_that_lead_to_the_end() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let mut runs = Vec::new();
        for _ in 0..6 {
            runs.push(user.script("result done").await);
        }
        for run in &runs {
            user.end_of(run).await;
        }
        runs.sort();
        // The newest runs: the first pages have nothing but damage.
        let change = format!("UPDATE runs SET spec = '{{' WHERE id >= '{}'", runs[2]);
        let server = server.killed_and_changed(&change).await.start().await;
        let user = user.at(server.url());
        let (mut found, mut cursor, mut pages) = (Vec::new(), String::new(), 0);
        loop {
            let page = user.get(&format!("/api/runs?limit=2{cursor}")).await;
            assert_eq!(page.status, 200, "{}", page.text);
            found.extend(page.body["items"].as_array().expect("a list").iter().map(|run| run["run_id"].as_str().unwrap().to_owned()));
            pages += 1;
            assert!(pages <= 5, "the list does not end");
            match page.body["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        found.sort();
        assert_eq!(found, runs[..2]);
    });
}
