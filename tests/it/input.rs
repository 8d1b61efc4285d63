//! What a run gives to its agent besides the prompt.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, Client, Server, Setup, live, of, query};

const MIB: usize = 1024 * 1024;

/// A part with this content.
fn part(kind: &str, media_type: &str, name: &str, content: &[u8]) -> Value {
    json!({ "type": kind, "media_type": media_type, "name": name, "data": STANDARD.encode(content) })
}

async fn create(user: &Client, input: Value) -> Answer {
    user.post("/api/runs", &json!({ "input": input })).await
}

fn id_of(answer: &Answer) -> String {
    assert_eq!(answer.status, 201, "{}", answer.text);
    answer.body["run_id"].as_str().expect("an id").to_owned()
}

#[test]
fn instructions_go_to_the_agent_over_its_standard_input_and_apply_to_one_run() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let seen = server.directory().join("initialize.json");
        let script = format!("save initialize {}\nreport argv\nreport env\nresult done", seen.display());
        let instructions = "Write tests first.\n\tPrefer `std`.";
        let run = user.create(&script, json!({ "instructions": instructions })).await;
        assert_eq!(user.end_of(&run).await["instructions"], instructions);
        let read = || serde_json::from_slice::<Value>(&std::fs::read(&seen).unwrap()).unwrap();
        assert_eq!(read()["appendSystemPrompt"], instructions);
        for said in user.said(&run).await {
            assert!(!said.contains("Write tests first"), "other users can see command lines: {said}");
        }
        let session = user.run(&run).await["session_id"].clone();
        let next = user.create(&script, json!({ "session_id": session })).await;
        assert_eq!(user.end_of(&next).await["instructions"], Value::Null);
        assert_eq!(read()["appendSystemPrompt"], Value::Null);
    });
}

#[test]
fn instructions_are_bounded_and_refused_for_agents_that_take_none() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        for bad in [String::new(), " \n".to_owned(), "a\0b".to_owned(), "ä".repeat(32 * 1024 + 1)] {
            let refused = user.ask("result x", json!({ "instructions": bad })).await;
            assert_eq!(refused.problem(422, "invalid_field"), "metadata.instructions", "{}", bad.len());
        }
        let longest = "ä".repeat(32 * 1024);
        assert_eq!(user.end_of(&user.create("result x", json!({ "instructions": longest })).await).await["result"], "x");
        let preset = user.ask("x", json!({ "agent_type": "gemini", "instructions": "Be brief." })).await;
        assert_eq!(preset.problem(422, "invalid_field"), "metadata.instructions");
        assert!(preset.text.contains("agent gemini takes no instructions"), "{}", preset.text);
    });
}

#[test]
fn the_agent_gets_the_texts_the_images_and_the_files_of_the_input() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let seen = server.directory().join("content.json");
        let input = json!({
            "text": format!("save content {}", seen.display()),
            "parts": [
                part("image", "image/png", "shot.png", b"pixels"),
                part("file", "application/pdf", "spec.pdf", b"pages"),
                { "type": "text", "text": "report input\nresult done" },
                { "type": "file", "media_type": "text/plain", "data": STANDARD.encode("notes") },
            ],
        });
        let run = id_of(&create(&user, input).await);
        let end = user.end_of(&run).await;
        assert_eq!(
            (&end["result"], end["prompt"].as_str().map(|prompt| prompt.ends_with("\n\nreport input\nresult done"))),
            (&json!("done"), Some(true))
        );
        assert_eq!(
            end["attachments"],
            json!([
                { "type": "image", "media_type": "image/png", "name": "shot.png", "size": 6 },
                { "type": "file", "media_type": "application/pdf", "name": "spec.pdf", "size": 5 },
                { "type": "file", "media_type": "text/plain", "name": "file-4", "size": 5 },
            ])
        );
        assert_eq!(user.said(&run).await, [json!({ "file-4": "notes", "spec.pdf": "pages" }).to_string()]);
        let content: Value = serde_json::from_slice(&std::fs::read(&seen).unwrap()).unwrap();
        let source = json!({ "type": "base64", "media_type": "image/png", "data": STANDARD.encode("pixels") });
        assert_eq!(content[1], json!({ "type": "image", "source": source }));
        let text = content[0]["text"].as_str().unwrap();
        assert!(
            text.contains("/openrunner-input/spec.pdf (application/pdf)\n- ") && text.ends_with("/openrunner-input/file-4 (text/plain)"),
            "{text}"
        );
        let log = user.follow(&run).await.rest().await;
        assert!(!format!("{log:?}").contains(&STANDARD.encode("pixels")), "the log holds no content");
    });
}

