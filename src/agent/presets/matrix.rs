//! The matrix of recordings: what each recording of an ACP agent must yield, whether it is a preset, an adapter, or `OpenCode`.

use std::collections::{BTreeMap, BTreeSet};

use crate::agent::Item;
use crate::agent::acp::tests::{replay_continued, replay_other};
use crate::agent::opencode::tests::replay_over_acp;
use crate::agent::replay::{Recording, Replayed, Step, recordings};
use crate::types::{StreamEvent, Usage};

/// What a recording must yield.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Yield {
    pub(super) cause: &'static str,
    /// Uncached input, cached input, output.
    pub(super) usage: Option<(u64, u64, u64)>,
    pub(super) tools: Vec<String>,
    /// Number of changed files that have a diff.
    pub(super) diffs: usize,
    pub(super) requests: usize,
    pub(super) questions: usize,
}

pub(super) fn yield_of(replayed: &Replayed) -> Yield {
    let mut seen = Yield { cause: replayed.verdict.cause.as_str(), ..Yield::default() };
    for event in replayed.events() {
        match event {
            StreamEvent::ToolCall(call) => seen.tools.push(call.tool.clone()),
            StreamEvent::FileChange { diff: Some(_), .. } => seen.diffs += 1,
            StreamEvent::PermissionRequest { .. } => seen.requests += 1,
            StreamEvent::Question { .. } => seen.questions += 1,
            StreamEvent::Usage(Usage { input_tokens, cache_read_tokens, output_tokens, .. }) => {
                seen.usage = Some((*input_tokens, *cache_read_tokens, *output_tokens));
            }
            _ => {}
        }
    }
    seen
}

/// One call of the model, as the mock model counts it.
const ONE: (u64, u64, u64) = (200, 1000, 42);

