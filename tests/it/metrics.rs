//! The metrics of the server, as a collector reads them.
//!
//! Rules: D7.

use std::collections::{BTreeMap, BTreeSet};

use reqwest::Method;
use serde_json::json;

use crate::support::{Client, Server, Setup, live};

/// One scrape: each sample by its name with labels, each family by its type.
struct Reading {
    samples: BTreeMap<String, f64>,
    /// The names of the samples, each with its labels.
    families: BTreeMap<String, BTreeSet<String>>,
}

impl Reading {
    async fn of(client: &Client) -> Self {
        let request = client.request(Method::GET, "/metrics").header("accept", "application/openmetrics-text");
        let answer = client.send(request).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert_eq!(answer.header("content-type"), "application/openmetrics-text; version=1.0.0; charset=utf-8");
        Self::read(&answer.text)
    }

    /// As strict as the format: each family is declared once, with its samples together, and the text ends with `# EOF`.
    fn read(text: &str) -> Self {
        let (body, rest) = text.split_once("# EOF\n").expect("an end");
        assert_eq!(rest, "");
        let (mut samples, mut families, mut family) = (BTreeMap::new(), BTreeMap::new(), None::<(String, String)>);
        for line in body.lines() {
            if let Some(announced) = line.strip_prefix("# TYPE ") {
                let (name, kind) = announced.split_once(' ').expect("a type");
                let name = match kind {
                    "counter" => format!("{name}_total"),
                    "info" => format!("{name}_info"),
                    _ => name.to_owned(),
                };
                assert_eq!(families.insert(name.clone(), BTreeSet::new()), None, "{name} is announced twice");
                family = Some((name, kind.to_owned()));
            } else if !line.starts_with('#') {
                let (name, value) = line.rsplit_once(' ').expect("a value");
                assert_eq!(samples.insert(name.to_owned(), value.parse().expect("a number")), None, "{name} is there twice");
                let (announced, kind) = family.as_ref().expect("a family before its samples");
                let base = name.split('{').next().expect("a name");
                let of_family = if kind == "histogram" { base.starts_with(announced.as_str()) } else { base == announced };
                assert!(of_family, "{name} is no sample of {announced}");
                let labels = name.split_once('{').map_or("", |(_, labels)| labels.trim_end_matches('}'));
                let labels = labels.split(',').filter_map(|label| Some(label.split_once('=')?.0.to_owned()));
                families.get_mut(announced).expect("announced").extend(labels.filter(|label| label != "le"));
            }
        }
        Self { samples, families }
    }

    fn get(&self, name: &str) -> f64 {
        self.samples.get(&format!("openrunner_{name}")).copied().unwrap_or(0.0)
    }
}

/// Whether a whole-number value equals this one.
fn is(value: f64, expected: u32) -> bool {
    (value - f64::from(expected)).abs() < 1e-9
}

#[test]
fn metrics_change_as_runs_progress() {
    live(async {
        let server = Setup::new().env("OPENRUNNER_MAX_RUNS", 1).start().await;
        let (user, guest) = (server.client("user").await, server.guest());
        let before = Reading::of(&guest).await;
        let live = |name: &&String| name.starts_with("openrunner_runs{");
        assert_eq!(before.samples.keys().filter(live).count(), 4 * 5, "each agent has a series for each live status from the start");
        assert!(is(before.get("runs_max"), 1) && is(before.get("queue_max"), 10_000) && is(before.get("healthy"), 1));
        assert!(
            is(before.get("agent_available{agent_type=\"claude_code\"}"), 1) && is(before.get("agent_available{agent_type=\"codex\"}"), 0)
        );
        let go = server.directory().join("go");
        let first = user.script(&format!("say up\nwait {}\nresult one", go.display())).await;
        let mut frames = user.follow(&first).await;
        frames.until_text("up").await;
        let second = user.script("error no luck").await;
        let during = Reading::of(&guest).await;
        assert!(is(during.get("runs{agent_type=\"claude_code\",status=\"running\"}"), 1), "{:?}", during.samples);
        assert!(is(during.get("runs{agent_type=\"claude_code\",status=\"queued\"}"), 1) && is(during.get("queue_length"), 1));
        assert!(is(during.get("followers"), 1) && is(during.get("runs_created_total{agent_type=\"claude_code\"}"), 2));
        std::fs::write(go, "").unwrap();
        frames.rest().await;
        let ends = [user.end_of(&first).await, user.end_of(&second).await];
        let events: u64 = ends.iter().map(|end| end["last_seq"].as_u64().unwrap()).sum();
        let after = Reading::of(&guest).await;
        let samples = &after.samples;
        assert!(is(after.get("events_stored_total"), u32::try_from(events).unwrap()), "{samples:?}");
        assert!(is(after.get("runs_ended_total{agent_type=\"claude_code\",status=\"completed\",cause=\"ok\"}"), 1), "{samples:?}");
        assert!(is(after.get("runs_ended_total{agent_type=\"claude_code\",status=\"failed\",cause=\"agent_error\"}"), 1), "{samples:?}");
        assert!(is(after.get("tokens_total{agent_type=\"claude_code\",kind=\"input\"}"), 14), "{samples:?}");
        assert!(is(after.get("cost_dollars_total{agent_type=\"claude_code\"}") * 4.0, 2), "{samples:?}");
        for times in ["queue_wait", "agent_start", "run_duration"] {
            assert!(is(after.get(&format!("{times}_seconds_count{{agent_type=\"claude_code\"}}")), 2), "{times}: {samples:?}");
        }
        assert!(is(after.get("http_requests_total{method=\"POST\",route=\"/api/runs\",status=\"2xx\"}"), 2), "{samples:?}");
        assert!(after.get("commit_seconds_count") >= 4.0 && is(after.get("commit_failures_total"), 0), "{samples:?}");
        assert!(samples.iter().filter(|(name, _)| name.starts_with("openrunner_runs{")).all(|(_, live)| is(*live, 0)), "{samples:?}");
        for label in [first.as_str(), "user", "no luck"] {
            assert!(!samples.keys().any(|name| name.contains(&format!("\"{label}\""))), "nothing that a client has said is a label");
        }
    });
}

