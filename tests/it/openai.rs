//! The OpenAI-compatible API: the same runs in OpenAI's format.
//!
//! Rules: D8, K3, K4.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use reqwest::header::HeaderValue;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::{Answer, Client, Server, Setup, last, live};

const COMPLETIONS: &str = "/v1/chat/completions";

/// A request with one message to the scripted agent, with further fields.
fn asking(script: &str, more: &Value) -> Value {
    let mut body = json!({ "model": "claude", "messages": [{ "role": "user", "content": script }] });
    for (name, value) in more.as_object().expect("fields") {
        body[name] = value.clone();
    }
    body
}

/// The data of each event of a complete stream; `[DONE]` is a string.
fn data(text: &str) -> Vec<Value> {
    let frames = text.split_terminator("\n\n").filter(|frame| !frame.starts_with(':'));
    let data = frames.map(|frame| frame.strip_prefix("data: ").expect("nothing but data"));
    data.map(|data| serde_json::from_str(data).unwrap_or_else(|_| data.into())).collect()
}

/// The joined text of all chunks.
fn text(chunks: &[Value]) -> String {
    chunks.iter().filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str()).collect()
}

/// Asserts that this is an error in OpenAI's format, and returns the field that it names.
fn refused<'a>(answer: &'a Answer, status: u16, kind: &str, code: &str) -> Option<&'a str> {
    let error = &answer.body["error"];
    assert_eq!((answer.status, &error["type"], &error["code"]), (status, &json!(kind), &json!(code)), "{}", answer.text);
    assert_eq!(answer.header("content-type"), "application/json");
    assert!(error["message"].as_str().is_some_and(|message| !message.is_empty()));
    error["param"].as_str()
}

/// Starts a stream and reads until this text. The run lives at most as long as the response is held.
async fn streaming(user: &Client, body: &Value, until: &str) -> (reqwest::Response, String) {
    let mut response = user.request(Method::POST, COMPLETIONS).json(body).send().await.expect("the server answers");
    assert_eq!(
        (response.status().as_u16(), &response.headers()["content-type"]),
        (200, &HeaderValue::from_static("text/event-stream; charset=utf-8"))
    );
    let run = response.headers()["x-openrunner-run-id"].to_str().expect("an id").to_owned();
    let mut seen = String::new();
    while !seen.contains(until) {
        let chunk = response.chunk().await.expect("the stream goes on").expect("it has not ended");
        seen.push_str(std::str::from_utf8(&chunk).expect("whole characters"));
    }
    (response, run)
}

#[test]
fn a_completion_is_the_final_text_of_a_run() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let body = asking("say on my way\nresult Hello!", &json!({ "user": "ann", "metadata": { "team": "a" }, "temperature": 0.1 }));
        let answer = user.post(COMPLETIONS, &body).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        let message = json!({ "role": "assistant", "content": "Hello!", "refusal": null });
        assert_eq!(answer.body["choices"], json!([{ "index": 0, "message": message, "logprobs": null, "finish_reason": "stop" }]));
        let id = answer.body["openrunner"]["run_id"].as_str().unwrap();
        assert_eq!((&answer.body["id"], &answer.body["object"]), (&json!(format!("chatcmpl-{id}")), &json!("chat.completion")));
        assert_eq!((&answer.body["model"], answer.header("x-openrunner-run-id")), (&json!("claude"), id));
        let run = user.run(id).await;
        assert_eq!(
            (&run["agent_type"], &run["status"], &run["prompt"]),
            (&json!("claude_code"), &json!("completed"), &body["messages"][0]["content"])
        );
        assert_eq!(run["labels"], json!({ "team": "a", "user": "ann" }));
        let usage = &answer.body["usage"];
        let sum = usage["prompt_tokens"].as_u64().unwrap() + usage["completion_tokens"].as_u64().unwrap();
        assert_eq!(usage["total_tokens"], sum);
    });
}

