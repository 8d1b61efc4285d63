//! Requests to an agent outside of any run: to delete one of its conversations, and to log out.
//!
//! ```text
//! initialize ─ (authenticate) ─ session/delete | logout
//! ```

use serde_json::{Value, json};

use super::setup::{initialize_params, unsupported_version};
use super::wire::request;
use crate::agent::ControlRequest;
use crate::agent::common::find_in_line;
use crate::process::probe_dialog::Reply;
use crate::types::PermissionMode;

/// The dialog for one request. Pure, as the parser is.
#[derive(Debug)]
pub(crate) struct Control<'a> {
    request: ControlRequest<'a>,
    auth_method: Option<&'a str>,
    stage: Stage,
    outcome: Option<Result<bool, String>>,
}

/// The request that has no response yet. Its number is the id of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Initialize = 1,
    Authenticate = 2,
    Request = 3,
}

impl<'a> Control<'a> {
    /// The dialog for `request`, with the login method to authenticate with, if the agent needs that.
    pub(crate) fn new(request: ControlRequest<'a>, auth_method: Option<&'a str>) -> Self {
        Self { request, auth_method, stage: Stage::Initialize, outcome: None }
    }

    /// The first line.
    pub(crate) fn open() -> String {
        request(Stage::Initialize as u64, "initialize", &initialize_params(PermissionMode::Auto)).to_string()
    }

    /// Handles a line of the agent.
    pub(crate) fn handle_line(&mut self, line: &str) -> Reply {
        let response = find_in_line(line, |text| {
            let message: Value = serde_json::from_str(text).ok()?;
            (message.get("id") == Some(&json!(self.stage as u64)) && message.get("method").is_none()).then_some(message)
        });
        let Some(message) = response else { return Reply::Skip };
        if let Some(error) = message.get("error").filter(|error| !error.is_null()) {
            let text = error.get("message").and_then(Value::as_str).unwrap_or("an error without a message");
            return self.end(Err(format!("it rejects {}: {text}", self.method())));
        }
        let result = message.get("result").unwrap_or(&Value::Null);
        match self.stage {
            Stage::Initialize => {
                if let Some(problem) = unsupported_version(result) {
                    return self.end(Err(problem));
                }
                if !result.pointer(self.request.capability()).is_some_and(Value::is_object) {
                    return self.end(Ok(false));
                }
                match self.auth_method {
                    Some(method) => self.send(Stage::Authenticate, &json!({ "methodId": method })),
                    None => self.send_request(),
                }
            }
            Stage::Authenticate => self.send_request(),
            Stage::Request => self.end(Ok(true)),
        }
    }

    /// Whether the agent has carried out the request; `false` if it does not offer that. An error if it failed, or if the dialog did not end.
    pub(crate) fn outcome(self) -> Result<bool, String> {
        let method = self.method();
        self.outcome.unwrap_or_else(|| Err(format!("it did not answer {method}")))
    }

    fn send_request(&mut self) -> Reply {
        let params = match self.request {
            ControlRequest::DeleteConversation(id) => json!({ "sessionId": id }),
            ControlRequest::LogOut => json!({}),
        };
        self.send(Stage::Request, &params)
    }

    fn send(&mut self, stage: Stage, params: &Value) -> Reply {
        self.stage = stage;
        Reply::Send(request(stage as u64, self.method(), params).to_string())
    }

    fn end(&mut self, outcome: Result<bool, String>) -> Reply {
        self.outcome = Some(outcome);
        Reply::End
    }

    /// The method of the request that has no response yet.
    fn method(&self) -> &'static str {
        match (self.stage, self.request) {
            (Stage::Initialize, _) => "initialize",
            (Stage::Authenticate, _) => "authenticate",
            (Stage::Request, ControlRequest::DeleteConversation(_)) => "session/delete",
            (Stage::Request, ControlRequest::LogOut) => "logout",
        }
    }
}

