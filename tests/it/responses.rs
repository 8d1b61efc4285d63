//! The Responses API of the OpenAI-compatible API: a response is a run, and its stream is the run's log.
//!
//! Rules: D8, K3, W6.

use reqwest::Method;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::{Answer, Client, Server, Setup, live};

const RESPONSES: &str = "/v1/responses";

/// A request to the scripted agent, with further fields.
fn asking(script: &str, more: &Value) -> Value {
    let mut body = json!({ "model": "claude", "input": script });
    for (name, value) in more.as_object().expect("fields") {
        body[name] = value.clone();
    }
    body
}

/// The events in a text, which may end within one.
fn events(text: &str) -> Vec<Value> {
    let complete = text.rfind("\n\n").map_or("", |end| &text[..end]);
    let frames = complete.split("\n\n").filter(|frame| frame.starts_with("event: "));
    let data = frames.map(|frame| frame.split_once("\ndata: ").expect("data").1);
    data.map(|data| serde_json::from_str(data).expect("JSON")).collect()
}

fn kinds(events: &[Value]) -> Vec<&str> {
    events.iter().filter_map(|event| event["type"].as_str()).collect()
}

/// The texts of all messages of a response, joined as clients do it.
fn output_text(response: &Value) -> String {
    let items = response["output"].as_array().unwrap_or_else(|| panic!("no output: {response}"));
    items.iter().filter_map(|item| item["content"][0]["text"].as_str()).collect()
}

fn path_of(response: &Value) -> String {
    format!("{RESPONSES}/{}", response["id"].as_str().unwrap_or_else(|| panic!("no response: {response}")))
}

fn run_of(response: &Value) -> &str {
    response["openrunner"]["run_id"].as_str().expect("an id")
}

fn session_of(response: &Value) -> &Value {
    assert!(response["openrunner"]["session_id"].is_string(), "{response}");
    &response["openrunner"]["session_id"]
}

/// Asserts that this is an error in OpenAI's format, and returns the field that it names.
fn refused<'a>(answer: &'a Answer, status: u16, code: &str) -> Option<&'a str> {
    let error = &answer.body["error"];
    assert_eq!((answer.status, &error["code"]), (status, &json!(code)), "{}", answer.text);
    error["param"].as_str()
}

async fn create(user: &Client, body: &Value) -> Value {
    let answer = user.post(RESPONSES, body).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.body
}

/// Waits for the end of a response's run, and retrieves the response.
async fn ended(user: &Client, response: &Value) -> Value {
    user.end_of(run_of(response)).await;
    user.get(&path_of(response)).await.body
}

/// A stream, and what was read of it.
struct Stream {
    response: reqwest::Response,
    text: String,
}

impl Stream {
    async fn of(request: reqwest::RequestBuilder) -> Self {
        let response = request.send().await.expect("the server answers");
        assert_eq!(response.status().as_u16(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream; charset=utf-8");
        Self { response, text: String::new() }
    }

    async fn create(user: &Client, body: &Value) -> Self {
        Self::of(user.request(Method::POST, RESPONSES).json(body)).await
    }

    async fn resumed(user: &Client, path: &str, after: &Value) -> Self {
        Self::of(user.request(Method::GET, &format!("{path}?stream=true&starting_after={after}"))).await
    }

    /// Reads until this text.
    async fn until(&mut self, text: &str) {
        while !self.text.contains(text) {
            let chunk = self.response.chunk().await.expect("the stream goes on").expect("it has not ended");
            self.text.push_str(std::str::from_utf8(&chunk).expect("whole characters"));
        }
    }

    /// Reads to the end, for any reason.
    async fn rest(mut self) -> (Vec<Value>, String) {
        while let Ok(Some(chunk)) = self.response.chunk().await {
            self.text.push_str(std::str::from_utf8(&chunk).expect("whole characters"));
        }
        (events(&self.text), self.text)
    }
}

#[test]
fn a_response_is_a_run_that_can_be_retrieved_and_deleted() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let more = json!({ "user": "ann", "metadata": { "team": "a" }, "instructions": "be brief", "temperature": 0.1, "tools": [{ "type": "web_search" }] });
        let body = asking("say on my way\nresult Hello!", &more);
        let answer = user.post(RESPONSES, &body).await;
        let response = &answer.body;
        assert_eq!(
            (answer.status, &response["object"], &response["status"]),
            (200, &json!("response"), &json!("completed")),
            "{}",
            answer.text
        );
        assert_eq!((output_text(response).as_str(), &response["model"]), ("on my way", &json!("claude_code")));
        assert_eq!(
            (response["id"].as_str().unwrap(), answer.header("x-openrunner-run-id")),
            (&*format!("resp_{}", run_of(response)), run_of(response))
        );
        let run = user.run(run_of(response)).await;
        assert_eq!((&run["status"], &run["prompt"], &run["instructions"]), (&json!("completed"), &body["input"], &json!("be brief")));
        assert_eq!((&run["labels"], &response["metadata"]), (&json!({ "team": "a", "user": "ann" }), &run["labels"]));
        assert_eq!(&user.get(&path_of(response)).await.body, response);
        let items = user.get(&format!("{}/input_items?limit=20&order=asc", path_of(response))).await;
        assert_eq!(
            (&items.body["data"][0]["content"], &items.body["has_more"]),
            (&json!([{ "type": "input_text", "text": body["input"] }]), &json!(false))
        );
        let next = format!("{}/input_items?after={}", path_of(response), items.body["last_id"].as_str().unwrap());
        assert_eq!(user.get(&next).await.body["data"], json!([]));
        let deleted = user.delete(&path_of(response)).await;
        assert_eq!((deleted.status, &deleted.body), (200, &json!({ "id": response["id"], "object": "response", "deleted": true })));
        refused(&user.get(&path_of(response)).await, 404, "not_found");
        user.get(&format!("/api/runs/{}", run_of(response))).await.problem(404, "not_found");
    });
}

