//! Replays the recordings of the real program, and tests input that no recording contains.

use serde_json::{Value, json};

use super::Codex;
use crate::agent::common::LineReader;
use crate::agent::replay::{self, Action, Decide as _, Recording, Replayed, Step};
use crate::agent::{Installed, Item, LineOutcome, Mode, Output, Parser, Program, Task};
use crate::types::bounds::MAX_OPEN_REQUESTS;
use crate::types::{Answer, Cause, Decision, Failure, McpServer, McpTransport, PermissionMode, StreamEvent, ToolKind, ToolStatus};

const AGENT: &str = "codex";

fn installed() -> Installed {
    replay::installed("codex", "0.169.0", "codex")
}

fn parser(mode: Mode, task: &Task) -> Box<dyn Parser> {
    Codex::new(mode, None).parser(task, &installed())
}

/// The task of a recording. Some continue a conversation.
fn task_of(recording: &Recording) -> Task {
    let mut task = replay::task(AGENT);
    let continued = [
        "appserver_resume_2",
        "appserver_untrusted_resume_other_model",
        "resume_2",
        "resume_3",
        "resume_4",
        "resume_after_sigint_2",
        "resume_other_dir",
        "resume_stdin",
    ];
    if continued.contains(&recording.name.as_str()) {
        task.resume = Some("01a201ff-2c3f-7cb0-8cbe-bff997677a67".to_owned());
    }
    task
}

fn replayed(recording: &Recording) -> Replayed {
    let mode = if recording.two_way { Mode::TwoWay } else { Mode::OneShot };
    replay::replay(recording, parser(mode, &task_of(recording)), action)
}

/// The driver action that corresponds to a line of the recorder.
fn action(sent: &Value) -> Option<Action> {
    let text = || sent["params"]["input"][0]["text"].as_str().map(str::to_owned);
    match sent["method"].as_str() {
        Some("turn/start") => text().map(Action::Message),
        Some("turn/steer") => text().map(Action::Steer),
        Some("turn/interrupt") => Some(Action::Interrupt),
        Some(_) => None,
        None => {
            let decision = match sent["result"]["decision"].as_str()? {
                "accept" => Decision::AllowOnce,
                "acceptForSession" => Decision::AllowAlways,
                _ => Decision::Deny,
            };
            Some((sent["id"].to_string(), decision).into())
        }
    }
}

#[test]
fn recordings_match_their_snapshots() {
    for recording in replay::recordings(AGENT) {
        insta::with_settings!({ snapshot_suffix => recording.name.clone(), omit_expression => true, prepend_module_to_snapshot => false }, {
            insta::assert_snapshot!("replay", replayed(&recording).snapshot());
        });
    }
}

#[test]
fn the_tokens_of_a_message_add_up_to_its_text() {
    for recording in replay::recordings(AGENT).iter().filter(|recording| recording.two_way) {
        let mut streamed = String::new();
        let mut streamed_id = None;
        for event in replayed(recording).events() {
            match event {
                StreamEvent::Token { content } => {
                    // After a dropped stream the message starts again.
                    if streamed_id != content.message_id {
                        streamed.clear();
                    }
                    streamed_id.clone_from(&content.message_id);
                    streamed.push_str(&content.text);
                }
                StreamEvent::Message { content, message_id, .. } => {
                    assert_eq!((&streamed, &streamed_id), (content, message_id), "{}", recording.name);
                    streamed.clear();
                }
                _ => {}
            }
        }
    }
}

