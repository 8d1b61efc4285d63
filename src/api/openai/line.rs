//! The events of a log that matter to streams.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::Value;

use crate::types::{Cause, NoticeCode, Role, RunStatus, Usage};

/// The type of an event. It decides whether the rest is parsed, which may be megabytes of tool output.
#[derive(Deserialize)]
struct Kind<'a> {
    #[serde(borrow)]
    r#type: Cow<'a, str>,
}

/// The relevant content of a line of the log.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Line {
    RunStarted,
    Token {
        content: String,
        parent_tool_call_id: Option<String>,
    },
    Thinking {
        content: String,
        parent_tool_call_id: Option<String>,
    },
    Message {
        role: Role,
        content: String,
        parent_tool_call_id: Option<String>,
    },
    Notice {
        code: NoticeCode,
    },
    Done(Done),
    #[serde(other)]
    Other,
}

/// The end of the run.
#[derive(Deserialize)]
pub(super) struct Done {
    pub(super) status: RunStatus,
    pub(super) cause: Cause,
    pub(super) message: Option<String>,
    pub(super) result: Option<String>,
    pub(super) output: Option<Value>,
    pub(super) usage: Option<Usage>,
    #[serde(default)]
    pub(super) duration_ms: u64,
}

impl Line {
    /// Parses a line. Unknown events, for example of a later version, are ignored.
    pub(super) fn parse(line: &[u8]) -> Self {
        match serde_json::from_slice::<Kind<'_>>(line) {
            Ok(kind) if matches!(&*kind.r#type, "run_started" | "token" | "thinking" | "message" | "notice" | "done") => {
                serde_json::from_slice(line).unwrap_or(Self::Other)
            }
            _ => Self::Other,
        }
    }
}
