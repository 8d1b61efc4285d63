//! Replays invented programs, and checks how configured agents are started.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::json;

use super::{AskScope, Configured, Definition, Fields, SessionModes, WireFormat};
use crate::agent::common::LineReader;
use crate::agent::flags::classify;
use crate::agent::replay::{Action, Recording, installed, recordings, replay, survives_anything, task};
use crate::agent::{Invocation, Item, Location, Output, Parser, Program, Task};
use crate::process::Exit;
use crate::types::{Cause, McpServer, McpTransport, NoticeCode, PermissionMode, StreamEvent};

fn fields() -> Fields {
    let only = |kind: &str| json!({ "at": "/text", "if": { "/type": kind } });
    serde_json::from_value(json!({
        "token": only("delta"),
        "thinking": only("thinking"),
        "message": only("message"),
        "result": only("result"),
        "error": "/error",
        "session": "/session",
        "input_tokens": "/usage/in",
        "output_tokens": "/usage/out",
        "cost_usd": "/usage/usd",
    }))
    .unwrap()
}

fn agent(wire_format: WireFormat) -> Configured {
    Configured::new(definition(wire_format))
}

fn definition(wire_format: WireFormat) -> Definition {
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let one_shot = wire_format != WireFormat::Acp;
    Definition {
        name: "mine".to_owned(),
        wire_format,
        program: "mine".to_owned(),
        args: words(&["--quiet"]),
        model_args: if one_shot { words(&["--model={model}"]) } else { vec![] },
        resume_args: if one_shot { words(&["--resume", "{session}"]) } else { vec![] },
        session_modes: SessionModes::default(),
        auth_method: None,
        config_options: BTreeMap::new(),
        asks: None,
        pass_env: words(&["MINE_KEY"]),
        set_env: BTreeMap::from([("NO_COLOR".to_owned(), "1".to_owned())]),
        secret_env: BTreeMap::new(),
        install: None,
        login: None,
        preset: None,
    }
}

fn wire_format(recording: &str) -> WireFormat {
    if recording.starts_with("text") { WireFormat::Text } else { WireFormat::Jsonl(Box::new(fields())) }
}

fn parser(wire_format: WireFormat) -> Box<dyn Parser> {
    agent(wire_format).parser(&task("mine"), &installed("mine", "", ""))
}

#[test]
fn recordings_match_their_snapshots() {
    for recording in recordings("configured") {
        let replayed = replay(&recording, parser(wire_format(&recording.name)), |_| None::<Action>);
        insta::with_settings!({ snapshot_suffix => recording.name.clone(), omit_expression => true, prepend_module_to_snapshot => false }, {
            insta::assert_snapshot!("configured", replayed.snapshot());
        });
    }
}

#[test]
fn arbitrary_output_never_panics() {
    let all: Vec<Recording> = recordings("configured");
    survives_anything(&all, || parser(WireFormat::Text));
    survives_anything(&all, || parser(WireFormat::Jsonl(Box::new(fields()))));
}

#[test]
fn without_a_result_field_the_last_message_is_the_result() {
    let only_tokens: Fields = serde_json::from_value(json!({ "token": "/text" })).unwrap();
    let mut parser = parser(WireFormat::Jsonl(Box::new(only_tokens)));
    let mut out = Output::default();
    for piece in ["Hel", "lo"] {
        parser.handle_line(&json!({ "text": piece }).to_string(), &mut out);
    }
    parser.handle_end_of_output(&mut out);
    assert!(!matches!(out.items.last(), Some(Item::TurnEnded(_))), "only the exit ends the turn");
    parser.handle_exit(Exit::Code(0), &mut out);
    assert_eq!(out.items.last(), Some(&Item::TurnEnded(Ok("Hello".to_owned()))));
}

/// The items for these lines of JSON, which arrive together.
fn read_together(lines: &[&str]) -> Vec<Item> {
    let (mut parser, mut reader, mut out) = (parser(WireFormat::Jsonl(Box::new(fields()))), LineReader::default(), Output::default());
    for line in lines {
        reader.handle_line(line, &mut *parser, &mut out);
    }
    reader.finish(&mut *parser, &mut out);
    out.items
}

fn raw_lines(items: &[Item]) -> Vec<&str> {
    let raw = items.iter().filter_map(|item| match item {
        Item::Event(StreamEvent::Raw { line }) => Some(line.as_str()),
        _ => None,
    });
    raw.collect()
}