#[test]
fn a_completion_stream_delivers_text_as_it_is_written_and_a_finish_reason() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let body = asking("say one\nsay two\nresult two", &json!({ "stream": true, "stream_options": { "include_usage": true } }));
        let answer = user.post(COMPLETIONS, &body).await;
        assert_eq!((answer.status, answer.header("content-type")), (200, "text/event-stream; charset=utf-8"));
        let data = data(&answer.text);
        assert_eq!((text(&data).as_str(), data.last()), ("one\n\ntwo", Some(&json!("[DONE]"))));
        let chunks = &data[..data.len() - 1];
        assert!(chunks.iter().all(|chunk| chunk["object"] == "chat.completion.chunk" && chunk["id"] == chunks[0]["id"]));
        assert_eq!(chunks[0]["choices"][0]["delta"]["role"], "assistant");
        let ends: Vec<_> = chunks.iter().filter(|chunk| chunk["choices"][0]["finish_reason"] == "stop").collect();
        assert_eq!((ends.len(), &ends[0]["openrunner"]["status"]), (1, &json!("completed")));
        assert_eq!(chunks.last().unwrap()["choices"], json!([]), "the totals come last");
    });
}

#[test]
fn every_error_below_v1_has_the_openai_format() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let guest = server.guest().get("/v1/models").await;
        refused(&guest, 401, "invalid_request_error", "invalid_api_key");
        assert!(guest.body["error"]["message"].as_str().unwrap().contains("API key"), "{}", guest.text);
        refused(
            &user.with_token("orn_wrong").post(COMPLETIONS, &asking("", &json!({}))).await,
            401,
            "invalid_request_error",
            "invalid_api_key",
        );
        refused(&user.get("/v1/nothing").await, 404, "invalid_request_error", "not_found");
        refused(&user.get(COMPLETIONS).await, 405, "invalid_request_error", "method_not_allowed");
        let unknown = user.post(COMPLETIONS, &asking("", &json!({ "model": "gpt-4o" }))).await;
        assert_eq!(refused(&unknown, 404, "invalid_request_error", "model_not_found"), Some("model"));
        assert!(unknown.text.contains("claude_code"), "it names those that there are: {}", unknown.text);
        refused(&user.get("/v1/models/gpt-4o").await, 404, "invalid_request_error", "model_not_found");
        let required = json!({ "tools": [{ "type": "function" }], "tool_choice": "required" });
        let tools = user.post(COMPLETIONS, &asking("", &required)).await;
        assert_eq!(refused(&tools, 400, "invalid_request_error", "unsupported_parameter"), Some("tool_choice"));
        let role = json!({ "messages": [{ "role": "narrator", "content": "x" }] });
        let role = user.post(COMPLETIONS, &asking("", &role)).await;
        assert_eq!(refused(&role, 400, "invalid_request_error", "invalid_field"), Some("messages[0].role"));
        let labels = user.post(COMPLETIONS, &asking("say x", &json!({ "metadata": { "a": "x".repeat(2049) } }))).await;
        assert_eq!(refused(&labels, 400, "invalid_request_error", "invalid_field"), Some("metadata.a"));
        let schema =
            json!({ "response_format": { "type": "json_schema", "json_schema": { "name": "x", "schema": { "type": "nothing" } } } });
        let schema = user.post(COMPLETIONS, &asking("say x", &schema)).await;
        assert_eq!(refused(&schema, 400, "invalid_request_error", "invalid_field"), Some("response_format.json_schema.schema"));
        let image =
            json!([{ "type": "text", "text": "x" }, { "type": "image_url", "image_url": { "url": "data:image/svg+xml;base64,eA==" } }]);
        let image = user.post(COMPLETIONS, &asking("", &json!({ "messages": [{ "role": "user", "content": image }] }))).await;
        assert_eq!(refused(&image, 400, "invalid_request_error", "invalid_field"), Some("messages[0].content[1].image_url.url"));
        let option = user.post(COMPLETIONS, &asking("say x", &json!({ "openrunner": { "timeout_secs": 0 } }))).await;
        assert_eq!(refused(&option, 400, "invalid_request_error", "invalid_field"), Some("openrunner.timeout_secs"));
        let request = user.request(Method::POST, COMPLETIONS).header("content-type", "text/plain").body("{}");
        refused(&user.send(request).await, 415, "invalid_request_error", "not_json");
        assert_eq!(user.get("/api/runs").await.body["items"], json!([]), "nothing was made");
        user.get("/api/nothing").await.problem(404, "not_found");
    });
}

