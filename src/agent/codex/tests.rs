//! The recordings of the real program, and what no program would write.

use serde_json::{Value, json};

use super::Codex;
use crate::agent::replay::{self, Decide as _, Recording, Replayed, Step};
use crate::agent::{Fate, Installed, Mode, Output, Parser, Program, Task};
use crate::types::{Decision, StreamEvent, ToolStatus};

const AGENT: &str = "codex";

fn installed() -> Installed {
    replay::installed("codex", "0.169.0", "codex")
}

fn parser(mode: Mode, task: &Task) -> Box<dyn Parser> {
    Codex::new(mode, None).parser(task, &installed())
}

/// The task that a recording carries out: some continue a conversation.
fn task_of(recording: &Recording) -> Task {
    let mut task = replay::task(AGENT);
    let later = [
        "appserver_resume_2",
        "appserver_untrusted_resume_other_model",
        "resume_2",
        "resume_3",
        "resume_4",
        "resume_after_sigint_2",
        "resume_other_dir",
        "resume_stdin",
    ];
    if later.contains(&recording.name.as_str()) {
        task.resume = Some("01a201ff-2c3f-7cb0-8cbe-bff997677a67".to_owned());
    }
    task
}

fn replayed(recording: &Recording) -> Replayed {
    let mode = if recording.two_way { Mode::TwoWay } else { Mode::OneShot };
    replay::replay(recording, parser(mode, &task_of(recording)), |sent| {
        let decision = match sent["result"]["decision"].as_str()? {
            "accept" => Decision::AllowOnce,
            "acceptForSession" => Decision::AllowAlways,
            _ => Decision::Deny,
        };
        Some((sent["id"].to_string(), decision))
    })
}

#[test]
fn every_recording_gives_the_events_that_a_client_sees() {
    for recording in replay::recordings(AGENT) {
        insta::with_settings!({ snapshot_suffix => recording.name.clone(), omit_expression => true, prepend_module_to_snapshot => false }, {
            insta::assert_snapshot!("replay", replayed(&recording).snapshot());
        });
    }
}

#[test]
fn tokens_add_up_to_the_message_that_follows_them() {
    for recording in replay::recordings(AGENT).iter().filter(|recording| recording.two_way) {
        let mut written = String::new();
        let mut writer = None;
        for event in replayed(recording).events() {
            match event {
                StreamEvent::Token { content } => {
                    // A dropped stream begins its message anew.
                    if writer != content.message_id {
                        written.clear();
                    }
                    writer.clone_from(&content.message_id);
                    written.push_str(&content.text);
                }
                StreamEvent::Message { content, message_id, .. } => {
                    assert_eq!((&written, &writer), (content, message_id), "{}", recording.name);
                    written.clear();
                }
                _ => {}
            }
        }
    }
}

#[test]
fn every_tool_result_and_permission_has_its_call_before_it() {
    for recording in &replay::recordings(AGENT) {
        let mut calls = Vec::new();
        for event in replayed(recording).events() {
            match event {
                StreamEvent::ToolCall(call) => calls.push(call.id.clone()),
                StreamEvent::ToolResult { id, .. } | StreamEvent::ToolOutput { id, .. } => {
                    assert!(calls.contains(id), "{}", recording.name);
                }
                StreamEvent::PermissionRequest { tool_call_id, .. } => {
                    assert!(tool_call_id.as_ref().is_some_and(|id| calls.contains(id)), "{}", recording.name);
                }
                _ => {}
            }
        }
    }
}

#[test]
fn no_line_of_a_recording_makes_the_parser_panic_in_any_order_or_shape() {
    for mode in [Mode::TwoWay, Mode::OneShot] {
        let mut recordings = replay::recordings(AGENT);
        recordings.retain(|recording| recording.two_way == (mode == Mode::TwoWay));
        replay::survives_anything(&recordings, || parser(mode, &replay::task(AGENT)));
    }
}

/// A parser whose turn has begun in thread `t`.
fn begun() -> Box<dyn Parser> {
    let mut parser = parser(Mode::TwoWay, &replay::task(AGENT));
    parser.open(&mut Output::default());
    for line in [
        json!({ "id": 1, "result": { "userAgent": "openrunner/0.169.0 (x)" } }),
        json!({ "id": 2, "result": { "thread": { "id": "t" }, "model": "m" } }),
        json!({ "id": 3, "result": {} }),
        json!({ "method": "turn/started", "params": { "threadId": "t" } }),
    ] {
        assert_ne!(parser.line(&line.to_string(), &mut Output::default()), Fate::Raw, "{line}");
    }
    parser
}

/// What a parser makes of one line, as the lines of a snapshot.
fn made(parser: &mut dyn Parser, line: &Value) -> (Fate, Vec<StreamEvent>, Vec<Value>) {
    let mut out = Output::default();
    let line = line.to_string();
    let fate = parser.line(&line, &mut out);
    replay::assert_fate(fate, &line, &out);
    let (events, sent) = taken(out);
    (fate, events, sent)
}