impl ControlRequest<'_> {
    /// The location of the capability in the result of `initialize`.
    fn capability(self) -> &'static str {
        match self {
            Self::DeleteConversation(_) => "/agentCapabilities/sessionCapabilities/delete",
            Self::LogOut => "/agentCapabilities/auth/logout",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The methods and parameters that are sent in answer to these lines, and the outcome.
    fn converse(request: ControlRequest<'_>, auth_method: Option<&str>, lines: &[Value]) -> (Vec<(String, Value)>, Result<bool, String>) {
        let mut control = Control::new(request, auth_method);
        let mut sent = vec![Control::open()];
        for line in lines {
            match control.handle_line(&line.to_string()) {
                Reply::Send(next) => sent.push(next),
                Reply::Skip => {}
                Reply::End => break,
            }
        }
        let sent = sent.iter().skip(1).map(|line| serde_json::from_str::<Value>(line).unwrap());
        (sent.map(|message| (message["method"].as_str().unwrap().to_owned(), message["params"].clone())).collect(), control.outcome())
    }

    fn initialized(capabilities: &Value) -> Value {
        json!({ "id": 1, "result": { "protocolVersion": 1, "agentCapabilities": capabilities } })
    }

    #[test]
    fn a_request_is_sent_only_if_the_agent_offers_it() {
        let delete = ControlRequest::DeleteConversation("s");
        let offered = initialized(&json!({ "sessionCapabilities": { "delete": {} } }));
        let sent = vec![("session/delete".to_owned(), json!({ "sessionId": "s" }))];
        assert_eq!(converse(delete, None, &[offered.clone(), json!({ "id": 3, "result": {} })]), (sent.clone(), Ok(true)));
        assert_eq!(converse(delete, None, &[initialized(&json!({}))]), (vec![], Ok(false)));
        assert_eq!(converse(ControlRequest::LogOut, None, std::slice::from_ref(&offered)), (vec![], Ok(false)));
        let offered = initialized(&json!({ "auth": { "logout": {} } }));
        assert_eq!(
            converse(ControlRequest::LogOut, None, &[offered, json!({ "id": 3, "result": null })]),
            (vec![("logout".to_owned(), json!({}))], Ok(true))
        );
    }

    #[test]
    fn the_login_comes_first_and_other_lines_are_skipped() {
        let offered = initialized(&json!({ "sessionCapabilities": { "delete": {} } }));
        let noise = json!({ "method": "_x/y", "params": {} });
        let ask = json!({ "id": 1, "method": "fs/read_text_file", "params": {} });
        let lines =
            [noise, offered, ask, json!({ "id": 2, "result": {} }), json!({ "id": 2, "result": {} }), json!({ "id": 3, "result": {} })];
        let (sent, outcome) = converse(ControlRequest::DeleteConversation("s"), Some("key"), &lines);
        assert_eq!(sent[0], ("authenticate".to_owned(), json!({ "methodId": "key" })));
        assert_eq!((sent.len(), outcome), (2, Ok(true)));
    }

    #[test]
    fn a_response_is_found_among_other_bytes_of_its_line() {
        let mut control = Control::new(ControlRequest::DeleteConversation("s"), None);
        let offered = initialized(&json!({ "sessionCapabilities": { "delete": {} } }));
        assert!(matches!(control.handle_line(&format!("\u{1b}[0m{offered}")), Reply::Send(_)));
        let ended = json!({ "id": 3, "result": {} });
        assert_eq!(control.handle_line(&format!("{{\"method\":\"_x/y\"}}{ended} (node:7) Warning")), Reply::End);
        assert_eq!(control.outcome(), Ok(true));
    }

    #[test]
    fn a_failure_names_the_request() {
        let offered = initialized(&json!({ "sessionCapabilities": { "delete": {} } }));
        let error = json!({ "id": 3, "error": { "code": -32002, "message": "no such session" } });
        let delete = ControlRequest::DeleteConversation("s");
        assert_eq!(converse(delete, None, &[offered.clone(), error]).1, Err("it rejects session/delete: no such session".to_owned()));
        assert_eq!(converse(delete, None, &[offered]).1, Err("it did not answer session/delete".to_owned()));
        let other = json!({ "id": 1, "result": { "protocolVersion": 2 } });
        assert!(converse(delete, None, &[other]).1.is_err_and(|error| error.contains("version 2")));
    }
}