/// The expectations: recording, cause, calls of the model that are counted if usage is reported, tools, diffs, permission requests, questions.
///
/// Gemini does not separate cached tokens; Cline and pi report no usage; `OpenCode` reports that of the last call of a turn. A recorder that
/// ended before the turn did leaves the cause `protocol`.
#[rustfmt::skip]
#[expect(clippy::type_complexity, reason = "a table, read by its columns")]
const MATRIX: &[(&str, &str, Option<u64>, &[&str], usize, usize, usize)] = &[
    ("chooser",                           "ok",              None, &["tool"], 0, 1, 0),
    ("claude_cancel_permission",          "cancelled",       Some(1), &["Write"], 0, 1, 0),
    ("claude_cancel_stream",              "ok",              Some(1), &[], 0, 0, 0),
    ("claude_error_401",                  "protocol",        None, &[], 0, 0, 0),
    ("claude_load_session",               "ok",              Some(1), &[], 0, 0, 0),
    ("claude_notice_as_message",          "ok",              Some(2), &["Bash"], 0, 0, 0),
    ("claude_permission_allow_always",    "ok",              Some(2), &["Write"], 1, 1, 0),
    ("claude_permission_allow_once",      "ok",              Some(2), &["Write"], 1, 1, 0),
    ("claude_permission_reject_once",     "ok",              Some(2), &["Write"], 0, 1, 0),
    ("claude_plan",                       "ok",              Some(6), &["Bash", "Write", "Bash", "Bash", "Bash"], 1, 2, 0),
    ("claude_text",                       "ok",              Some(2), &[], 0, 0, 0),
    ("claude_thinking",                   "ok",              Some(1), &[], 0, 0, 0),
    ("claude_unknown_method",             "protocol",        Some(0), &[], 0, 0, 0),
    ("cline_load_session",                "ok",              None, &[], 0, 0, 0),
    ("cline_not_logged_in",               "not_logged_in",   None, &[], 0, 0, 0),
    ("cline_tool",                        "ok",              None, &["editor"], 0, 1, 0),
    ("codex_cancel_permission",           "cancelled",       Some(1), &["edit"], 0, 1, 0),
    ("codex_cancel_stream",               "ok",              Some(1), &[], 0, 0, 0),
    ("codex_error_401",                   "not_logged_in",   None, &[], 0, 0, 0),
    ("codex_error_429",                   "rate_limited",    None, &[], 0, 0, 0),
    ("codex_load_session",                "ok",              Some(1), &[], 0, 0, 0),
    ("codex_permission_allow_always",     "ok",              Some(2), &["edit"], 1, 1, 0),
    ("codex_permission_allow_once",       "ok",              Some(2), &["edit"], 1, 1, 0),
    ("codex_permission_reject_once",      "agent_error",     Some(1), &["edit"], 0, 1, 0),
    ("codex_plan",                        "ok",              Some(6), &["exec_command", "edit", "exec_command", "exec_command", "exec_command"], 1, 0, 0),
    ("codex_text",                        "ok",              Some(2), &[], 0, 0, 0),
    ("codex_thinking",                    "ok",              Some(1), &[], 0, 0, 0),
    ("codex_unknown_method",              "protocol",        None, &[], 0, 0, 0),
    ("copilot_cancel_stream",             "ok",              Some(1), &[], 0, 0, 0),
    ("copilot_edit",                      "ok",              Some(4), &["execute", "execute", "read"], 0, 2, 0),
    ("copilot_error_401",                 "not_logged_in",   None, &[], 0, 0, 0),
    ("copilot_load_session",              "ok",              Some(1), &[], 0, 0, 0),
    ("copilot_not_logged_in",             "not_logged_in",   None, &[], 0, 0, 0),
    ("copilot_shell",                     "ok",              Some(2), &["execute"], 0, 1, 0),
    ("gemini_authenticate",               "protocol",        None, &[], 0, 0, 0),
    ("gemini_cancel_stream",              "ok",              Some(1), &[], 0, 0, 0),
    ("gemini_command_in_title",           "ok",              Some(2), &["run_shell_command"], 0, 1, 0),
    ("gemini_edit",                       "ok",              Some(4), &["write_file", "replace", "read_file"], 2, 2, 0),
    ("gemini_error_401",                  "not_logged_in",   None, &[], 0, 0, 0),
    ("gemini_initialize",                 "agent_error",     None, &[], 0, 0, 0),
    ("gemini_load_session_fails",         "bad_arguments",   None, &[], 0, 0, 0),
    ("gemini_not_logged_in",              "not_logged_in",   None, &[], 0, 0, 0),
    ("gemini_read_only",                  "ok",              Some(2), &[], 0, 0, 0),
    ("gemini_shell",                      "ok",              Some(2), &["run_shell_command"], 0, 1, 0),
    ("gemini_text",                       "ok",              Some(1), &[], 0, 0, 0),
    ("grok_cancel_stream",                "ok",              Some(1), &[], 0, 0, 0),
    ("grok_edit",                         "ok",              Some(4), &["write", "search_replace", "read_file"], 2, 2, 0),
    ("grok_error_429",                    "rate_limited",    None, &[], 0, 0, 0),
    ("grok_load_session",                 "ok",              Some(1), &[], 0, 0, 0),
    ("grok_not_logged_in",                "not_logged_in",   None, &[], 0, 0, 0),
    ("grok_shell",                        "ok",              Some(2), &["run_terminal_command"], 0, 1, 0),
    ("grok_shell_unasked",                "ok",              Some(2), &["run_terminal_command"], 0, 0, 0),
    ("grok_text",                         "ok",              Some(1), &[], 0, 0, 0),
    ("hermes_cancel_stream",              "ok",              Some(1), &[], 0, 0, 0),
    ("hermes_edit",                       "ok",              Some(4), &["write", "patch", "read"], 2, 2, 0),
    ("hermes_edit_denied",                "ok",              Some(2), &["write"], 0, 1, 0),
    ("hermes_error_401",                  "not_logged_in",   None, &[], 0, 0, 0),
    ("hermes_load_session",               "ok",              Some(1), &[], 0, 0, 0),
    ("hermes_not_logged_in",              "not_logged_in",   None, &[], 0, 0, 0),
    ("hermes_shell_unasked",              "ok",              Some(2), &["terminal"], 0, 0, 0),
    ("hermes_text",                       "ok",              Some(1), &[], 0, 0, 0),
    ("kilo_load_session",                 "ok",              Some(1), &[], 0, 0, 0),
    ("kilo_permission_by_config",         "ok",              Some(2), &["bash", "edit"], 0, 2, 0),
    ("kilo_text",                         "ok",              Some(1), &[], 0, 0, 0),
    ("kilo_tool_unasked",                 "ok",              Some(1), &["write"], 0, 0, 0),
    ("late_chunks",                       "ok",              Some(1), &[], 0, 0, 0),
    ("opencode2_edit",                    "ok",              Some(1), &["edit"], 1, 1, 0),
    ("opencode_bad_config",               "agent_error",     None, &[], 0, 0, 0),
    ("opencode_bigtool",                  "ok",              Some(1), &["bash"], 0, 1, 0),
    ("opencode_cancel_permission",        "cancelled",       Some(0), &["write"], 0, 1, 0),
    ("opencode_cancel_stream",            "ok",              Some(1), &[], 0, 0, 0),
    ("opencode_edit",                     "ok",              Some(1), &["write", "edit", "read"], 2, 2, 0),
    ("opencode_edit_unasked",             "ok",              Some(1), &["write", "edit", "read"], 2, 0, 0),
    ("opencode_error_401",                "not_logged_in",   Some(0), &[], 0, 0, 0),
    ("opencode_error_404",                "model_not_found", Some(0), &[], 0, 0, 0),
    ("opencode_error_429",                "rate_limited",    Some(0), &[], 0, 0, 0),
    ("opencode_load_session",             "ok",              Some(1), &[], 0, 0, 0),
    ("opencode_parallel",                 "ok",              Some(1), &["bash", "bash"], 0, 3, 0),
    ("opencode_parallel_reject",          "ok",              Some(1), &["bash", "bash"], 0, 2, 0),
    ("opencode_permission_allow_always",  "ok",              Some(1), &["write"], 1, 1, 0),
    ("opencode_permission_allow_once",    "ok",              Some(1), &["write"], 1, 1, 0),
    ("opencode_permission_reject_once",   "ok",              Some(1), &["write"], 0, 1, 0),
    ("opencode_plan",                     "ok",              Some(1), &["todowrite", "write", "todowrite", "bash", "todowrite"], 1, 2, 0),
    ("opencode_resume",                   "ok",              Some(1), &[], 0, 0, 0),
    ("opencode_resume_unknown_id",        "bad_arguments",   None, &[], 0, 0, 0),
    ("opencode_set_model",                "ok",              Some(1), &[], 0, 0, 0),
    ("opencode_slash",                    "bad_arguments",   None, &[], 0, 0, 0),
    ("opencode_subagent",                 "ok",              Some(1), &["task"], 0, 0, 0),
    ("opencode_subagent_hangs",           "killed",          None, &["task"], 0, 0, 0),
    ("opencode_text",                     "ok",              Some(2), &[], 0, 0, 0),
    ("opencode_thinking",                 "ok",              Some(1), &[], 0, 0, 0),
    ("opencode_unicode",                  "ok",              Some(1), &[], 0, 0, 0),
    ("opencode_unknown_method",           "protocol",        Some(0), &[], 0, 0, 0),
    ("opencode_unknown_model",            "model_not_found", None, &[], 0, 0, 0),
    ("pi_error_401",                      "agent_error",     None, &[], 0, 0, 0),
    ("pi_load_session",                   "ok",              None, &[], 0, 0, 0),
    ("pi_tool_unasked",                   "ok",              None, &["write"], 1, 0, 0),
    ("qwen_cancel_stream",                "ok",              Some(1), &[], 0, 0, 0),
    ("qwen_edit",                         "ok",              Some(4), &["write_file", "edit", "read_file"], 2, 2, 0),
    ("qwen_error_401",                    "not_logged_in",   None, &[], 0, 0, 0),
    ("qwen_load_session",                 "ok",              Some(1), &[], 0, 0, 0),
    ("qwen_not_logged_in",                "not_logged_in",   None, &[], 0, 0, 0),
    ("qwen_question",                     "ok",              Some(2), &["ask_user_question"], 0, 0, 1),
    ("qwen_shell",                        "ok",              Some(1), &["run_shell_command"], 0, 1, 0),
];

