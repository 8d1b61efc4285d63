//! Damaged and missing parts of logs: readers get a `gap` instead of them and everything else, and the server starts.

use rustix::process::Signal;
use serde_json::json;

use crate::support::{Client, Frame, Server, assert_dense, carrying, last, live, notice};

/// Creates a run that writes `one`, `two` and `three` into chunks of their own, and waits for its end. Returns its id and its events.
async fn three_chunks(server: &Server, user: &Client) -> (String, Vec<Frame>) {
    let [first, second] = ["first", "second"].map(|name| server.directory().join(name));
    let script = format!("say one\nwait {}\nsay two\nwait {}\nsay three\nresult done", first.display(), second.display());
    let id = user.script(&script).await;
    let mut reader = user.follow(&id).await;
    let mut frames = reader.until_text("one").await;
    std::fs::write(first, "").expect("test setup");
    frames.extend(reader.until_text("two").await);
    std::fs::write(second, "").expect("test setup");
    frames.extend(reader.rest().await);
    assert_dense(&frames);
    (id, frames)
}

/// The condition for the chunk of a run that contains this text.
fn chunk_with(id: &str, text: &str) -> String {
    format!("run_id = '{id}' AND instr(CAST(body AS TEXT), '\"{text}\"') > 0")
}

/// Asserts that `read` is `all` without the events of one range, in whose place there is a gap.
fn assert_one_gap(read: &[Frame], all: &[Frame], lost: &str) {
    let gaps: Vec<usize> = (0..read.len()).filter(|index| read[*index].data["code"] == "gap").collect();
    let [gap] = gaps[..] else { panic!("{} gaps: {read:?}", gaps.len()) };
    let (before, after) = (&read[..gap], &read[gap + 1..]);
    assert!(before == &all[..before.len()], "what precedes the gap has the bytes that it had");
    assert!(after == &all[all.len() - after.len()..], "what follows the gap has the bytes that it had");
    assert_eq!((read[gap].id, &read[gap].data["seq"]), (None, &json!(null)), "the gap is no event of the log");
    let next = after.first().and_then(|frame| frame.id);
    assert_eq!(read[gap].data["data"]["after"], json!(before.len()), "{:?}", read[gap]);
    assert_eq!(read[gap].data["data"]["next"], json!(next), "{:?}", read[gap]);
    let is_lost = |frames: &[Frame]| !frames.iter().any(|frame| frame.data["content"] == lost);
    assert!(is_lost(before) && is_lost(after), "{lost} is not lost");
    assert_eq!(before.len() + after.len() + lost_events(read, all), all.len());
}

/// The number of events of `all` that are not in `read`.
fn lost_events(read: &[Frame], all: &[Frame]) -> usize {
    all.iter().filter(|frame| !read.contains(frame)).count()
}

#[test]
fn a_damaged_chunk_of_an_ended_run_is_a_gap_and_the_rest_is_delivered() {
    live(async {
        for (damage, text) in [
            ("UPDATE event_chunks SET crc32 = crc32 - 1 WHERE", "two"),
            ("UPDATE event_chunks SET body = substr(body, 1, 20) WHERE", "one"),
            ("UPDATE event_chunks SET body = zeroblob(length(body)) WHERE", "two"),
            ("UPDATE event_chunks SET last_seq = last_seq - 1 WHERE", "two"),
            ("DELETE FROM event_chunks WHERE", "two"),
        ] {
            let server = Server::start().await;
            let user = server.client("user").await;
            let (id, all) = three_chunks(&server, &user).await;
            let server = server.killed_and_changed(&format!("{damage} {}", chunk_with(&id, text))).await.start().await;
            let user = user.at(server.url());
            let read = user.follow(&id).await.rest().await;
            assert_one_gap(&read, &all, text);
            assert_eq!(last(&read), last(&all), "{damage}");
            // A reader that resumes inside or after the gap.
            let gap = read.iter().position(|frame| frame.id.is_none()).expect("a gap");
            let after = read[gap + 1].id.expect("a number");
            assert_one_gap(&[&all[..gap], &user.follow_after(&id, gap as u64).await.rest().await].concat(), &all, text);
            assert!(user.follow_after(&id, after - 1).await.rest().await == read[gap + 1..], "{damage}");
            assert_eq!(user.run(&id).await["status"], "completed");
        }
    });
}

#[test]
fn readers_of_a_log_without_its_end_do_not_wait_for_it() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let (id, all) = three_chunks(&server, &user).await;
        let last_chunk = format!("DELETE FROM event_chunks WHERE run_id = '{id}' AND last_seq = {}", all.len());
        let server = server.killed_and_changed(&last_chunk).await.start().await;
        let user = user.at(server.url());
        let read = user.follow(&id).await.rest().await;
        let gap = notice(&read, "gap").expect("a gap");
        let before = read.iter().take_while(|frame| frame.data["code"] != "gap").count();
        assert!(before > 0 && before < all.len() && read[..before] == all[..before]);
        assert_eq!(gap["data"]["after"], json!(before));
    });
}

