//! Replays the recordings of ACP agents other than `OpenCode`, whose own adapter replays its recordings.

pub(crate) mod bounds;
mod calls;
mod permissions;
mod session;
mod setup;
mod turns;

use std::time::Duration;

use serde_json::{Value, json};

use self::permissions::request_permission;
use super::{Acp, Dialect, SessionOptions, dialects};
use crate::agent::common::LineReader;
use crate::agent::replay::{
    Action, Decide as _, Entry, Recording, Replayed, recording, recordings, replay, resolves_every_request_once, survives_anything, task,
};
use crate::agent::{Item, LineOutcome, Output, Parser, Started};
use crate::types::bounds::MAX_OPEN_REQUESTS;
use crate::types::{
    Answer, Cause, DecidedBy, Decision, Level, McpServer, McpTransport, NoticeCode, PermissionMode, PlanStatus, Role, StreamEvent,
    ToolStatus,
};

/// The driver action for a line of the recorder: an answer (by the agents' option ids), a prompt or a cancel.
pub(crate) fn action(sent: &Value) -> Option<Action> {
    match sent.get("method").and_then(Value::as_str) {
        Some("session/prompt") => return Some(Action::Message(sent.pointer("/params/prompt/0/text")?.as_str()?.to_owned())),
        Some("session/cancel") => return Some(Action::Interrupt),
        _ => {}
    }
    let outcome = sent.pointer("/result/outcome")?;
    let option_id = outcome.get("optionId").and_then(Value::as_str);
    let decision = match option_id {
        Some("once" | "allow-once" | "allow_once" | "proceed_once" | "opt-pg") => Decision::AllowOnce,
        Some("always" | "allow-with-updates" | "allow_for_session") => Decision::AllowAlways,
        _ => Decision::Deny,
    };
    // Only here several options have the same kind.
    let option_id = option_id.filter(|option| *option == "opt-pg").map(str::to_owned);
    Some(Action::Answer(sent.get("id")?.to_string(), Answer::Permission { decision, message: None, option_id }))
}

/// As [`action`], in the recording in which Qwen asks a question by a permission request: the answer is one to the question.
fn action_of<'a>(recording: &Recording) -> impl Fn(&Value) -> Option<Action> + use<'a> {
    let is_question = recording.name == "qwen_question";
    move |sent| match action(sent) {
        Some(Action::Answer(id, _)) if is_question => Some(Action::Answer(id, Answer::Question { answers: vec![vec!["red".to_owned()]] })),
        other => other,
    }
}

/// The second part of a recording that loads its own session again, as if a new process had started with it: the requests of the first
/// part are removed, and those of the second are renumbered.
pub(crate) fn continued(mut recording: Recording) -> (Recording, String) {
    let (mut session, mut loading) = (String::new(), false);
    recording.entries.retain_mut(|entry| {
        let id = match entry {
            Entry::Sent(sent) => {
                if sent["method"] == "session/load" {
                    loading = true;
                    sent["params"]["sessionId"].as_str().unwrap().clone_into(&mut session);
                }
                sent["id"].as_u64()
            }
            Entry::Line(line) => {
                let mut message: Value = serde_json::from_str(line).unwrap();
                let id = message["id"].as_u64();
                if let Some(id @ 5..) = id {
                    message["id"] = json!(id - 3);
                    *line = message.to_string();
                }
                id
            }
        };
        loading || id == Some(1)
    });
    (recording, session)
}

/// Replays the second part of a recording that loads its own session again.
pub(crate) fn replay_continued(recording: Recording) -> Replayed {
    let (recording, session) = continued(recording);
    let mut task = task("acp");
    task.resume = Some(session);
    replay(&recording, Box::new(Acp::new(&task, Dialect::default())), action)
}

fn others() -> Vec<Recording> {
    let continues = ["claude_load_session", "codex_load_session"];
    let is_other = |recording: &Recording| !recording.name.starts_with("opencode_") && !continues.contains(&recording.name.as_str());
    recordings("acp").into_iter().filter(is_other).collect()
}

/// What the recorder sent as `method`, in its parameter `name`.
fn sent_param(recording: &Recording, method: &str, name: &str) -> Option<String> {
    let mut sent = recording.entries.iter().filter_map(|entry| match entry {
        Entry::Sent(sent) if sent["method"] == method => sent["params"][name].as_str(),
        _ => None,
    });
    sent.next().map(str::to_owned)
}