#[test]
fn a_queued_run_gets_its_images_after_a_crash_of_the_server_and_leaves_nothing_when_it_is_deleted() {
    live(async {
        let server = Setup::new().env("OPENRUNNER_MAX_RUNS", 1).start().await;
        let user = server.client("user").await;
        let [go, seen] = ["go", "content.json"].map(|name| server.directory().join(name));
        let first = user.script(&format!("say up\nwait {}\nresult one", go.display())).await;
        user.follow(&first).await.until_text("up").await;
        let image = vec![b'x'; MIB];
        let text = format!("save content {}\nresult two", seen.display());
        let second = id_of(&create(&user, json!({ "text": text, "parts": [part("image", "image/png", "a.png", &image)] })).await);
        let stored = async |user: &Client| user.get("/api/usage").await.body["quotas"]["stored_bytes"]["used"].as_u64().unwrap();
        let with_image = stored(&user).await;
        assert!(with_image > MIB as u64, "{with_image} bytes count towards the quota");

        let server = server.killed_and_started_again().await;
        let user = user.at(server.url());
        std::fs::write(go, "").unwrap();
        assert_eq!(user.end_of(&second).await["result"], "two");
        let content: Value = serde_json::from_slice(&std::fs::read(&seen).unwrap()).unwrap();
        assert!(content[1]["source"]["data"] == STANDARD.encode(&image), "the image is complete");
        assert_eq!(user.delete(&format!("/api/runs/{second}")).await.status, 204);
        assert!(stored(&user).await < MIB as u64);
        let database = server.database();
        while query::<i64>(&database, "SELECT count(*) FROM attachments") > 0 {
            tokio::task::yield_now().await;
        }
    });
}

#[test]
fn a_message_gives_the_agent_its_images_and_files_also_after_a_crash_of_the_server() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let [go, seen] = ["go", "content.json"].map(|name| server.directory().join(name));
        let run = user.script(&format!("say up\nwait {}\nresult one", go.display())).await;
        user.follow(&run).await.until_text("up").await;
        let stored = async |user: &Client| user.get("/api/usage").await.body["quotas"]["stored_bytes"]["used"].as_u64().unwrap();
        let image = vec![b'x'; MIB];
        let message = json!({
            "text": format!("save content {}", seen.display()),
            "parts": [
                part("image", "image/png", "a.png", &image),
                part("file", "text/plain", "notes.txt", b"notes"),
                { "type": "text", "text": "report input\nresult two" },
            ],
        });
        let before = stored(&user).await;
        assert_eq!(user.post(&format!("/api/runs/{run}/messages"), &message).await.status, 202);
        assert!(stored(&user).await > before + MIB as u64, "the image counts towards the quota");

        // The message waits for its turn when the server is killed.
        let server = server.killed_and_started_again().await;
        let user = user.at(server.url());
        std::fs::write(go, "").unwrap();
        assert_eq!(user.end_of(&run).await["result"], "two");
        let content: Value = serde_json::from_slice(&std::fs::read(&seen).unwrap()).unwrap();
        assert!(content[1]["source"]["data"] == STANDARD.encode(&image), "the image is complete");
        let text = content[0]["text"].as_str().unwrap();
        assert!(text.contains("report input\nresult two") && text.ends_with("/notes.txt (text/plain)"), "{text}");
        assert_eq!(user.said(&run).await, ["up".to_owned(), json!({ "notes.txt": "notes" }).to_string()]);
        let frames = user.follow(&run).await.rest().await;
        let infos = json!([
            { "type": "image", "media_type": "image/png", "name": "a.png", "size": MIB },
            { "type": "file", "media_type": "text/plain", "name": "notes.txt", "size": 5 },
        ]);
        assert_eq!(of(&frames, "user_message")[0]["attachments"], infos);
        assert_eq!(user.delete(&format!("/api/runs/{run}")).await.status, 204);
        assert!(stored(&user).await < MIB as u64);
        let database = server.database();
        while query::<i64>(&database, "SELECT count(*) FROM attachments") > 0 {
            tokio::task::yield_now().await;
        }
    });
}