#[test]
fn parts_of_other_apis_are_404_and_name_the_alternative() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        for path in ["/v1/completions", "/v1/messages", "/v1/messages/count_tokens", "/v1/audio/speech"] {
            let answer = user.post(path, &json!({})).await;
            refused(&answer, 404, "invalid_request_error", "not_found");
            assert!(answer.text.contains("use POST /v1/chat/completions or POST /v1/responses"), "{path}: {}", answer.text);
        }
        let embeddings = user.post("/v1/embeddings", &json!({})).await;
        refused(&embeddings, 404, "invalid_request_error", "not_found");
        assert!(embeddings.text.contains("another provider"), "{}", embeddings.text);
    });
}

#[test]
fn offered_tools_are_ignored_and_the_history_of_their_calls_is_sent() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let tools: Vec<Value> =
            (0..38).map(|number| json!({ "type": "function", "function": { "name": format!("tool_{number}") } })).collect();
        for choice in [json!(null), json!("auto"), json!("none")] {
            let body = asking("result done", &json!({ "tools": tools, "tool_choice": choice, "parallel_tool_calls": true }));
            assert_eq!(user.post(COMPLETIONS, &body).await.body["choices"][0]["message"]["content"], "done");
        }
        let call = json!({ "id": "c", "type": "function", "function": { "name": "tool_1", "arguments": "{}" } });
        let messages = json!([
            { "role": "user", "content": "one" },
            { "role": "assistant", "content": null, "tool_calls": [call] },
            { "role": "tool", "tool_call_id": "c", "content": "sunny" },
        ]);
        let answer = user.post(COMPLETIONS, &asking("", &json!({ "model": "demo", "messages": messages, "tools": tools }))).await;
        let prompt = user.run(answer.header("x-openrunner-run-id")).await["prompt"].as_str().unwrap().to_owned();
        assert!(prompt.contains("tool_1 {}") && prompt.contains("<tool>\nsunny\n</tool>"), "{prompt}");
    });
}

#[test]
fn metadata_within_openais_limits_becomes_labels() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let metadata: serde_json::Map<_, _> =
            (0..16).map(|number| (format!("{number:\u{1F600}>64}"), json!("\u{1F600}".repeat(512)))).collect();
        let answer = user.post(COMPLETIONS, &asking("result done", &json!({ "metadata": metadata }))).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert_eq!(user.run(answer.header("x-openrunner-run-id")).await["labels"], Value::Object(metadata));
    });
}

#[test]
fn images_of_a_message_reach_the_agent() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let seen = server.directory().join("content.json");
        let pixels = STANDARD.encode(vec![b'x'; 3 * 1024 * 1024]);
        let url = format!("data:image/png;base64,{pixels}");
        let content = json!([
            { "type": "text", "text": format!("save content {}\nresult a cat", seen.display()) },
            { "type": "image_url", "image_url": { "url": url, "detail": "high" } },
        ]);
        let answer = user.post(COMPLETIONS, &asking("", &json!({ "messages": [{ "role": "user", "content": content }] }))).await;
        assert_eq!(answer.body["choices"][0]["message"]["content"], "a cat", "{}", answer.text);
        let content: Value = serde_json::from_slice(&std::fs::read(&seen).unwrap()).unwrap();
        let source = json!({ "type": "base64", "media_type": "image/png", "data": pixels });
        assert_eq!(content[1], json!({ "type": "image", "source": source }));
        // Only images and files may be that large.
        let large = user.request(Method::POST, COMPLETIONS).json(&asking(&"x".repeat(3 * 1024 * 1024), &json!({})));
        refused(&user.send(large).await, 413, "invalid_request_error", "body_too_large");
    });
}

#[test]
fn an_answer_in_a_response_format_is_json_and_nothing_else() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let schema = json!({ "type": "object", "properties": { "a": { "type": "integer" } }, "required": ["a"] });
        let format = json!({ "type": "json_schema", "json_schema": { "name": "answer", "strict": true, "schema": schema } });
        let script = "say Let me think.\nresult {\"a\": 1}";
        let whole = user.post(COMPLETIONS, &asking(script, &json!({ "response_format": format }))).await;
        assert_eq!(whole.body["choices"][0]["message"]["content"], "{\"a\":1}", "{}", whole.text);
        let object = json!({ "response_format": { "type": "json_object" }, "stream": true });
        let stream = user.post(COMPLETIONS, &asking(script, &object)).await;
        assert_eq!(text(&data(&stream.text)), "{\"a\":1}");
        let correction = server.directory().join("correction");
        std::fs::write(&correction, "result nothing").unwrap();
        let script = format!("correct {}\nresult nothing", correction.display());
        let failed = user.post(COMPLETIONS, &asking(&script, &json!({ "response_format": format }))).await;
        refused(&failed, 502, "server_error", "bad_output");
    });
}

