//! Reading the events of a run: from any position, at any speed, in either format, any number of times.
//!
//! Rules: I5, K4, W2.

use reqwest::Method;
use serde_json::json;

use crate::support::{Client, Frame, Server, assert_dense, last, live};

/// The lines of the NDJSON format.
async fn ndjson(client: &Client, id: &str, after: u64) -> Vec<String> {
    let request = client.request(Method::GET, &format!("/api/runs/{id}/events?after={after}")).header("accept", "application/x-ndjson");
    let answer = client.send(request).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, "application/x-ndjson; charset=utf-8"));
    answer.text.lines().map(str::to_owned).collect()
}

#[test]
fn early_late_and_slow_readers_get_the_same_bytes() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let go = server.directory().join("go");
        let id = user.script(&format!("say first\nwait {}\nflood 3000\nresult done", go.display())).await;
        let mut early = user.follow(&id).await;
        let slow = user.follow(&id).await; // nothing of it is read before the run has ended
        let mut seen = early.until_text("first").await;
        std::fs::write(&go, "").unwrap();
        seen.extend(early.rest().await);
        assert_dense(&seen);
        assert!(seen.len() > 3000);
        assert!(slow.rest().await == seen, "the slow reader saw something else");
        let late = user.follow(&id).await.rest().await;
        assert!(late == seen, "the late reader saw something else");
        let lines: Vec<String> = seen.into_iter().map(|frame| frame.line).collect();
        assert!(ndjson(&user, &id, 0).await == lines, "NDJSON says something else");
        assert!(ndjson(&user, &id, 1000).await == lines[1000..], "NDJSON from a place says something else");
    });
}

#[test]
fn a_stream_resumes_after_the_last_event_id() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let id = user.script("flood 50\nresult done").await;
        let all = user.follow(&id).await.rest().await;
        for after in [1, 2, 30, all.len() as u64 - 1] {
            let rest = user.follow_after(&id, after).await.rest().await;
            assert!(rest == all[usize::try_from(after).unwrap()..], "after {after}");
        }
        // The header takes precedence: a browser reconnects with its original URL.
        let request = user.request(Method::GET, &format!("/api/runs/{id}/events?after=3")).header("last-event-id", "40");
        let answer = user.send(request).await;
        assert_eq!(answer.text, all[40..].iter().map(|frame| frame.bytes.as_str()).collect::<String>());
    });
}

#[test]
fn a_finished_stream_without_further_events_is_204() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let id = user.script("result done").await;
        let end = user.end_of(&id).await;
        let answer = user.get(&format!("/api/runs/{id}/events?after={}", end["last_seq"])).await;
        assert_eq!((answer.status, answer.text.as_str()), (204, ""));
        assert!(ndjson(&user, &id, end["last_seq"].as_u64().unwrap()).await.is_empty());
    });
}

#[test]
fn a_reader_ahead_of_the_log_gets_a_gap_and_continues() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let go = server.directory().join("go");
        let id = user.script(&format!("say first\nwait {}\nresult done", go.display())).await;
        let seen = user.follow(&id).await.until_text("first").await.len() as u64;
        let mut ahead = user.follow_after(&id, 5000).await;
        let gap = ahead.next().await.unwrap();
        assert_eq!((gap.id, gap.event.as_str(), &gap.data["code"]), (None, "notice", &json!("gap")));
        assert_eq!(gap.data["data"], json!({ "after": 5000, "next": seen + 1 }));
        std::fs::write(go, "").unwrap();
        let rest = ahead.rest().await;
        assert_eq!((rest[0].id, last(&rest)["type"].as_str()), (Some(seen + 1), Some("done")));
    });
}

#[test]
fn each_of_three_readers_gets_fifty_thousand_events_once() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let id = user.script("flood 50000\nresult done").await;
        let (one, two, three) = (user.follow(&id).await, user.follow(&id).await, user.follow(&id).await);
        let (one, two, three) = tokio::join!(one.rest(), two.rest_bytes(), three.rest_bytes());
        assert_dense(&one);
        let tokens: Vec<&Frame> = one.iter().filter(|frame| frame.event == "token").collect();
        assert_eq!(tokens.len(), 50_000);
        assert_eq!(tokens[49_999].data["content"], "50000 ");
        let bytes: String = one.iter().map(|frame| frame.bytes.as_str()).collect();
        assert!(two == bytes && three == bytes, "the readers saw different things");
    });
}

#[test]
fn a_disconnecting_reader_cancels_nothing() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let go = server.directory().join("go");
        let id = user.script(&format!("say first\nwait {}\nresult done", go.display())).await;
        let mut reader = user.follow(&id).await;
        reader.until_text("first").await;
        drop(reader);
        assert_eq!(user.run(&id).await["status"], "running");
        std::fs::write(go, "").unwrap();
        assert_eq!(user.end_of(&id).await["status"], "completed");
    });
}

#[test]
fn only_streams_accept_a_token_in_the_url() {
    live(async {
        let server = Server::start().await;
        let (user, guest) = (server.client("user").await, server.guest());
        let id = user.script("result done").await;
        user.end_of(&id).await;
        let token = user.token();
        let answer = guest.get(&format!("/api/runs/{id}/events?access_token={token}")).await;
        assert_eq!((answer.status, answer.header("cache-control")), (200, "no-store"));
        guest.get(&format!("/api/runs/{id}?access_token={token}")).await.problem(401, "token_missing");
        let other = server.client("admin").await;
        let answer = other.get(&format!("/api/runs/{id}/events?access_token={token}")).await;
        answer.problem(401, "token_invalid");
    });
}

#[test]
fn a_cursor_that_is_no_number_is_rejected() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let id = user.script("result done").await;
        let events = format!("/api/runs/{id}/events");
        assert_eq!(user.get(&format!("{events}?after=-1")).await.problem(422, "invalid_field"), "after");
        assert_eq!(user.get(&format!("{events}?format=xml")).await.problem(422, "invalid_field"), "format");
        let request = user.request(Method::GET, &events).header("last-event-id", "1; drop");
        assert_eq!(user.send(request).await.problem(422, "invalid_field"), "Last-Event-ID");
    });
}