#[test]
fn the_stream_of_a_response_can_be_read_again_from_any_event() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let (first, text) = Stream::create(&user, &asking("say one\nsay two\nresult two", &json!({ "stream": true }))).await.rest().await;
        assert!(text.ends_with("data: [DONE]\n\n"), "{text}");
        for (event, number) in first.iter().zip(0..) {
            assert_eq!(event["sequence_number"], number);
        }
        assert_eq!((kinds(&first)[0], *kinds(&first).last().unwrap()), ("response.created", "response.completed"));
        let deltas: String = first
            .iter()
            .filter(|event| event["type"] == "response.output_text.delta")
            .filter_map(|event| event["delta"].as_str())
            .collect();
        let response = &first.last().unwrap()["response"];
        assert_eq!((deltas.as_str(), output_text(response)), ("one\n\ntwo", deltas.clone()));
        assert_eq!(&user.get(&path_of(response)).await.body, response);
        let whole = Stream::of(user.request(Method::GET, &format!("{}?stream=true", path_of(response)))).await.rest().await.0;
        assert_eq!(whole, first);
        for after in [0, 3, first.len() - 2, first.len() - 1] {
            let rest = Stream::resumed(&user, &path_of(response), &json!(after)).await.rest().await.0;
            assert_eq!(rest, first[after + 1..], "after {after}");
        }
    });
}

#[test]
fn a_stream_resumes_exactly_after_kill_9_of_the_server() {
    live(async {
        let mut server = Server::start().await;
        let mut user = server.client("user").await;
        let body = asking("pace 2000 1000\nresult done", &json!({ "stream": true }));
        let mut stream = Stream::create(&user, &body).await;
        let (mut seen, mut path) = (Vec::new(), String::new());
        for text in ["100 ", "900 "] {
            stream.until(&format!("\"delta\":\"{text}")).await;
            server.signal(Signal::KILL);
            let (events, _text) = stream.rest().await;
            if path.is_empty() {
                path = path_of(&events[0]["response"]);
            }
            seen.extend(events);
            server = server.killed_and_started_again().await;
            user = user.at(server.url());
            stream = Stream::resumed(&user, &path, &seen.last().unwrap()["sequence_number"]).await;
        }
        seen.extend(stream.rest().await.0);
        for (event, number) in seen.iter().zip(0..) {
            assert_eq!(event["sequence_number"], number, "every event arrives once");
        }
        let deltas: String =
            seen.iter().filter(|event| event["type"] == "response.output_text.delta").filter_map(|event| event["delta"].as_str()).collect();
        let numbers: Vec<u64> = deltas.split_whitespace().map(|number| number.parse().unwrap()).collect();
        assert_eq!(numbers, (1..=2000).collect::<Vec<_>>());
        assert_eq!(seen.last().unwrap()["type"], "response.completed");
        assert_eq!(
            Stream::of(user.request(Method::GET, &format!("{path}?stream=true"))).await.rest().await.0,
            seen,
            "a replay is the same"
        );
    });
}

