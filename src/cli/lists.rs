//! `openrunner ls`, `sessions` and `agents`.

use serde_json::Value;

use super::client::{connect, session_named};
use super::commands::{AgentsArgs, LsArgs, SessionsArgs};
use super::exit::Exit;
use super::run::print_json;
use super::{sanitize, table, terminal};
use crate::types::{Clock, SystemClock, Timestamp};

/// Fewest digits of an id that are shown: those that tell when it was made.
const SHORTEST: usize = 12;

/// Carries out `openrunner ls`.
pub(super) async fn runs(args: LsArgs) -> anyhow::Result<Exit> {
    let client = connect(&args.at).await?;
    let session = match &args.session {
        Some(name) => Some(session_named(&client, name).await?),
        None => None,
    };
    let query = [
        ("status", args.status),
        ("agent_type", args.agent),
        ("session_id", session),
        ("label", args.label.map(|(name, value)| format!("{name}={value}"))),
        ("since", args.since),
        ("owner", args.owner),
        ("limit", Some(args.limit.to_string())),
    ];
    let page = client.get_with("/api/runs", &query).await?;
    if args.form.json {
        return print_json(&page).map(|()| Exit::Done);
    }
    let items = items(&page);
    let ids = ids(&items, "run_id");
    let rows: Vec<_> = items
        .iter()
        .zip(ids)
        .map(|(run, id)| {
            [id, text(run, "status").replace('_', " "), text(run, "agent_type"), age(run), text(run, "owner"), text(run, "prompt")]
        })
        .collect();
    table::print(["run", "status", "agent", "age", "owner", "prompt"], &rows)?;
    Ok(Exit::Done)
}

/// Carries out `openrunner sessions`.
pub(super) async fn sessions(args: SessionsArgs) -> anyhow::Result<Exit> {
    let page = connect(&args.at).await?.get(&format!("/api/sessions?limit={}", args.limit)).await?;
    if args.form.json {
        return print_json(&page).map(|()| Exit::Done);
    }
    let items = items(&page);
    let ids = ids(&items, "session_id");
    let row = |(session, id): (&&Value, String)| {
        [id, text(session, "agent_type"), age(session), text(session, "owner"), text(session, "working_dir")]
    };
    let rows: Vec<_> = items.iter().zip(ids).map(row).collect();
    table::print(["session", "agent", "age", "owner", "folder"], &rows)?;
    Ok(Exit::Done)
}

/// Carries out `openrunner agents`.
pub(super) async fn agents(args: AgentsArgs) -> anyhow::Result<Exit> {
    let found = connect(&args.at).await?.get("/health/agents").await?;
    if args.form.json {
        return print_json(&found).map(|()| Exit::Done);
    }
    let agents: Vec<&Value> = found["items"].as_array().into_iter().flatten().collect();
    let rows: Vec<_> = agents.iter().map(|agent| agent_row(agent)).collect();
    table::print(["agent", "ready", "version", "logged in", "what to do, or where it is"], &rows)?;
    Ok(Exit::Done)
}

fn agent_row(agent: &Value) -> [String; 5] {
    let is_ready = agent["available"] == true;
    let logged_in = text(agent, "authenticated");
    let hint = match (is_ready, logged_in.as_str()) {
        (false, _) if agent["version"].is_null() && agent["install"].is_string() => {
            format!("openrunner agents install, or: {}", text(agent, "install"))
        }
        (false, _) => text(agent, "error"),
        (true, "no") => text(agent, "login"),
        (true, _) => text(agent, "path"),
    };
    let ready = if is_ready { "yes" } else { "no" };
    [text(agent, "agent_type"), ready.to_owned(), text(agent, "version"), logged_in, hint]
}

fn items(page: &Value) -> Vec<&Value> {
    page["items"].as_array().into_iter().flatten().collect()
}

