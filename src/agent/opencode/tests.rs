//! Replays the recordings of `OpenCode`, and looks at stand-ins for its two programs.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{OpenCode, variant};
use crate::agent::acp::tests::{act, continued};
use crate::agent::flags::{BadArgs, Widening, classify};
use crate::agent::probe::Prober;
use crate::agent::replay::{Action, Recording, installed, recordings, replay, survives_anything, task};
use crate::agent::{Authenticated, Inspection, Item, LineOutcome, Mode, Output, Parser, Program, Task};
use crate::process::Exit;
use crate::types::{Cause, PermissionMode, StreamEvent};

fn over_acp() -> Vec<Recording> {
    let is_ours = |recording: &Recording| recording.name.starts_with("opencode_");
    let all = recordings("acp").into_iter().filter(is_ours);
    all.map(|each| if each.name == "opencode_load_session" { continued(each).0 } else { each }).collect()
}

fn parser(mode: Mode, recording: &str) -> Box<dyn Parser> {
    let mut task = task("opencode");
    match recording {
        "opencode_load_session" => task.resume = Some("ses_dfdfcbdf2ffe6FJrgFYw8PsYpG".to_owned()),
        "opencode_resume" => task.resume = Some("ses_dfc87a082ffesODXMhEV7NFQgR".to_owned()),
        "opencode_resume_unknown_id" => task.resume = Some("ses_nosuchsession000000000000".to_owned()),
        "opencode_set_model" => task.spec.model = Some("mock/mock-small".to_owned()),
        "opencode_unknown_model" => task.spec.model = Some("mock/nope".to_owned()),
        "opencode_slash" => "/etc/hosts is wrong".clone_into(&mut task.spec.prompt),
        _ => {}
    }
    OpenCode::new(mode).parser(&task, &installed("opencode", "1.18.33", variant::NPM))
}

#[test]
fn every_recorded_dialog_ends_as_it_should() {
    for recording in over_acp() {
        let replayed = replay(&recording, parser(Mode::TwoWay, &recording.name), act);
        insta::with_settings!({ snapshot_suffix => recording.name.clone(), omit_expression => true, prepend_module_to_snapshot => false }, {
            insta::assert_snapshot!("acp", replayed.snapshot());
        });
    }
}

#[test]
fn every_recorded_one_shot_run_ends_as_it_should() {
    for recording in recordings("opencode") {
        let replayed = replay(&recording, parser(Mode::OneShot, &recording.name), |_| None::<Action>);
        insta::with_settings!({ snapshot_suffix => recording.name.clone(), omit_expression => true, prepend_module_to_snapshot => false }, {
            insta::assert_snapshot!("run", replayed.snapshot());
        });
    }
}

#[test]
fn no_bytes_and_no_order_of_lines_break_a_dialog() {
    survives_anything(&over_acp(), || parser(Mode::TwoWay, ""));
}

#[test]
fn no_bytes_and_no_order_of_lines_break_a_one_shot_run() {
    survives_anything(&recordings("opencode"), || parser(Mode::OneShot, ""));
}

#[test]
fn no_bytes_and_no_order_of_lines_break_the_go_program() {
    survives_anything(&recordings("opencode"), || go_parser());
}

fn go_parser() -> Box<dyn Parser> {
    OpenCode::default().parser(&task("opencode"), &installed("opencode", "0.0.55", variant::GO))
}

fn go_lines(text: &str) -> (Vec<LineOutcome>, Output) {
    let mut parser = go_parser();
    let mut out = Output::default();
    parser.open(&mut out);
    let fates = text.lines().map(|line| parser.handle_line(line, &mut out)).collect();
    parser.handle_end_of_output(&mut out);
    (fates, out)
}

#[test]
fn the_go_program_answers_once_over_three_lines() {
    let (fates, out) = go_lines("{\n  \"response\": \"Done.\\nReally {}\"\n}\n");
    assert_eq!(fates, [LineOutcome::Buffered, LineOutcome::Buffered, LineOutcome::Emitted]);
    assert!(out.close_stdin && out.send.is_empty());
    assert_eq!(out.items.last(), Some(&Item::TurnEnded(Ok("Done.\nReally {}".to_owned()))));
}

