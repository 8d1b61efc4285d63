//! Replays the recordings of other agents' ACP sides. `OpenCode`'s are replayed by its own adapter.

use serde_json::{Value, json};

use super::{Acp, Dialect};
use crate::agent::replay::{Decide as _, Recording, recordings, replay, survives_anything, task};
use crate::agent::{Fate, Item, Output, Parser, Started};
use crate::types::{Cause, Decision, PlanStatus, Role, StreamEvent};

/// What the recorder answered, by the ids that the agents give to their options.
pub(crate) fn answer(sent: &Value) -> Option<(String, Decision)> {
    let outcome = sent.pointer("/result/outcome")?;
    let decision = match outcome.get("optionId").and_then(Value::as_str) {
        Some("once" | "allow-once" | "allow_once") => Decision::AllowOnce,
        Some("always" | "allow-with-updates" | "allow_for_session") => Decision::AllowAlways,
        _ => Decision::Deny,
    };
    Some((sent.get("id")?.to_string(), decision))
}

fn others() -> Vec<Recording> {
    recordings("acp").into_iter().filter(|recording| !recording.name.starts_with("opencode_")).collect()
}

fn parser(recording: &str) -> Box<dyn Parser> {
    let mut task = task("acp");
    // In these the recorder spoke once between session/new and session/prompt, as we do to choose a model.
    if recording.starts_with("codex_permission") || recording.starts_with("codex_cancel_permission") {
        task.spec.model = Some("gpt-6.1-sol".to_owned());
    }
    Box::new(Acp::new(&task, Dialect::default()))
}

#[test]
fn every_recording_of_another_agent_ends_as_it_should() {
    for recording in others() {
        let replayed = replay(&recording, parser(&recording.name), answer);
        insta::with_settings!({ snapshot_suffix => recording.name.clone(), omit_expression => true, prepend_module_to_snapshot => false }, {
            insta::assert_snapshot!("acp", replayed.snapshot());
        });
    }
}

#[test]
fn no_bytes_and_no_order_of_lines_break_it() {
    survives_anything(&others(), || parser("codex_text"));
}

/// A parser in the middle of its turn.
fn in_turn(prompt: &str) -> Acp {
    let mut task = task("acp");
    prompt.clone_into(&mut task.spec.prompt);
    let mut parser = Acp::new(&task, Dialect::default());
    let mut out = Output::default();
    parser.open(&mut out);
    say(&mut parser, &json!({ "id": 1, "result": { "protocolVersion": 1 } }));
    say(&mut parser, &json!({ "id": 2, "result": { "sessionId": "s" } }));
    parser
}

fn say(parser: &mut Acp, message: &Value) -> (Fate, Output) {
    let mut out = Output::default();
    let fate = parser.line(&message.to_string(), &mut out);
    (fate, out)
}

fn update(parser: &mut Acp, update: &Value) -> (Fate, Output) {
    say(parser, &json!({ "method": "session/update", "params": { "sessionId": "s", "update": update } }))
}

fn sent(out: &Output) -> Value {
    serde_json::from_slice(&out.send).unwrap_or_default()
}

fn asked(parser: &mut Acp, options: &Value) -> (String, Vec<Decision>) {
    let params = json!({ "sessionId": "s", "toolCall": { "toolCallId": "c" }, "options": options });
    let (_, out) = say(parser, &json!({ "id": "q", "method": "session/request_permission", "params": params }));
    let request = out.items.into_iter().find_map(|item| match item {
        Item::Event(StreamEvent::PermissionRequest { id, options, .. }) => Some((id, options)),
        _ => None,
    });
    request.unwrap()
}

#[test]
fn an_answer_is_chosen_by_kind_and_never_allows_more_than_was_decided() {
    let mut parser = in_turn("x");
    let (id, options) =
        asked(&mut parser, &json!([{ "optionId": "zzz", "kind": "allow_always" }, { "optionId": "n", "kind": "reject_always" }]));
    assert_eq!(options, [Decision::AllowAlways, Decision::Deny]);
    let mut out = Output::default();
    parser.decide(&id, Decision::AllowOnce, &mut out);
    assert_eq!(sent(&out), json!({ "jsonrpc": "2.0", "id": "q", "result": { "outcome": { "outcome": "cancelled" } } }));

    let (id, _) = asked(&mut parser, &json!([{ "optionId": "zzz", "kind": "allow_once" }, { "optionId": "n", "kind": "later_kind" }]));
    let mut out = Output::default();
    parser.decide(&id, Decision::AllowOnce, &mut out);
    assert_eq!(sent(&out)["result"]["outcome"], json!({ "outcome": "selected", "optionId": "zzz" }));
    let mut out = Output::default();
    parser.decide(&id, Decision::AllowOnce, &mut out);
    assert!(out.is_empty(), "an answered request is answered again");
}

#[test]
fn a_request_that_we_do_not_know_is_refused_and_kept() {
    let mut parser = in_turn("x");
    let (fate, out) = say(&mut parser, &json!({ "id": 7, "method": "session/dance", "params": {} }));
    assert_eq!((fate, &sent(&out)["error"]["code"]), (Fate::Raw, &json!(-32601)));
    let (fate, out) = say(&mut parser, &json!({ "id": 8, "method": "terminal/create", "params": {} }));
    assert_eq!((fate, &sent(&out)["error"]["code"]), (Fate::Told, &json!(-32601)));
    let (fate, out) = say(&mut parser, &json!({ "id": 9, "method": "session/request_permission", "params": { "options": 3 } }));
    assert_eq!((fate, &sent(&out)["error"]["code"]), (Fate::Raw, &json!(-32602)));
}

