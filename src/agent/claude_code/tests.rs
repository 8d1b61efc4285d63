//! Replays the recordings of the real program.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{ClaudeCode, wire};
use crate::agent::common::LineReader;
use crate::agent::replay::{self, Action, Decide as _, Recording, Replayed};
use crate::agent::{Item, LineOutcome, Mode, Output, Parser, Program};
use crate::types::bounds::MAX_OPEN_REQUESTS;
use crate::types::{
    Answer, Cause, Decision, Failure, Level, McpServer, McpTransport, NoticeCode, PermissionMode, ProjectConfig, StreamEvent, ToolStatus,
};

const AGENT: &str = "claude_code";

fn parser(mode: Mode) -> Box<dyn Parser> {
    ClaudeCode::new(mode).parser(&replay::task(AGENT), &replay::installed("claude", "2.1.330", AGENT))
}

fn mode(recording: &Recording) -> Mode {
    if recording.two_way { Mode::TwoWay } else { Mode::OneShot }
}

/// The driver action that corresponds to a line of the recorder.
fn action(sent: &Value) -> Option<Action> {
    if sent["type"] == "user" {
        return sent["message"]["content"].as_str().map(|text| Action::Message(text.to_owned()));
    }
    if sent["request"]["subtype"] == "interrupt" {
        return Some(Action::Interrupt);
    }
    let response = sent.get("response")?;
    let id = response.get("request_id")?.as_str()?.to_owned();
    let result = response.get("response")?;
    let message = result["message"].as_str().map(str::to_owned);
    if let Some(answers) = result["updatedInput"]["answers"].as_object() {
        let answers = answers.values().filter_map(Value::as_str).map(|answer| vec![answer.to_owned()]);
        return Some(Action::Answer(id, Answer::Question { answers: answers.collect() }));
    }
    let decision = match result.get("behavior")?.as_str()? {
        "allow" if result.get("updatedPermissions").is_some() => Decision::AllowAlways,
        "allow" => Decision::AllowOnce,
        _ => Decision::Deny,
    };
    Some(Action::Answer(id, Answer::Permission { decision, message, option_id: None }))
}

#[test]
fn recordings_match_their_snapshots() {
    let mut snapshots = insta::Settings::clone_current();
    snapshots.set_snapshot_path("snapshots");
    snapshots.set_prepend_module_to_snapshot(false);
    snapshots.bind(|| {
        for recording in replay::recordings(AGENT) {
            let replayed = replay::replay(&recording, parser(mode(&recording)), action);
            assert_eq!(replayed.outcomes.len(), recording.lines().count(), "{}", recording.name);
            insta::assert_snapshot!(recording.name.as_str(), replayed.snapshot());
        }
    });
}

/// All recordings, replayed.
fn all_replayed() -> impl Iterator<Item = (String, Replayed)> {
    replay::recordings(AGENT).into_iter().map(|recording| {
        let replayed = replay::replay(&recording, parser(mode(&recording)), action);
        (recording.name, replayed)
    })
}

#[test]
fn the_tokens_of_a_message_add_up_to_its_text() {
    let mut checked = 0;
    for (name, replayed) in all_replayed() {
        let (mut tokens, mut messages) = (BTreeMap::<_, String>::new(), BTreeMap::<_, String>::new());
        for event in replayed.events() {
            match event {
                StreamEvent::Token { content } => tokens.entry(content.message_id.clone()).or_default().push_str(&content.text),
                StreamEvent::Message { message_id: Some(id), content, .. } => {
                    messages.entry(Some(id.clone())).or_default().push_str(content);
                }
                _ => {}
            }
        }
        // A killed run may have tokens without a message, but a message has all of its tokens or none.
        for (id, text) in &messages {
            if let Some(tokens) = tokens.get(id) {
                assert_eq!(tokens, text, "{name}");
                checked += 1;
            }
        }
    }
    assert!(checked > 5, "only {checked} streamed messages in the recordings");
}

#[test]
fn a_call_precedes_its_only_result() {
    for (name, replayed) in all_replayed() {
        let (mut calls, mut results) = (BTreeSet::new(), BTreeSet::new());
        for event in replayed.events() {
            match event {
                StreamEvent::ToolCall(call) => assert!(calls.insert(call.id.clone()), "{name}: two calls with one id"),
                StreamEvent::ToolResult { id, .. } => {
                    assert!(calls.contains(id), "{name}: a result without a call");
                    assert!(results.insert(id.clone()), "{name}: two results");
                }
                _ => {}
            }
        }
    }
}