#[test]
fn messages_of_the_same_text_and_names_keep_their_own_images_and_files() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let go = server.directory().join("go");
        let run = user.script(&format!("say up\nwait {}\nresult one", go.display())).await;
        user.follow(&run).await.until_text("up").await;
        let send = async |user: &Client, content: &str, mode: &str| {
            let file = part("file", "text/plain", "a.txt", content.as_bytes());
            let message = json!({ "text": "report input\nresult done", "parts": [file], "mode": mode });
            assert_eq!(user.post(&format!("/api/runs/{run}/messages"), &message).await.status, 202);
        };
        send(&user, "first", "queue").await;
        send(&user, "second", "queue").await;
        let server = server.killed_and_started_again().await;
        let user = user.at(server.url());
        send(&user, "third", "queue").await;
        std::fs::write(go, "").unwrap();
        assert_eq!(user.end_of(&run).await["status"], "completed");
        let contents = ["first", "second", "third"].map(|content| json!({ "a.txt": content }).to_string());
        assert_eq!(user.said(&run).await[1..], contents);
    });
}

#[test]
fn an_invalid_part_of_a_message_is_refused_before_anything_is_stored() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let run = user.script("say up\nhang").await;
        user.follow(&run).await.until_text("up").await;
        let path = format!("/api/runs/{run}/messages");
        let image = part("image", "image/png", "a.png", b"x");
        let big = part("file", "text/plain", "b.txt", &vec![b'x'; 5 * MIB]);
        for (parts, field) in [
            (json!([part("image", "image/svg+xml", "a.svg", b"x")]), "parts[0].media_type"),
            (json!([image, image]), "parts[1].name"),
            (json!([image, { "type": "file", "media_type": "text/plain", "data": "?" }]), "parts[1].data"),
            (json!([image, big]), "parts"),
        ] {
            let refused = user.post(&path, &json!({ "text": "x", "parts": parts })).await;
            assert_eq!(refused.problem(422, "invalid_field"), field);
        }
        assert_eq!(user.post(&path, &json!({ "parts": [image] })).await.problem(422, "invalid_field"), "text");
        // The demo agent takes messages, but neither images nor files.
        let demo = user.create("ask", json!({ "agent_type": "demo", "permission_mode": "ask" })).await;
        user.follow(&demo).await.until("permission_request").await;
        for (kind, media_type) in [("image", "image/png"), ("file", "text/plain")] {
            let parts = json!([part(kind, media_type, "a", b"x")]);
            let refused = user.post(&format!("/api/runs/{demo}/messages"), &json!({ "text": "x", "parts": parts })).await;
            assert_eq!(refused.problem(422, "invalid_field"), "parts[0].type");
        }
        for run in [run, demo] {
            assert!(user.post(&format!("/api/runs/{run}/cancel"), &json!({})).await.status < 300);
            let frames = user.follow(&run).await.rest().await;
            assert_eq!(of(&frames, "user_message").len(), 0);
        }
        assert_eq!(query::<i64>(&server.database(), "SELECT count(*) FROM attachments"), 0);
        // Last, because the server closes a connection with a body that it does not read.
        let text = "x".repeat(3 * MIB);
        for path in [path, "/api/chat".to_owned()] {
            let other = server.client("user").await;
            other.post(&path, &json!({ "text": text })).await.problem(413, "body_too_large");
        }
    });
}

