//! The program's own tools: their kinds, and titles of their calls.

use std::path::Path;

use serde_json::Value;

use crate::types::ToolKind;

/// Maximum length of a title in characters.
const MAX_TITLE_CHARS: usize = 120;

/// The kind of a tool by its name. Tools of MCP servers are `Other`.
pub(super) fn kind(name: &str) -> ToolKind {
    match name {
        "Read" | "NotebookRead" => ToolKind::Read,
        "Edit" | "MultiEdit" | "NotebookEdit" | "Write" => ToolKind::Edit,
        "Glob" | "Grep" | "LS" | "ToolSearch" => ToolKind::Search,
        "Bash" | "BashOutput" | "KillShell" | "Monitor" | "PowerShell" | "TaskOutput" | "TaskStop" => ToolKind::Execute,
        "WebFetch" | "WebSearch" => ToolKind::Fetch,
        "Agent" | "EnterPlanMode" | "ExitPlanMode" | "Task" | "TaskCreate" | "TaskGet" | "TaskList" | "TaskUpdate" | "TodoWrite" => {
            ToolKind::Think
        }
        _ => ToolKind::Other,
    }
}

/// The title of a call, in one line. Paths inside `working_dir` are relative to it.
pub(super) fn title(name: &str, input: &Value, working_dir: &Path) -> String {
    let text = |field: &str| input.get(field).and_then(Value::as_str).filter(|text| !text.trim().is_empty());
    let path = |field: &str| {
        let path = text(field)?;
        Some(Path::new(path).strip_prefix(working_dir).ok().and_then(Path::to_str).filter(|path| !path.is_empty()).unwrap_or(path))
    };
    let detail = match name {
        // A command is its own title.
        "Bash" | "PowerShell" => return text("command").map_or_else(|| name.to_owned(), one_line),
        "Read" | "Write" | "Edit" | "MultiEdit" => path("file_path"),
        "NotebookEdit" | "NotebookRead" => path("notebook_path"),
        "LS" => path("path"),
        "Glob" | "Grep" => text("pattern"),
        "WebFetch" => text("url"),
        "WebSearch" | "ToolSearch" => text("query"),
        "Agent" | "Task" => text("description"),
        "AskUserQuestion" => {
            return input.pointer("/questions/0/question").and_then(Value::as_str).map_or_else(|| name.to_owned(), one_line);
        }
        "TaskCreate" => text("subject"),
        "TaskUpdate" => text("taskId"),
        _ => None,
    };
    // Tools of MCP servers are named `mcp__SERVER__TOOL`.
    let name = name.strip_prefix("mcp__").map_or_else(|| name.to_owned(), |name| name.replacen("__", ": ", 1));
    one_line(&detail.map_or_else(|| name.clone(), |detail| format!("{name} {detail}")))
}

/// The first line that is not blank, truncated to the maximum length.
fn one_line(text: &str) -> String {
    let text = text.trim();
    let line = text.lines().next().unwrap_or_default();
    match line.char_indices().nth(MAX_TITLE_CHARS) {
        Some((cut, _)) => format!("{}…", &line[..cut]),
        None if line.len() < text.len() => format!("{line} …"),
        None => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_title_is_one_short_line() {
        let title = |name, input: Value| title(name, &input, Path::new("/workspace/project"));
        assert_eq!(title("Write", json!({ "file_path": "/workspace/project/hello.py" })), "Write hello.py");
        assert_eq!(title("Read", json!({ "file_path": "/etc/hosts" })), "Read /etc/hosts");
        assert_eq!(title("Bash", json!({ "command": "echo one\necho two" })), "echo one …");
        assert_eq!(title("Bash", json!({ "wrong": true })), "Bash");
        assert_eq!(title("mcp__tracker__close_issue", json!({ "id": 1 })), "tracker: close_issue");
        assert_eq!(title("Grep", json!({ "pattern": "x".repeat(500) })).chars().count(), MAX_TITLE_CHARS + 1);
        assert_eq!(title("Grep", json!([])), "Grep");
    }
}
