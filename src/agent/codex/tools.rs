//! Names and events of Codex's tools, shared by both modes.

use serde_json::Value;

use crate::types::{StreamEvent, ToolCall, ToolKind, ToolStatus};

/// Name of the tool that runs a command.
pub(super) const COMMAND: &str = "commandExecution";
/// Name of the tool that changes files.
pub(super) const PATCH: &str = "fileChange";
/// Name of the tool that searches the web.
pub(super) const WEB_SEARCH: &str = "webSearch";
/// Name of the tool that views an image.
pub(super) const IMAGE_VIEW: &str = "imageView";

/// Maximum length of a title in characters.
const MAX_TITLE_CHARS: usize = 120;

/// A tool call.
pub(super) fn call(id: &str, name: &str, kind: ToolKind, title: &str, input: Value, parent: Option<&str>) -> StreamEvent {
    StreamEvent::ToolCall(ToolCall {
        id: id.to_owned(),
        tool: name.to_owned(),
        kind,
        title: one_line(title),
        input,
        parent_tool_call_id: parent.map(str::to_owned),
    })
}

/// The result of a tool call. Codex often reports 0 ms for a command that took longer (recording `appserver_shell`), so 0 counts as
/// unknown.
pub(super) fn result(id: &str, status: ToolStatus, content: String, duration_ms: Option<i64>) -> StreamEvent {
    let duration_ms = duration_ms.and_then(|ms| u64::try_from(ms).ok()).filter(|ms| *ms > 0);
    StreamEvent::ToolResult { id: id.to_owned(), status, content, duration_ms }
}

/// The output of a command. The exit code stands in for the output of a failed command that printed nothing.
pub(super) fn command_output(output: Option<String>, exit_code: Option<i64>) -> String {
    match (output, exit_code) {
        (Some(output), _) if !output.is_empty() => output,
        (_, Some(code)) if code != 0 => format!("exit code {code}"),
        _ => String::new(),
    }
}

/// Name of an MCP server's tool.
pub(super) fn mcp_name(server: &str, tool: &str) -> String {
    format!("{server}.{tool}")
}

/// The text of an MCP tool's content blocks. Images and sounds are replaced by their type in brackets; other blocks without text are
/// included as JSON.
pub(super) fn mcp_text(content: &[Value]) -> String {
    let text = |block: &Value| match (block.get("text").and_then(Value::as_str), block.get("type").and_then(Value::as_str)) {
        (Some(text), _) => text.to_owned(),
        (None, Some("image" | "inputImage")) => "[image]".to_owned(),
        (None, Some("audio")) => "[audio]".to_owned(),
        (None, _) => block.to_string(),
    };
    content.iter().map(text).collect::<Vec<_>>().join("\n")
}

/// `text` in one line, truncated to the maximum length.
pub(super) fn one_line(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(MAX_TITLE_CHARS) {
        Some((cut, _)) => format!("{}…", &line[..cut]),
        None => line,
    }
}