#[test]
fn lines_of_the_go_program_that_are_no_answer_are_kept() {
    let (_, out) = go_lines("a warning\n{\n  \"reply\": 1\n}");
    let raw: Vec<_> = out
        .items
        .iter()
        .filter_map(|item| match item {
            Item::Event(StreamEvent::Raw { line }) => Some(line.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(raw, ["a warning", "{", "  \"reply\": 1", "}"]);
}

#[test]
fn the_go_programs_errors_lose_its_usage_text() {
    let stderr = "Error: agent processing failed: 401 Unauthorized\nUsage:\n  opencode [flags]\n\nFlags:\n  -c, --cwd string\n";
    let failure = go_parser().diagnose(Exit::Code(1), stderr).unwrap();
    assert_eq!((failure.cause, failure.message.as_str()), (Cause::NotLoggedIn, "agent processing failed: 401 Unauthorized"));
    assert_eq!(go_parser().diagnose(Exit::Code(0), stderr), None);
}

fn invocation(mode: Mode, variant: &'static str, change: impl FnOnce(&mut Task)) -> Result<(Vec<String>, BTreeMap<String, String>), Cause> {
    let mut task = task("opencode");
    change(&mut task);
    let invocation = OpenCode::new(mode).invocation(&task, &installed("opencode", "1", variant)).map_err(|failure| failure.cause)?;
    Ok((invocation.args, invocation.env.into_iter().collect()))
}

#[test]
fn the_npm_program_gets_the_prompt_by_its_protocol_and_everything_else_as_one_element() {
    let (args, env) = invocation(Mode::TwoWay, variant::NPM, |task| task.spec.model = Some("a/b".to_owned())).unwrap();
    assert_eq!(args, ["acp"]);
    let config: Value = serde_json::from_str(&env["OPENCODE_CONFIG_CONTENT"]).unwrap();
    assert_eq!(config["agent"]["build"]["permission"]["bash"], "ask");
    assert_eq!(env["OPENCODE_DISABLE_AUTOUPDATE"], "1");
    assert_eq!(env["OPENCODE_SERVER_PASSWORD"].len(), 32);

    let (args, _) = invocation(Mode::OneShot, variant::NPM, |task| {
        task.spec.model = Some("a/b".to_owned());
        task.resume = Some("ses_1".to_owned());
        task.spec.extra_args = vec!["--agent=plan".to_owned()];
    })
    .unwrap();
    assert_eq!(args[..2], ["run", "--format=json"]);
    assert_eq!(args[args.len() - 3..], ["--model=a/b", "--session=ses_1", "--agent=plan"]);
}

#[test]
fn a_program_that_asks_nobody_is_given_no_run_in_which_somebody_decides() {
    for (mode, variant) in [(Mode::OneShot, variant::NPM), (Mode::TwoWay, variant::GO)] {
        for permission_mode in [PermissionMode::Ask, PermissionMode::ReadOnly] {
            assert_eq!(invocation(mode, variant, |task| task.spec.permission_mode = permission_mode), Err(Cause::BadArguments));
        }
    }
}

#[test]
fn two_runs_have_two_passwords() {
    let password = || invocation(Mode::TwoWay, variant::NPM, |_| {}).unwrap().1.remove("OPENCODE_SERVER_PASSWORD");
    assert_ne!(password(), password());
}

#[test]
fn a_prompt_of_the_go_program_cannot_become_a_flag_and_has_a_bound() {
    let (args, _) = invocation(Mode::TwoWay, variant::GO, |task| "-q --cwd=/".clone_into(&mut task.spec.prompt)).unwrap();
    assert_eq!(args, ["--prompt=-q --cwd=/", "--output-format=json", "--quiet", "--cwd=/workspace/project"]);
    assert!(invocation(Mode::TwoWay, variant::GO, |task| task.spec.prompt = "x".repeat(120 * 1024)).is_ok());
    let refused: [fn(&mut Task); 3] = [
        |task| task.spec.prompt = "x".repeat(120 * 1024 + 1),
        |task| task.spec.model = Some("a/b".to_owned()),
        |task| task.resume = Some("ses_1".to_owned()),
    ];
    for change in refused {
        assert_eq!(invocation(Mode::TwoWay, variant::GO, change), Err(Cause::BadArguments));
    }
}

#[test]
fn what_is_ours_cannot_be_given_and_what_opens_a_door_is_for_admins() {
    let judged = |mode, args: &[&str]| {
        classify(OpenCode::new(mode).info().flags.unwrap(), &args.iter().map(|arg| (*arg).to_owned()).collect::<Vec<_>>())
    };
    for (mode, args) in [
        (Mode::TwoWay, &["--cwd=/"][..]),
        (Mode::TwoWay, &["-p", "x"]),
        (Mode::OneShot, &["--format", "default"]),
        (Mode::OneShot, &["-ses_1"]),
        (Mode::OneShot, &["--auto"]),
        (Mode::OneShot, &["-fx"]),
    ] {
        assert!(matches!(judged(mode, args), Err(BadArgs::Reserved { .. })), "{args:?}");
    }
    for (mode, args) in [
        (Mode::TwoWay, &["--hostname", "0.0.0.0"][..]),
        (Mode::TwoWay, &["--cors", "a", "b"]),
        (Mode::OneShot, &["--file=/etc/passwd"]),
        (Mode::OneShot, &["--no-auto"]),
    ] {
        assert!(matches!(judged(mode, args), Ok(Widening(flags)) if flags.len() == 1), "{args:?}");
    }
    assert_eq!(judged(Mode::TwoWay, &["--pure", "--log-level", "INFO"]), Ok(Widening::default()));
}

/// A folder with a stand-in program and a home.
struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let place = Self { dir: tempfile::tempdir().unwrap() };
        for folder in ["home", "empty"] {
            std::fs::create_dir(place.path(folder)).unwrap();
        }
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    /// A shell script that prints `help`, knows `version`, and fails at anything else.
    fn program(&self, help: &str, version: &str) -> PathBuf {
        let script = format!("#!/bin/sh\ncase \"$*\" in\n--help) {help} ;;\n--version) echo {version} ;;\n*) exit 99 ;;\nesac\n");
        let path = self.write("bin/opencode", &script);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    async fn inspect(&self, binary: &Path, env: &[(&str, &str)]) -> Inspection {
        let mut env: BTreeMap<String, String> = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        env.insert("PATH".to_owned(), "/usr/bin:/bin".to_owned());
        OpenCode::default().inspect(binary, &Prober::new(env, self.path("home"), self.path("empty"))).await
    }
}

/// What the help of each says, shortened.
const NPM_HELP: &str = "echo '  opencode run [message..]     run opencode with a message' >&2";
const GO_HELP: &str =
    "echo 'OpenCode is a powerful terminal-based AI assistant'; echo '  -c, --cwd string'; echo '  -f, --output-format string'";

#[tokio::test]
async fn the_two_programs_are_told_apart_by_their_help() {
    let place = Place::new();
    let found = place.inspect(&place.program(NPM_HELP, "1.18.33"), &[]).await;
    assert_eq!((found.variant, found.version.as_deref(), found.error), (variant::NPM, Some("1.18.33"), None));
    let found = place.inspect(&place.program(GO_HELP, "v0.0.55"), &[]).await;
    assert_eq!((found.variant, found.version.as_deref(), found.error), (variant::GO, Some("v0.0.55"), None));
    assert_eq!(found.authenticated, Authenticated::No);
    let found = place.inspect(&place.program("echo something else", "1"), &[]).await;
    assert!(found.error.is_some());
    let found = place.inspect(&place.path("nowhere"), &[]).await;
    assert!(found.error.is_some());
}

#[tokio::test]
async fn npms_own_note_saves_starting_the_program() {
    let place = Place::new();
    let binary = place.program("exit 99", "0");
    place.write("package.json", r#"{"name":"opencode-ai","version":"1.18.33"}"#);
    let found = place.inspect(&binary, &[]).await;
    assert_eq!((found.variant, found.version.as_deref(), found.error), (variant::NPM, Some("1.18.33"), None));
    place.write("package.json", r#"{"name":"something-else","version":"3"}"#);
    assert!(place.inspect(&binary, &[]).await.error.is_some());
}

#[tokio::test]
async fn a_login_is_told_from_files_and_variables() {
    let place = Place::new();
    let binary = place.program("exit 99", "0");
    place.write("package.json", r#"{"name":"opencode-ai","version":"1.18.33"}"#);
    let state = async |env: &[(&str, &str)]| place.inspect(&binary, env).await.authenticated;
    assert_eq!(state(&[]).await, Authenticated::Unknown, "a few models need no login");
    assert_eq!(state(&[("GROQ_API_KEY", "x")]).await, Authenticated::Yes);
    assert_eq!(state(&[("GROQ_API_KEY", "")]).await, Authenticated::Unknown);
    place.write("home/.local/share/opencode/auth.json", "{}");
    assert_eq!(state(&[]).await, Authenticated::Unknown);
    place.write("home/.local/share/opencode/auth.json", r#"{"anthropic":{"type":"api","key":"x"}}"#);
    assert_eq!(state(&[]).await, Authenticated::Yes);
    assert_eq!(state(&[("XDG_DATA_HOME", "/nowhere")]).await, Authenticated::Unknown);
    let own = place.write("own.json", r#"{"provider":{"a":{"options":{"apiKey":"x"}}}}"#);
    assert_eq!(state(&[("XDG_DATA_HOME", "/nowhere"), ("OPENCODE_CONFIG", own.to_str().unwrap())]).await, Authenticated::Yes);
}