fn taken(out: Output) -> (Vec<StreamEvent>, Vec<Value>) {
    let events = out.items.into_iter().filter_map(|item| match item {
        crate::agent::Item::Event(event) => Some(event),
        _ => None,
    });
    let sent = String::from_utf8(out.send).unwrap();
    (events.collect(), sent.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

#[test]
fn a_request_that_nobody_knows_is_refused_and_kept() {
    let mut parser = begun();
    let (fate, _, sent) = made(&mut *parser, &json!({ "id": "x-1", "method": "future/request", "params": {} }));
    assert_eq!(fate, Fate::Raw);
    assert_eq!((&sent[0]["id"], &sent[0]["error"]["code"]), (&json!("x-1"), &json!(-32601)));
}

#[test]
fn a_question_of_the_model_gets_no_answer_so_that_the_turn_goes_on() {
    let mut parser = begun();
    let questions = json!([{ "id": "q", "header": "Colour", "question": "Which?", "options": [{ "label": "blue", "description": "" }] }]);
    let params = json!({ "threadId": "t", "turnId": "u", "itemId": "i", "isBlocking": true, "questions": questions });
    let (_, events, sent) = made(&mut *parser, &json!({ "id": 4, "method": "item/tool/requestUserInput", "params": params }));
    assert_eq!(sent, [json!({ "id": 4, "result": { "answers": { "q": { "answers": [] } } } })]);
    assert!(matches!(&events[..], [StreamEvent::Question { .. }, StreamEvent::QuestionResolved { .. }]), "{events:?}");
}

#[test]
fn what_is_not_shown_is_denied() {
    for (method, kind) in [("item/fileChange/requestApproval", "command"), ("item/commandExecution/requestApproval", "writeStdin")] {
        let mut parser = begun();
        let ask = json!({ "id": 0, "method": method, "params": { "threadId": "t", "turnId": "u", "itemId": "gone", "kind": kind } });
        let (_, events, sent) = made(&mut *parser, &ask);
        assert_eq!(sent, [json!({ "id": 0, "result": { "decision": "decline" } })]);
        assert!(matches!(&events[..], [StreamEvent::Notice { .. }]), "{events:?}");
    }
}

#[test]
fn an_mcp_tool_waits_for_a_decision_and_an_mcp_form_is_declined() {
    let ask = |meta: Value| {
        let params = json!({ "threadId": "t", "turnId": "u", "serverName": "files", "mode": "form", "message": "May it?",
            "requestedSchema": { "type": "object", "properties": {} }, "_meta": meta });
        json!({ "id": 9, "method": "mcpServer/elicitation/request", "params": params })
    };
    let mut parser = begun();
    let (_, events, _) = made(&mut *parser, &ask(json!({ "codex_approval_kind": "mcp_tool_call", "tool_params": { "path": "a" } })));
    let [StreamEvent::PermissionRequest { id, tool, input, .. }] = &events[..] else { panic!("{events:?}") };
    assert_eq!((tool.as_str(), &input["_meta"]["tool_params"]), ("files", &json!({ "path": "a" })));
    let mut out = Output::default();
    parser.decide(id, Decision::AllowOnce, &mut out);
    assert_eq!(taken(out).1, [json!({ "id": 9, "result": { "action": "accept", "content": {} } })]);
    let (_, events, sent) = made(&mut *parser, &ask(Value::Null));
    assert_eq!(sent, [json!({ "id": 9, "result": { "action": "decline" } })]);
    assert!(matches!(&events[..], [StreamEvent::Notice { .. }]), "{events:?}");
}

#[test]
fn more_rights_are_granted_as_asked_for_or_not_at_all() {
    for (decision, expected) in [
        (Decision::AllowOnce, json!({ "permissions": { "network": { "enabled": true } }, "scope": "turn" })),
        (Decision::AllowAlways, json!({ "permissions": { "network": { "enabled": true } }, "scope": "session" })),
        (Decision::Deny, json!({ "permissions": {}, "scope": "turn" })),
    ] {
        let mut parser = begun();
        let params = json!({ "threadId": "t", "itemId": "i", "cwd": "/w", "permissions": { "network": { "enabled": true } } });
        let (_, events, _) = made(&mut *parser, &json!({ "id": 5, "method": "item/permissions/requestApproval", "params": params }));
        let [StreamEvent::PermissionRequest { id, input, .. }] = &events[..] else { panic!("{events:?}") };
        assert_eq!(input, &json!({ "cwd": "/w", "permissions": { "network": { "enabled": true } } }));
        let mut out = Output::default();
        parser.decide(id, decision, &mut out);
        assert_eq!(taken(out).1, [json!({ "id": 5, "result": expected })]);
    }
}

#[test]
fn a_request_that_became_void_takes_no_answer_any_more() {
    let mut parser = begun();
    let params = json!({ "threadId": "t", "itemId": "i", "command": "ls" });
    made(&mut *parser, &json!({ "id": 0, "method": "item/commandExecution/requestApproval", "params": params }));
    let resolved = json!({ "method": "serverRequest/resolved", "params": { "threadId": "t", "requestId": 0 } });
    assert_eq!(made(&mut *parser, &resolved).0, Fate::Kept);
    let mut out = Output::default();
    parser.decide("0", Decision::AllowOnce, &mut out);
    assert!(out.is_empty());
}

#[test]
fn a_sub_agents_words_name_the_call_that_it_works_for() {
    let mut parser = begun();
    let item = |status: &str| {
        json!({ "type": "collabAgentToolCall", "id": "call", "tool": "spawnAgent", "prompt": "Look", "senderThreadId": "t",
        "receiverThreadIds": if status == "completed" { json!(["sub"]) } else { json!([]) }, "agentsStates": {}, "status": status })
    };
    made(&mut *parser, &json!({ "method": "item/started", "params": { "threadId": "t", "item": item("inProgress") } }));
    made(&mut *parser, &json!({ "method": "thread/started", "params": { "thread": { "id": "sub", "parentThreadId": "t" } } }));
    made(&mut *parser, &json!({ "method": "item/completed", "params": { "threadId": "t", "item": item("completed") } }));
    let delta = json!({ "threadId": "sub", "turnId": "u", "itemId": "m", "delta": "Hi" });
    let (_, events, _) = made(&mut *parser, &json!({ "method": "item/agentMessage/delta", "params": delta }));
    let [StreamEvent::Token { content }] = &events[..] else { panic!("{events:?}") };
    assert_eq!(content.parent_tool_call_id.as_deref(), Some("call"));
    let over = json!({ "threadId": "sub", "turn": { "id": "u", "items": [], "status": "completed" } });
    assert_eq!(
        made(&mut *parser, &json!({ "method": "turn/completed", "params": over })).0,
        Fate::Noise,
        "only our own turn ends the run's"
    );
}

#[test]
fn tools_that_no_recording_has_are_told_as_calls_with_results() {
    let items = [
        json!({ "type": "mcpToolCall", "id": "a", "server": "files", "tool": "find", "arguments": { "name": "x" }, "status": "completed",
            "result": { "content": [{ "type": "text", "text": "found" }] } }),
        json!({ "type": "mcpToolCall", "id": "b", "server": "files", "tool": "find", "arguments": {}, "status": "failed",
            "error": { "message": "no" } }),
        json!({ "type": "webSearch", "id": "c", "query": "rust", "action": { "type": "search", "query": "rust" } }),
        json!({ "type": "imageView", "id": "d", "path": "/w/a.png" }),
    ];
    let results: Vec<_> = items
        .iter()
        .map(|item| {
            let (_, events, _) = made(&mut *begun(), &json!({ "method": "item/completed", "params": { "threadId": "t", "item": item } }));
            let [StreamEvent::ToolCall(call), StreamEvent::ToolResult { status, content, .. }] = &events[..] else { panic!("{events:?}") };
            (call.name.clone(), call.title.clone(), *status, content.clone())
        })
        .collect();
    let result = |name: &str, title: &str, status, content: &str| (name.to_owned(), title.to_owned(), status, content.to_owned());
    assert_eq!(
        results,
        [
            result("files.find", "files.find", ToolStatus::Ok, "found"),
            result("files.find", "files.find", ToolStatus::Error, "no"),
            result("webSearch", "rust", ToolStatus::Ok, ""),
            result("imageView", "/w/a.png", ToolStatus::Ok, ""),
        ]
    );
}

#[test]
fn a_reached_limit_is_told_once_with_its_end() {
    let mut parser = begun();
    let limits = json!({ "rateLimitReachedType": "rate_limit_reached", "primary": { "usedPercent": 100, "resetsAt": 1_795_329_782 } });
    let line = json!({ "method": "account/rateLimits/updated", "params": { "rateLimits": limits } });
    let (_, events, _) = made(&mut *parser, &line);
    let [StreamEvent::Notice { data, .. }] = &events[..] else { panic!("{events:?}") };
    assert_eq!(data, &Some(json!({ "resets_at": "2026-11-22T06:43:02.000Z" })));
    assert_eq!(made(&mut *parser, &line).0, Fate::Noise);
}

#[test]
fn an_answer_of_an_unknown_form_ends_the_run_and_not_in_silence() {
    let mut parser = parser(Mode::TwoWay, &replay::task(AGENT));
    parser.open(&mut Output::default());
    let mut out = Output::default();
    assert_eq!(parser.line(r#"{"id":1,"result":7}"#, &mut out), Fate::Raw);
    assert!(out.items.iter().any(|item| matches!(item, crate::agent::Item::TurnEnded(Err(_)))), "{out:?}");
}

#[test]
fn the_prompt_goes_by_stdin_and_stays_open_only_in_two_way_mode() {
    let recording = replay::recording(AGENT, "text");
    let steps = replayed(&recording).steps;
    assert!(matches!(&steps[..2], [Step::Send(prompt), Step::CloseStdin] if prompt == "Create hello.py"));
    let recording = replay::recording(AGENT, "appserver_tool");
    assert!(!replayed(&recording).steps.iter().any(|step| matches!(step, Step::CloseStdin)));
}
