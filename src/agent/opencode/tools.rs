//! What `OpenCode`'s own tools are, do and change. The same for both ways of driving it.

use agent_client_protocol_schema::v1::ToolKind as AcpKind;
use serde_json::Value;

use crate::agent::acp::diff;
use crate::types::{FileChangeKind, StreamEvent, ToolKind};

/// The tool that keeps the plan.
pub(super) const PLAN_TOOL: &str = "todowrite";

/// The sort of the tool `name`. The same table as the program's own ACP side has, so that both modes tell the same.
pub(super) fn kind(name: &str) -> ToolKind {
    match name {
        "bash" | "shell" => ToolKind::Execute,
        "webfetch" | "websearch" => ToolKind::Fetch,
        "edit" | "apply_patch" | "patch" | "write" => ToolKind::Edit,
        "grep" | "glob" | "list" => ToolKind::Search,
        "read" => ToolKind::Read,
        "task" => ToolKind::Think,
        _ => ToolKind::Other,
    }
}

/// The name of a tool, from what its first mention over ACP says: its title is the name, only a command's title may already be
/// the command line (recording `acp/opencode_plan`).
pub(super) fn name(kind: AcpKind, title: &str) -> String {
    if kind == AcpKind::Execute { "bash".to_owned() } else { title.to_owned() }
}

/// One line about a call for a person. The program's own title of a file is its path from the root of the repository, and where
/// there is none from `/`, without the slash.
pub(super) fn title(name: &str, input: &Value, own: Option<&str>) -> String {
    let text = |field: &str| input.get(field).and_then(Value::as_str);
    let about_file = text("filePath").map(|path| format!("{name} {path}"));
    let title = about_file.as_deref().or(own).filter(|title| !title.is_empty()).or(text("command"));
    title.and_then(|title| title.lines().next()).unwrap_or(name).to_owned()
}

/// Whether a call failed that the program calls completed: a command that ran, and ended with another exit code than 0 (recording
/// `acp/opencode_parallel`). `output` holds the tool's `metadata`.
pub(super) fn failed(output: &Value) -> bool {
    output.pointer("/metadata/exit").and_then(Value::as_i64).is_some_and(|code| code != 0)
}

/// What a finished call changed. `output` holds the tool's `metadata`.
pub(super) fn file_changes(name: &str, input: &Value, output: &Value) -> Vec<StreamEvent> {
    let metadata = output.get("metadata").unwrap_or(&Value::Null);
    let text = |value: &Value, field: &str| value.get(field).and_then(Value::as_str).map(str::to_owned);
    match name {
        "write" => {
            let Some(path) = text(input, "filePath").or_else(|| text(metadata, "filepath")) else { return Vec::new() };
            // It tells whether the file was there before, and of one that was, it does not tell the old text.
            let kind = match metadata.get("exists").and_then(Value::as_bool) {
                Some(false) => FileChangeKind::Create,
                _ => FileChangeKind::Update,
            };
            let content = text(input, "content").filter(|_| kind == FileChangeKind::Create);
            let diff = content.and_then(|content| diff::unified(&path, kind, "", &content));
            vec![StreamEvent::FileChange { path, kind, diff }]
        }
        "edit" => {
            let Some(path) = text(input, "filePath") else { return Vec::new() };
            let diff = text(metadata, "diff").map(|diff| without_index(&diff).to_owned());
            vec![StreamEvent::FileChange { path, kind: FileChangeKind::Update, diff }]
        }
        "apply_patch" | "patch" => {
            let files = metadata.get("files").and_then(Value::as_array);
            files.into_iter().flatten().filter_map(patched).collect()
        }
        _ => Vec::new(),
    }
}

/// One file of a patch, as the program lists it beside the patch (from its bundled source; no recording has it).
fn patched(file: &Value) -> Option<StreamEvent> {
    let field = |name: &str| file.get(name).and_then(Value::as_str);
    let kind = match field("type") {
        Some("add") => FileChangeKind::Create,
        Some("delete") => FileChangeKind::Delete,
        _ => FileChangeKind::Update,
    };
    let diff = field("patch").map(|diff| without_index(diff).to_owned());
    Some(StreamEvent::FileChange { path: field("movePath").or_else(|| field("filePath"))?.to_owned(), kind, diff })
}

/// The program puts an `Index:` line and a rule before each diff; a plain unified diff begins with `---`.
fn without_index(diff: &str) -> &str {
    match diff.strip_prefix("Index:") {
        Some(rest) => rest.find("\n---").map_or(diff, |at| &rest[at + 1..]),
        None => diff,
    }
}