pub(super) fn text(of: &Value, field: &str) -> String {
    match &of[field] {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// The ids: for a program in full, for a person as short as they can be told apart.
fn ids(items: &[&Value], field: &str) -> Vec<String> {
    let ids: Vec<String> = items.iter().map(|item| text(item, field)).collect();
    if terminal::is_seen() { shortened(&ids) } else { ids }
}

/// The beginnings of ids, all of one length: the shortest at which no two are the same.
fn shortened(ids: &[String]) -> Vec<String> {
    let cut = |length: usize| ids.iter().map(move |id| id.chars().take("run_".len() + length).collect::<String>());
    let differ = |length: &usize| cut(*length).collect::<std::collections::BTreeSet<_>>().len() == ids.len();
    cut((SHORTEST..32).find(differ).unwrap_or(32)).collect()
}

/// How long ago it was made.
fn age(of: &Value) -> String {
    let Some(created) = of["created_at"].as_str().and_then(Timestamp::parse) else { return String::new() };
    in_words(SystemClock.now().as_millis().saturating_sub(created.as_millis()) / 1000)
}

fn in_words(seconds: i64) -> String {
    match seconds {
        ..0 => "now".to_owned(),
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..86_400 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// What a person reads of one run: names and values.
pub(super) fn facts(run: &Value) -> Vec<(&'static str, String)> {
    let usage = serde_json::from_value(run["usage"].clone()).ok().map(|usage| super::render::usage_in_words(&usage));
    let labels = run["labels"].as_object().into_iter().flatten();
    let labels: Vec<String> = labels.map(|(name, value)| format!("{name}={}", value.as_str().unwrap_or_default())).collect();
    let took = run["duration_ms"].as_u64().map(super::render::time);
    let facts = [
        ("run", text(run, "run_id")),
        ("status", text(run, "status").replace('_', " ")),
        ("cause", if run["cause"] == "ok" { String::new() } else { text(run, "cause").replace('_', " ") }),
        ("message", text(run, "message")),
        ("agent", text(run, "agent_type")),
        ("model", text(run, "model")),
        ("owner", text(run, "owner")),
        ("session", text(run, "session_id")),
        ("folder", text(run, "working_dir")),
        ("permissions", text(run, "permission_mode")),
        ("labels", labels.join(", ")),
        ("created", format!("{} ({} ago)", text(run, "created_at"), age(run))),
        ("took", took.unwrap_or_default()),
        ("events", text(run, "last_seq")),
        ("usage", usage.unwrap_or_default()),
        ("prompt", text(run, "prompt")),
        ("result", text(run, "result")),
    ];
    facts
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| (name, sanitize::text(value.trim_end()).into_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn ids_are_as_short_as_they_can_be_told_apart() {
        let ids = |ids: &[&str]| shortened(&ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>());
        assert_eq!(ids(&["run_0198a8f0c0de70001111", "run_0198a8f0ffff70001111"]), ["run_0198a8f0c0de", "run_0198a8f0ffff"]);
        assert_eq!(ids(&["run_0198a8f0c0de70001111", "run_0198a8f0c0de70002111"]), ["run_0198a8f0c0de70001", "run_0198a8f0c0de70002"]);
        assert!(ids(&[]).is_empty());
    }

    #[test]
    fn an_agent_that_cannot_be_used_comes_with_what_to_do() {
        let hint = |agent: Value| agent_row(&agent)[4].clone();
        assert!(
            hint(json!({ "agent_type": "codex", "available": false, "install": "npm install x", "error": "not found" }))
                .contains("npm install x")
        );
        assert_eq!(hint(json!({ "agent_type": "codex", "available": false, "version": "1", "error": "too old" })), "too old");
        assert_eq!(hint(json!({ "agent_type": "codex", "available": true, "authenticated": "no", "login": "codex login" })), "codex login");
    }

    #[test]
    fn ages_are_said_in_the_largest_unit() {
        assert_eq!([-5, 5, 65, 7200, 200_000].map(in_words), ["now", "5 s", "1 min", "2 h", "2 d"]);
    }

    #[test]
    fn w7_what_a_run_tells_cannot_move_the_cursor() {
        let facts = facts(&json!({ "run_id": "run_1", "prompt": "a\u{1b}[2J\nb", "status": "timed_out", "cause": "ok" }));
        assert!(facts.contains(&("prompt", "a␛[2J\nb".to_owned())) && facts.contains(&("status", "timed out".to_owned())));
        assert!(!facts.iter().any(|(name, _)| *name == "cause"));
    }
}