#[test]
fn a_background_response_is_returned_before_its_end_and_can_be_cancelled() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let go = server.directory().join("go");
        let background = json!({ "background": true });
        let response = create(&user, &asking(&format!("say up\nwait {}\nresult done", go.display()), &background)).await;
        assert_eq!((&response["status"], &response["background"], &response["output"]), (&json!("queued"), &json!(true), &json!([])));
        user.follow(run_of(&response)).await.until_text("up").await;
        assert_eq!(user.get(&path_of(&response)).await.body["status"], "in_progress");
        refused(&user.delete(&path_of(&response)).await, 409, "run_active");
        std::fs::write(&go, "").unwrap();
        let done = ended(&user, &response).await;
        assert_eq!((&done["status"], output_text(&done).as_str()), (&json!("completed"), "up"));

        // Streamed too, and a client that disconnects does not cancel it.
        let both = json!({ "background": true, "stream": true });
        let mut stream = Stream::create(&user, &asking("say up\nwait-for-interrupt", &both)).await;
        stream.until("\"delta\":\"up").await;
        let seen = events(&stream.text);
        assert_eq!(kinds(&seen)[..2], ["response.created", "response.queued"]);
        drop(stream);
        let path = path_of(&seen[0]["response"]);
        let follow = Stream::resumed(&user, &path, &seen.last().unwrap()["sequence_number"]).await;
        for _ in 0..2 {
            let cancelled = user.post(&format!("{path}/cancel"), &json!({})).await;
            assert_eq!((cancelled.status, &cancelled.body["status"]), (200, &json!("cancelled")), "{}", cancelled.text);
        }
        let rest = follow.rest().await.0;
        let last = rest.last().unwrap();
        assert_eq!((&last["type"], &last["response"]["status"]), (&json!("response.failed"), &json!("cancelled")));
    });
}

#[test]
fn a_disconnecting_client_cancels_a_response_only_if_it_asked_for_it() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let go = server.directory().join("go");
        let script = format!("say up\nwait {}\nresult done", go.display());
        let mut staying = Stream::create(&user, &asking(&script, &json!({ "stream": true }))).await;
        staying.until("\"delta\":\"up").await;
        let staying = events(&staying.text)[0]["response"].clone();
        let cancel = json!({ "stream": true, "openrunner": { "on_disconnect": "cancel" } });
        let mut leaving = Stream::create(&user, &asking(&script, &cancel)).await;
        leaving.until("\"delta\":\"up").await;
        let left = events(&leaving.text)[0]["response"].clone();
        drop(leaving);
        assert_eq!(ended(&user, &left).await["status"], "cancelled");
        assert_eq!(user.get(&path_of(&staying)).await.body["status"], "in_progress");
        std::fs::write(&go, "").unwrap();
        assert_eq!(ended(&user, &staying).await["status"], "completed");
    });
}

#[test]
fn a_response_continues_the_previous_one_in_its_session() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let demo = |input: Value, more: Value| {
            let mut body = asking("", &more);
            (body["model"], body["input"]) = (json!("demo"), input);
            body
        };
        let first = create(&user, &demo(json!("say one"), json!({}))).await;
        let second = create(&user, &demo(json!("say two"), json!({ "previous_response_id": first["id"] }))).await;
        assert_eq!((session_of(&second), &second["previous_response_id"]), (session_of(&first), &first["id"]));
        assert_eq!(user.run(run_of(&second)).await["prompt"], "say two");
        // The session has gone on. The agent's memory cannot be changed, so a branch begins with the conversation up to there.
        let branch = create(&user, &demo(json!("say three"), json!({ "previous_response_id": first["id"] }))).await;
        assert_ne!(session_of(&branch), session_of(&first));
        assert_eq!(branch["previous_response_id"], first["id"]);
        let prompt = user.run(run_of(&branch)).await["prompt"].as_str().unwrap().to_owned();
        assert!(
            prompt.starts_with("<conversation>\n<user>\nsay one\n</user>\n<assistant>\n") && prompt.ends_with("\n\nsay three"),
            "{prompt}"
        );
        assert!(!prompt.contains("say two"), "{prompt}");
        // Clients that send items back, or refer to them.
        let item = second["output"].as_array().unwrap().last().unwrap();
        let reference = json!([{ "type": "item_reference", "id": item["id"] }, { "role": "user", "content": "say four" }]);
        let third = create(&user, &demo(reference, json!({}))).await;
        assert_eq!((session_of(&third), &third["previous_response_id"]), (session_of(&first), &second["id"]));
        let item = third["output"].as_array().unwrap().last().unwrap();
        let items = json!([{ "role": "user", "content": "anything" }, item, { "role": "user", "content": "say five" }]);
        let fourth = create(&user, &demo(items, json!({}))).await;
        assert_eq!(session_of(&fourth), session_of(&first));
        assert_eq!(user.run(run_of(&fourth)).await["prompt"], "say five");
        for previous in ["resp_1", "resp_run_0198a8f0c0de7000800000000000000b"] {
            let unknown = user.post(RESPONSES, &demo(json!("x"), json!({ "previous_response_id": previous }))).await;
            assert_eq!(refused(&unknown, 400, "invalid_field"), Some("previous_response_id"));
        }
    });
}