/// A parser that does what the recorder did: it resumes the same session, and sets the same session mode.
fn parser_for(recording: &Recording) -> Box<dyn Parser> {
    let mut task = task("acp");
    task.resume = sent_param(recording, "session/load", "sessionId");
    let options = SessionOptions {
        mode: sent_param(recording, "session/set_mode", "modeId"),
        auth_method: sent_param(recording, "authenticate", "methodId"),
        ..SessionOptions::default()
    };
    // Of the known agents only Grok does not say its name.
    let dialect = if recording.name.starts_with("grok_") { dialects::GROK } else { Dialect::UNKNOWN };
    Box::new(Acp::new(&task, dialect).with_options(options))
}

pub(crate) fn replay_other(recording: &Recording) -> Replayed {
    replay(recording, parser_for(recording), action_of(recording))
}

#[test]
fn recordings_of_other_agents_match_their_snapshots() {
    for recording in others() {
        let replayed = replay_other(&recording);
        insta::with_settings!({ snapshot_suffix => recording.name.clone(), omit_expression => true, prepend_module_to_snapshot => false }, {
            insta::assert_snapshot!("acp", replayed.snapshot());
        });
    }
}

#[test]
fn arbitrary_input_never_panics() {
    survives_anything(&others(), || parser_for(&recording("acp", "hermes_text")));
}

#[test]
fn every_request_is_resolved_once_in_any_order_of_input() {
    resolves_every_request_once(&others(), || parser_for(&recording("acp", "qwen_edit")));
}

#[test]
fn a_resumed_session_emits_events_only_from_its_new_turn() {
    for name in ["claude_load_session", "codex_load_session"] {
        let replayed = replay_continued(recording("acp", name));
        insta::with_settings!({ snapshot_suffix => name, omit_expression => true, prepend_module_to_snapshot => false }, {
            insta::assert_snapshot!("acp", replayed.snapshot());
        });
    }
}

/// A parser with a running turn.
fn in_turn(prompt: &str) -> Acp {
    let mut task = task("acp");
    prompt.clone_into(&mut task.spec.prompt);
    let mut parser = Acp::new(&task, Dialect::default());
    let mut out = Output::default();
    parser.open(&mut out);
    send_line(&mut parser, &json!({ "id": 1, "result": { "protocolVersion": 1 } }));
    send_line(&mut parser, &json!({ "id": 2, "result": { "sessionId": "s" } }));
    parser
}

fn send_line(parser: &mut Acp, message: &Value) -> (LineOutcome, Output) {
    let mut out = Output::default();
    let outcome = parser.handle_line(&message.to_string(), &mut out);
    (outcome, out)
}

fn update(parser: &mut Acp, update: &Value) -> (LineOutcome, Output) {
    send_line(parser, &json!({ "method": "session/update", "params": { "sessionId": "s", "update": update } }))
}

/// Lets the turn whose result has arrived settle.
fn settle(parser: &mut Acp) -> Output {
    let mut out = Output::default();
    assert!(parser.max_silence().is_some_and(|limit| limit < Duration::from_secs(1)), "no turn settles");
    parser.handle_silence(&mut out);
    out
}

/// Ends the running turn as a success.
fn end_turn(parser: &mut Acp, id: u64) -> Output {
    let (outcome, out) = send_line(parser, &json!({ "id": id, "result": { "stopReason": "end_turn" } }));
    assert!(outcome == LineOutcome::Buffered && out.is_empty(), "{out:?}");
    settle(parser)
}

fn sent_json(out: &Output) -> Value {
    serde_json::from_slice(&out.send).unwrap_or_default()
}

#[test]
fn an_unknown_request_is_rejected_and_kept_as_raw() {
    let mut parser = in_turn("x");
    let (outcome, out) = send_line(&mut parser, &json!({ "id": 7, "method": "session/dance", "params": {} }));
    assert_eq!((outcome, &sent_json(&out)["error"]["code"]), (LineOutcome::Raw, &json!(-32601)));
    let (outcome, out) = send_line(&mut parser, &json!({ "id": 8, "method": "terminal/create", "params": {} }));
    assert_eq!((outcome, &sent_json(&out)["error"]["code"]), (LineOutcome::Emitted, &json!(-32601)));
    let (outcome, out) = send_line(&mut parser, &json!({ "id": 9, "method": "session/request_permission", "params": { "options": 3 } }));
    assert_eq!((outcome, &sent_json(&out)["error"]["code"]), (LineOutcome::Raw, &json!(-32602)));
}

