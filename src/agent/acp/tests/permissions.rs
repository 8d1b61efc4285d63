//! Permission requests and their answers.

use super::*;

pub(super) fn request_permission(parser: &mut Acp, options: &Value) -> (String, Vec<Decision>) {
    let params = json!({ "sessionId": "s", "toolCall": { "toolCallId": "c" }, "options": options });
    let (_, out) = send_line(parser, &json!({ "id": "q", "method": "session/request_permission", "params": params }));
    let request = out.items.into_iter().find_map(|item| match item {
        Item::Event(StreamEvent::PermissionRequest { id, options, .. }) => Some((id, options)),
        _ => None,
    });
    request.unwrap()
}

#[test]
fn an_answer_is_chosen_by_kind_and_never_allows_more_than_was_decided() {
    let mut parser = in_turn("x");
    let (id, options) = request_permission(
        &mut parser,
        &json!([{ "optionId": "zzz", "kind": "allow_always" }, { "optionId": "n", "kind": "reject_always" }]),
    );
    assert_eq!(options, [Decision::AllowAlways, Decision::Deny]);
    let mut out = Output::default();
    parser.decide(&id, Decision::AllowOnce, &mut out);
    assert_eq!(sent_json(&out), json!({ "jsonrpc": "2.0", "id": "q", "result": { "outcome": { "outcome": "cancelled" } } }));

    let (id, _) =
        request_permission(&mut parser, &json!([{ "optionId": "zzz", "kind": "allow_once" }, { "optionId": "n", "kind": "later_kind" }]));
    let mut out = Output::default();
    parser.decide(&id, Decision::AllowOnce, &mut out);
    assert_eq!(sent_json(&out)["result"]["outcome"], json!({ "outcome": "selected", "optionId": "zzz" }));
    let mut out = Output::default();
    parser.decide(&id, Decision::AllowOnce, &mut out);
    assert!(out.is_empty(), "the request was answered twice");
}

/// The options of `request`, and the id of the option that the agent receives for `answer`.
fn chosen(options: &Value, decision: Decision, option_id: Option<&str>) -> (Vec<Decision>, Value) {
    let mut parser = in_turn("x");
    let (id, offered) = request_permission(&mut parser, options);
    let mut out = Output::default();
    let answer = Answer::Permission { decision, message: None, option_id: option_id.map(str::to_owned) };
    parser.answer(&id, &answer, &mut out);
    (offered, sent_json(&out)["result"]["outcome"]["optionId"].clone())
}

#[test]
fn of_several_options_of_one_kind_only_the_one_that_an_answer_names_is_chosen() {
    let databases = json!([
        { "optionId": "opt-sqlite", "name": "SQLite (drop the data)", "kind": "allow_once" },
        { "optionId": "opt-pg", "name": "Postgres (keep)", "kind": "allow_once" },
        { "optionId": "none", "name": "Neither", "kind": "reject_once" },
    ]);
    assert_eq!(chosen(&databases, Decision::AllowOnce, Some("opt-pg")), (vec![Decision::Deny], json!("opt-pg")));
    assert_eq!(chosen(&databases, Decision::AllowOnce, Some("opt-sqlite")).1, json!("opt-sqlite"));
    assert_eq!(chosen(&databases, Decision::AllowOnce, None).1, Value::Null, "never the first without being asked for");
    assert_eq!(chosen(&databases, Decision::Deny, Some("opt-pg")).1, Value::Null, "an option of another decision");
    assert_eq!(chosen(&databases, Decision::Deny, None).1, json!("none"));

    let scopes = json!([
        { "optionId": "dir", "name": "Always in this directory", "kind": "allow_always" },
        { "optionId": "all", "name": "Always, everywhere", "kind": "allow_always" },
        { "optionId": "once", "name": "Once", "kind": "allow_once" },
        { "optionId": "never", "name": "Never", "kind": "reject_always" },
        { "optionId": "no", "name": "No", "kind": "reject_once" },
    ]);
    assert_eq!(chosen(&scopes, Decision::AllowOnce, None), (vec![Decision::AllowOnce, Decision::Deny], json!("once")));
    assert_eq!(chosen(&scopes, Decision::AllowAlways, None).1, Value::Null);
    assert_eq!(chosen(&scopes, Decision::AllowAlways, Some("dir")).1, json!("dir"));
    assert_eq!(chosen(&scopes, Decision::Deny, None).1, json!("no"), "the least lasting denial");

    let unnamed =
        json!([{ "optionId": "a", "kind": "allow_once" }, { "optionId": "b", "kind": "allow_once" }, { "optionId": "?", "kind": "later" }]);
    assert_eq!(chosen(&unnamed, Decision::AllowOnce, Some("b")).1, json!("b"));
    assert_eq!(chosen(&unnamed, Decision::AllowOnce, Some("?")).1, Value::Null, "an option of an unknown kind");
}

#[test]
fn requests_beyond_the_maximum_are_cancelled_with_a_notice() {
    let mut parser = in_turn("x");
    let options = json!([{ "optionId": "y", "kind": "allow_once" }]);
    for _ in 0..MAX_OPEN_REQUESTS {
        request_permission(&mut parser, &options);
    }
    let params = json!({ "sessionId": "s", "toolCall": { "toolCallId": "c" }, "options": options });
    let (_, out) = send_line(&mut parser, &json!({ "id": "more", "method": "session/request_permission", "params": params }));
    assert_eq!(summarize(&out).0, ["notice"]);
    assert_eq!(sent_json(&out), json!({ "jsonrpc": "2.0", "id": "more", "result": { "outcome": { "outcome": "cancelled" } } }));
}

#[test]
fn a_request_is_closed_once_when_withdrawn_or_when_its_turn_ends() {
    let mut parser = in_turn("x");
    let (first, _) = request_permission(&mut parser, &json!([{ "optionId": "y", "kind": "allow_once" }]));
    let (outcome, out) = send_line(&mut parser, &json!({ "method": "$/cancel_request", "params": { "requestId": "q" } }));
    assert_eq!((outcome, summarize(&out).0), (LineOutcome::Emitted, vec!["permission_resolved"]));
    let (outcome, _) = send_line(&mut parser, &json!({ "method": "$/cancel_request", "params": { "requestId": "q" } }));
    assert_eq!(outcome, LineOutcome::Ignored);
    let (second, _) = request_permission(&mut parser, &json!([{ "optionId": "y", "kind": "allow_once" }]));
    assert_ne!(first, second, "an id that comes again is another request");
    assert_eq!(summarize(&end_turn(&mut parser, 3)).0, ["permission_resolved", "tool_result", "succeeded"]);
}