#[test]
fn a_damaged_chunk_of_a_live_run_prevents_neither_the_start_nor_other_runs() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let go = server.directory().join("go");
        let step = server.directory().join("step");
        let script = format!("say one\nwait {}\nsay two\nwait {}\nsay three\nresult done", step.display(), go.display());
        let damaged = user.script(&script).await;
        let sound = user.script(&format!("say up\nwait {}\nresult done", go.display())).await;
        let (mut reader, mut other) = (user.follow(&damaged).await, user.follow(&sound).await);
        let mut before = reader.until_text("one").await;
        std::fs::write(step, "").unwrap();
        before.extend(reader.until_text("two").await);
        other.until_text("up").await;

        let change = format!("UPDATE event_chunks SET crc32 = crc32 - 1 WHERE {}", chunk_with(&damaged, "one"));
        let server = server.killed_and_changed(&change).await.start().await;
        let user = user.at(server.url());
        std::fs::write(go, "").unwrap();
        assert_eq!(user.end_of(&sound).await["status"], "completed");
        let end = user.end_of(&damaged).await;
        assert!(["completed", "interrupted", "failed"].contains(&end["status"].as_str().unwrap()), "{end}");
        let read = user.follow(&damaged).await.rest().await;
        assert_eq!(read.iter().filter(|frame| frame.data["code"] == "gap").count(), 1, "{read:?}");
        assert_eq!((last(&read)["type"].as_str(), &last(&read)["status"]), (Some("done"), &end["status"]));
        for frame in read.iter().filter(|frame| frame.id.is_some_and(|id| id <= before.len() as u64)) {
            assert!(before.contains(frame), "an event differs from what was delivered: {frame:?}");
        }
        assert!(read.iter().any(|frame| frame.data["content"] == "two"), "what follows the damage is delivered");
        assert_eq!(carrying(&damaged), [0; 0]);
        assert_eq!(user.end_of(&user.script("result again").await).await["status"], "completed");
    });
}

#[test]
fn a_reader_of_a_damaged_log_is_not_sent_back_to_the_damage() {
    live(async {
        let mut server = Server::start().await;
        let user = server.client("user").await;
        let (id, all) = three_chunks(&server, &user).await;
        let change = format!("UPDATE event_chunks SET crc32 = crc32 - 1 WHERE {}", chunk_with(&id, "two"));
        server = server.killed_and_changed(&change).await.start().await;
        // The command line reconnects after a stream that ends without `done`.
        let printed = server.typed(&["logs", &id, "--json"]).done().await;
        assert_eq!(printed.code, 0, "{}", printed.err);
        let lines: Vec<&str> = printed.out.lines().collect();
        assert!(lines.last().is_some_and(|line| line.contains("\"done\"")), "{}", printed.out);
        assert!(lines.len() > 2 && lines.len() <= all.len(), "{}", printed.out);
        server.signal(Signal::TERM);
        assert_eq!(server.ended().await, 0);
    });
}

#[test]
fn an_open_request_in_a_damaged_part_of_the_log_is_opened_again_and_can_be_answered() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let id = user.asking("say before\npermission Write {\"file_path\":\"x\"}\nresult done").await;
        let mut frames = user.follow(&id).await.until("permission_request").await;
        let request = frames.pop().expect("a frame").data["id"].as_str().expect("an id").to_owned();
        let change = format!("UPDATE event_chunks SET body = x'00' WHERE {}", chunk_with(&id, "permission_request"));
        let server = server.killed_and_changed(&change).await.start().await;
        let user = user.at(server.url());
        let mut reader = user.follow(&id).await;
        let frames = reader.until("permission_request").await;
        assert_eq!(frames.iter().filter(|frame| frame.data["code"] == "gap").count(), 1);
        let open = user.requests(&id).await;
        assert_eq!(open.iter().map(|open| &open["id"]).collect::<Vec<_>>(), [&json!(request)]);
        user.answer(&id, &request, json!({ "decision": "allow_once" })).await;
        let rest = reader.rest().await;
        assert_eq!(rest.iter().filter(|frame| frame.data["type"] == "permission_resolved").count(), 1);
        assert_eq!(last(&rest)["status"], "completed");
    });
}

#[test]
fn a_request_whose_answer_is_in_a_damaged_part_of_the_log_is_closed_again() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let go = server.directory().join("go");
        let script = format!("permission Write {{\"file_path\":\"x\"}}\nsay answered\nwait {}\nresult done", go.display());
        let id = user.asking(&script).await;
        let mut reader = user.follow(&id).await;
        reader.until("permission_request").await;
        let request = user.requests(&id).await[0]["id"].as_str().expect("an id").to_owned();
        user.answer(&id, &request, json!({ "decision": "allow_once" })).await;
        reader.until_text("answered").await;
        let change = format!("UPDATE event_chunks SET body = x'00' WHERE {}", chunk_with(&id, "permission_resolved"));
        let server = server.killed_and_changed(&change).await.start().await;
        let user = user.at(server.url());
        let mut reader = user.follow(&id).await;
        let frames = reader.until("permission_resolved").await;
        assert_eq!(last(&frames)["decision"], "allow_once", "as the agent has received it");
        assert_eq!(user.requests(&id).await, [json!(null); 0]);
        assert_eq!(user.run(&id).await["status"], "running");
        std::fs::write(go, "").expect("test setup");
        assert_eq!(last(&reader.rest().await)["status"], "completed");
    });
}
