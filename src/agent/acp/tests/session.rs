//! What the agent reports about its conversation, and the end of it.

use super::*;
use crate::types::{AgentCommand, ContextUse, SessionUpdate};

/// A parser that has opened a session with these options, capabilities and result, and what it has emitted and sent last.
fn opened(options: SessionOptions, mode: PermissionMode, initialized: &Value, result: &Value) -> (Acp, Output) {
    let mut task = task("acp");
    task.spec.permission_mode = mode;
    let mut parser = Acp::new(&task, Dialect::default()).with_options(options);
    parser.open(&mut Output::default());
    send_line(&mut parser, &json!({ "id": 1, "result": initialized }));
    let (_, out) = send_line(&mut parser, &json!({ "id": 2, "result": result }));
    (parser, out)
}

fn updates(out: &Output) -> Vec<SessionUpdate> {
    let updates = out.items.iter().filter_map(|item| match item {
        Item::Event(StreamEvent::SessionUpdated(update)) => Some(update.clone()),
        _ => None,
    });
    updates.collect()
}

fn failure(out: &Output) -> (Cause, &str) {
    match out.items.last() {
        Some(Item::TurnEnded(Err(failure))) => (failure.cause, &failure.message),
        other => panic!("{other:?}"),
    }
}

#[test]
fn title_commands_mode_and_context_are_events_that_end_no_message() {
    let mut parser = in_turn("x");
    let chunk = json!({ "sessionUpdate": "agent_message_chunk", "content": { "type": "text", "text": "one " } });
    update(&mut parser, &chunk);
    let commands = json!([{ "name": "review", "description": "Reviews changes", "input": { "hint": "what to review" } }]);
    let mut seen = Vec::new();
    for each in [
        json!({ "sessionUpdate": "session_info_update", "title": "Fix the build" }),
        json!({ "sessionUpdate": "available_commands_update", "availableCommands": commands }),
        json!({ "sessionUpdate": "current_mode_update", "currentModeId": "plan" }),
        json!({ "sessionUpdate": "usage_update", "used": 10, "size": 100 }),
    ] {
        let (outcome, out) = update(&mut parser, &each);
        assert!(matches!(outcome, LineOutcome::Emitted | LineOutcome::Buffered), "{each}");
        seen.extend(updates(&out));
    }
    update(&mut parser, &chunk);
    let out = end_turn(&mut parser, 3);
    seen.extend(updates(&out));
    let command = AgentCommand { name: "review".into(), description: "Reviews changes".into(), input_hint: Some("what to review".into()) };
    let none = SessionUpdate::default();
    assert_eq!(
        seen,
        [
            SessionUpdate { title: Some("Fix the build".into()), ..none.clone() },
            SessionUpdate { commands: Some(vec![command]), ..none.clone() },
            SessionUpdate { mode: Some("plan".into()), ..none.clone() },
            SessionUpdate { context: Some(ContextUse { used_tokens: 10, max_tokens: 100 }), ..none },
        ]
    );
    assert!(matches!(out.items.last(), Some(Item::TurnEnded(Ok(text))) if text == "one one "), "{out:?}");
}

#[test]
fn updates_about_the_conversation_alone_are_no_output_of_a_turn() {
    let silent = Dialect { fails_silently: true, ..Dialect::default() };
    let mut parser = Acp::new(&task("acp"), silent);
    parser.open(&mut Output::default());
    send_line(&mut parser, &json!({ "id": 1, "result": {} }));
    send_line(&mut parser, &json!({ "id": 2, "result": { "sessionId": "s" } }));
    update(&mut parser, &json!({ "sessionUpdate": "session_info_update", "title": "x" }));
    assert_eq!(failure(&end_turn(&mut parser, 3)).0, Cause::AgentError);
}

