//! The API description: served as committed, valid for the events of all recordings, and shown by the reference page. The client of these
//! tests validates every response against it.
//!
//! Rules: W7.

use std::path::Path;

use reqwest::Method;
use serde_json::Value;

use crate::support::{Server, validator};

fn committed(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).expect("a document of this repository")
}

#[tokio::test]
async fn the_committed_api_description_is_served_without_authentication() {
    let server = Server::start().await;
    for (path, file, kind) in [
        ("/openapi.json", "docs/openapi.json", "application/json"),
        ("/events.schema.json", "docs/events.schema.json", "application/schema+json"),
    ] {
        let answer = server.guest().get(path).await;
        assert_eq!((answer.status, answer.header("content-type"), answer.header("cache-control")), (200, kind, "no-cache"));
        assert!(answer.text == committed(file), "{file} is not what is served");
        let guest = server.guest();
        let again = guest.send(guest.request(Method::GET, path).header("if-none-match", answer.header("etag"))).await;
        assert_eq!((again.status, again.text.as_str(), again.header("etag")), (304, "", answer.header("etag")));
        let other = guest.send(guest.request(Method::GET, path).header("if-none-match", "W/\"0\"")).await;
        assert_eq!(other.status, 200);
    }
}

#[tokio::test]
async fn the_reference_page_loads_nothing_external_and_has_no_inline_script() {
    let server = Server::start().await;
    let guest = server.guest();
    let page = guest.get("/docs").await;
    assert_eq!((page.status, page.header("content-type")), (200, "text/html; charset=utf-8"));
    let policy = page.header("content-security-policy");
    assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self';") && !policy.contains("unsafe"), "{policy}");
    assert!(!page.text.contains("://") && !page.text.contains("<script>") && !page.text.contains("style="), "{}", page.text);
    let files: Vec<_> = page.text.split("\"docs/").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert_eq!(files, ["swagger-ui.css", "swagger-ui-bundle.js", "start.js"]);
    for file in files {
        let path = format!("/docs/{file}");
        let plain = guest.get(&path).await;
        assert_eq!((plain.status, plain.header("content-encoding")), (200, ""), "{file}");
        assert!(!plain.text.contains("sourceMappingURL="), "{file} names a map that is not served");
        let packed = guest.request(Method::GET, &path).header("accept-encoding", "gzip").send().await.expect("the server answers");
        let is_vendored = file != "start.js";
        assert_eq!(packed.headers().get("content-encoding").is_some_and(|coding| coding == "gzip"), is_vendored, "{file}");
        let size = packed.bytes().await.expect("the whole body").len();
        assert_eq!(size < plain.text.len() / 3, is_vendored, "{file}: {size} of {}", plain.text.len());
    }
    guest.get("/docs/vendor.js").await.problem(404, "not_found");
}

#[test]
fn every_event_of_every_recording_matches_the_schema() {
    let schema: Value = serde_json::from_str(&committed("docs/events.schema.json")).expect("JSON");
    let names: Vec<String> =
        (schema["$defs"]["Event"]["discriminator"]["mapping"].as_object().expect("the types of events")).keys().cloned().collect();
    let validator = validator(&schema);
    let mut seen = 0;
    for agent in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/agent")).expect("the adapters") {
        let Ok(snapshots) = std::fs::read_dir(agent.expect("an entry").path().join("snapshots")) else { continue };
        for snapshot in snapshots {
            let snapshot = snapshot.expect("an entry").path();
            for line in std::fs::read_to_string(&snapshot).expect("a snapshot").lines() {
                let Some((name, fields)) = line.split_once(' ').filter(|(name, _)| names.iter().any(|known| known == name)) else {
                    continue;
                };
                let Ok(Value::Object(fields)) = serde_json::from_str(fields) else { continue };
                let mut event = serde_json::json!({"seq": 1, "ts": "2026-11-22T13:05:00.123Z", "type": name});
                event.as_object_mut().expect("an object").extend(fields);
                let faults: Vec<String> = validator.iter_errors(&event).map(|fault| fault.to_string()).collect();
                assert!(faults.is_empty(), "{}: {event}\n{}", snapshot.display(), faults.join("\n"));
                seen += 1;
            }
        }
    }
    assert!(seen > 1000, "the snapshots hold {seen} events only");
}

#[test]
fn the_schema_rejects_missing_and_wrong_fields() {
    let schema: Value = serde_json::from_str(&committed("docs/events.schema.json")).expect("JSON");
    let validator = validator(&schema);
    let event = |rest: &str| serde_json::from_str::<Value>(&format!("{{{rest}}}")).expect("JSON");
    let head = r#""seq": 1, "ts": "2026-11-22T13:05:00.123Z", "type": "#;
    assert!(validator.is_valid(&event(&format!(r#"{head}"token", "content": "a""#))));
    assert!(validator.is_valid(&event(&format!(r#"{head}"token", "content": "a", "later": 1"#))), "fields may be added");
    for wrong in [
        format!(r#"{head}"token""#),
        format!(r#"{head}"token", "content": 1"#),
        format!(r#"{head}"token", "content": "a", "message_id": null"#),
        format!(r#"{head}"tokens", "content": "a""#),
        r#""type": "token", "content": "a""#.to_owned(),
        format!(r#"{head}"done", "status": "completed", "cause": "luck", "duration_ms": 1"#),
    ] {
        assert!(!validator.is_valid(&event(&wrong)), "{wrong}");
    }
    let gap = r#""type":"notice","level":"warning","code":"gap","message":"m","data":{"after":99,"next":22}"#;
    assert!(validator.is_valid(&event(gap)), "the notice of a gap is no event of the log");
}