#[test]
fn a_conversation_is_continued_only_by_an_agent_that_can() {
    let mut task = task("acp");
    task.resume = Some("s".to_owned());
    let mut able = Acp::new(&task, Dialect::default());
    able.open(&mut Output::default());
    let (_, out) = say(&mut able, &json!({ "id": 1, "result": { "protocolVersion": 1, "agentCapabilities": { "loadSession": true } } }));
    assert_eq!(sent(&out)["method"], "session/load");

    let mut unable = Acp::new(&task, Dialect::default());
    unable.open(&mut Output::default());
    let (_, out) = say(&mut unable, &json!({ "id": 1, "result": { "protocolVersion": 1 } }));
    assert!(matches!(&out.items[..], [Item::TurnEnded(Err(failure))] if failure.cause == Cause::BadArguments), "{out:?}");
}

#[test]
fn another_version_of_the_protocol_is_no_conversation() {
    let mut parser = Acp::new(&task("acp"), Dialect::default());
    parser.open(&mut Output::default());
    let (_, out) = say(&mut parser, &json!({ "id": 1, "result": { "protocolVersion": 2 } }));
    assert!(matches!(&out.items[..], [Item::TurnEnded(Err(failure))] if failure.cause == Cause::Protocol), "{out:?}");
}

#[test]
fn a_model_is_chosen_in_the_way_that_the_agent_offers() {
    let mut with_model = task("acp");
    with_model.spec.model = Some("b".to_owned());
    let opened = |opened: Value| {
        let mut parser = Acp::new(&with_model, Dialect::default());
        parser.open(&mut Output::default());
        say(&mut parser, &json!({ "id": 1, "result": {} }));
        say(&mut parser, &json!({ "id": 2, "result": opened })).1
    };
    let option = json!({ "id": "m", "category": "model", "currentValue": "a" });
    let out = opened(json!({ "sessionId": "s", "configOptions": [option] }));
    assert_eq!(sent(&out)["params"], json!({ "sessionId": "s", "configId": "m", "value": "b" }));
    let out = opened(json!({ "sessionId": "s", "models": { "currentModelId": "a" } }));
    assert_eq!(sent(&out)["method"], "session/set_model");
    let out = opened(json!({ "sessionId": "s", "models": { "currentModelId": "b" } }));
    assert_eq!(sent(&out)["method"], "session/prompt");
    let started = Started { agent_session: Some("s".to_owned()), version: None, model: Some("b".to_owned()) };
    assert_eq!(out.items, [Item::Started(started)]);
    let out = opened(json!({ "sessionId": "s" }));
    assert!(matches!(&out.items[..], [Item::TurnEnded(Err(failure))] if failure.cause == Cause::BadArguments), "{out:?}");
}

#[test]
fn a_plan_is_told_whole_and_without_what_was_given_up() {
    let mut parser = in_turn("x");
    let entries =
        json!([{ "content": "a", "status": "completed" }, { "content": "b", "status": "cancelled" }, { "content": "c", "status": 3 }]);
    let (_, out) = update(&mut parser, &json!({ "sessionUpdate": "plan", "entries": entries }));
    let [Item::Event(StreamEvent::Plan { entries })] = &out.items[..] else { panic!("{out:?}") };
    let entries: Vec<_> = entries.iter().map(|entry| (entry.content.as_str(), entry.status)).collect();
    assert_eq!(entries, [("a", PlanStatus::Completed), ("c", PlanStatus::Pending)]);
}

#[test]
fn text_that_goes_on_under_its_id_after_a_tool_call_is_a_message_of_its_own() {
    let mut parser = in_turn("x");
    let chunk = json!({ "sessionUpdate": "agent_message_chunk", "messageId": "m", "content": { "type": "text", "text": "hi" } });
    let call = json!({ "sessionUpdate": "tool_call", "toolCallId": "c", "title": "t", "status": "in_progress" });
    let mut messages = Vec::new();
    for each in [&chunk, &call, &chunk] {
        messages.extend(update(&mut parser, each).1.items);
    }
    messages.extend(say(&mut parser, &json!({ "id": 3, "result": { "stopReason": "end_turn" } })).1.items);
    let told: Vec<_> = messages
        .iter()
        .filter_map(|item| match item {
            Item::Event(StreamEvent::Message { role: Role::Assistant, content, message_id, .. }) => {
                Some((content.as_str(), message_id.as_deref()))
            }
            _ => None,
        })
        .collect();
    assert_eq!(told, [("hi", Some("m")), ("hi", Some("m#2"))]);
}

#[test]
fn a_call_is_told_once_and_its_result_once() {
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
fn a_prompt_that_was_swallowed_as_a_command_is_no_success() {
    let end = json!({ "id": 3, "result": { "stopReason": "end_turn" } });
    let (_, out) = say(&mut in_turn("/etc/hosts is wrong"), &end);
    assert!(matches!(out.items.last(), Some(Item::TurnEnded(Err(failure))) if failure.cause == Cause::BadArguments), "{out:?}");
    let (_, out) = say(&mut in_turn("be silent"), &end);
    assert!(matches!(out.items.last(), Some(Item::TurnEnded(Ok(text))) if text.is_empty()), "{out:?}");
}

#[test]
fn updates_of_another_session_are_kept_apart() {
    let mut parser = in_turn("x");
    let chunk = json!({ "sessionUpdate": "agent_message_chunk", "content": { "type": "text", "text": "hi" } });
    let (fate, _) = say(&mut parser, &json!({ "method": "session/update", "params": { "sessionId": "other", "update": chunk } }));
    assert_eq!(fate, Fate::Raw);
}