#[test]
fn the_history_of_a_loaded_session_is_ignored_except_for_its_state() {
    let mut task = task("acp");
    task.resume = Some("s".to_owned());
    let mut parser = Acp::new(&task, Dialect::default());
    parser.open(&mut Output::default());
    send_line(&mut parser, &json!({ "id": 1, "result": { "agentCapabilities": { "loadSession": true } } }));
    for each in [
        json!({ "sessionUpdate": "agent_message_chunk", "content": { "type": "text", "text": "old" } }),
        json!({ "sessionUpdate": "session_info_update", "title": "Old work", "_meta": { "codex": { "threadStatus": { "type": "systemError" } } } }),
        json!({ "sessionUpdate": "usage_update", "used": 1, "size": 2, "cost": { "amount": 5, "currency": "USD" } }),
    ] {
        assert!(update(&mut parser, &each).1.is_empty(), "{each}");
    }
    let (_, out) = send_line(&mut parser, &json!({ "id": 2, "result": null }));
    assert_eq!(summarize(&out).0, ["started", "session_updated"]);
    assert_eq!(updates(&out), [SessionUpdate { title: Some("Old work".into()), ..SessionUpdate::default() }]);
    let out = end_turn(&mut parser, 3);
    assert_eq!(summarize(&out).0, ["session_updated", "succeeded"], "the size of the context, but neither cost nor failure");
}

#[test]
fn extensions_and_the_state_of_other_sessions_are_ignored() {
    let mut parser = in_turn("x");
    let outcome = |parser: &mut Acp, session: &str, kind: &str| {
        let params = json!({ "sessionId": session, "update": { "sessionUpdate": kind, "title": "x" } });
        send_line(parser, &json!({ "method": "session/update", "params": params })).0
    };
    assert_eq!(outcome(&mut parser, "s", "_x.ai/hint"), LineOutcome::Ignored);
    assert_eq!(outcome(&mut parser, "other", "session_info_update"), LineOutcome::Ignored);
    assert_eq!(outcome(&mut parser, "s", "brand_new"), LineOutcome::Raw);
    assert_eq!(outcome(&mut parser, "s", "current_mode_update"), LineOutcome::Raw, "malformed");
    let (outcome, _) = send_line(&mut parser, &json!({ "method": "elicitation/complete", "params": { "elicitationId": "e" } }));
    assert_eq!(outcome, LineOutcome::Ignored);
}

#[test]
fn a_session_is_closed_at_the_end_if_the_agent_offers_that() {
    let close = |initialized: Value| {
        let (mut parser, _) = opened(SessionOptions::default(), PermissionMode::Auto, &initialized, &json!({ "sessionId": "s" }));
        end_turn(&mut parser, 3);
        let mut out = Output::default();
        parser.finish(&mut out);
        let (outcome, late) = send_line(&mut parser, &json!({ "id": 4, "result": {} }));
        assert!(outcome == LineOutcome::Ignored && late.is_empty());
        sent_json(&out)
    };
    let sent = close(json!({ "agentCapabilities": { "sessionCapabilities": { "close": {} } } }));
    assert_eq!((&sent["method"], &sent["params"]), (&json!("session/close"), &json!({ "sessionId": "s" })));
    for without in [json!({}), json!({ "agentCapabilities": { "sessionCapabilities": { "close": null } } })] {
        assert_eq!(close(without), Value::Null);
    }
}

#[test]
fn a_session_that_was_not_opened_is_not_closed() {
    let mut parser = Acp::new(&task("acp"), Dialect::default());
    parser.open(&mut Output::default());
    send_line(&mut parser, &json!({ "id": 1, "result": { "agentCapabilities": { "sessionCapabilities": { "close": {} } } } }));
    let mut out = Output::default();
    parser.finish(&mut out);
    assert!(out.is_empty(), "{out:?}");
}

#[test]
fn leaving_the_session_mode_that_a_permission_mode_relies_on_is_reported_once() {
    let options = SessionOptions { mode: Some("plan".to_owned()), ..SessionOptions::default() };
    let result = json!({ "sessionId": "s", "modes": { "currentModeId": "plan", "availableModes": [{ "id": "plan" }, { "id": "yolo" }] } });
    let notices = |mode: PermissionMode| {
        let (mut parser, _) = opened(options.clone(), mode, &json!({}), &result);
        let mut names = Vec::new();
        for id in ["plan", "yolo", "yolo"] {
            names.extend(summarize(&update(&mut parser, &json!({ "sessionUpdate": "current_mode_update", "currentModeId": id })).1).0);
        }
        names
    };
    assert_eq!(notices(PermissionMode::ReadOnly), ["session_updated", "notice"]);
    assert_eq!(notices(PermissionMode::Auto), ["session_updated"]);
}