#[test]
fn the_models_are_the_available_agents() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let models = user.get("/v1/models").await;
        let names: Vec<_> = models.body["data"].as_array().unwrap().iter().filter_map(|model| model["id"].as_str()).collect();
        assert_eq!((&models.body["object"], names), (&json!("list"), vec!["claude_code", "demo"]));
        let model = json!({ "id": "claude/opus", "object": "model", "created": 0, "owned_by": "openrunner" });
        for path in ["/v1/models/claude%2Fopus", "/v1/models/claude/opus"] {
            assert_eq!(user.get(path).await.body, model, "{path}");
        }
    });
}

#[test]
fn a_run_without_an_answer_is_an_error_that_clients_do_not_retry() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        for stream in [false, true] {
            for (script, options, status, kind, code) in [
                ("error Not logged in · Please run /login", json!({}), 502, "server_error", "not_logged_in"),
                ("exit 3", json!({}), 502, "server_error", "crashed"),
                ("hang", json!({ "timeout_secs": 1 }), 504, "server_error", "timeout"),
            ] {
                let answer = user.post(COMPLETIONS, &asking(script, &json!({ "stream": stream, "openrunner": options }))).await;
                refused(&answer, status, kind, code);
                assert_eq!(answer.header("x-should-retry"), "false");
                assert_eq!(user.run(answer.header("x-openrunner-run-id")).await["cause"], code);
            }
        }
    });
}

#[test]
fn a_failure_during_a_stream_is_an_error_chunk() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let answer = user.post(COMPLETIONS, &asking("say half\nexit 3", &json!({ "stream": true }))).await;
        let data = data(&answer.text);
        assert_eq!((answer.status, text(&data).as_str()), (200, "half"));
        assert_eq!(data.last().unwrap()["error"]["code"], "crashed");
        assert!(!answer.text.contains("[DONE]") && !answer.text.contains("\"stop\""));
    });
}

#[test]
fn a_disconnecting_client_of_a_completion_cancels_its_run() {
    live(async {
        let server = Server::start().await;
        let (user, admin) = (server.client("user").await, server.client("admin").await);
        let (left, run) = streaming(&user, &asking("say up\nwait-for-interrupt", &json!({ "stream": true })), "up").await;
        drop(left);
        let frames = user.follow(&run).await.rest().await;
        assert_eq!((&last(&frames)["status"], &last(&frames)["cause"]), (&json!("cancelled"), &json!("cancelled")));
        // Written after the cancellation, slightly after the end of the run.
        let audited = loop {
            let audit = admin.get("/api/audit?action=run.cancel").await.body;
            if let Some(entry) = audit["items"].get(0) {
                break entry.clone();
            }
        };
        assert_eq!((&audited["run_id"], &audited["username"], &audited["outcome"]), (&json!(run), &json!("user"), &json!("ok")));

        // Without streaming only on request.
        let body = asking("say up\nwait-for-interrupt", &json!({ "openrunner": { "on_disconnect": "cancel" } }));
        let waiting = user.request(Method::POST, COMPLETIONS).json(&body).send();
        let leaving = async {
            loop {
                let runs = user.get("/api/runs?status=running").await;
                if let Some(run) = runs.body["items"][0]["run_id"].as_str() {
                    user.follow(run).await.until_text("up").await;
                    return run.to_owned();
                }
            }
        };
        let run = tokio::select! {
            _ = waiting => panic!("the run ends only when it is cancelled"),
            run = leaving => run,
        };
        assert_eq!(user.end_of(&run).await["cause"], "cancelled");
    });
}

/// Waits for a running run besides this one, until its first text.
async fn other_running(user: &Client, known: &str) -> String {
    loop {
        let runs = user.get("/api/runs?status=running").await;
        let ids = runs.body["items"].as_array().expect("a list").iter().filter_map(|run| run["run_id"].as_str());
        if let Some(other) = ids.into_iter().find(|id| *id != known) {
            user.follow(other).await.until_text("up").await;
            return other.to_owned();
        }
    }
}

