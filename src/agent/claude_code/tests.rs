//! The recordings of the real program, replayed.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::ClaudeCode;
use crate::agent::replay::{self, Decide as _, Recording, Replayed};
use crate::agent::{Fate, Item, Mode, Output, Parser, Program};
use crate::types::{Decision, Level, NoticeCode, StreamEvent, ToolStatus};

const AGENT: &str = "claude_code";

fn parser(mode: Mode) -> Box<dyn Parser> {
    ClaudeCode::new(mode).parser(&replay::task(AGENT), &replay::installed("claude", "2.1.330", AGENT))
}

fn mode(recording: &Recording) -> Mode {
    if recording.two_way { Mode::TwoWay } else { Mode::OneShot }
}

/// What the recorder answered to a permission request.
fn answer(sent: &Value) -> Option<(String, Decision)> {
    let response = sent.get("response")?;
    let id = response.get("request_id")?.as_str()?.to_owned();
    let said = response.get("response")?;
    let decision = match said.get("behavior")?.as_str()? {
        "allow" if said.get("updatedPermissions").is_some() => Decision::AllowAlways,
        "allow" => Decision::AllowOnce,
        _ => Decision::Deny,
    };
    Some((id, decision))
}

#[test]
fn every_recording_ends_and_reads_as_it_did() {
    let mut snapshots = insta::Settings::clone_current();
    snapshots.set_snapshot_path("snapshots");
    snapshots.set_prepend_module_to_snapshot(false);
    snapshots.bind(|| {
        for recording in replay::recordings(AGENT) {
            let replayed = replay::replay(&recording, parser(mode(&recording)), answer);
            assert_eq!(replayed.fates.len(), recording.lines().count(), "{}", recording.name);
            insta::assert_snapshot!(recording.name.as_str(), replayed.snapshot());
        }
    });
}

/// Every recording, replayed.
fn all() -> impl Iterator<Item = (String, Replayed)> {
    replay::recordings(AGENT).into_iter().map(|recording| {
        let replayed = replay::replay(&recording, parser(mode(&recording)), answer);
        (recording.name, replayed)
    })
}

