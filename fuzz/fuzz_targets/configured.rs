//! Agents defined in the configuration: plain ACP, text, and JSON lines with mapped fields.
#![no_main]

use std::collections::BTreeMap;

use libfuzzer_sys::fuzz_target;
use openrunner::agent::configured::{Configured, Definition, Fields, SessionModes, WireFormat};
use openrunner_fuzz::drive;
use serde_json::json;

fn agent(wire_format: WireFormat) -> Configured {
    Configured::new(Definition {
        name: "mine".to_owned(),
        wire_format,
        program: "mine".to_owned(),
        args: vec![],
        model_args: vec![],
        resume_args: vec![],
        session_modes: SessionModes::default(),
        auth_method: None,
        config_options: BTreeMap::new(),
        asks: None,
        pass_env: vec![],
        set_env: BTreeMap::new(),
        secret_env: BTreeMap::new(),
        install: None,
        login: None,
        preset: None,
    })
}

/// The field mapping of the fictitious programs in `tests/transcripts/configured`.
fn fields() -> Fields {
    let text_of = |kind: &str| json!({ "at": "/text", "if": { "/type": kind } });
    let fields = json!({
        "token": text_of("delta"), "thinking": text_of("thinking"), "message": text_of("message"), "result": text_of("result"),
        "error": "/error", "session": "/session",
        "input_tokens": "/usage/in", "output_tokens": "/usage/out", "cost_usd": "/usage/usd",
    });
    serde_json::from_value(fields).expect("valid field mapping")
}

fuzz_target!(|data: &[u8]| {
    let (acp, text, jsonl) = (agent(WireFormat::Acp), agent(WireFormat::Text), agent(WireFormat::Jsonl(Box::new(fields()))));
    drive(data, |choice| match choice % 3 {
        0 => (&acp, ""),
        1 => (&text, ""),
        _ => (&jsonl, ""),
    });
});