#[test]
fn a_disconnecting_client_cancels_nothing_with_on_disconnect_continue_or_a_key() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let go = server.directory().join("go");
        let script = format!("say up\nwait {}\nresult done", go.display());
        let staying = asking(&script, &json!({ "stream": true, "openrunner": { "on_disconnect": "continue" } }));
        let (left, staying) = streaming(&user, &staying, "up").await;
        drop(left);
        // Without a stream that is the default: often only a proxy has given up.
        let body = asking(&script, &json!({}));
        let waiting = user.request(Method::POST, COMPLETIONS).json(&body).send();
        let whole = tokio::select! {
            _ = waiting => panic!("the run waits"),
            run = other_running(&user, &staying) => run,
        };
        let body = asking(&script, &json!({ "stream": true }));
        let keyed = || user.request(Method::POST, COMPLETIONS).header("idempotency-key", "again").json(&body);
        let first = keyed().send().await.unwrap();
        let keyed_run = first.headers()["x-openrunner-run-id"].to_str().unwrap().to_owned();
        drop(first);
        // Answered only after the server has handled the previous requests and the state of both runs.
        for run in [&staying, &whole, &keyed_run] {
            assert_eq!(user.run(run).await["status"], "running");
        }
        std::fs::write(&go, "").unwrap();
        let again = user.send(keyed()).await;
        assert_eq!((again.header("x-openrunner-run-id"), text(&data(&again.text)).as_str()), (keyed_run.as_str(), "up"));
        for run in [&staying, &whole] {
            assert_eq!(user.end_of(run).await["status"], "completed");
        }
        assert_eq!(user.get("/api/runs").await.body["items"].as_array().unwrap().len(), 3, "the key made no second run");
    });
}

#[test]
fn a_shutdown_closes_completion_streams_without_cancelling_runs() {
    live(async {
        let mut server = Server::start().await;
        let user = server.client("user").await;
        let go = server.directory().join("go");
        let body = asking(&format!("say up\nwait {}\nresult done", go.display()), &json!({ "stream": true }));
        let (mut left, run) = streaming(&user, &body, "up").await;
        server.signal(Signal::TERM);
        let mut rest = String::new();
        while let Ok(Some(chunk)) = left.chunk().await {
            rest.push_str(std::str::from_utf8(&chunk).unwrap());
        }
        assert_eq!(data(&rest).last().map(|last| last["error"]["code"].clone()), Some(json!("shutting_down")), "{rest}");
        assert_eq!(server.ended().await, 0);
        let server = server.again().start().await;
        std::fs::write(&go, "").unwrap();
        assert_eq!(user.at(server.url()).end_of(&run).await["status"], "completed");
    });
}

#[test]
fn a_stream_over_the_limit_is_rejected_before_a_run_is_created() {
    live(async {
        let server = Setup::new().env("OPENRUNNER_MAX_STREAMS_PER_USER", 1).start().await;
        let user = server.client("user").await;
        let body = asking("say up\nwait-for-interrupt", &json!({ "stream": true }));
        let (_held, run) = streaming(&user, &body, "up").await;
        let refusal = user.post(COMPLETIONS, &body).await;
        refused(&refusal, 429, "rate_limit_error", "too_many_streams");
        assert!(refusal.header("retry-after").parse::<u32>().is_ok());
        assert_eq!(user.get("/api/runs").await.body["items"].as_array().unwrap().len(), 1);
        user.cancel(&run).await;
    });
}

#[test]
fn a_session_receives_new_messages_only_and_a_new_run_the_whole_conversation() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let first = user.post(COMPLETIONS, &asking("result one", &json!({}))).await;
        let session = &first.body["openrunner"]["session_id"];
        let said = |role: &str, text: &str| json!({ "role": role, "content": text });
        let messages =
            json!([said("system", "be brief"), said("user", "result one"), said("assistant", "one"), said("user", "result two")]);
        let next = json!({ "messages": messages, "openrunner": { "session_id": session } });
        let second = user.post(COMPLETIONS, &asking("", &next)).await;
        assert_eq!((&second.body["choices"][0]["message"]["content"], &second.body["openrunner"]["session_id"]), (&json!("two"), session));
        let follow_to_end = user.post(COMPLETIONS, &asking("", &json!({ "model": "demo", "messages": messages }))).await;
        let run = user.run(follow_to_end.header("x-openrunner-run-id")).await;
        let prompt = run["prompt"].as_str().unwrap();
        assert!(prompt.starts_with("<instructions>\nbe brief\n</instructions>") && prompt.ends_with("\n\nresult two"), "{prompt}");
    });
}