#[test]
fn arbitrary_input_never_panics() {
    let recordings = replay::recordings(AGENT);
    replay::survives_anything(&recordings, || parser(Mode::TwoWay));
}

#[test]
fn every_request_is_resolved_once_in_any_order_of_input() {
    let recordings: Vec<_> = replay::recordings(AGENT).into_iter().filter(|recording| recording.two_way).collect();
    replay::resolves_every_request_once(&recordings, || parser(Mode::TwoWay));
}

#[test]
fn both_paths_decode_stream_events_alike() {
    let mut events = 0;
    for recording in replay::recordings(AGENT) {
        let lines: Vec<&str> = recording.lines().collect();
        // With a space the line does not start as expected, so it is decoded on the general path.
        let spaced: Vec<String> = lines.iter().map(|line| line.replacen('{', "{ ", 1)).collect();
        assert_eq!(items_of(&lines), items_of(&spaced.iter().map(String::as_str).collect::<Vec<_>>()), "{}", recording.name);
        events += lines.iter().filter(|line| wire::StreamEventLine::parse_prefixed(line).is_some()).count();
    }
    assert!(events > 100, "only {events} stream events in the recordings");
    let twice = r#"{"type":"stream_event","event":{"type":"ping"},"type":"unknown"}"#;
    assert_eq!(items_of(&[twice]), [Item::Event(StreamEvent::Raw { line: twice.to_owned() })]);
}

/// The items that a parser in two-way mode produces from these lines.
fn items_of(lines: &[&str]) -> Vec<Item> {
    let mut parser = parser(Mode::TwoWay);
    let (mut reader, mut out) = (LineReader::default(), Output::default());
    for line in lines {
        reader.handle_line(line, &mut *parser, &mut out);
    }
    out.items
}

#[test]
fn a_lone_surrogate_in_a_tool_input_is_replaced_in_the_call_the_request_and_the_answer() {
    let call =
        r#"{"type":"assistant","message":{"content":[{"type":"tool_use","id":"t","name":"Bash","input":{"command":"echo \ud83d"}}]}}"#;
    let ask = r#"{"type":"control_request","request_id":"r","request":{"subtype":"can_use_tool","tool_name":"Bash","tool_use_id":"t","input":{"command":"echo \ud83d"}}}"#;
    let (mut parser, mut reader, mut out) = (parser(Mode::TwoWay), LineReader::default(), Output::default());
    reader.handle_line(call, &mut *parser, &mut out);
    reader.handle_line(ask, &mut *parser, &mut out);
    parser.decide("r", Decision::AllowOnce, &mut out);
    reader.resolve(0, &mut out);
    let expected = json!({ "command": "echo \u{fffd}" });
    let [Item::Event(StreamEvent::ToolCall(call)), Item::Event(StreamEvent::PermissionRequest { input, .. })] = &out.items[..] else {
        panic!("{out:?}")
    };
    assert_eq!((&call.input, input), (&expected, &expected));
    assert_eq!(response_in(&out)["updatedInput"], expected);
}

#[test]
fn a_turn_ends_even_if_the_other_fields_of_its_result_are_invalid() {
    let line = r#"{"type":"result","subtype":"success","is_error":false,"result":"done","usage":{"input_tokens":1e999},
        "total_cost_usd":"much","permission_denials":[[[]]],"model_usage_since_last_result":7,"type":"result"}"#;
    assert!(items_of(&[line]).contains(&Item::TurnEnded(Ok("done".into()))), "{:?}", items_of(&[line]));
}

#[test]
fn an_unknown_request_is_rejected_and_becomes_raw() {
    for request in [json!({ "subtype": "mcp_message" }), json!({ "subtype": "can_use_tool", "tool_name": 1 }), json!(null)] {
        let line = json!({ "type": "control_request", "request_id": "r", "request": request }).to_string();
        let mut out = Output::default();
        assert_eq!(parser(Mode::TwoWay).handle_line(&line, &mut out), LineOutcome::Raw);
        assert_eq!(out.items, [Item::Event(StreamEvent::Raw { line })]);
        let sent: Value = serde_json::from_slice(&out.send).unwrap();
        assert_eq!((&sent["response"]["subtype"], &sent["response"]["request_id"]), (&json!("error"), &json!("r")));
    }
}