#[test]
fn every_invalid_part_is_named_and_creates_nothing() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let image = |change: Value| {
            let mut image = part("image", "image/png", "a.png", b"x");
            image.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
            image
        };
        for (bad, field) in [
            (image(json!({ "data": null })), "data"),
            (image(json!({ "data": "" })), "data"),
            (image(json!({ "data": "not base64!" })), "data"),
            (image(json!({ "media_type": null })), "media_type"),
            (image(json!({ "media_type": "image/svg+xml" })), "media_type"),
            (image(json!({ "name": "../a.png" })), "name"),
            (image(json!({ "name": "-a" })), "name"),
            (image(json!({ "text": "x" })), "text"),
            (image(json!({ "type": "audio" })), "type"),
            (image(json!({ "file_id": "x" })), "file_id"),
            (json!({ "type": "text" }), "text"),
            (json!({ "type": "text", "text": "x", "name": "a" }), "name"),
        ] {
            let refused = create(&user, json!({ "text": "result x", "parts": [{ "type": "text", "text": "" }, bad] })).await;
            assert_eq!(refused.problem(422, "invalid_field"), format!("input.parts[1].{field}"), "{bad}");
        }
        for parts in [json!([]), json!([{ "type": "text", "text": " " }]), json!([image(json!({}))])] {
            assert_eq!(create(&user, json!({ "parts": parts })).await.problem(422, "invalid_field"), "input.text");
        }
        let request = json!({ "input": { "text": "x", "parts": [image(json!({}))] }, "metadata": { "agent_type": "codex_exec" } });
        user.post("/api/runs", &request).await.problem(422, "unknown_agent");
        assert_eq!(user.get("/api/runs").await.body["items"], json!([]));
    });
}

#[test]
fn an_agent_that_takes_no_images_refuses_them_before_anything_is_created() {
    live(async {
        let setup = Setup::new();
        let settings = setup.directory().join("settings.toml");
        std::fs::write(&settings, "[agents.plain]\nprotocol = \"text\"\ncommand = [\"/bin/cat\"]\n").unwrap();
        let server = setup.env("OPENRUNNER_CONFIG", settings.display()).start().await;
        let user = server.client("user").await;
        for kind in ["image", "file"] {
            let input = json!({ "text": "x", "parts": [part(kind, "image/png", "a.png", b"x")] });
            let refused = user.post("/api/runs", &json!({ "input": input, "metadata": { "agent_type": "plain" } })).await;
            assert_eq!(refused.problem(422, "invalid_field"), "input.parts[0].type");
            assert!(refused.text.contains(&format!("agent plain takes no {kind}s")), "{}", refused.text);
        }
        assert_eq!(user.get("/api/runs").await.body["items"], json!([]));
    });
}

#[test]
fn images_may_have_five_mebibytes_together_and_the_rest_of_a_request_two() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let half = vec![b'x'; 5 * MIB / 2];
        let parts = |more: usize| {
            let second = [&half[..], &vec![b'x'; more]].concat();
            json!([part("image", "image/png", "a.png", &half), part("image", "image/png", "b.png", &second)])
        };
        let largest = id_of(&create(&user, json!({ "text": "result done", "parts": parts(0) })).await);
        assert_eq!(user.end_of(&largest).await["result"], "done");
        assert_eq!(create(&user, json!({ "text": "x", "parts": parts(1) })).await.problem(422, "invalid_field"), "input.parts");
        create(&user, json!({ "text": "x", "parts": parts(MIB * 5 / 2) })).await.problem(413, "body_too_large");
        create(&user, json!({ "text": "x".repeat(2 * MIB) })).await.problem(413, "body_too_large");
        let labels = json!({ "input": { "text": "x" }, "metadata": { "labels": { "a": "x".repeat(2 * MIB) } } });
        user.post("/api/runs", &labels).await.problem(413, "body_too_large");
        // Only creating a run takes images.
        let request = user.request(Method::POST, "/api/chat").json(&json!({ "message": "x".repeat(3 * MIB) }));
        user.send(request).await.problem(413, "body_too_large");
    });
}