/// A request with a whole history to the demo agent, as clients send it.
fn chat(history: &[(&str, &str)], message: &str, more: &Value) -> Value {
    let messages = history.iter().copied().chain([("user", message)]);
    let mut body = asking("", more);
    body["messages"] = messages.map(|(role, content)| json!({ "role": role, "content": content })).collect();
    if more.get("model").is_none() {
        body["model"] = json!("demo");
    }
    body
}

fn session_of(answer: &Answer) -> &str {
    answer.header("x-openrunner-session-id")
}

/// The text of an answer without streaming.
fn content(answer: &Answer) -> &str {
    answer.body["choices"][0]["message"]["content"].as_str().unwrap_or_else(|| panic!("no answer: {}", answer.text))
}

#[test]
fn a_chat_continues_its_session_by_the_history_that_the_client_sends() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let first = user.post(COMPLETIONS, &chat(&[("system", "today is Monday")], "say one", &json!({ "stream": true }))).await;
        let answer = text(&data(&first.text));
        // Clients change their instructions, and trim what they store. The session is found by the next server too.
        let server = server.killed_and_started_again().await;
        let user = user.at(server.url());
        let history = [("system", "today is Tuesday"), ("user", "say one"), ("assistant", answer.trim())];
        let second = user.post(COMPLETIONS, &chat(&history, "say two", &json!({}))).await;
        assert_eq!(session_of(&second), session_of(&first), "{}", second.text);
        let runs = [&first, &second].map(|answer| answer.header("x-openrunner-run-id").to_owned());
        let (one, two) = (user.run(&runs[0]).await, user.run(&runs[1]).await);
        assert_eq!(one["working_dir"], two["working_dir"]);
        assert_eq!(two["prompt"], "say two", "the agent remembers the rest");
        // The session has moved on, so the same history starts another one, with everything in the prompt.
        let again = user.post(COMPLETIONS, &chat(&history, "say three", &json!({}))).await;
        assert_ne!(session_of(&again), session_of(&first));
        let prompt = user.run(again.header("x-openrunner-run-id")).await["prompt"].clone();
        assert!(prompt.as_str().unwrap().contains("<conversation>"), "{prompt}");
        let longer = [&history[..], &[("user", "say two"), ("assistant", content(&second))]].concat();
        let third = user.post(COMPLETIONS, &chat(&longer, "say three", &json!({}))).await;
        assert_eq!(session_of(&third), session_of(&first));
    });
}

#[test]
fn a_chat_of_another_user_another_agent_or_another_directory_is_another_session() {
    live(async {
        let server = Server::start().await;
        let (user, admin) = (server.client("user").await, server.client("admin").await);
        let first = user.post(COMPLETIONS, &chat(&[], "say one", &json!({}))).await;
        let history = [("user", "say one"), ("assistant", content(&first))];
        let directory = tempfile::tempdir().unwrap();
        let elsewhere = json!({ "openrunner": { "working_dir": directory.path() } });
        for (client, more) in [(&admin, json!({})), (&user, json!({ "model": "claude" })), (&user, elsewhere)] {
            let other = client.post(COMPLETIONS, &chat(&history, "say two", &more)).await;
            assert!(!session_of(&other).is_empty(), "{}", other.text);
            assert_ne!(session_of(&other), session_of(&first));
        }
        let edited = [("user", "say one"), ("assistant", "won")];
        assert_ne!(session_of(&user.post(COMPLETIONS, &chat(&edited, "say two", &json!({}))).await), session_of(&first));
        let fresh = user.request(Method::POST, COMPLETIONS).header("openrunner-session", "new");
        let fresh = user.send(fresh.json(&chat(&history, "say two", &json!({})))).await;
        assert_ne!(session_of(&fresh), session_of(&first));
        let same = user.post(COMPLETIONS, &chat(&history, "say two", &json!({}))).await;
        assert_eq!(session_of(&same), session_of(&first), "the others did not take it");
    });
}

