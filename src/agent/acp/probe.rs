//! The request by which an installed agent is inspected.

use serde_json::{Value, json};

use super::setup::{initialize_params, resume_method, takes_parts};
use super::wire::request;
use crate::agent::common::find_in_line;
use crate::types::PermissionMode;

const ID: u64 = 1;

/// The line that asks an agent for its version and capabilities. It starts no session.
pub(crate) fn initialize_request() -> Value {
    request(ID, "initialize", &initialize_params(PermissionMode::Auto))
}

/// What an agent states about itself before any session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Initialized {
    /// Its version.
    pub(crate) version: Option<String>,
    /// Whether it offers to continue a conversation.
    pub(crate) resumes: bool,
    /// Whether it takes images.
    pub(crate) images: bool,
}

/// The response to [`initialize_request`], or the agent's error. `None` if the line contains only other messages.
pub(crate) fn initialized(line: &str) -> Option<Result<Initialized, String>> {
    let message = find_in_line(line, |text| {
        let message: Value = serde_json::from_str(text).ok()?;
        (message.get("id") == Some(&json!(ID)) && message.get("method").is_none()).then_some(message)
    })?;
    if let Some(error) = message.get("error").filter(|error| !error.is_null()) {
        let text = error.get("message").and_then(Value::as_str).unwrap_or("an error without a message");
        return Some(Err(format!("it rejects the Agent Client Protocol: {text}")));
    }
    let version = message.pointer("/result/agentInfo/version").and_then(Value::as_str).map(str::to_owned);
    let result = &message["result"];
    Some(Ok(Initialized { version, resumes: resume_method(result).is_some(), images: takes_parts(result, "image") }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_in_the_response_and_other_lines_are_skipped() {
        let version = r#"{"id":1,"result":{"protocolVersion":1,"agentInfo":{"name":"x","version":"1.2"}}}"#;
        assert_eq!(initialized(version), Some(Ok(Initialized { version: Some("1.2".to_owned()), ..Initialized::default() })));
        assert_eq!(initialized(r#"{"id":1,"result":{}}"#), Some(Ok(Initialized::default())));
        for capabilities in [r#"{"loadSession":true}"#, r#"{"sessionCapabilities":{"resume":{}}}"#] {
            let line = format!(r#"{{"id":1,"result":{{"agentCapabilities":{capabilities}}}}}"#);
            assert_eq!(initialized(&line), Some(Ok(Initialized { resumes: true, ..Initialized::default() })));
        }
        let images = r#"{"id":1,"result":{"agentCapabilities":{"promptCapabilities":{"image":true}}}}"#;
        assert_eq!(initialized(images), Some(Ok(Initialized { images: true, ..Initialized::default() })));
        assert!(matches!(initialized(r#"{"id":1,"error":{"code":1,"message":"no"}}"#), Some(Err(error)) if error.contains("no")));
        for noise in ["\u{1b}]0;proj: ready\u{7}", "\u{feff}", "(node:7) Warning: x ", r#"{"method":"_x/y","params":{}}"#] {
            let line = format!("{noise}{version}");
            assert!(matches!(initialized(&line), Some(Ok(Initialized { version: Some(stated), .. })) if stated == "1.2"), "{line}");
        }
        let cut = r#"{"id":1,"result":{"agentInfo":{"name":"cut \ud83d","version":"1.2"}}}"#;
        assert!(matches!(initialized(cut), Some(Ok(Initialized { version: Some(stated), .. })) if stated == "1.2"));
        for other in [r#"{"method":"_x/y","params":{}}"#, "warning: x", r#"{"id":1,"method":"ask"}"#, r#"{"id":2,"result":{}}"#, ""] {
            assert_eq!(initialized(other), None, "{other}");
        }
    }
}