#[test]
fn the_displayed_input_is_what_runs_and_a_request_is_answered_once() {
    let input = json!({ "command": "rm -r x", "n": 12_345_678_901_234_567_890_u64 });
    let suggestion = json!({ "type": "addRules", "behavior": "allow", "destination": "localSettings" });
    let request = json!({
        "subtype": "can_use_tool", "tool_name": "Bash", "tool_use_id": "t", "input": input, "permission_suggestions": [suggestion],
    });
    let line = json!({ "type": "control_request", "request_id": "r", "request": request }).to_string();
    let mut parser = parser(Mode::TwoWay);
    let mut out = Output::default();
    parser.handle_line(&line, &mut out);
    assert!(
        matches!(&out.items[..], [Item::Event(StreamEvent::PermissionRequest { id, input: shown, .. })] if id == "r" && *shown == input)
    );
    parser.decide("r", Decision::AllowAlways, &mut out);
    let sent: Value = serde_json::from_slice(&out.send).unwrap();
    assert_eq!(sent["response"]["response"]["updatedInput"], input);
    assert_eq!(sent["response"]["response"]["updatedPermissions"][0]["destination"], "session", "nothing is written to the project");
    let mut again = Output::default();
    parser.decide("r", Decision::Deny, &mut again);
    parser.decide("unknown", Decision::Deny, &mut again);
    assert!(again.is_empty());
}

#[test]
fn a_denied_call_has_the_status_denied_if_the_program_reports_an_error() {
    let request = json!({ "subtype": "can_use_tool", "tool_name": "Bash", "tool_use_id": "t", "input": {} });
    let result = json!({ "type": "tool_result", "tool_use_id": "t", "is_error": true, "content": "no" });
    let mut parser = parser(Mode::TwoWay);
    let mut out = Output::default();
    parser.handle_line(&json!({ "type": "control_request", "request_id": "r", "request": request }).to_string(), &mut out);
    parser.decide("r", Decision::Deny, &mut out);
    out = Output::default();
    parser.handle_line(&json!({ "type": "user", "message": { "content": [result] } }).to_string(), &mut out);
    assert!(matches!(&out.items[..], [Item::Event(StreamEvent::ToolResult { status: ToolStatus::Denied, .. })]), "{out:?}");
}

