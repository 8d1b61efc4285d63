//! What a task contains besides the prompt.

use serde_json::{Value, json};

use super::Codex;
use crate::agent::replay;
use crate::agent::{Item, Mode, Output, Parser, Program, Task};
use crate::types::{AttachmentKind, Cause, Failure};

const AGENT: &str = "codex";

/// A parser for this task whose program was asked to open its thread, and the parameters of that request.
fn opening(task: &Task) -> (Box<dyn Parser>, Value) {
    let mut parser = Codex::new(Mode::TwoWay, None).parser(task, &replay::installed("codex", "0.169.0", AGENT));
    parser.open(&mut Output::default());
    let out = answer(&mut *parser, &json!({ "id": 1, "result": { "userAgent": "openrunner/0.169.0 (x)" } }));
    let opening = requests(&out).remove(1);
    (parser, opening)
}

fn answer(parser: &mut dyn Parser, line: &Value) -> Output {
    let mut out = Output::default();
    parser.handle_line(&line.to_string(), &mut out);
    out
}

fn requests(out: &Output) -> Vec<Value> {
    out.send.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect()
}

fn opened() -> Value {
    json!({ "id": 2, "result": { "thread": { "id": "t" }, "model": "m" } })
}

fn with_instructions(resume: Option<&str>) -> Task {
    let mut task = replay::task(AGENT);
    task.spec.instructions = Some("Be brief.".to_owned());
    task.resume = resume.map(str::to_owned);
    task
}

#[test]
fn a_new_thread_is_started_with_the_instructions() {
    let (mut parser, opening) = opening(&with_instructions(None));
    assert_eq!((&opening["method"], &opening["params"]["developerInstructions"]), (&json!("thread/start"), &json!("Be brief.")));
    assert_eq!(requests(&answer(&mut *parser, &opened()))[0]["method"], "turn/start");
}

#[test]
fn a_resumed_thread_gets_its_instructions_before_the_turn() {
    let (mut parser, opening) = opening(&with_instructions(Some("t")));
    assert_eq!((&opening["method"], &opening["params"]["developerInstructions"]), (&json!("thread/resume"), &Value::Null));
    let added = requests(&answer(&mut *parser, &opened()));
    let content = json!([{ "type": "input_text", "text": "Be brief." }]);
    assert_eq!((added.len(), &added[0]["method"]), (1, &json!("thread/inject_items")));
    assert_eq!(added[0]["params"]["items"], json!([{ "type": "message", "role": "developer", "content": content }]));
    let turn = requests(&answer(&mut *parser, &json!({ "id": 3, "result": {} })));
    assert_eq!((turn.len(), &turn[0]["method"]), (1, &json!("turn/start")));
}

#[test]
fn a_turn_does_not_start_without_its_instructions_or_after_an_interrupt() {
    for (response, interrupted, cause) in [
        (json!({ "id": 3, "error": { "code": -32600, "message": "unknown method" } }), false, Cause::BadArguments),
        (json!({ "id": 3, "result": {} }), true, Cause::Cancelled),
    ] {
        let (mut parser, _) = opening(&with_instructions(Some("t")));
        answer(&mut *parser, &opened());
        if interrupted {
            assert!(parser.interrupt(&mut Output::default()));
        }
        let out = answer(&mut *parser, &response);
        let ended = out.items.iter().any(|item| matches!(item, Item::TurnEnded(Err(Failure { cause: ended, .. })) if *ended == cause));
        assert!(ended && requests(&out).is_empty(), "{out:?}");
    }
}

#[test]
fn images_are_part_of_the_first_turn_and_the_schema_of_every_turn() {
    let mut task = replay::task(AGENT);
    task.attachments = vec![replay::attachment(AttachmentKind::Image, "a.png"), replay::attachment(AttachmentKind::File, "b.txt")];
    task.spec.output_schema = Some(json!({ "type": "object" }));
    let (mut parser, _) = opening(&task);
    let turn = requests(&answer(&mut *parser, &opened())).remove(0);
    let text = "Create hello.py\n\nFiles given with this task:\n- /tmp/openrunner-input/b.txt (text/plain)";
    let image = json!({ "type": "image", "url": "data:image/png;base64,Y29udGVudA==" });
    assert_eq!(turn["params"]["input"], json!([{ "type": "text", "text": text }, image]));
    assert_eq!(turn["params"]["outputSchema"], json!({ "type": "object" }));
    for line in [
        json!({ "id": 3, "result": {} }),
        json!({ "method": "turn/started", "params": { "threadId": "t", "turn": { "id": "u" } } }),
        json!({ "method": "turn/completed", "params": { "threadId": "t", "turn": { "id": "u", "status": "completed" } } }),
    ] {
        answer(&mut *parser, &line);
    }
    let mut out = Output::default();
    assert!(parser.begin_turn(&"again".into(), &mut out));
    let next = requests(&out).remove(0);
    assert_eq!(next["params"]["input"], json!([{ "type": "text", "text": "again" }]));
    assert_eq!(next["params"]["outputSchema"], json!({ "type": "object" }));
}