#[test]
fn a_failed_answer_leaves_the_chat_where_it_was() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let first = user.post(COMPLETIONS, &chat(&[], "say one", &json!({}))).await;
        let history = [("user", "say one"), ("assistant", content(&first))];
        for stream in [false, true] {
            let failed = user.post(COMPLETIONS, &chat(&history, "fast fail crashed", &json!({ "stream": stream }))).await;
            assert!(failed.text.contains("\"crashed\""), "{}", failed.text);
            assert_eq!(session_of(&failed), session_of(&first));
        }
        let invalid = json!({ "openrunner": { "timeout_secs": 0 } });
        refused(&user.post(COMPLETIONS, &chat(&history, "x", &invalid)).await, 400, "invalid_request_error", "invalid_field");
        let next = user.post(COMPLETIONS, &chat(&history, "say two", &json!({}))).await;
        assert_eq!(session_of(&next), session_of(&first));
    });
}

#[test]
fn headers_choose_session_directory_and_profile() {
    live(async {
        let server = Server::start().await;
        let (user, admin) = (server.client("user").await, server.client("admin").await);
        let send = async |client: &Client, headers: &[(&str, &str)], script: &str| {
            let request = client.request(Method::POST, COMPLETIONS).json(&asking(script, &json!({})));
            client.send(headers.iter().fold(request, |request, (name, value)| request.header(*name, *value))).await
        };
        // A client's own id of its chat.
        let one = send(&user, &[("OpenRunner-Session", "chat 7")], "result one").await;
        let two = send(&user, &[("OpenRunner-Session", "chat 7")], "result two").await;
        assert_eq!(session_of(&one), session_of(&two), "{}", two.text);
        assert_ne!(session_of(&one), session_of(&send(&user, &[("OpenRunner-Session", "chat 8")], "result one").await));
        assert_ne!(session_of(&one), session_of(&send(&admin, &[("OpenRunner-Session", "chat 7")], "result one").await));
        // An id of a session.
        let three = send(&user, &[("OpenRunner-Session", session_of(&one))], "result three").await;
        assert_eq!(session_of(&three), session_of(&one));
        let foreign = send(&user, &[("OpenRunner-Session", "ses_0198a8f0c0de7000800000000000000b")], "x").await;
        refused(&foreign, 404, "invalid_request_error", "not_found");
        // A directory.
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().to_str().unwrap();
        let there = send(&admin, &[("OpenRunner-Directory", path)], "result done").await;
        assert_eq!(admin.run(there.header("x-openrunner-run-id")).await["working_dir"], path);
        // A profile.
        let profile = admin.request(Method::PUT, "/api/profiles/careful").json(&json!({ "permission_mode": "read_only" }));
        assert!(matches!(admin.send(profile).await.status, 200 | 201));
        let careful = send(&user, &[("OpenRunner-Profile", "careful")], "result done").await;
        let run = user.run(careful.header("x-openrunner-run-id")).await;
        assert_eq!((&run["profile"], &run["permission_mode"]), (&json!("careful"), &json!("read_only")));
        // Errors name the header.
        for (headers, param) in
            [(&[("OpenRunner-Profile", "no name")][..], "OpenRunner-Profile"), (&[("OpenRunner-Session", "")], "OpenRunner-Session")]
        {
            let wrong = send(&user, headers, "x").await;
            assert_eq!(refused(&wrong, 400, "invalid_request_error", "invalid_field"), Some(param));
        }
        let body = asking("x", &json!({ "openrunner": { "working_dir": "/tmp" } }));
        let both = user.request(Method::POST, COMPLETIONS).header("openrunner-directory", path).json(&body);
        assert_eq!(refused(&user.send(both).await, 400, "invalid_request_error", "invalid_field"), Some("OpenRunner-Directory"));
    });
}

#[test]
fn requests_that_clients_send_on_their_own_go_to_the_helper_model() {
    live(async {
        let server = Setup::new().env("OPENRUNNER_HELPER_MODEL", "demo").start().await;
        let user = server.client("user").await;
        let agent_of = async |messages: Value| {
            let answer = user.post(COMPLETIONS, &asking("", &json!({ "messages": messages }))).await;
            assert_eq!((answer.status, &answer.body["model"]), (200, &json!("claude")), "{}", answer.text);
            user.run(answer.header("x-openrunner-run-id")).await["agent_type"].clone()
        };
        let title = json!({ "role": "user", "content": "### Task:\nGenerate a concise title." });
        assert_eq!(agent_of(json!([title])).await, "demo");
        assert_eq!(agent_of(json!([{ "role": "system", "content": "# be brief" }, title])).await, "demo");
        assert_eq!(agent_of(json!([{ "role": "user", "content": "result done" }])).await, "claude_code");
    });
}
