//! The agent's tools. Each is called with permission, like those of other agents.

use std::io::{self, Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use super::files;
use super::turn::{DemoAgent, Halt};
use crate::types::{Decision, FileChangeKind, PermissionChoice, StreamEvent, ToolCall, ToolKind, ToolStatus};

/// The file that is written if none is named.
pub(super) const DEFAULT_FILE: &str = "hello.py";
const DEFAULT_IMAGE: &str = "demo.png";
const IMAGE: &[u8] = include_bytes!("demo.png");
/// Maximum number of lines that are shown of a file.
const MAX_LINES: usize = 20;
/// The command that is run. An absolute path, because programs are not looked up in the working directory.
const COMMAND: &str = "/bin/ls";
/// Maximum output of the command in bytes. The rest is not read.
const MAX_OUTPUT: u64 = 16 * 1024;

/// A tool with its input, before it is called.
pub(super) struct Tool {
    pub(super) name: &'static str,
    pub(super) kind: ToolKind,
    pub(super) title: String,
    pub(super) input: Value,
    /// The agent's own names of the decisions.
    pub(super) choices: Vec<PermissionChoice>,
    /// The tool call whose sub-agent calls it.
    pub(super) parent: Option<String>,
}

impl Tool {
    pub(super) fn new(name: &'static str, kind: ToolKind, title: impl Into<String>, input: Value) -> Self {
        Self { name, kind, title: title.into(), input, choices: Vec::new(), parent: None }
    }
}

/// How a tool call ended.
pub(super) struct Called {
    pub(super) id: String,
    pub(super) status: ToolStatus,
    /// The content of its result.
    pub(super) content: String,
    /// The option that the user chose.
    pub(super) option_id: Option<String>,
}

impl<O: Write> DemoAgent<O> {
    /// Calls a tool, with permission. `work` gets the ID of the call.
    pub(super) fn call(
        &mut self,
        tool: Tool,
        work: impl FnOnce(&mut Self, &str) -> Result<io::Result<String>, Halt>,
    ) -> Result<Called, Halt> {
        self.counters.calls += 1;
        let Tool { name, kind, title, input, choices, parent } = tool;
        let call = ToolCall {
            id: format!("call_{}", self.counters.calls),
            tool: name.to_owned(),
            kind,
            title,
            input,
            parent_tool_call_id: parent,
        };
        self.send(StreamEvent::ToolCall(call.clone()))?;
        let worked = self.work(name, &call, choices, work);
        let (status, content) = match &worked {
            Ok((_, status, content)) => (*status, content.clone()),
            Err(_) => (ToolStatus::Error, "interrupted".to_owned()),
        };
        // Every call has a result, also if it is interrupted now.
        let paused = self.pause(if worked.is_ok() { self.pace } else { Duration::ZERO });
        self.write_event(StreamEvent::ToolResult { id: call.id.clone(), status, content, duration_ms: None })?;
        let (option_id, status, content) = worked?;
        paused?;
        Ok(Called { id: call.id, status, content, option_id })
    }

    fn work(
        &mut self,
        name: &'static str,
        call: &ToolCall,
        choices: Vec<PermissionChoice>,
        work: impl FnOnce(&mut Self, &str) -> Result<io::Result<String>, Halt>,
    ) -> Result<(Option<String>, ToolStatus, String), Halt> {
        let mut option_id = None;
        if !self.allowed.contains(name) {
            let permission = self.request_permission(call, choices)?;
            option_id = permission.option_id;
            match permission.decision {
                Decision::Deny => {
                    let reason = permission.message.map(|message| format!(": {message}")).unwrap_or_default();
                    return Ok((option_id, ToolStatus::Denied, format!("not allowed{reason}")));
                }
                Decision::AllowAlways => drop(self.allowed.insert(name)),
                Decision::AllowOnce => {}
            }
        }
        Ok(match work(self, &call.id)? {
            Ok(content) => (option_id, ToolStatus::Ok, content),
            Err(error) => (option_id, ToolStatus::Error, error.to_string()),
        })
    }

    /// Replaces the file's content by one line of code.
    pub(super) fn create(&mut self, name: &str) -> Result<Called, Halt> {
        let content = format!("print(\"Hello from OpenRunner, in {name}\")\n");
        let tool = Tool::new("write_file", ToolKind::Edit, format!("Write {name}"), json!({ "path": name, "content": content }));
        self.call(tool, |agent, _| agent.write_file(name, |_| content.clone().into_bytes()))
    }

    /// Appends one line of code to the file.
    pub(super) fn edit(&mut self, name: &str) -> Result<Called, Halt> {
        let line = format!("print(\"Line added by the demo agent, to {name}\")\n");
        let tool = Tool::new("edit_file", ToolKind::Edit, format!("Edit {name}"), json!({ "path": name, "append": line }));
        self.call(tool, |agent, _| {
            agent.write_file(name, |before| {
                let mut content = before.unwrap_or_default().to_vec();
                if content.last().is_some_and(|last| *last != b'\n') {
                    content.push(b'\n');
                }
                content.extend_from_slice(line.as_bytes());
                content
            })
        })
    }

    /// Writes an image.
    pub(super) fn draw(&mut self, name: Option<&str>) -> Result<Called, Halt> {
        let is_png = |name: &&str| Path::new(name).extension().is_some_and(|extension| extension.eq_ignore_ascii_case("png"));
        let name = name.filter(is_png).unwrap_or(DEFAULT_IMAGE);
        let input = json!({ "path": name, "mime_type": "image/png", "bytes": IMAGE.len() });
        self.call(Tool::new("draw_image", ToolKind::Edit, format!("Draw {name}"), input), |agent, _| {
            let written = agent.write_file(name, |_| IMAGE.to_vec())?;
            Ok(written.map(|written| format!("[image: image/png]\n{written}, to {name}")))
        })
    }

    fn write_file(&mut self, name: &str, content: impl FnOnce(Option<&[u8]>) -> Vec<u8>) -> Result<io::Result<String>, Halt> {
        let (before, after) = match files::rewrite(&self.dir.join(name), content) {
            Ok(written) => written,
            Err(error) => return Ok(Err(error)),
        };
        self.conversation.add_file(name);
        let kind = if before.is_some() { FileChangeKind::Update } else { FileChangeKind::Create };
        let from = if before.is_some() { format!("a/{name}") } else { "/dev/null".to_owned() };
        let texts = std::str::from_utf8(before.as_deref().unwrap_or_default()).ok().zip(std::str::from_utf8(&after).ok());
        let diff =
            texts.map(|(old, new)| similar::TextDiff::from_lines(old, new).unified_diff().header(&from, &format!("b/{name}")).to_string());
        let path = self.dir.join(name).display().to_string();
        // Not interruptible: the change has been made.
        self.write_event(StreamEvent::FileChange { path, kind, diff })?;
        Ok(Ok(format!("{} bytes written", after.len())))
    }

    /// Shows the beginning of the file.
    pub(super) fn read(&mut self, name: &str) -> Result<Called, Halt> {
        self.call(Tool::new("read_file", ToolKind::Read, format!("Read {name}"), json!({ "path": name })), |agent, _| {
            Ok(files::read(&agent.dir.join(name)).map(|content| {
                let text = String::from_utf8_lossy(&content);
                text.split_inclusive('\n').take(MAX_LINES).collect()
            }))
        })
    }

    /// Runs a command, and reports its output line by line.
    pub(super) fn run_command(&mut self) -> Result<Called, Halt> {
        let tool = Tool::new("run_command", ToolKind::Execute, COMMAND, json!({ "command": COMMAND }));
        self.call(tool, |agent, id| {
            let output = match output_of_command(&agent.dir) {
                Ok(output) => output,
                Err(error) => return Ok(Err(error)),
            };
            for line in output.split_inclusive('\n') {
                agent.send(StreamEvent::ToolOutput { id: id.to_owned(), content: line.to_owned() })?;
            }
            Ok(Ok(output))
        })
    }
}

fn output_of_command(dir: &Path) -> io::Result<String> {
    let mut child = Command::new(COMMAND).current_dir(dir).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    let mut output = Vec::new();
    let read = child.stdout.take().map_or(Ok(0), |stdout| stdout.take(MAX_OUTPUT).read_to_end(&mut output));
    // It may be writing more than is read.
    let killed = child.kill();
    let waited = child.wait();
    read.and(killed).and(waited)?;
    Ok(String::from_utf8_lossy(&output).into_owned())
}