#[test]
fn a_subscription_limit_is_reported_with_its_reset_time() {
    let event = |status: &str| format!(r#"{{"type":"rate_limit_event","rate_limit_info":{{"status":"{status}","resetsAt":1795338000}}}}"#);
    assert_eq!(items_of(&[&event("allowed")]), []);
    let [Item::Event(StreamEvent::Notice { level, code, data, .. })] = &items_of(&[&event("rejected")])[..] else { panic!("no notice") };
    assert_eq!((*level, *code), (Level::Warning, NoticeCode::RateLimited));
    assert_eq!(*data, Some(json!({ "resets_at": "2026-11-22T09:00:00.000Z" })));
}

#[test]
fn a_limit_in_the_text_of_the_result_is_reported() {
    let line = r#"{"type":"result","subtype":"success","is_error":true,"result":"Claude AI usage limit reached|1795338000"}"#;
    let items = items_of(&[line]);
    assert!(items.iter().any(|item| matches!(item, Item::TurnEnded(Err(Failure { cause: Cause::RateLimited, .. })))), "{items:?}");
    let [_, Item::Event(StreamEvent::Notice { code, data, .. }), _] = &items[..] else { panic!("{items:?}") };
    assert_eq!((*code, data), (NoticeCode::RateLimited, &Some(json!({ "resets_at": "2026-11-22T09:00:00.000Z" }))));
    let rejected = r#"{"type":"rate_limit_event","rate_limit_info":{"status":"rejected"}}"#;
    let notices = items_of(&[rejected, line]).into_iter().filter(|item| matches!(item, Item::Event(StreamEvent::Notice { .. })));
    assert_eq!(notices.count(), 1, "one notice per turn");
}

#[test]
fn requests_beyond_the_maximum_are_denied_with_a_notice() {
    let mut parser = parser(Mode::TwoWay);
    for number in 0..MAX_OPEN_REQUESTS {
        let out = send_request(&mut *parser, &number.to_string(), "Bash", &json!({ "command": number }));
        assert!(out.send.is_empty(), "request {number} was answered");
    }
    for (id, tool, notices) in [("more", "Bash", 1), ("question", "AskUserQuestion", 0)] {
        let out = send_request(&mut *parser, id, tool, &json!({ "command": "ls" }));
        assert_eq!(response_in(&out)["behavior"], "deny");
        let is_notice = |item: &Item| matches!(item, Item::Event(StreamEvent::Notice { code: NoticeCode::LimitReached, .. }));
        assert_eq!((out.items.len(), out.items.iter().filter(|item| is_notice(item)).count()), (notices, notices), "{out:?}");
    }
    parser.decide("0", Decision::AllowOnce, &mut Output::default());
    assert!(send_request(&mut *parser, "later", "Bash", &json!({ "command": "ls" })).send.is_empty());
}

/// A parser with the open request `r`. Its previous output is discarded.
fn parser_with_request(tool: &str, input: &Value) -> Box<dyn Parser> {
    let mut parser = parser(Mode::TwoWay);
    send_request(&mut *parser, "r", tool, input);
    parser
}

fn send_request(parser: &mut dyn Parser, id: &str, tool: &str, input: &Value) -> Output {
    let request = json!({ "subtype": "can_use_tool", "tool_name": tool, "tool_use_id": format!("call-{id}"), "input": input });
    let mut out = Output::default();
    parser.handle_line(&json!({ "type": "control_request", "request_id": id, "request": request }).to_string(), &mut out);
    out
}

/// The parser's response to the program.
fn response_in(out: &Output) -> Value {
    let sent: Value = serde_json::from_slice(&out.send).unwrap();
    sent["response"]["response"].clone()
}

#[test]
fn a_question_waits_for_its_answer_and_an_empty_answer_leaves_it_to_the_model() {
    let input = json!({ "questions": [{ "question": "Which?", "multiSelect": true, "options": [] }, { "question": "Why?" }] });
    let answered = |answers: Vec<Vec<String>>| {
        let mut out = Output::default();
        parser_with_request("AskUserQuestion", &input).answer("r", &Answer::Question { answers }, &mut out);
        response_in(&out)
    };
    let answer = answered(vec![vec!["red".into(), "blue".into()], vec![]]);
    assert_eq!((&answer["behavior"], &answer["updatedInput"]["answers"]), (&json!("allow"), &json!({ "Which?": "red, blue" })));
    assert_eq!(answer["updatedInput"]["questions"], input["questions"]);
    for answers in [vec![], vec![vec![], vec![]]] {
        let answer = answered(answers);
        assert_eq!(answer["behavior"], "deny");
        assert!(answer["message"].as_str().unwrap().contains("by yourself"), "{answer}");
    }
}

#[test]
fn an_answer_of_the_wrong_kind_leaves_a_request_open() {
    let mut parser = parser_with_request("Bash", &json!({ "command": "ls" }));
    let mut out = Output::default();
    parser.answer("r", &Answer::Question { answers: vec![] }, &mut out);
    assert!(out.is_empty());
    parser.decide("r", Decision::AllowOnce, &mut out);
    assert_eq!(response_in(&out)["behavior"], "allow");
}

#[test]
fn the_message_of_a_denial_is_sent_to_the_model() {
    let mut out = Output::default();
    let answer = Answer::Permission { decision: Decision::Deny, message: Some("use another name".into()), option_id: None };
    parser_with_request("Bash", &json!({})).answer("r", &answer, &mut out);
    assert_eq!(response_in(&out), json!({ "behavior": "deny", "message": "use another name" }));
}

#[test]
fn allow_always_covers_the_same_call_and_nothing_else() {
    let command = |command: &str, description: &str| json!({ "command": command, "description": description });
    let mut parser = parser_with_request("Bash", &command("make", "Builds it"));
    parser.decide("r", Decision::AllowAlways, &mut Output::default());
    let again = send_request(&mut *parser, "r2", "Bash", &command("make", "Builds it once more"));
    assert_eq!((again.items.len(), response_in(&again)["behavior"].as_str()), (0, Some("allow")));
    assert_eq!(send_request(&mut *parser, "r3", "Bash", &command("make install", "")).items.len(), 1);
    let mut parser = parser_with_request("Write", &json!({ "file_path": "a" }));
    parser.decide("r", Decision::AllowAlways, &mut Output::default());
    assert!(send_request(&mut *parser, "r2", "Edit", &json!({ "file_path": "b" })).items.is_empty(), "edits are allowed together");
    assert_eq!(send_request(&mut *parser, "r3", "Bash", &command("rm a", "")).items.len(), 1);
}

const INIT: &str = r#"{"type":"system","subtype":"init","session_id":"s"}"#;
const ABORTED: &str = r#"{"type":"result","subtype":"error_during_execution","is_error":true,"terminal_reason":"aborted_tools"}"#;

/// The subtypes of the control requests that were sent.
fn sent_subtypes(out: &Output) -> Vec<String> {
    let lines = std::str::from_utf8(&out.send).unwrap().lines();
    lines.filter_map(|line| Some(serde_json::from_str::<Value>(line).unwrap()["request"]["subtype"].as_str()?.to_owned())).collect()
}

#[test]
fn an_interrupt_before_the_turn_starts_is_sent_when_it_starts() {
    let mut parser = parser(Mode::TwoWay);
    let mut out = Output::default();
    assert!(!parser.interrupt(&mut out), "no turn is running");
    parser.open(&mut out);
    out = Output::default();
    assert!(parser.interrupt(&mut out) && parser.interrupt(&mut out) && out.is_empty());
    parser.handle_line(INIT, &mut out);
    assert_eq!(sent_subtypes(&out), ["interrupt"]);
    out = Output::default();
    assert!(parser.interrupt(&mut out) && out.is_empty(), "sent once");
    parser.handle_line(ABORTED, &mut out);
    assert!(matches!(out.items.last(), Some(Item::TurnEnded(Err(Failure { cause: Cause::Cancelled, .. })))), "{out:?}");
    assert!(!parser.interrupt(&mut Output::default()), "the turn has ended");
    assert!(parser.begin_turn(&"and now?".into(), &mut Output::default()));
    out = Output::default();
    parser.handle_line(INIT, &mut out);
    assert!(out.is_empty(), "the next turn is not interrupted: {out:?}");
}

#[test]
fn an_interrupted_turn_leaves_no_call_and_no_request_open() {
    let mut parser = parser(Mode::TwoWay);
    let mut out = Output::default();
    parser.open(&mut out);
    parser.handle_line(INIT, &mut out);
    for id in ["call-r", "call-q"] {
        let call = json!({ "type": "tool_use", "id": id, "name": "Bash", "input": { "command": "sleep 9" } });
        parser.handle_line(&json!({ "type": "assistant", "message": { "content": [call] } }).to_string(), &mut out);
    }
    send_request(&mut *parser, "r", "Bash", &json!({ "command": "sleep 9" }));
    send_request(&mut *parser, "q", "AskUserQuestion", &json!({ "questions": [{ "question": "Which?" }] }));
    parser.interrupt(&mut out);
    out = Output::default();
    parser.handle_line(ABORTED, &mut out);
    let events: Vec<_> =
        out.items.iter().filter_map(|item| if let Item::Event(event) = item { Some(event.name()) } else { None }).collect();
    assert_eq!(events, ["permission_resolved", "question_resolved", "tool_result", "tool_result", "usage"]);
    let late = json!({ "type": "tool_result", "tool_use_id": "call-r", "content": "late" });
    out = Output::default();
    assert_eq!(
        parser.handle_line(&json!({ "type": "user", "message": { "content": [late] } }).to_string(), &mut out),
        LineOutcome::Ignored
    );
}

#[test]
fn mcp_servers_are_sent_on_stdin_and_their_secrets_are_never_shown() {
    let mut task = replay::task(AGENT);
    let env = [("TOKEN".to_owned(), "s3cret".to_owned())].into();
    let transport = McpTransport::Stdio { command: "tiny".into(), args: vec!["-v".into()], env };
    task.mcp_servers = vec![McpServer { name: "tiny".into(), transport }];
    let claude = |mode| ClaudeCode::new(mode);
    let installed = replay::installed("claude", "2.1.330", AGENT);
    let invocation = claude(Mode::TwoWay).invocation(&task, &installed).unwrap();
    assert!(!format!("{invocation:?}").contains("s3cret"));
    assert_eq!(claude(Mode::OneShot).invocation(&task, &installed).unwrap_err().cause, Cause::BadArguments);
    let mut parser = claude(Mode::TwoWay).parser(&task, &installed);
    let mut out = Output::default();
    parser.open(&mut out);
    assert_eq!(sent_subtypes(&out), ["initialize", "mcp_set_servers"]);
    let sent: Value = serde_json::from_str(std::str::from_utf8(&out.send).unwrap().lines().nth(1).unwrap()).unwrap();
    let expected = json!({ "tiny": { "type": "stdio", "command": "tiny", "args": ["-v"], "env": { "TOKEN": "s3cret" } } });
    assert_eq!(sent["request"]["servers"], expected);
    let errors = json!({ "added": [], "errors": { "tiny": "exit 1 with TOKEN=s3cret" } });
    let answer = json!({ "subtype": "success", "request_id": "req_2", "response": errors });
    out = Output::default();
    parser.handle_line(&json!({ "type": "control_response", "response": answer }).to_string(), &mut out);
    let [Item::Event(StreamEvent::Notice { message, .. })] = &out.items[..] else { panic!("{out:?}") };
    assert_eq!(message, "MCP server tiny failed to start: exit 1 with TOKEN=[masked]");
}

mod command {
    use super::*;
    use crate::agent::flags;

    fn args(mode: Mode, change: impl FnOnce(&mut crate::agent::Task)) -> Vec<String> {
        let mut task = replay::task(AGENT);
        change(&mut task);
        ClaudeCode::new(mode).invocation(&task, &replay::installed("claude", "2.1.330", AGENT)).unwrap().args
    }

    #[test]
    fn the_prompt_is_never_an_argument() {
        for mode in [Mode::TwoWay, Mode::OneShot] {
            let args = args(mode, |task| task.spec.prompt = "--settings=evil".into());
            assert!(!args.iter().any(|arg| arg.contains("evil")), "{args:?}");
        }
    }

    #[test]
    fn model_and_conversation_id_cannot_become_flags() {
        let args = args(Mode::TwoWay, |task| {
            task.spec.model = Some("--settings".into());
            task.spec.extra_args = vec!["--max-turns".into(), "3".into()];
            task.resume = Some("-x".into());
        });
        insta::assert_snapshot!(args.join(" "), @"-p --output-format=stream-json --verbose --include-partial-messages --input-format=stream-json --permission-prompt-tool=stdio --setting-sources=user --add-dir=/workspace/project --model=--settings --resume=-x --max-turns 3");
    }

    #[test]
    fn only_a_trusted_directory_is_asked_for_settings() {
        for mode in [Mode::TwoWay, Mode::OneShot] {
            let reads_directory = |project_config| {
                !args(mode, |task| task.spec.project_config = project_config).contains(&"--setting-sources=user".to_owned())
            };
            assert_eq!([ProjectConfig::Ignore, ProjectConfig::Trust].map(reads_directory), [false, true], "{mode:?}");
        }
    }

    #[test]
    fn ask_and_read_only_make_the_program_ask_for_everything() {
        let asks = |mode, permission| {
            args(mode, |task| task.spec.permission_mode = permission)
                .iter()
                .any(|arg| arg.starts_with("--settings=") && arg.contains("ask"))
        };
        assert!(asks(Mode::TwoWay, PermissionMode::Ask) && asks(Mode::TwoWay, PermissionMode::ReadOnly));
        assert!(
            !asks(Mode::TwoWay, PermissionMode::Auto) && !asks(Mode::OneShot, PermissionMode::Ask),
            "auto mode does not ask, one-shot mode cannot"
        );
    }

    #[test]
    fn a_one_shot_prompt_is_sent_completely_and_closes_stdin() {
        let mut out = Output::default();
        parser(Mode::OneShot).open(&mut out);
        assert_eq!((out.send.as_slice(), out.close_stdin), (&b"Create hello.py"[..], true));
    }

    #[test]
    fn the_variables_of_an_outer_session_are_not_passed_on() {
        let agent = ClaudeCode::default();
        let environment = &agent.info().environment;
        let passed = |name: &str| environment.names.contains(&name) || environment.prefixes.iter().any(|prefix| name.starts_with(prefix));
        for name in ["CLAUDECODE", "CLAUDE_CODE_ENTRYPOINT", "CLAUDE_CODE_SSE_PORT", "CLAUDE_CODE_SESSION_ID", "CLAUDE_CODE_CHILD_SESSION"]
        {
            assert!(!passed(name), "{name}");
        }
        for name in [
            "ANTHROPIC_API_KEY",
            "ANTHROPIC_BASE_URL",
            "CLAUDE_CODE_OAUTH_TOKEN",
            "CLAUDE_CODE_USE_BEDROCK",
            "AWS_REGION",
            "CLAUDE_CONFIG_DIR",
        ] {
            assert!(passed(name), "{name}");
        }
    }

    #[test]
    fn each_flag_is_in_the_table_once_and_has_its_class() {
        let names: Vec<_> = ClaudeCode::default().info().flags.unwrap().iter().flat_map(|flag| flag.names).collect();
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
        let classify = |arg: &str| flags::classify(ClaudeCode::default().info().flags.unwrap(), &[arg.to_owned()]);
        assert!(classify("--resume=other").is_err());
        assert!(classify("-p").is_err());
        assert_eq!(classify("--dangerously-skip-permissions").unwrap().0.len(), 1);
        assert_eq!(classify("--effort=high").unwrap().0.len(), 0);
    }
}

#[test]
fn instructions_are_part_of_the_first_request_and_of_no_argument() {
    let mut task = replay::task(AGENT);
    task.spec.instructions = Some("Be brief.".to_owned());
    let (program, installed) = (ClaudeCode::new(Mode::TwoWay), replay::installed("claude", "2.1.330", AGENT));
    let invocation = program.invocation(&task, &installed).unwrap();
    assert!(!format!("{invocation:?}").contains("brief"));
    let renewed = |task: &_| program.invocation(task, &installed).unwrap().args.contains(&"--system-prompt-snapshot=off".to_owned());
    assert!(!renewed(&task));
    task.resume = Some("s".to_owned());
    assert!(renewed(&task), "a resumed conversation would keep its first system prompt");
    task.resume = None;
    let mut out = Output::default();
    program.parser(&task, &installed).open(&mut out);
    let first: Value = serde_json::from_slice(out.send.split(|byte| *byte == b'\n').next().unwrap()).unwrap();
    assert_eq!(first["request"], json!({ "subtype": "initialize", "hooks": null, "appendSystemPrompt": "Be brief." }));
}

#[test]
fn the_answer_to_a_schema_needs_no_permission_and_is_the_result() {
    let mut task = replay::task(AGENT);
    task.spec.permission_mode = PermissionMode::ReadOnly;
    task.spec.output_schema = Some(json!({ "type": "object" }));
    let (program, installed) = (ClaudeCode::new(Mode::TwoWay), replay::installed("claude", "2.1.330", AGENT));
    let mut parser = program.parser(&task, &installed);
    let mut out = Output::default();
    parser.open(&mut out);
    let first: Value = serde_json::from_slice(out.send.split(|byte| *byte == b'\n').next().unwrap()).unwrap();
    assert_eq!(first["request"]["jsonSchema"], json!({ "type": "object" }));
    let ask = |tool: &str| json!({ "subtype": "can_use_tool", "tool_name": tool, "tool_use_id": "t", "input": { "answer": 1 } });
    let mut send = |line: &Value| {
        let mut out = Output::default();
        parser.handle_line(&line.to_string(), &mut out);
        out
    };
    send(&json!({ "type": "system", "subtype": "init", "session_id": "s" }));
    let allowed = send(&json!({ "type": "control_request", "request_id": "a", "request": ask("StructuredOutput") }));
    assert!(allowed.items.is_empty() && String::from_utf8_lossy(&allowed.send).contains("\"behavior\":\"allow\""), "{allowed:?}");
    let asked = send(&json!({ "type": "control_request", "request_id": "b", "request": ask("Bash") }));
    assert!(matches!(&asked.items[..], [.., Item::Event(StreamEvent::PermissionRequest { .. })]), "{asked:?}");
    let result =
        json!({ "type": "result", "subtype": "success", "is_error": false, "result": "text", "structured_output": { "answer": 1 } });
    let ended = send(&result);
    let ends = |item: &Item| *item == Item::TurnEnded(Ok("{\"answer\":1}".to_owned()));
    assert!(
        ended.items.iter().any(ends)
            || send(&json!({ "type": "system", "subtype": "session_state_changed", "state": "idle" })).items.iter().any(ends)
    );
    // A schema that is not an object's is asked for in words.
    for (mode, schema) in [(Mode::TwoWay, json!({ "type": "array" })), (Mode::OneShot, json!({ "type": "object" }))] {
        assert!(!ClaudeCode::new(mode).takes_output_schema(&schema));
    }
}