#[test]
fn the_text_format_is_the_default() {
    live(async {
        let server = Server::start().await;
        let answer = server.guest().get("/metrics").await;
        assert_eq!(answer.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
        assert!(answer.text.contains("# TYPE openrunner_commit_failures_total counter\n"), "{}", answer.text);
        assert!(answer.text.contains("# TYPE openrunner_build_info gauge\n"), "{}", answer.text);
        assert!(!answer.text.contains("# EOF") && !answer.text.contains("# UNIT"), "{}", answer.text);
    });
}

#[test]
fn a_restarted_server_counts_recovered_runs() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let id = user.script("say up\nhang").await;
        user.follow(&id).await.until_text("up").await;
        let server = server.killed_and_started_again().await;
        let reading = Reading::of(&server.guest()).await;
        assert!(
            is(reading.get("runs_recovered_total{outcome=\"reattached\"}"), 1)
                && is(reading.get("runs_recovered_total{outcome=\"requeued\"}"), 0)
        );
        assert!(is(reading.get("runs{agent_type=\"claude_code\",status=\"running\"}"), 1), "{:?}", reading.samples);
    });
}

#[test]
fn every_metric_and_label_is_documented_and_no_other() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        // One ended and one live run, so that every family has a sample.
        user.end_of(&user.script("result one").await).await;
        let id = user.script("say up\nhang").await;
        user.follow(&id).await.until_text("up").await;
        let reading = Reading::of(&server.guest()).await;
        let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/operating.md")).unwrap();
        let documented: BTreeMap<String, BTreeSet<String>> = page
            .lines()
            .filter_map(|line| {
                let ["", name, labels, _, _, ""] = line.split('|').map(str::trim).collect::<Vec<_>>()[..] else { return None };
                let name = name.strip_prefix('`')?.strip_suffix('`')?;
                let labels = labels.split('`').skip(1).step_by(2).map(str::to_owned).collect();
                (name.starts_with("openrunner_") || name.starts_with("process_")).then(|| (name.to_owned(), labels))
            })
            .collect();
        assert_eq!(reading.families, documented);
    });
}

#[test]
fn metrics_are_available_locally_to_admins_and_to_keys_with_the_metrics_scope() {
    live(async {
        let server = Server::start().await;
        let (guest, user, admin) = (server.guest(), server.client("user").await, server.client("admin").await);
        let from_afar =
            async |client: &Client| client.send(client.request(Method::GET, "/metrics").header("x-forwarded-for", "203.0.113.9")).await;
        assert_eq!(guest.get("/metrics").await.status, 200);
        from_afar(&guest).await.problem(401, "token_missing");
        user.get("/metrics").await.problem(403, "admin_only");
        assert_eq!(admin.get("/metrics").await.status, 200);
        let change = json!({ "current_password": "admin", "new_password": "better than before" });
        assert_eq!(admin.post("/api/auth/password", &change).await.status, 200);
        let admin = guest.login("admin", "better than before").await;
        let key = async |scope: &str| {
            let made = admin.post("/api/keys", &json!({ "name": "prometheus", "scopes": [scope] })).await;
            guest.with_token(made.body["key"].as_str().unwrap())
        };
        let (metrics, runs) = (key("metrics").await, key("runs:read").await);
        assert_eq!(from_afar(&metrics).await.status, 200);
        metrics.get("/api/runs").await.problem(403, "scope_missing");
        metrics.get("/api/users").await.problem(403, "scope_missing");
        from_afar(&runs).await.problem(403, "scope_missing");
    });
}