/// All recordings of agents that speak the protocol.
pub(super) fn all() -> Vec<(String, Replayed)> {
    let replay = |recording: Recording| match recording.name.as_str() {
        name if name.starts_with("opencode_") => replay_over_acp(recording),
        "claude_load_session" | "codex_load_session" => replay_continued(recording),
        _ => replay_other(&recording),
    };
    recordings("acp").into_iter().map(|recording| (recording.name.clone(), replay(recording))).collect()
}

#[test]
fn every_recording_yields_what_it_must() {
    let mut expected: BTreeMap<String, Yield> = BTreeMap::new();
    for (name, cause, calls, tools, diffs, requests, questions) in MATRIX.iter().copied() {
        let usage = calls.map(|calls| {
            let (input, cached) = if name.starts_with("gemini_") { (ONE.0 + ONE.1, 0) } else { (ONE.0, ONE.1) };
            (input * calls, cached * calls, ONE.2 * calls)
        });
        let tools = tools.iter().map(|tool| (*tool).to_owned()).collect();
        expected.insert(name.to_owned(), Yield { cause, usage, tools, diffs, requests, questions });
    }
    let seen: BTreeMap<String, Yield> = all().iter().map(|(name, replayed)| (name.clone(), yield_of(replayed))).collect();
    for (name, seen) in &seen {
        assert_eq!(Some(seen), expected.get(name), "{name}");
    }
    assert_eq!(seen.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
}

#[test]
fn every_call_in_a_recording_has_one_result_before_the_end_of_its_turn() {
    for (name, replayed) in all() {
        let mut open = BTreeSet::new();
        for step in &replayed.steps {
            match step {
                Step::Item(Item::Event(StreamEvent::ToolCall(call))) => assert!(open.insert(call.id.clone()), "{name}"),
                Step::Item(Item::Event(StreamEvent::ToolResult { id, .. })) => assert!(open.remove(id), "{name}: {id}"),
                Step::Item(Item::TurnEnded(_)) => assert!(open.is_empty(), "{name}: {open:?}"),
                _ => {}
            }
        }
    }
}