/// The event types in `out`, and the messages sent.
fn summarize(out: &Output) -> (Vec<&'static str>, Vec<Value>) {
    let names = out.items.iter().map(|item| match item {
        Item::Event(event) => event.name(),
        Item::Started(_) => "started",
        Item::SessionChanged(_) => "session_changed",
        Item::TurnEnded(Ok(_)) => "succeeded",
        Item::TurnEnded(Err(failure)) => failure.cause.as_str(),
    });
    let sent = String::from_utf8(out.send.clone()).unwrap();
    (names.collect(), sent.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

#[test]
fn an_interrupt_cancels_the_turn_closes_its_requests_once_and_keeps_the_session() {
    let mut parser = in_turn("x");
    update(&mut parser, &json!({ "sessionUpdate": "tool_call", "toolCallId": "a", "status": "in_progress", "rawInput": { "x": 1 } }));
    let (id, _) = request_permission(&mut parser, &json!([{ "optionId": "y", "kind": "allow_once" }]));
    let mut out = Output::default();
    assert!(parser.interrupt(&mut out));
    let (names, sent) = summarize(&out);
    assert_eq!(names, ["permission_resolved"]);
    assert!(matches!(&out.items[0], Item::Event(StreamEvent::PermissionResolved { decision: Decision::Deny, by: DecidedBy::Policy, .. })));
    assert_eq!((&sent[0]["method"], &sent[1]["result"]["outcome"]["outcome"]), (&json!("session/cancel"), &json!("cancelled")));
    let mut out = Output::default();
    parser.decide(&id, Decision::AllowOnce, &mut out);
    assert!(parser.interrupt(&mut out) && out.is_empty(), "answered or cancelled twice: {out:?}");

    let late = json!({ "sessionId": "s", "toolCall": { "toolCallId": "late" }, "options": [] });
    let (_, out) = send_line(&mut parser, &json!({ "id": 77, "method": "session/request_permission", "params": late }));
    assert_eq!(summarize(&out).0, ["tool_call"], "no request is opened after the interrupt");
    let (_, out) = send_line(&mut parser, &json!({ "id": 3, "result": { "stopReason": "cancelled" } }));
    assert_eq!(summarize(&out).0, ["tool_result", "tool_result", "tool_result", "cancelled"]);
    let results = out.items.iter().filter_map(|item| match item {
        Item::Event(StreamEvent::ToolResult { id, status, .. }) => Some((id.as_str(), *status)),
        _ => None,
    });
    let results: Vec<_> = results.collect();
    assert_eq!(results, [("a", ToolStatus::Error), ("c", ToolStatus::Denied), ("late", ToolStatus::Denied)]);
    assert!(!parser.interrupt(&mut Output::default()), "there is no turn to interrupt");

    let mut out = Output::default();
    assert!(parser.begin_turn(&"go on".into(), &mut out));
    assert_eq!(sent_prompt(&out), json!("go on"));
    assert!(!parser.begin_turn(&"and on".into(), &mut Output::default()), "one turn at a time");
    assert_eq!(summarize(&end_turn(&mut parser, 4)).0, ["succeeded"]);
}

fn sent_prompt(out: &Output) -> Value {
    sent_json(out)["params"]["prompt"][0]["text"].clone()
}

#[test]
fn after_an_early_interrupt_the_prompt_is_not_sent() {
    let mut parser = Acp::new(&task("acp"), Dialect::default());
    parser.open(&mut Output::default());
    let mut out = Output::default();
    assert!(parser.interrupt(&mut out) && out.is_empty());
    send_line(&mut parser, &json!({ "id": 1, "result": { "protocolVersion": 1 } }));
    let (_, out) = send_line(&mut parser, &json!({ "id": 2, "result": { "sessionId": "s" } }));
    assert_eq!(summarize(&out), (vec!["started", "cancelled"], vec![]));
    let mut out = Output::default();
    assert!(parser.begin_turn(&"after all".into(), &mut out));
    assert_eq!(sent_prompt(&out), json!("after all"));
}

#[test]
fn an_interrupted_turn_that_fails_counts_as_cancelled() {
    let mut parser = in_turn("x");
    parser.interrupt(&mut Output::default());
    let (_, out) = send_line(&mut parser, &json!({ "id": 3, "error": { "code": -32603, "message": "aborted" } }));
    assert_eq!(summarize(&out).0, ["cancelled"]);
}

#[test]
fn mcp_servers_are_passed_in_the_protocols_form_if_the_agent_supports_them() {
    let server = |name: &str, transport| McpServer { name: name.to_owned(), transport };
    let pair = || [("A".to_owned(), "b".to_owned())].into();
    let mut task = task("acp");
    task.mcp_servers = vec![
        server("local", McpTransport::Stdio { command: "/bin/mcp".to_owned(), args: vec!["-x".to_owned()], env: pair() }),
        server("remote", McpTransport::Http { url: "https://a.example".to_owned(), headers: pair() }),
    ];
    let opened = |capabilities: Value| {
        let mut parser = Acp::new(&task, Dialect::default());
        parser.open(&mut Output::default());
        send_line(&mut parser, &json!({ "id": 1, "result": { "agentCapabilities": { "mcpCapabilities": capabilities } } })).1
    };
    let pairs = json!([{ "name": "A", "value": "b" }]);
    assert_eq!(
        sent_json(&opened(json!({ "http": true })))["params"]["mcpServers"],
        json!([
            { "name": "local", "command": "/bin/mcp", "args": ["-x"], "env": pairs },
            { "type": "http", "name": "remote", "url": "https://a.example", "headers": pairs },
        ])
    );
    let out = opened(json!({}));
    assert!(
        matches!(&out.items[..], [Item::TurnEnded(Err(failure))]
            if failure.cause == Cause::BadArguments && failure.message.contains("remote")),
        "{out:?}"
    );
}

#[test]
fn a_session_is_resumed_only_if_the_agent_supports_it() {
    let mut task = task("acp");
    task.resume = Some("s".to_owned());
    let mut able = Acp::new(&task, Dialect::default());
    able.open(&mut Output::default());
    let (_, out) =
        send_line(&mut able, &json!({ "id": 1, "result": { "protocolVersion": 1, "agentCapabilities": { "loadSession": true } } }));
    assert_eq!(sent_json(&out)["method"], "session/load");

    // Without the history, if the agent can.
    let mut able = Acp::new(&task, Dialect::default());
    able.open(&mut Output::default());
    let capabilities = json!({ "loadSession": true, "sessionCapabilities": { "resume": {} } });
    let (_, out) = send_line(&mut able, &json!({ "id": 1, "result": { "agentCapabilities": capabilities } }));
    assert_eq!((&sent_json(&out)["method"], &sent_json(&out)["params"]["sessionId"]), (&json!("session/resume"), &json!("s")));

    let mut unable = Acp::new(&task, Dialect::default());
    unable.open(&mut Output::default());
    let (_, out) = send_line(&mut unable, &json!({ "id": 1, "result": { "protocolVersion": 1 } }));
    assert!(matches!(&out.items[..], [Item::TurnEnded(Err(failure))] if failure.cause == Cause::BadArguments), "{out:?}");
}

#[test]
fn an_unsupported_protocol_version_fails_the_turn() {
    let mut parser = Acp::new(&task("acp"), Dialect::default());
    parser.open(&mut Output::default());
    let (_, out) = send_line(&mut parser, &json!({ "id": 1, "result": { "protocolVersion": 2 } }));
    assert!(matches!(&out.items[..], [Item::TurnEnded(Err(failure))] if failure.cause == Cause::Protocol), "{out:?}");
}

#[test]
fn the_model_is_set_in_the_way_that_the_agent_offers() {
    let mut with_model = task("acp");
    with_model.spec.model = Some("b".to_owned());
    let opened = |opened: Value| {
        let mut parser = Acp::new(&with_model, Dialect::default());
        parser.open(&mut Output::default());
        send_line(&mut parser, &json!({ "id": 1, "result": {} }));
        send_line(&mut parser, &json!({ "id": 2, "result": opened })).1
    };
    let option = json!({ "id": "m", "category": "model", "currentValue": "a" });
    let out = opened(json!({ "sessionId": "s", "configOptions": [option] }));
    assert_eq!(sent_json(&out)["params"], json!({ "sessionId": "s", "configId": "m", "value": "b" }));
    let out = opened(json!({ "sessionId": "s", "models": { "currentModelId": "a" } }));
    assert_eq!(sent_json(&out)["method"], "session/set_model");
    let out = opened(json!({ "sessionId": "s", "models": { "currentModelId": "b" } }));
    assert_eq!(sent_json(&out)["method"], "session/prompt");
    let started = Started { agent_session: Some("s".to_owned()), version: None, model: Some("b".to_owned()) };
    assert_eq!(out.items, [Item::Started(started)]);
    let out = opened(json!({ "sessionId": "s" }));
    assert!(matches!(&out.items[..], [Item::TurnEnded(Err(failure))] if failure.cause == Cause::BadArguments), "{out:?}");
}

#[test]
fn a_plan_omits_cancelled_entries() {
    let mut parser = in_turn("x");
    let entries =
        json!([{ "content": "a", "status": "completed" }, { "content": "b", "status": "cancelled" }, { "content": "c", "status": 3 }]);
    let (_, out) = update(&mut parser, &json!({ "sessionUpdate": "plan", "entries": entries }));
    let [Item::Event(StreamEvent::Plan { entries })] = &out.items[..] else { panic!("{out:?}") };
    let entries: Vec<_> = entries.iter().map(|entry| (entry.content.as_str(), entry.status)).collect();
    assert_eq!(entries, [("a", PlanStatus::Completed), ("c", PlanStatus::Pending)]);
}

#[test]
fn text_with_a_reused_message_id_after_a_tool_call_is_a_separate_message() {
    let mut parser = in_turn("x");
    let chunk = json!({ "sessionUpdate": "agent_message_chunk", "messageId": "m", "content": { "type": "text", "text": "hi" } });
    let call = json!({ "sessionUpdate": "tool_call", "toolCallId": "c", "title": "t", "status": "in_progress" });
    let mut messages = Vec::new();
    for each in [&chunk, &call, &chunk] {
        messages.extend(update(&mut parser, each).1.items);
    }
    messages.extend(end_turn(&mut parser, 3).items);
    let emitted: Vec<_> = messages
        .iter()
        .filter_map(|item| match item {
            Item::Event(StreamEvent::Message { role: Role::Assistant, content, message_id, .. }) => {
                Some((content.as_str(), message_id.as_deref()))
            }
            _ => None,
        })
        .collect();
    assert_eq!(emitted, [("hi", Some("m")), ("hi", Some("m#2"))]);
}

#[test]
fn a_tool_call_and_its_result_are_emitted_once() {
    let mut parser = in_turn("x");
    let mut items = Vec::new();
    for each in [
        json!({ "sessionUpdate": "tool_call", "toolCallId": "c", "title": "t", "rawInput": {} }),
        json!({ "sessionUpdate": "tool_call_update", "toolCallId": "c", "rawInput": { "a": 1 } }),
        json!({ "sessionUpdate": "tool_call_update", "toolCallId": "c", "rawInput": { "a": 2 }, "status": "in_progress" }),
        json!({ "sessionUpdate": "tool_call_update", "toolCallId": "c", "status": "completed", "rawOutput": "done" }),
        json!({ "sessionUpdate": "tool_call_update", "toolCallId": "c", "status": "completed", "rawOutput": "again" }),
    ] {
        items.extend(update(&mut parser, &each).1.items);
    }
    let names: Vec<_> = items.iter().map(|item| if let Item::Event(event) = item { event.name() } else { "" }).collect();
    assert_eq!(names, ["tool_call", "tool_result"]);
}

#[test]
fn a_prompt_taken_for_an_unknown_command_fails_the_turn() {
    let out = end_turn(&mut in_turn("/etc/hosts is wrong"), 3);
    assert!(matches!(out.items.last(), Some(Item::TurnEnded(Err(failure))) if failure.cause == Cause::BadArguments), "{out:?}");
    let out = end_turn(&mut in_turn("be silent"), 3);
    assert!(matches!(out.items.last(), Some(Item::TurnEnded(Ok(text))) if text.is_empty()), "{out:?}");
}

#[test]
fn updates_of_another_session_become_raw() {
    let mut parser = in_turn("x");
    let chunk = json!({ "sessionUpdate": "agent_message_chunk", "content": { "type": "text", "text": "hi" } });
    let (outcome, _) = send_line(&mut parser, &json!({ "method": "session/update", "params": { "sessionId": "other", "update": chunk } }));
    assert_eq!(outcome, LineOutcome::Raw);
}

/// The output for these lines, as the decoder reads them.
fn read_lines(parser: &mut Acp, lines: &[String]) -> Output {
    let (mut reader, mut out) = (LineReader::default(), Output::default());
    for line in lines {
        reader.handle_line(line, parser, &mut out);
    }
    reader.finish(parser, &mut out);
    out
}

/// A chunk of the assistant's text, given as JSON.
fn chunk(text: &str) -> String {
    let update = r#"{"sessionUpdate":"agent_message_chunk","messageId":"m","content":{"type":"text","text":TEXT}}"#;
    let update = update.replace("TEXT", text);
    format!(r#"{{"method":"session/update","params":{{"sessionId":"s","update":{update}}}}}"#)
}

const END_TURN: &str = r#"{"id":3,"result":{"stopReason":"end_turn"}}"#;

/// The tokens, the message and the result of a turn.
fn texts(out: &Output) -> (String, Vec<&str>, &str) {
    let tokens = out.items.iter().filter_map(|item| match item {
        Item::Event(StreamEvent::Token { content }) => Some(content.text.as_str()),
        _ => None,
    });
    let messages = out.items.iter().filter_map(|item| match item {
        Item::Event(StreamEvent::Message { content, .. }) => Some(content.as_str()),
        _ => None,
    });
    let Some(Item::TurnEnded(Ok(result))) = out.items.last() else { panic!("{out:?}") };
    (tokens.collect(), messages.collect(), result)
}

#[test]
fn a_surrogate_pair_that_is_split_over_two_chunks_is_joined() {
    let lines = [chunk(r#""lift off \ud83d""#), chunk(r#""\ude80 now \ud83d""#), END_TURN.to_owned()];
    let out = read_lines(&mut in_turn("x"), &lines);
    let text = "lift off 🚀 now \u{fffd}";
    assert_eq!(texts(&out), (text.to_owned(), vec![text], text));
}

#[test]
fn messages_are_found_among_other_bytes_on_their_line() {
    let line = format!("\u{1b}[33mwarn\u{1b}[0m {}{} (node:7) Warning: {END_TURN}", chunk("\"a\""), chunk("\"b\""));
    let out = read_lines(&mut in_turn("x"), &[line]);
    assert_eq!(texts(&out), ("ab".to_owned(), vec!["ab"], "ab"));
    let raw: Vec<_> = out.items.iter().filter(|item| matches!(item, Item::Event(StreamEvent::Raw { .. }))).collect();
    assert_eq!(raw.len(), 2, "{raw:?}");
}

#[test]
fn calls_with_a_reused_id_have_ids_of_their_own_in_the_log() {
    let mut parser = in_turn("x");
    let mut items = Vec::new();
    for name in ["first", "second"] {
        let call = json!({ "sessionUpdate": "tool_call", "toolCallId": "call_0", "title": name, "rawInput": { "command": name } });
        items.extend(update(&mut parser, &call).1.items);
        let request =
            json!({ "sessionId": "s", "toolCall": { "toolCallId": "call_0" }, "options": [{ "optionId": "y", "kind": "allow_once" }] });
        items.extend(send_line(&mut parser, &json!({ "id": name, "method": "session/request_permission", "params": request })).1.items);
        let end = json!({ "sessionUpdate": "tool_call_update", "toolCallId": "call_0", "status": "completed", "rawOutput": name });
        items.extend(update(&mut parser, &end).1.items);
    }
    let seen: Vec<_> = items
        .iter()
        .filter_map(|item| match item {
            Item::Event(StreamEvent::ToolCall(call)) => Some(("call", call.id.as_str(), call.input["command"].as_str()?)),
            Item::Event(StreamEvent::PermissionRequest { tool_call_id: Some(id), input, .. }) => {
                Some(("request", id, input["command"].as_str()?))
            }
            Item::Event(StreamEvent::ToolResult { id, content, .. }) => Some(("result", id, content)),
            _ => None,
        })
        .collect();
    assert_eq!(
        seen,
        [
            ("call", "call_0", "first"),
            ("request", "call_0", "first"),
            ("result", "call_0", "first"),
            ("call", "call_0#2", "second"),
            ("request", "call_0#2", "second"),
            ("result", "call_0#2", "second"),
        ]
    );
}