#[test]
fn the_tokens_of_a_message_make_up_its_text() {
    let mut checked = 0;
    for (name, replayed) in all() {
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
        // A run that was killed may have tokens without a message, but a message has all of its tokens or none.
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
fn a_call_comes_before_its_result_and_has_only_one() {
    for (name, replayed) in all() {
        let (mut called, mut answered) = (BTreeSet::new(), BTreeSet::new());
        for event in replayed.events() {
            match event {
                StreamEvent::ToolCall(call) => assert!(called.insert(call.id.clone()), "{name}: called twice"),
                StreamEvent::ToolResult { id, .. } => {
                    assert!(called.contains(id), "{name}: a result without a call");
                    assert!(answered.insert(id.clone()), "{name}: two results");
                }
                _ => {}
            }
        }
    }
}

#[test]
fn nothing_that_a_program_writes_makes_the_parser_panic_or_lie() {
    let recordings = replay::recordings(AGENT);
    replay::survives_anything(&recordings, || parser(Mode::TwoWay));
}

/// What comes of these lines in two-way mode.
fn told(lines: &[&str]) -> Vec<Item> {
    let mut parser = parser(Mode::TwoWay);
    let mut out = Output::default();
    for line in lines {
        parser.line(line, &mut out);
    }
    out.items
}

#[test]
fn a_turn_ends_even_when_everything_beside_its_end_is_damaged() {
    let line = r#"{"type":"result","subtype":"success","is_error":false,"result":"done","usage":{"input_tokens":1e999},
        "total_cost_usd":"much","permission_denials":[[[]]],"model_usage_since_last_result":7,"type":"result"}"#;
    assert!(told(&[line]).contains(&Item::TurnEnded(Ok("done".into()))), "{:?}", told(&[line]));
}

#[test]
fn a_request_that_we_do_not_know_is_refused_and_kept() {
    for request in [json!({ "subtype": "mcp_message" }), json!({ "subtype": "can_use_tool", "tool_name": 1 }), json!(null)] {
        let line = json!({ "type": "control_request", "request_id": "r", "request": request }).to_string();
        let mut out = Output::default();
        assert_eq!(parser(Mode::TwoWay).line(&line, &mut out), Fate::Raw);
        assert_eq!(out.items, [Item::Event(StreamEvent::Raw { line })]);
        let sent: Value = serde_json::from_slice(&out.send).unwrap();
        assert_eq!((&sent["response"]["subtype"], &sent["response"]["request_id"]), (&json!("error"), &json!("r")));
    }
}

#[test]
fn what_is_shown_is_what_runs_and_a_request_is_answered_once() {
    let input = json!({ "command": "rm -r x", "n": 12_345_678_901_234_567_890_u64 });
    let suggestion = json!({ "type": "addRules", "behavior": "allow", "destination": "localSettings" });
    let request = json!({
        "subtype": "can_use_tool", "tool_name": "Bash", "tool_use_id": "t", "input": input, "permission_suggestions": [suggestion],
    });
    let line = json!({ "type": "control_request", "request_id": "r", "request": request }).to_string();
    let mut parser = parser(Mode::TwoWay);
    let mut out = Output::default();
    parser.line(&line, &mut out);
    assert!(
        matches!(&out.items[..], [Item::Event(StreamEvent::PermissionRequest { id, input: shown, .. })] if id == "r" && *shown == input)
    );
    parser.decide("r", Decision::AllowAlways, &mut out);
    let sent: Value = serde_json::from_slice(&out.send).unwrap();
    assert_eq!(sent["response"]["response"]["updatedInput"], input);
    assert_eq!(sent["response"]["response"]["updatedPermissions"][0]["destination"], "session", "nothing is written into the project");
    let mut again = Output::default();
    parser.decide("r", Decision::Deny, &mut again);
    parser.decide("unheard of", Decision::Deny, &mut again);
    assert!(again.is_empty());
}

#[test]
fn a_denied_call_reads_denied_whatever_the_program_says_of_it() {
    let request = json!({ "subtype": "can_use_tool", "tool_name": "Bash", "tool_use_id": "t", "input": {} });
    let result = json!({ "type": "tool_result", "tool_use_id": "t", "is_error": true, "content": "no" });
    let mut parser = parser(Mode::TwoWay);
    let mut out = Output::default();
    parser.line(&json!({ "type": "control_request", "request_id": "r", "request": request }).to_string(), &mut out);
    parser.decide("r", Decision::Deny, &mut out);
    out = Output::default();
    parser.line(&json!({ "type": "user", "message": { "content": [result] } }).to_string(), &mut out);
    assert!(matches!(&out.items[..], [Item::Event(StreamEvent::ToolResult { status: ToolStatus::Denied, .. })]), "{out:?}");
}

#[test]
fn a_subscriptions_limit_is_told_with_its_end() {
    let event = |status: &str| format!(r#"{{"type":"rate_limit_event","rate_limit_info":{{"status":"{status}","resetsAt":1795338000}}}}"#);
    assert_eq!(told(&[&event("allowed")]), []);
    let [Item::Event(StreamEvent::Notice { level, code, data, .. })] = &told(&[&event("rejected")])[..] else { panic!("no notice") };
    assert_eq!((*level, *code), (Level::Warning, NoticeCode::RateLimited));
    assert_eq!(*data, Some(json!({ "resets_at": "2026-11-22T09:00:00.000Z" })));
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
    fn model_and_conversation_stay_values_whatever_they_look_like() {
        let args = args(Mode::TwoWay, |task| {
            task.spec.model = Some("--settings".into());
            task.spec.extra_args = vec!["--max-turns".into(), "3".into()];
            task.resume = Some("-x".into());
        });
        insta::assert_snapshot!(args.join(" "), @"-p --output-format=stream-json --verbose --include-partial-messages --input-format=stream-json --permission-prompt-tool=stdio --model=--settings --resume=-x --max-turns 3");
    }

    #[test]
    fn a_one_shot_prompt_goes_in_whole_and_closes_the_door() {
        let mut out = Output::default();
        parser(Mode::OneShot).open(&mut out);
        assert_eq!((out.send.as_slice(), out.close_stdin), (&b"Create hello.py"[..], true));
    }

    #[test]
    fn the_variables_of_an_outer_session_are_not_passed_on() {
        let environment = ClaudeCode::default().environment();
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
    fn each_flag_stands_in_the_table_once() {
        let names: Vec<_> = ClaudeCode::default().flags().iter().flat_map(|flag| flag.names).collect();
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
        let judged = |arg: &str| flags::judge(ClaudeCode::default().flags(), &[arg.to_owned()]);
        assert!(judged("--resume=other").is_err());
        assert!(judged("-p").is_err());
        assert_eq!(judged("--dangerously-skip-permissions").unwrap().0.len(), 1);
        assert_eq!(judged("--effort=high").unwrap().0.len(), 0);
    }
}