#[test]
fn a_client_that_sends_its_history_continues_its_session() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        for stream in [false, true] {
            let user_said = |text: &str| json!({ "role": "user", "content": text });
            let mut input = vec![user_said(&format!("say one {stream}"))];
            let body = |input: &[Value]| json!({ "model": "demo", "input": input, "store": false, "stream": stream });
            let send = async |input: &[Value]| {
                let answer = user.post(RESPONSES, &body(input)).await;
                if stream { events(&answer.text).last().unwrap()["response"].clone() } else { answer.body }
            };
            let first = send(&input).await;
            // Without ids, each message by itself.
            let messages = first["output"].as_array().unwrap().iter().filter(|item| item["type"] == "message");
            input.extend(
                messages.map(|item| json!({ "role": "assistant", "content": item["content"][0]["text"].as_str().unwrap().trim() })),
            );
            input.push(user_said("say two"));
            let second = send(&input).await;
            assert_eq!(session_of(&second), session_of(&first), "{second}");
            assert_eq!(user.run(run_of(&second)).await["prompt"], "say two");
        }
    });
}

#[test]
fn a_response_that_is_not_stored_cannot_be_retrieved_or_continued() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let response = create(&user, &asking("result done", &json!({ "store": false }))).await;
        assert_eq!(response["store"], false);
        let path = path_of(&response);
        for path in [path.clone(), format!("{path}?stream=true"), format!("{path}/input_items")] {
            let answer = user.get(&path).await;
            refused(&answer, 404, "not_found");
            assert!(answer.text.contains("store: false"), "{}", answer.text);
        }
        refused(&user.delete(&path).await, 404, "not_found");
        let next = user.post(RESPONSES, &asking("x", &json!({ "previous_response_id": response["id"] }))).await;
        assert_eq!(refused(&next, 400, "invalid_field"), Some("previous_response_id"));
        assert_eq!(user.run(run_of(&response)).await["status"], "completed", "the run is kept like any other");
        let background = user.post(RESPONSES, &asking("x", &json!({ "store": false, "background": true }))).await;
        assert_eq!(refused(&background, 400, "unsupported_parameter"), Some("background"));
    });
}

#[test]
fn responses_of_other_users_do_not_exist() {
    live(async {
        let server = Server::start().await;
        let (user, admin) = (server.client("user").await, server.client("admin").await);
        let response = create(&admin, &asking("result done", &json!({}))).await;
        let path = path_of(&response);
        refused(&user.get(&path).await, 404, "not_found");
        refused(&user.post(&format!("{path}/cancel"), &json!({})).await, 404, "not_found");
        refused(&user.delete(&path).await, 404, "not_found");
        let next = user.post(RESPONSES, &asking("x", &json!({ "previous_response_id": response["id"] }))).await;
        assert_eq!(refused(&next, 400, "invalid_field"), Some("previous_response_id"));
        // The response of any run of one's own.
        let run = user.script("say hello\nresult hello").await;
        user.end_of(&run).await;
        assert_eq!(output_text(&user.get(&format!("{RESPONSES}/resp_{run}")).await.body), "hello");
    });
}

#[test]
fn a_failed_run_is_an_error_and_a_failed_response() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let answer = user.post(RESPONSES, &asking("say half\nexit 3", &json!({}))).await;
        refused(&answer, 502, "crashed");
        assert_eq!(answer.header("x-should-retry"), "false");
        let retrieved = user.get(&format!("{RESPONSES}/resp_{}", answer.header("x-openrunner-run-id"))).await.body;
        assert_eq!((&retrieved["status"], &retrieved["error"]["code"]), (&json!("failed"), &json!("crashed")));
        assert_eq!(output_text(&retrieved), "half");
        let streamed = Stream::create(&user, &asking("say half\nexit 3", &json!({ "stream": true }))).await.rest().await.0;
        let last = streamed.last().unwrap();
        assert_eq!((&last["type"], &last["response"]["error"]["code"]), (&json!("response.failed"), &json!("crashed")));
    });
}

