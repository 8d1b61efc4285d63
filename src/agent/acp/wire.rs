//! The protocol's JSON as types, for the messages on the hot path. Tool calls use the types of the protocol's own crate, and responses,
//! which are rare, are read as plain values.

use std::borrow::Cow;

use agent_client_protocol_schema::v1::{PermissionOptionKind, ToolCallUpdate};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

/// One line: a request, a notification or a response.
#[derive(Debug, Deserialize)]
pub(super) struct Message<'a> {
    /// Present on requests and responses; `null` stands for none.
    #[serde(borrow, default)]
    pub(super) id: Option<&'a RawValue>,
    /// Present on requests and notifications.
    #[serde(borrow, default)]
    pub(super) method: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(super) params: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) result: Option<&'a RawValue>,
    #[serde(default)]
    pub(super) error: Option<RpcError>,
}

/// The error of a response.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct RpcError {
    /// A code of JSON-RPC or of the agent; some agents use the HTTP status (recording `acp/gemini_initialize`).
    #[serde(default)]
    pub(super) code: Value,
    #[serde(default)]
    pub(super) message: Value,
    #[serde(default)]
    pub(super) data: Value,
}

/// The parameters of `session/update`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Update<'a> {
    #[serde(borrow)]
    pub(super) session_id: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) update: &'a RawValue,
}

/// The type of an update.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct UpdateKind<'a> {
    #[serde(borrow)]
    pub(super) session_update: Cow<'a, str>,
}

/// A chunk of a message or of thinking.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Chunk<'a> {
    #[serde(borrow, default)]
    pub(super) message_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) content: Text<'a>,
}

/// Text content. Images and other content have no `text` and do not decode.
#[derive(Debug, Deserialize)]
pub(super) struct Text<'a> {
    #[serde(borrow)]
    pub(super) text: Cow<'a, str>,
}

/// A plan, or the list of a to-do tool, which has the same form.
#[derive(Debug, Deserialize)]
pub(super) struct Plan {
    pub(super) entries: Vec<Value>,
}

/// The parameters of `session/request_permission`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PermissionRequest {
    pub(super) tool_call: ToolCallUpdate,
    pub(super) options: Vec<PermissionOption>,
}

/// The parameters of `$/cancel_request`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CancelRequest {
    pub(super) request_id: Value,
}

/// One answer that the agent accepts.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PermissionOption {
    pub(super) option_id: String,
    /// Its name, for people.
    #[serde(default)]
    pub(super) name: Option<String>,
    /// `None` for kinds of later protocol versions.
    #[serde(default, deserialize_with = "known_kind")]
    pub(super) kind: Option<PermissionOptionKind>,
}

fn known_kind<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<PermissionOptionKind>, D::Error> {
    Ok(serde_json::from_value(Value::deserialize(deserializer)?).ok())
}

/// A request to the agent.
pub(super) fn request(id: u64, method: &str, params: &Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })
}

/// A notification to the agent.
pub(super) fn notification(method: &str, params: &Value) -> Value {
    json!({ "jsonrpc": "2.0", "method": method, "params": params })
}

/// The response to a request of the agent.
pub(super) fn response(id: &Value, result: &Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "result": result })
}

/// The error response to a request of the agent.
pub(super) fn error_response(id: &Value, code: i64, message: &str) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code, "message": message } })
}
