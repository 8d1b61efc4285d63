//! The kinds, titles and file changes of `OpenCode`'s own tools, for both modes.

use agent_client_protocol_schema::v1::ToolKind as AcpKind;
use serde_json::Value;

use crate::agent::acp::{ToolHint, diff};
use crate::types::{FileChangeKind, StreamEvent, ToolKind};

/// The tool whose input is the plan.
pub(super) const PLAN_TOOL: &str = "todowrite";

/// The kind of the tool `name`. The table is that of the program's own ACP mode, so that both modes agree.
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

/// The name of a tool, from its first ACP update. The title is the name, except that the title of a command may be the command line
/// (recording `acp/opencode_plan`).
pub(super) fn name(hint: ToolHint<'_>) -> Option<String> {
    match hint.kind {
        AcpKind::Execute => Some("bash".to_owned()),
        _ => (!hint.is_request).then(|| hint.title.to_owned()),
    }
}

/// The title of a call, as one line. The program's own title of a file is its path relative to the root of the repository or, without a
/// repository, relative to `/`.
pub(super) fn title(name: &str, input: &Value, own: Option<&str>) -> String {
    let text = |field: &str| input.get(field).and_then(Value::as_str);
    let about_file = text("filePath").map(|path| format!("{name} {path}"));
    let title = about_file.as_deref().or(own).filter(|title| !title.is_empty()).or(text("command"));
    title.and_then(|title| title.lines().next()).unwrap_or(name).to_owned()
}

/// Whether a call that the program reports as completed has failed: a command with an exit code other than 0 (recording
/// `acp/opencode_parallel`). `output` contains the tool's `metadata`.
pub(super) fn failed(output: &Value) -> bool {
    output.pointer("/metadata/exit").and_then(Value::as_i64).is_some_and(|code| code != 0)
}

/// The file changes of a completed call. `output` contains the tool's `metadata`.
pub(super) fn file_changes(name: &str, input: &Value, output: &Value) -> Vec<StreamEvent> {
    let metadata = output.get("metadata").unwrap_or(&Value::Null);
    let text = |value: &Value, field: &str| value.get(field).and_then(Value::as_str).map(str::to_owned);
    match name {
        "write" => {
            let Some(path) = text(input, "filePath").or_else(|| text(metadata, "filepath")) else { return Vec::new() };
            // The metadata states whether the file existed, but not its old content.
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
            files.into_iter().flatten().filter_map(patched_file).collect()
        }
        _ => Vec::new(),
    }
}

/// One file of a patch, as the program lists it beside the patch (from its bundled source, not recorded).
fn patched_file(file: &Value) -> Option<StreamEvent> {
    let field = |name: &str| file.get(name).and_then(Value::as_str);
    let kind = match field("type") {
        Some("add") => FileChangeKind::Create,
        Some("delete") => FileChangeKind::Delete,
        _ => FileChangeKind::Update,
    };
    let diff = field("patch").map(|diff| without_index(diff).to_owned());
    Some(StreamEvent::FileChange { path: field("movePath").or_else(|| field("filePath"))?.to_owned(), kind, diff })
}

/// Removes the `Index:` line and the rule that the program puts before each diff. A plain unified diff starts with `---`.
fn without_index(diff: &str) -> &str {
    match diff.strip_prefix("Index:") {
        Some(rest) => rest.find("\n---").map_or(diff, |at| &rest[at + 1..]),
        None => diff,
    }
}
