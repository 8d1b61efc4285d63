//! Answers in the form of a JSON Schema.

use serde_json::{Value, json};

use crate::support::{Client, Frame, Server, Setup, live, notice, of};

fn schema() -> Value {
    json!({ "type": "object", "properties": { "answer": { "type": "string" } }, "required": ["answer"] })
}

/// A script whose first answer is `first`, and the answer after a correction `second`.
fn script(server: &Server, first: &str, second: &str) -> String {
    let file = server.directory().join("correction");
    std::fs::write(&file, second).expect("a directory");
    format!("correct {}\nresult {first}", file.display())
}

async fn create(user: &Client, script: &str) -> String {
    user.create(script, json!({ "output_schema": schema() })).await
}

async fn events(user: &Client, run: &str) -> Vec<Frame> {
    user.follow(run).await.rest().await
}

#[test]
fn an_answer_that_matches_is_the_output_of_the_run() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let seen = server.directory().join("initialize.json");
        let text = "Here:\\n```json\\n{\\\"answer\\\": \\\"yes\\\"}\\n```";
        let run = create(&user, &format!("save initialize {}\nraw {}", seen.display(), result(text))).await;
        let end = user.end_of(&run).await;
        assert_eq!((&end["cause"], &end["output"], &end["output_schema"]), (&json!("ok"), &json!({ "answer": "yes" }), &schema()));
        let events = events(&user, &run).await;
        let done = &of(&events, "done")[0];
        assert_eq!(done["output"], json!({ "answer": "yes" }));
        assert_eq!(of(&events, "user_message").len(), 0);
        let initialize: Value = serde_json::from_slice(&std::fs::read(&seen).unwrap()).unwrap();
        assert_eq!(initialize["jsonSchema"], schema());
        // Without a schema, nothing is parsed.
        let plain = user.end_of(&user.script("result {\"answer\": \"yes\"}").await).await;
        assert_eq!((&plain["result"], &plain["output"]), (&json!("{\"answer\": \"yes\"}"), &Value::Null));
    });
}

/// The line with which the program reports this text, which is escaped already, as its result.
fn result(text: &str) -> String {
    format!(r#"{{"type":"result","subtype":"success","is_error":false,"session_id":"s","result":"{text}"}}"#)
}

#[test]
fn an_agent_is_asked_once_to_correct_its_answer() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let good = r#"result {"answer": "yes"}"#;
        let run = create(&user, &script(&server, r#"{"answer": 1}"#, good)).await;
        let end = user.end_of(&run).await;
        assert_eq!((&end["cause"], &end["output"]), (&json!("ok"), &json!({ "answer": "yes" })));
        let all = events(&user, &run).await;
        assert_eq!(notice(&all, "bad_output").unwrap()["data"]["problem"], "/answer: value is not of type \"string\"");
        let asked = &of(&all, "user_message")[0];
        assert!(asked["content"].as_str().unwrap().contains("/answer: value is not of type"), "{asked}");

        let run = create(&user, &script(&server, "no idea", "result still none")).await;
        let end = user.end_of(&run).await;
        assert_eq!((&end["status"], &end["cause"]), (&json!("failed"), &json!("bad_output")));
        assert_eq!((&end["message"], &end["output"]), (&json!("the answer is not JSON"), &Value::Null));
        let all = events(&user, &run).await;
        assert_eq!(of(&all, "user_message").len(), 1);
    });
}

#[test]
fn a_message_that_is_queued_takes_the_place_of_a_correction() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let go = server.directory().join("go");
        let run = create(&user, &format!("say up\nwait {}\nresult not yet", go.display())).await;
        user.follow(&run).await.until_text("up").await;
        let sent = user.post(&format!("/api/runs/{run}/messages"), &json!({ "text": r#"result {"answer": "yes"}"# })).await;
        assert_eq!(sent.status, 202);
        std::fs::write(go, "").unwrap();
        assert_eq!(user.end_of(&run).await["output"], json!({ "answer": "yes" }));
        assert_eq!(notice(&events(&user, &run).await, "bad_output"), None);
    });
}

#[test]
fn a_correction_survives_a_crash_of_the_server_and_is_not_repeated() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let go = server.directory().join("go");
        let second = format!("say corrected\nwait {}\nresult {{\"answer\": \"yes\"}}", go.display());
        let run = create(&user, &script(&server, "no", &second)).await;
        user.follow(&run).await.until_text("corrected").await;
        let server = server.killed_and_started_again().await;
        let user = user.at(server.url());
        std::fs::write(go, "").unwrap();
        let end = user.end_of(&run).await;
        assert_eq!((&end["cause"], &end["output"]), (&json!("ok"), &json!({ "answer": "yes" })));
        assert_eq!(of(&events(&user, &run).await, "user_message").len(), 1);
    });
}

#[test]
fn an_agent_that_takes_no_schema_is_asked_in_words_and_one_that_takes_no_messages_is_not_corrected() {
    live(async {
        let setup = Setup::new();
        let settings = setup.directory().join("settings.toml");
        let agent =
            |name: &str, script: &str| format!("[agents.{name}]\nprotocol = \"text\"\ncommand = [\"/bin/sh\", \"-c\", '{script}']\n");
        let good = agent("good", r#"cat >&2; echo "{\"answer\": \"yes\"}""#);
        std::fs::write(&settings, good + &agent("bad", "cat >/dev/null; echo no")).unwrap();
        let server = setup.env("OPENRUNNER_CONFIG", settings.display()).start().await;
        let user = server.client("user").await;
        let run = user.create("hello", json!({ "agent_type": "good", "output_schema": schema() })).await;
        let end = user.end_of(&run).await;
        assert_eq!((&end["output"], &end["prompt"]), (&json!({ "answer": "yes" }), &json!("hello")));
        let log: String = of(&events(&user, &run).await, "log").iter().filter_map(|log| log["content"].as_str()).collect();
        assert!(log.contains("hello") && log.contains("JSON Schema") && log.contains(&schema().to_string()), "{log}");
        let run = user.create("hello", json!({ "agent_type": "bad", "output_schema": schema() })).await;
        assert_eq!(user.end_of(&run).await["cause"], "bad_output");
        assert_eq!(of(&events(&user, &run).await, "user_message").len(), 0);
    });
}

#[test]
fn a_schema_that_is_invalid_or_leads_elsewhere_is_refused() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        for (bad, part) in [
            (json!("text"), "must be an object"),
            (json!({ "type": "text" }), "/type"),
            (json!({ "properties": { "a": { "$ref": "https://a.example/s.json" } } }), "/properties/a"),
            (json!({ "properties": { "a": { "$ref": "#" } } }), "recursive"),
            (json!({ "description": "x".repeat(64 * 1024) }), "64 KiB"),
        ] {
            let refused = user.ask("result x", json!({ "output_schema": bad })).await;
            assert_eq!(refused.problem(422, "invalid_field"), "metadata.output_schema");
            assert!(refused.text.contains(part), "{part}: {}", refused.text);
        }
        assert_eq!(user.get("/api/runs").await.body["items"], json!([]));
    });
}