#[test]
fn the_session_mode_is_set_in_the_way_that_the_agent_offers_and_refused_if_it_has_none_of_that_name() {
    let sent = |wanted: &str, mut result: Value| {
        result["sessionId"] = json!("s");
        let options = SessionOptions { mode: Some(wanted.to_owned()), ..SessionOptions::default() };
        let (_, out) = opened(options, PermissionMode::ReadOnly, &json!({}), &result);
        if out.send.is_empty() {
            Err(failure(&out).1.to_owned())
        } else {
            Ok((sent_json(&out)["method"].clone(), sent_json(&out)["params"].clone()))
        }
    };
    let groups = json!([{ "group": "safe", "options": [{ "value": "plan" }] }, { "value": "x#ask" }]);
    let option = json!({ "configOptions": [{ "id": "m", "category": "mode", "currentValue": "yolo", "options": groups }] });
    let by_option = |value: &str| Ok((json!("session/set_config_option"), json!({ "sessionId": "s", "configId": "m", "value": value })));
    assert_eq!(sent("plan", option.clone()), by_option("plan"));
    assert_eq!(sent("#ask", option.clone()), by_option("x#ask"));
    assert_eq!(sent("plam", option), Err("the agent has no session mode plam; it has: plan, x#ask".to_owned()));
    let modes = json!({ "modes": { "currentModeId": "yolo", "availableModes": [{ "id": "yolo" }] } });
    assert_eq!(sent("plan", modes), Err("the agent has no session mode plan; it has: yolo".to_owned()));
    // The agent lists none, so only the agent knows.
    assert_eq!(sent("plan", json!({})), Ok((json!("session/set_mode"), json!({ "sessionId": "s", "modeId": "plan" }))));
    assert_eq!(sent("#plan", json!({})), Err("the agent has no session mode that ends in #plan; it has: ".to_owned()));
}

#[test]
fn a_switch_among_the_configuration_options_is_set_as_one() {
    let set = |value: &str| {
        let options =
            SessionOptions { config_options: [("auto_approve".to_owned(), value.to_owned())].into(), ..SessionOptions::default() };
        let switch = json!([{ "id": "auto_approve", "type": "boolean", "currentValue": true }]);
        opened(options, PermissionMode::Auto, &json!({}), &json!({ "sessionId": "s", "configOptions": switch })).1
    };
    let expected = json!({ "sessionId": "s", "configId": "auto_approve", "type": "boolean", "value": false });
    assert_eq!(sent_json(&set("false"))["params"], expected);
    let out = set("off");
    assert_eq!(failure(&out).0, Cause::BadArguments);
    assert!(failure(&out).1.contains("true or false"), "{out:?}");
}

#[test]
fn a_login_method_that_cannot_be_used_is_refused_before_the_agent_is_asked() {
    let authenticate = |methods: Value| {
        let options = SessionOptions { auth_method: Some("key".to_owned()), ..SessionOptions::default() };
        let mut parser = Acp::new(&task("acp"), Dialect::default()).with_options(options);
        parser.open(&mut Output::default());
        let (_, out) = send_line(&mut parser, &json!({ "id": 1, "result": { "authMethods": methods } }));
        (parser, out)
    };
    for accepted in [json!([]), json!([{ "id": "key" }]), json!([{ "id": "key", "type": "agent" }])] {
        assert_eq!(sent_json(&authenticate(accepted).1)["method"], "authenticate");
    }
    for (refused, expected) in [
        (json!([{ "id": "oauth" }, { "id": "vertex" }]), "it has: oauth, vertex"),
        (json!([{ "id": "key", "type": "terminal" }]), "needs a terminal"),
    ] {
        let (_, out) = authenticate(refused);
        assert!(out.send.is_empty() && failure(&out).0 == Cause::BadArguments && failure(&out).1.contains(expected), "{out:?}");
    }
    let (mut parser, _) = authenticate(json!([{ "id": "key", "description": "Set THE_KEY" }]));
    let (_, out) = send_line(&mut parser, &json!({ "id": 2, "error": { "code": -32603, "message": "Internal error" } }));
    assert_eq!(failure(&out), (Cause::NotLoggedIn, "Internal error; to log in: Set THE_KEY"));
}