#[test]
fn every_tool_result_and_permission_request_follows_its_call() {
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
fn arbitrary_input_never_panics() {
    for mode in [Mode::TwoWay, Mode::OneShot] {
        let mut recordings = replay::recordings(AGENT);
        recordings.retain(|recording| recording.two_way == (mode == Mode::TwoWay));
        replay::survives_anything(&recordings, || parser(mode, &replay::task(AGENT)));
    }
}

/// A parser with a running turn in thread `t`.
fn parser_in_turn() -> Box<dyn Parser> {
    parser_in_turn_for(&replay::task(AGENT))
}

fn parser_in_turn_for(task: &Task) -> Box<dyn Parser> {
    let mut parser = parser(Mode::TwoWay, task);
    parser.open(&mut Output::default());
    for line in [
        json!({ "id": 1, "result": { "userAgent": "openrunner/0.169.0 (x)" } }),
        json!({ "id": 2, "result": { "thread": { "id": "t" }, "model": "m" } }),
        json!({ "id": 3, "result": {} }),
        json!({ "method": "turn/started", "params": { "threadId": "t", "turn": { "id": "u" } } }),
    ] {
        assert_ne!(parser.handle_line(&line.to_string(), &mut Output::default()), LineOutcome::Raw, "{line}");
    }
    parser
}

/// Parses one line. Returns its outcome, the events and the messages to Codex.
fn parse(parser: &mut dyn Parser, line: &Value) -> (LineOutcome, Vec<StreamEvent>, Vec<Value>) {
    let mut out = Output::default();
    let line = line.to_string();
    let outcome = parser.handle_line(&line, &mut out);
    replay::assert_outcome(outcome, &line, &out);
    let (events, sent) = split_output(out);
    (outcome, events, sent)
}

fn split_output(out: Output) -> (Vec<StreamEvent>, Vec<Value>) {
    let events = out.items.into_iter().filter_map(|item| match item {
        crate::agent::Item::Event(event) => Some(event),
        _ => None,
    });
    let sent = String::from_utf8(out.send).unwrap();
    (events.collect(), sent.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

#[test]
fn an_unknown_request_is_rejected_and_becomes_raw() {
    let mut parser = parser_in_turn();
    let (outcome, _, sent) = parse(&mut *parser, &json!({ "id": "x-1", "method": "future/request", "params": {} }));
    assert_eq!(outcome, LineOutcome::Raw);
    assert_eq!((&sent[0]["id"], &sent[0]["error"]["code"]), (&json!("x-1"), &json!(-32601)));
}

#[test]
fn a_question_waits_for_its_answer_which_may_be_empty() {
    for (answers, expected) in [(vec![vec!["blue".to_owned()]], json!(["blue"])), (vec![vec![]], json!([])), (vec![], json!([]))] {
        let mut parser = parser_in_turn();
        let questions =
            json!([{ "id": "q", "header": "Color", "question": "Which?", "options": [{ "label": "blue", "description": "" }] }]);
        let params = json!({ "threadId": "t", "turnId": "u", "itemId": "i", "isBlocking": true, "questions": questions });
        let (_, events, sent) = parse(&mut *parser, &json!({ "id": 4, "method": "item/tool/requestUserInput", "params": params }));
        assert!(sent.is_empty() && matches!(&events[..], [StreamEvent::Question { .. }]), "{events:?}");
        let mut out = Output::default();
        parser.decide("4", Decision::AllowOnce, &mut out);
        assert!(out.is_empty(), "an answer of the wrong kind");
        parser.answer("4", &Answer::Question { answers }, &mut out);
        assert_eq!(split_output(out).1, [json!({ "id": 4, "result": { "answers": { "q": { "answers": expected } } } })]);
    }
}

#[test]
fn the_message_of_a_denial_is_added_to_the_turn() {
    let mut parser = parser_in_turn();
    let params = json!({ "threadId": "t", "itemId": "i", "command": "ls" });
    parse(&mut *parser, &json!({ "id": 0, "method": "item/commandExecution/requestApproval", "params": params }));
    let mut out = Output::default();
    parser.answer("0", &Answer::Permission { decision: Decision::Deny, message: Some("use rg".into()), option_id: None }, &mut out);
    let steer = json!({ "threadId": "t", "expectedTurnId": "u", "input": [{ "type": "text", "text": "use rg" }] });
    let expected = [json!({ "id": 0, "result": { "decision": "decline" } }), json!({ "id": 4, "method": "turn/steer", "params": steer })];
    assert_eq!(split_output(out).1, expected);
}

/// The methods of the requests that were sent to Codex.
fn sent_methods(out: Output) -> Vec<String> {
    split_output(out).1.iter().filter_map(|sent| sent["method"].as_str().map(str::to_owned)).collect()
}

#[test]
fn messages_and_interrupts_before_the_turn_starts_are_sent_when_it_starts() {
    let mut parser = parser(Mode::TwoWay, &replay::task(AGENT));
    let mut out = Output::default();
    parser.open(&mut out);
    out = Output::default();
    assert!(parser.steer(&"and this".into(), &mut out) && out.is_empty());
    for line in [
        json!({ "id": 1, "result": { "userAgent": "openrunner/0.169.0 (x)" } }),
        json!({ "id": 2, "result": { "thread": { "id": "t" }, "model": "m" } }),
        json!({ "id": 3, "result": { "turn": { "id": "u" } } }),
    ] {
        parser.handle_line(&line.to_string(), &mut out);
    }
    assert_eq!(sent_methods(out), ["initialized", "thread/start", "turn/start"]);
    out = Output::default();
    assert!(parser.interrupt(&mut out) && parser.interrupt(&mut out) && out.is_empty());
    parser.handle_line(r#"{"method":"turn/started","params":{"threadId":"t","turn":{"id":"u"}}}"#, &mut out);
    assert_eq!(sent_methods(out), ["turn/steer", "turn/interrupt"]);
    assert!(!parser.steer(&"too late".into(), &mut Output::default()));
}

#[test]
fn an_interrupt_before_the_thread_is_open_ends_the_turn_before_it_starts() {
    let mut parser = parser(Mode::TwoWay, &replay::task(AGENT));
    let mut out = Output::default();
    parser.open(&mut out);
    assert!(parser.interrupt(&mut out));
    parser.handle_line(r#"{"id":1,"result":{"userAgent":"openrunner/0.169.0 (x)"}}"#, &mut out);
    out = Output::default();
    parser.handle_line(r#"{"id":2,"result":{"thread":{"id":"t"},"model":"m"}}"#, &mut out);
    assert!(out.send.is_empty());
    assert!(matches!(&out.items[..], [Item::Started(_), Item::TurnEnded(Err(Failure { cause: Cause::Cancelled, .. }))]), "{out:?}");
    assert!(!parser.interrupt(&mut Output::default()));
    out = Output::default();
    assert!(parser.begin_turn(&"now".into(), &mut out));
    assert_eq!(sent_methods(out), ["turn/start"]);
}

#[test]
fn an_interrupted_turn_leaves_no_call_and_no_request_open() {
    let mut parser = parser_in_turn();
    let items = [
        ("command", json!({ "type": "commandExecution", "command": "sleep 9", "id": "command", "status": "inProgress" })),
        ("patch", json!({ "type": "fileChange", "changes": [], "id": "patch", "status": "inProgress" })),
    ];
    for (_, item) in &items {
        parse(&mut *parser, &json!({ "method": "item/started", "params": { "threadId": "t", "item": item } }));
    }
    parse(&mut *parser, &json!({ "id": 0, "method": "item/fileChange/requestApproval", "params": { "threadId": "t", "itemId": "patch" } }));
    parser.interrupt(&mut Output::default());
    let over = json!({ "method": "turn/completed", "params": { "threadId": "t", "turn": { "id": "u", "status": "interrupted" } } });
    let mut out = Output::default();
    parser.handle_line(&over.to_string(), &mut out);
    let events: Vec<_> = out.items.iter().map(|item| if let Item::Event(event) = item { event.name() } else { "end" }).collect();
    assert_eq!(events, ["permission_resolved", "tool_result"], "the turn waits for the end of the command");
    assert!(matches!(&out.items[1], Item::Event(StreamEvent::ToolResult { status: ToolStatus::Denied, .. })));
    assert_eq!(sent_methods(out), ["thread/backgroundTerminals/clean"]);
    let again = parse(&mut *parser, &json!({ "id": 5, "result": {} }));
    assert_eq!((again.0, again.1.len()), (LineOutcome::Emitted, 0), "the end of the command may still be reported");
    let ended = json!({ "type": "commandExecution", "command": "sleep 9", "id": "command", "status": "failed", "exitCode": -1 });
    out = Output::default();
    parser.handle_line(&json!({ "method": "item/completed", "params": { "threadId": "t", "item": ended } }).to_string(), &mut out);
    assert!(matches!(&out.items[..], [Item::Event(StreamEvent::ToolResult { .. }), Item::TurnEnded(Err(_))]), "{out:?}");
    assert_eq!(
        parse(&mut *parser, &json!({ "method": "item/completed", "params": { "threadId": "t", "item": items[1].1 } })).0,
        LineOutcome::Ignored
    );
    assert!(parser.begin_turn(&"go on".into(), &mut Output::default()));
}

#[test]
fn commands_that_cannot_be_terminated_do_not_delay_the_end_of_the_turn() {
    let mut parser = parser_in_turn();
    let item = json!({ "type": "commandExecution", "command": "sleep 9", "id": "command", "status": "inProgress" });
    parse(&mut *parser, &json!({ "method": "item/started", "params": { "threadId": "t", "item": item } }));
    parser.interrupt(&mut Output::default());
    parse(&mut *parser, &json!({ "method": "turn/completed", "params": { "threadId": "t", "turn": { "status": "interrupted" } } }));
    let mut out = Output::default();
    parser.handle_line(r#"{"id":5,"error":{"code":-32600,"message":"no"}}"#, &mut out);
    assert!(matches!(&out.items[..], [Item::Event(StreamEvent::ToolResult { .. }), Item::TurnEnded(Err(_))]), "{out:?}");
}

#[test]
fn a_command_whose_end_is_never_reported_delays_the_end_of_the_turn_only_briefly() {
    let mut parser = parser_in_turn();
    let item = json!({ "type": "commandExecution", "command": "sleep 9", "id": "command", "status": "inProgress" });
    parse(&mut *parser, &json!({ "method": "item/started", "params": { "threadId": "t", "item": item } }));
    parser.interrupt(&mut Output::default());
    parse(&mut *parser, &json!({ "method": "turn/completed", "params": { "threadId": "t", "turn": { "status": "interrupted" } } }));
    let mut out = Output::default();
    let responses = (5..1000).take_while(|id| {
        parser.handle_line(&json!({ "id": id, "result": {} }).to_string(), &mut out);
        out.items.is_empty()
    });
    assert!(responses.count() < 100, "the wait is not bounded");
    assert!(matches!(&out.items[..], [Item::Event(StreamEvent::ToolResult { .. }), Item::TurnEnded(Err(_))]), "{out:?}");
}

#[test]
fn every_request_is_resolved_once_in_any_order_of_input() {
    let mut recordings = replay::recordings(AGENT);
    recordings.retain(|recording| recording.two_way);
    replay::resolves_every_request_once(&recordings, || parser(Mode::TwoWay, &replay::task(AGENT)));
}

#[test]
fn requests_beyond_the_maximum_are_denied_with_a_notice() {
    let mut parser = parser_in_turn();
    let params = json!({ "threadId": "t", "command": "ls", "kind": "command" });
    let mut ask =
        |id: usize| parse(&mut *parser, &json!({ "id": id, "method": "item/commandExecution/requestApproval", "params": params }));
    for id in 0..MAX_OPEN_REQUESTS {
        assert!(ask(id).2.is_empty(), "request {id} was answered");
    }
    let (_, events, sent) = ask(MAX_OPEN_REQUESTS);
    assert!(matches!(events[..], [StreamEvent::Notice { .. }]), "{events:?}");
    assert_eq!(sent[0], json!({ "id": MAX_OPEN_REQUESTS, "result": { "decision": "decline" } }));
    let params = json!({ "threadId": "t", "questions": [] });
    let (_, events, sent) = parse(&mut *parser, &json!({ "id": "q", "method": "item/tool/requestUserInput", "params": params }));
    assert!(events.is_empty(), "a second notice: {events:?}");
    assert_eq!(sent[0], json!({ "id": "q", "result": { "answers": {} } }));
}

#[test]
fn a_command_counts_as_read_only_only_in_a_read_only_sandbox() {
    let kind = |mode, params: &Value| {
        let mut task = replay::task(AGENT);
        task.spec.permission_mode = mode;
        let mut parser = parser_in_turn_for(&task);
        let (_, events, _) = parse(&mut *parser, &json!({ "id": 0, "method": "item/commandExecution/requestApproval", "params": params }));
        let [StreamEvent::PermissionRequest { kind, .. }] = &events[..] else { panic!("{events:?}") };
        *kind
    };
    let params = |action: &str| json!({ "threadId": "t", "command": "cat x", "kind": "command", "commandActions": [{ "type": action }] });
    assert_eq!(kind(PermissionMode::ReadOnly, &params("read")), ToolKind::Read);
    assert_eq!(kind(PermissionMode::ReadOnly, &params("search")), ToolKind::Search);
    assert_eq!(kind(PermissionMode::ReadOnly, &params("unknown")), ToolKind::Execute);
    assert_eq!(kind(PermissionMode::Ask, &params("read")), ToolKind::Execute);
    let mut outside = params("read");
    outside["reason"] = json!("command failed; retry without sandbox?");
    assert_eq!(kind(PermissionMode::ReadOnly, &outside), ToolKind::Execute);
}

#[test]
fn mcp_servers_are_sent_with_the_thread_and_their_secrets_are_never_shown() {
    let mut task = replay::task(AGENT);
    let headers = [("Authorization".to_owned(), "s3cret".to_owned())].into();
    task.mcp_servers = vec![McpServer { name: "web".into(), transport: McpTransport::Http { url: "http://x/y".into(), headers } }];
    let invocation = Codex::new(Mode::TwoWay, None).invocation(&task, &installed()).unwrap();
    assert!(!format!("{invocation:?}").contains("s3cret"));
    assert_eq!(Codex::new(Mode::OneShot, None).invocation(&task, &installed()).unwrap_err().cause, Cause::BadArguments);
    let mut parser = parser(Mode::TwoWay, &task);
    parser.open(&mut Output::default());
    let (_, _, sent) = parse(&mut *parser, &json!({ "id": 1, "result": { "userAgent": "openrunner/0.169.0 (x)" } }));
    let expected = json!({ "mcp_servers.web": { "url": "http://x/y", "http_headers": { "Authorization": "s3cret" } } });
    assert_eq!(sent[1]["params"]["config"], expected);
    let failed = json!({ "name": "web", "status": "failed", "error": "http://x/y refused s3cret" });
    let (_, events, _) = parse(&mut *parser, &json!({ "method": "mcpServer/startupStatus/updated", "params": failed }));
    let [StreamEvent::Notice { message, .. }] = &events[..] else { panic!("{events:?}") };
    assert_eq!(message, "MCP server web failed to start: [masked] refused [masked]");
}

#[test]
fn an_exhausted_account_is_reported_with_its_reset_time() {
    let mut parser = parser_in_turn();
    let limits = json!({ "rateLimitReachedType": null, "primary": { "usedPercent": 100, "resetsAt": 1_795_329_782 } });
    parse(&mut *parser, &json!({ "method": "account/rateLimits/updated", "params": { "rateLimits": limits } }));
    let error = json!({ "message": "You've hit your usage limit.", "codexErrorInfo": "usageLimitExceeded" });
    let (_, events, _) = parse(&mut *parser, &json!({ "method": "error", "params": { "error": error, "willRetry": false } }));
    let [StreamEvent::Notice { data, .. }, StreamEvent::AgentError { code, .. }] = &events[..] else { panic!("{events:?}") };
    assert_eq!((data, code.as_str()), (&Some(json!({ "resets_at": "2026-11-22T06:43:02.000Z" })), "rate_limited"));
}

#[test]
fn a_request_whose_subject_cannot_be_shown_is_denied() {
    for (method, kind) in [("item/fileChange/requestApproval", "command"), ("item/commandExecution/requestApproval", "writeStdin")] {
        let mut parser = parser_in_turn();
        let request = json!({ "id": 0, "method": method, "params": { "threadId": "t", "turnId": "u", "itemId": "gone", "kind": kind } });
        let (_, events, sent) = parse(&mut *parser, &request);
        assert_eq!(sent, [json!({ "id": 0, "result": { "decision": "decline" } })]);
        assert!(matches!(&events[..], [StreamEvent::Notice { .. }]), "{events:?}");
    }
}

#[test]
fn an_mcp_tool_waits_for_a_decision_and_an_mcp_form_for_its_answers() {
    let ask = |meta: Value| {
        let params = json!({ "threadId": "t", "turnId": "u", "serverName": "files", "mode": "form", "message": "May it?",
            "requestedSchema": { "type": "object", "properties": {} }, "_meta": meta });
        json!({ "id": 9, "method": "mcpServer/elicitation/request", "params": params })
    };
    let mut parser = parser_in_turn();
    let (_, events, _) = parse(&mut *parser, &ask(json!({ "codex_approval_kind": "mcp_tool_call", "tool_params": { "path": "a" } })));
    let [StreamEvent::PermissionRequest { id, tool, input, .. }] = &events[..] else { panic!("{events:?}") };
    assert_eq!((tool.as_str(), &input["_meta"]["tool_params"]), ("files", &json!({ "path": "a" })));
    let mut out = Output::default();
    parser.decide(id, Decision::AllowOnce, &mut out);
    assert_eq!(split_output(out).1, [json!({ "id": 9, "result": { "action": "accept", "content": {} } })]);
    let (_, events, sent) = parse(&mut *parser, &ask(Value::Null));
    assert!(sent.is_empty() && matches!(&events[..], [StreamEvent::Question { id, .. }] if id == "9"), "{events:?}");
    let mut out = Output::default();
    parser.answer("9", &Answer::Question { answers: vec![vec!["yes".into()]] }, &mut out);
    assert_eq!(split_output(out).1, [json!({ "id": 9, "result": { "action": "accept", "content": {} } })]);
}

#[test]
fn a_form_is_filled_in_the_types_of_its_fields_and_declined_with_a_notice_if_it_cannot_be_shown() {
    let ask = |fields: Value| {
        let mut params = json!({ "threadId": "t", "turnId": "u", "serverName": "files", "mode": "form", "message": "Which file?" });
        params.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        json!({ "id": 9, "method": "mcpServer/elicitation/request", "params": params })
    };
    let answered = |request: &Value, answers: &[&[&str]]| {
        let mut parser = parser_in_turn();
        let (_, events, _) = parse(&mut *parser, request);
        let [StreamEvent::Question { questions, .. }] = &events[..] else { panic!("{events:?}") };
        assert_eq!(questions.len(), answers.len());
        let answers = answers.iter().map(|answer| answer.iter().map(|text| (*text).to_owned()).collect()).collect();
        let mut out = Output::default();
        parser.answer("9", &Answer::Question { answers }, &mut out);
        split_output(out).1[0]["result"].clone()
    };
    let properties = json!({ "name": { "type": "string" }, "lines": { "type": "integer" } });
    let form = ask(json!({ "requestedSchema": { "type": "object", "properties": properties, "required": ["name"] } }));
    // In the order of the schema's keys, which is that of their names.
    let lines_first = answered(&form, &[&["3"], &["a.txt"]]);
    let name_first = answered(&form, &[&["a.txt"], &["3"]]);
    let expected = json!({ "action": "accept", "content": { "name": "a.txt", "lines": 3 } });
    assert!([&lines_first, &name_first].contains(&&expected), "{lines_first} {name_first}");
    assert_eq!(answered(&form, &[&[], &[]]), json!({ "action": "decline" }));
    let address = ask(json!({ "mode": "url", "url": "https://a.example", "elicitationId": "e" }));
    assert_eq!(answered(&address, &[&["yes"]])["action"], "accept");
    assert_eq!(answered(&address, &[&["no"]])["action"], "decline");
    let unknown = ask(json!({ "requestedSchema": { "type": "object", "properties": { "a": { "type": "object" } } } }));
    let (_, events, sent) = parse(&mut *parser_in_turn(), &unknown);
    assert_eq!(sent, [json!({ "id": 9, "result": { "action": "decline" } })]);
    assert!(matches!(&events[..], [StreamEvent::Notice { .. }]), "{events:?}");
}

#[test]
fn permissions_are_granted_as_requested_or_not_at_all() {
    for (decision, expected) in [
        (Decision::AllowOnce, json!({ "permissions": { "network": { "enabled": true } }, "scope": "turn" })),
        (Decision::AllowAlways, json!({ "permissions": { "network": { "enabled": true } }, "scope": "session" })),
        (Decision::Deny, json!({ "permissions": {}, "scope": "turn" })),
    ] {
        let mut parser = parser_in_turn();
        let params = json!({ "threadId": "t", "itemId": "i", "cwd": "/w", "permissions": { "network": { "enabled": true } } });
        let (_, events, _) = parse(&mut *parser, &json!({ "id": 5, "method": "item/permissions/requestApproval", "params": params }));
        let [StreamEvent::PermissionRequest { id, input, .. }] = &events[..] else { panic!("{events:?}") };
        assert_eq!(input, &json!({ "cwd": "/w", "permissions": { "network": { "enabled": true } } }));
        let mut out = Output::default();
        parser.decide(id, decision, &mut out);
        assert_eq!(split_output(out).1, [json!({ "id": 5, "result": expected })]);
    }
}

#[test]
fn a_withdrawn_request_takes_no_answer() {
    let mut parser = parser_in_turn();
    let params = json!({ "threadId": "t", "itemId": "i", "command": "ls" });
    parse(&mut *parser, &json!({ "id": 0, "method": "item/commandExecution/requestApproval", "params": params }));
    let resolved = json!({ "method": "serverRequest/resolved", "params": { "threadId": "t", "requestId": 0 } });
    assert!(matches!(&parse(&mut *parser, &resolved).1[..], [StreamEvent::PermissionResolved { decision: Decision::Deny, .. }]));
    let mut out = Output::default();
    parser.decide("0", Decision::AllowOnce, &mut out);
    assert!(out.is_empty());
}

#[test]
fn the_text_of_a_sub_agent_names_its_tool_call() {
    let mut parser = parser_in_turn();
    let item = |status: &str| {
        json!({ "type": "collabAgentToolCall", "id": "call", "tool": "spawnAgent", "prompt": "Look", "senderThreadId": "t",
        "receiverThreadIds": if status == "completed" { json!(["sub"]) } else { json!([]) }, "agentsStates": {}, "status": status })
    };
    parse(&mut *parser, &json!({ "method": "item/started", "params": { "threadId": "t", "item": item("inProgress") } }));
    parse(&mut *parser, &json!({ "method": "thread/started", "params": { "thread": { "id": "sub", "parentThreadId": "t" } } }));
    parse(&mut *parser, &json!({ "method": "item/completed", "params": { "threadId": "t", "item": item("completed") } }));
    let delta = json!({ "threadId": "sub", "turnId": "u", "itemId": "m", "delta": "Hi" });
    let (_, events, _) = parse(&mut *parser, &json!({ "method": "item/agentMessage/delta", "params": delta }));
    let [StreamEvent::Token { content }] = &events[..] else { panic!("{events:?}") };
    assert_eq!(content.parent_tool_call_id.as_deref(), Some("call"));
    let over = json!({ "threadId": "sub", "turn": { "id": "u", "items": [], "status": "completed" } });
    assert_eq!(
        parse(&mut *parser, &json!({ "method": "turn/completed", "params": over })).0,
        LineOutcome::Ignored,
        "only a turn of the run's own thread ends the run's turn"
    );
}

#[test]
fn tools_that_no_recording_contains_become_calls_with_results() {
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
            let (_, events, _) =
                parse(&mut *parser_in_turn(), &json!({ "method": "item/completed", "params": { "threadId": "t", "item": item } }));
            let [StreamEvent::ToolCall(call), StreamEvent::ToolResult { status, content, .. }] = &events[..] else { panic!("{events:?}") };
            (call.tool.clone(), call.title.clone(), *status, content.clone())
        })
        .collect();
    let result = |name: &str, title: &str, status, content: &str| (name.to_owned(), title.to_owned(), status, content.to_owned());
    assert_eq!(
        results,
        [
            result("files.find", "files.find", ToolStatus::Ok, "found"),
            result("files.find", "files.find", ToolStatus::Error, "no"),
            result("webSearch", "rust", ToolStatus::Ok, ""),
            result("imageView", "/w/a.png", ToolStatus::Ok, "[image]"),
        ]
    );
}

#[test]
fn a_reached_limit_is_reported_once_with_its_reset_time() {
    let mut parser = parser_in_turn();
    let limits = json!({ "rateLimitReachedType": "rate_limit_reached", "primary": { "usedPercent": 100, "resetsAt": 1_795_329_782 } });
    let line = json!({ "method": "account/rateLimits/updated", "params": { "rateLimits": limits } });
    let (_, events, _) = parse(&mut *parser, &line);
    let [StreamEvent::Notice { data, .. }] = &events[..] else { panic!("{events:?}") };
    assert_eq!(data, &Some(json!({ "resets_at": "2026-11-22T06:43:02.000Z" })));
    assert_eq!(parse(&mut *parser, &line).0, LineOutcome::Ignored);
}

#[test]
fn an_invalid_response_ends_the_turn_with_a_failure() {
    let mut parser = parser(Mode::TwoWay, &replay::task(AGENT));
    parser.open(&mut Output::default());
    let mut out = Output::default();
    assert_eq!(parser.handle_line(r#"{"id":1,"result":7}"#, &mut out), LineOutcome::Raw);
    assert!(out.items.iter().any(|item| matches!(item, crate::agent::Item::TurnEnded(Err(_)))), "{out:?}");
}

#[test]
fn the_prompt_is_sent_on_stdin_which_stays_open_only_in_two_way_mode() {
    let recording = replay::recording(AGENT, "text");
    let steps = replayed(&recording).steps;
    assert!(matches!(&steps[..2], [Step::Send(prompt), Step::CloseStdin] if prompt == "Create hello.py"));
    let recording = replay::recording(AGENT, "appserver_tool");
    assert!(!replayed(&recording).steps.iter().any(|step| matches!(step, Step::CloseStdin)));
}

#[test]
fn a_surrogate_pair_that_is_split_over_two_deltas_is_joined() {
    let (mut parser, mut reader, mut out) = (parser_in_turn(), LineReader::default(), Output::default());
    for delta in [r"up \ud83d", r"\ude80", r"\ud83d"] {
        let params = r#"{"threadId":"t","turnId":"u","itemId":"m","delta":"DELTA"}"#.replace("DELTA", delta);
        reader.handle_line(&format!(r#"{{"method":"item/agentMessage/delta","params":{params}}}"#), &mut *parser, &mut out);
    }
    reader.finish(&mut *parser, &mut out);
    let tokens = out.items.iter().filter_map(|item| match item {
        Item::Event(StreamEvent::Token { content }) => Some(content.text.as_str()),
        _ => None,
    });
    assert_eq!(tokens.collect::<Vec<_>>(), ["up ", "🚀", "\u{fffd}"]);
}

#[test]
fn the_newest_thread_of_a_one_shot_run_counts() {
    let mut parser = parser(Mode::OneShot, &replay::task(AGENT));
    let mut out = Output::default();
    for thread in ["a", "a", "b", "b"] {
        parser.handle_line(&json!({ "type": "thread.started", "thread_id": thread }).to_string(), &mut out);
    }
    assert!(matches!(&out.items[0], Item::Started(started) if started.agent_session.as_deref() == Some("a")), "{out:?}");
    assert!(matches!(&out.items[1..], [Item::Event(StreamEvent::Notice { .. }), Item::SessionChanged(thread)] if thread == "b"), "{out:?}");
}

#[test]
fn lines_of_a_one_shot_run_are_read_among_other_bytes() {
    let (mut parser, mut reader, mut out) = (parser(Mode::OneShot, &replay::task(AGENT)), LineReader::default(), Output::default());
    for line in [
        "\u{feff}{\"type\":\"thread.started\",\"thread_id\":\"t\"}",
        r#"> {"type":"item.completed","item":{"id":"m","type":"agent_message","text":"half \ud83d"}}{"type":"turn.completed","usage":{}} bye"#,
    ] {
        reader.handle_line(line, &mut *parser, &mut out);
    }
    let raw = |line: &str| Item::Event(StreamEvent::Raw { line: line.to_owned() });
    assert!(matches!(&out.items[0], Item::Started(_)), "{out:?}");
    assert!(out.items.contains(&raw("> ")) && out.items.contains(&raw(" bye")), "{out:?}");
    assert!(out.items.contains(&Item::TurnEnded(Ok("half \u{fffd}".to_owned()))), "{out:?}");
}