#[test]
fn an_unknown_line_is_kept_also_if_it_arrives_together_with_known_ones() {
    let (known, unknown) = (r#"{"type":"delta","text":"a"}"#, r#"{"type":"other"}"#);
    assert_eq!(raw_lines(&read_together(&[known, unknown, known])), [unknown]);
    assert_eq!(raw_lines(&read_together(&[&format!("> {known} {unknown}{known}!")])), ["> ", &format!(" {unknown}"), "!"]);
}

#[test]
fn lines_are_read_among_other_bytes_and_half_characters_are_joined() {
    let result = r#"{"type":"result","text":"up 🚀 \ud83d"}"#;
    let items = read_together(&[
        "\u{feff}{\"session\":\"s\"}",
        "\u{1b}[2K{\"type\":\"delta\",\"text\":\"up \\ud83d\"}",
        r#"{"type":"delta","text":"\ude80 \ud83d"}"#,
        &format!("loading... {result} bye"),
    ]);
    let tokens = items.iter().filter_map(|item| match item {
        Item::Event(StreamEvent::Token { content }) => Some(content.text.as_str()),
        _ => None,
    });
    assert_eq!(tokens.collect::<String>(), "up 🚀 \u{fffd}");
    assert!(items.contains(&Item::TurnEnded(Ok("up 🚀 \u{fffd}".to_owned()))), "{items:?}");
    let messages = items.iter().filter(|item| matches!(item, Item::Event(StreamEvent::Message { .. })));
    assert_eq!(messages.count(), 1, "{items:?}");
    assert_eq!(raw_lines(&items), ["\u{1b}[2K", "loading... ", " bye"]);
}

#[test]
fn the_newest_id_of_the_conversation_counts_and_a_notice_says_so() {
    let session = |id: &str| json!({ "session": id }).to_string();
    let items = read_together(&[&session("a"), &session("a"), &session(""), &session("b"), &session("b"), &session("c")]);
    assert!(matches!(&items[0], Item::Started(started) if started.agent_session.as_deref() == Some("a")), "{items:?}");
    let is_notice = |item: &&Item| matches!(item, Item::Event(StreamEvent::Notice { code: NoticeCode::SessionChanged, .. }));
    assert_eq!(items.iter().filter(is_notice).count(), 2);
    let changes: Vec<_> = items.iter().filter(|item| matches!(item, Item::SessionChanged(_))).collect();
    assert_eq!(changes, [&Item::SessionChanged("b".to_owned()), &Item::SessionChanged("c".to_owned())]);
}

#[test]
fn a_long_answer_is_emitted_completely_and_truncated_in_the_result() {
    let mut parser = parser(WireFormat::Text);
    let (mut emitted, mut truncated) = (0, false);
    for _ in 0..40 {
        let mut out = Output::default();
        parser.handle_line(&"é".repeat(32 * 1024), &mut out);
        let Some(Item::Event(StreamEvent::Token { content })) = out.items.first() else { panic!("{out:?}") };
        emitted += content.text.len();
    }
    let mut out = Output::default();
    parser.handle_end_of_output(&mut out);
    parser.handle_exit(Exit::Code(0), &mut out);
    for item in &out.items {
        match item {
            Item::Event(StreamEvent::Notice { .. }) => truncated = true,
            Item::TurnEnded(Ok(text)) => assert!(text.len() <= 1024 * 1024 && text.len() > 1024 * 1000, "{}", text.len()),
            _ => {}
        }
    }
    assert!(truncated && emitted > 2 * 1024 * 1024, "{emitted}");
}

fn invocation(wire_format: WireFormat, change: impl FnOnce(&mut Task)) -> Result<Invocation, Cause> {
    let mut task = task("mine");
    change(&mut task);
    agent(wire_format).invocation(&task, &installed("mine", "", "")).map_err(|failure| failure.cause)
}

#[test]
fn the_model_and_the_session_are_inserted_into_the_configured_arguments() {
    let change = |task: &mut Task| {
        task.spec.model = Some("big".to_owned());
        task.resume = Some("s-1".to_owned());
        task.spec.extra_args = vec!["--more".to_owned()];
    };
    let made = invocation(WireFormat::Text, change).unwrap();
    assert_eq!(made.args, ["--quiet", "--model=big", "--resume", "s-1", "--more"]);
    assert_eq!(made.env, [("NO_COLOR".to_owned(), "1".to_owned())]);
    assert_eq!(invocation(WireFormat::Acp, change).unwrap().args, ["--quiet", "--more"], "the protocol carries the rest");
    assert!(classify(agent(WireFormat::Acp).info().flags.unwrap(), &["--more".to_owned()]).unwrap().0 == ["--more"], "admins only");
}

#[test]
fn unsupported_tasks_are_rejected_before_the_program_starts() {
    let refused: [fn(&mut Task); 5] = [
        |task| task.spec.permission_mode = PermissionMode::Ask,
        |task| task.spec.permission_mode = PermissionMode::ReadOnly,
        |task| task.resume = Some("--yolo".to_owned()),
        |task| task.resume = Some(String::new()),
        |task| {
            let transport = McpTransport::Http { url: "https://a.example".to_owned(), headers: BTreeMap::new() };
            task.mcp_servers = vec![McpServer { name: "a".to_owned(), transport }];
        },
    ];
    for change in refused {
        assert_eq!(invocation(WireFormat::Text, change), Err(Cause::BadArguments));
    }
    let unable = |change: fn(&mut Task)| {
        let able = Configured::new(Definition { model_args: vec![], resume_args: vec![], ..definition(WireFormat::Text) });
        assert!(!able.capabilities("").models && !able.capabilities("").resume);
        let mut task = task("mine");
        change(&mut task);
        able.invocation(&task, &installed("mine", "", "")).map_err(|failure| failure.cause)
    };
    assert_eq!(unable(|task| task.spec.model = Some("big".to_owned())), Err(Cause::BadArguments));
    assert_eq!(unable(|task| task.resume = Some("s-1".to_owned())), Err(Cause::BadArguments));
}

#[test]
fn a_program_is_located_by_name_or_by_absolute_path() {
    assert_eq!(agent(WireFormat::Acp).info().location, Location::Named("mine".into()));
    let placed = Configured::new(Definition { program: "/opt/mine".to_owned(), ..definition(WireFormat::Acp) });
    assert_eq!(placed.info().location, Location::At(PathBuf::from("/opt/mine")));
}

#[test]
fn an_acp_agent_is_driven_through_the_protocol() {
    let mut parser = parser(WireFormat::Acp);
    let mut out = Output::default();
    parser.open(&mut out);
    assert!(!out.close_stdin && String::from_utf8(out.send).unwrap().contains("initialize"));
    let odd = invocation(WireFormat::Acp, |task| {
        use std::os::unix::ffi::OsStringExt as _;
        task.spec.working_dir = PathBuf::from(std::ffi::OsString::from_vec(vec![b'/', 0xff]));
    });
    assert_eq!(odd, Err(Cause::BadArguments));
}

#[test]
fn an_agent_that_is_known_not_to_ask_is_refused_in_the_modes_that_need_it() {
    for (asks, ask, permissions) in
        [(None, true, true), (Some(AskScope::All), true, true), (Some(AskScope::Edits), false, true), (Some(AskScope::None), false, false)]
    {
        let agent = Configured::new(Definition { asks, ..definition(WireFormat::Acp) });
        for mode in [PermissionMode::Ask, PermissionMode::ReadOnly] {
            assert_eq!(agent.unsupported_mode(mode).is_none(), ask, "{asks:?} {mode:?}");
            let mut task = task("mine");
            task.spec.permission_mode = mode;
            let started = agent.invocation(&task, &installed("mine", "", ""));
            assert_eq!(started.map_err(|failure| failure.cause).err(), (!ask).then_some(Cause::BadArguments), "{asks:?} {mode:?}");
        }
        assert_eq!(agent.unsupported_mode(PermissionMode::Auto), None);
        assert_eq!(agent.info().capabilities.permissions, permissions, "{asks:?}");
    }
}

#[test]
fn a_variable_is_a_secret_by_its_name_or_because_it_is_declared_as_one() {
    let variables = |pairs: &[(&str, &str)]| pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let set_env = variables(&[("NODE_ENV", "production"), ("SOME_API_KEY", "by-its-name"), ("MODEL", "gpt-5")]);
    let secret_env = variables(&[("HEADER", "declared")]);
    let agent = Configured::new(Definition { set_env, secret_env, ..definition(WireFormat::Acp) });
    assert_eq!(agent.secrets(), ["by-its-name", "declared"]);
    let env = agent.invocation(&task("mine"), &installed("mine", "", "")).unwrap().env;
    assert_eq!(env.len(), 4, "the agent receives all of them");
}