#[test]
fn only_the_request_for_the_session_is_blamed_on_the_conversation_to_resume() {
    let mut task = task("acp");
    task.resume = Some("s".to_owned());
    let mut parser = Acp::new(&task, Dialect::default());
    parser.open(&mut Output::default());
    let (_, out) = send_line(&mut parser, &json!({ "id": 1, "error": { "code": -32603, "message": "boom" } }));
    assert_eq!(failure(&out), (Cause::AgentError, "boom"));
}

#[test]
fn a_version_that_is_no_number_is_refused_like_another_number() {
    for version in [json!(0), json!(2), json!("1"), json!("2026-01-01"), json!(1.5), json!([1])] {
        let mut parser = Acp::new(&task("acp"), Dialect::default());
        parser.open(&mut Output::default());
        let (_, out) = send_line(&mut parser, &json!({ "id": 1, "result": { "protocolVersion": version } }));
        assert_eq!(failure(&out).0, Cause::Protocol, "{version}");
        assert!(out.send.is_empty() && failure(&out).1.contains("version 1 is supported"), "{out:?}");
    }
}

#[test]
fn content_other_than_text_is_named_in_answers_and_thinking() {
    let mut parser = in_turn("x");
    let blocks = [
        (json!({ "type": "image", "mimeType": "image/png", "data": "AAAA", "uri": "file:///a.png" }), "[image: image/png](file:///a.png)"),
        (json!({ "type": "image", "mimeType": "image/png", "data": "AAAA", "uri": "data:image/png;base64,AAAA" }), "[image: image/png]"),
        (json!({ "type": "audio", "mimeType": "audio/wav", "data": "AAAA" }), "[audio: audio/wav]"),
        (json!({ "type": "resource_link", "name": "notes", "uri": "file:///notes.md" }), "[notes](file:///notes.md)"),
        (json!({ "type": "resource", "resource": { "uri": "file:///b", "text": "inside" } }), "inside"),
        (json!({ "type": "resource", "resource": { "uri": "file:///c", "blob": "AAAA" } }), "[resource: file:///c]"),
    ];
    for (block, expected) in blocks {
        for (kind, thinks) in [("agent_message_chunk", false), ("agent_thought_chunk", true)] {
            let (outcome, out) = update(&mut parser, &json!({ "sessionUpdate": kind, "content": block }));
            assert_eq!(outcome, LineOutcome::Emitted);
            let text = out.items.iter().find_map(|item| match item {
                Item::Event(StreamEvent::Thinking { content }) if thinks => Some(content.text.as_str()),
                Item::Event(StreamEvent::Token { content }) if !thinks => Some(content.text.as_str()),
                _ => None,
            });
            assert_eq!(text, Some(expected), "{kind} {block}");
        }
    }
    let (outcome, _) = update(&mut parser, &json!({ "sessionUpdate": "agent_message_chunk", "content": { "type": "hologram" } }));
    assert_eq!(outcome, LineOutcome::Raw);
}

#[test]
fn a_compaction_is_a_notice_with_its_summary() {
    let mut parser = in_turn("x");
    let text = json!({ "type": "text", "text": "what was done" });
    for each in [
        json!({ "sessionUpdate": "compaction_update", "compactionId": "c", "status": "in_progress" }),
        json!({ "sessionUpdate": "compaction_summary_chunk", "compactionId": "c", "content": text }),
    ] {
        let (outcome, out) = update(&mut parser, &each);
        assert!(outcome == LineOutcome::Buffered && out.is_empty(), "{each}");
    }
    let (_, out) = update(&mut parser, &json!({ "sessionUpdate": "compaction_update", "compactionId": "c", "status": "completed" }));
    let [Item::Event(StreamEvent::Notice { data: Some(data), .. })] = &out.items[..] else { panic!("{out:?}") };
    assert_eq!(data, &json!({ "summary": "what was done" }));
}