#[test]
fn a_request_that_agents_cannot_carry_out_names_its_field() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        for (more, status, code, field) in [
            (json!({ "model": "gpt-4o" }), 404, "model_not_found", "model"),
            (json!({ "tools": [], "tool_choice": "required" }), 400, "unsupported_parameter", "tool_choice"),
            (json!({ "input": [{ "role": "narrator", "content": "x" }] }), 400, "invalid_field", "input"),
            (json!({ "input": [] }), 400, "invalid_field", "input"),
            (json!({ "metadata": { "a": "x".repeat(2049) } }), 400, "invalid_field", "metadata.a"),
            (
                json!({ "text": { "format": { "type": "json_schema", "name": "x", "schema": { "type": "nothing" } } } }),
                400,
                "invalid_field",
                "text.format.schema",
            ),
            (json!({ "openrunner": { "timeout_secs": 0 } }), 400, "invalid_field", "openrunner.timeout_secs"),
            (json!({ "instructions": "x".repeat(65 * 1024) }), 400, "invalid_field", "instructions"),
        ] {
            let answer = user.post(RESPONSES, &asking("say x", &more)).await;
            assert_eq!(refused(&answer, status, code), Some(field));
        }
        refused(&user.get(&format!("{RESPONSES}/resp_1")).await, 404, "not_found");
        let other = user.post("/v1/responses/compact", &json!({})).await;
        assert!(matches!(other.status, 404 | 405) && other.body["error"]["message"].is_string(), "{}", other.text);
        assert_eq!(user.get("/api/runs").await.body["items"], json!([]), "nothing was made");
    });
}

#[test]
fn a_structured_response_is_json_and_nothing_else() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let schema = json!({ "type": "object", "properties": { "a": { "type": "integer" } }, "required": ["a"] });
        let format = json!({ "text": { "format": { "type": "json_schema", "name": "answer", "strict": true, "schema": schema } } });
        let response = create(&user, &asking("say Let me think.\nresult {\"a\": 1}", &format)).await;
        assert_eq!((output_text(&response).as_str(), &response["text"]["format"]["schema"]), ("{\"a\":1}", &schema));
    });
}

#[test]
fn a_stream_over_the_limit_is_rejected_before_a_run_is_created() {
    live(async {
        let server = Setup::new().env("OPENRUNNER_MAX_STREAMS_PER_USER", 1).start().await;
        let user = server.client("user").await;
        let body = asking("say up\nwait-for-interrupt", &json!({ "stream": true }));
        let mut held = Stream::create(&user, &body).await;
        held.until("\"delta\":\"up").await;
        refused(&user.post(RESPONSES, &body).await, 429, "too_many_streams");
        let response = events(&held.text)[0]["response"].clone();
        refused(&user.get(&format!("{}?stream=true", path_of(&response))).await, 429, "too_many_streams");
        assert_eq!(user.get("/api/runs").await.body["items"].as_array().unwrap().len(), 1);
        user.cancel(run_of(&response)).await;
    });
}

#[test]
fn a_shutdown_ends_a_stream_with_an_error_after_which_it_can_be_resumed() {
    live(async {
        let mut server = Server::start().await;
        let user = server.client("user").await;
        let go = server.directory().join("go");
        let body = asking(&format!("say up\nwait {}\nresult done", go.display()), &json!({ "stream": true }));
        let mut stream = Stream::create(&user, &body).await;
        stream.until("\"delta\":\"up").await;
        server.signal(Signal::TERM);
        let (mut seen, text) = stream.rest().await;
        let error = seen.pop().unwrap();
        assert_eq!((&error["type"], &error["code"]), (&json!("error"), &json!("shutting_down")), "{text}");
        assert_eq!(server.ended().await, 0);
        let server = server.again().start().await;
        let user = user.at(server.url());
        std::fs::write(&go, "").unwrap();
        seen.extend(Stream::resumed(&user, &path_of(&seen[0]["response"]), &error["sequence_number"]).await.rest().await.0);
        for (event, number) in seen.iter().zip(0..) {
            assert_eq!(event["sequence_number"], number);
        }
        assert_eq!(seen.last().unwrap()["type"], "response.completed");
    });
}
