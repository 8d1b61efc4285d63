//! The demo agent itself: a fixed script in plain blocking code.

use std::fs::OpenOptions;
use std::io::{self, BufRead, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use rustix::fs::OFlags;
use serde_json::json;

use super::wire::{FromAgent, Report, ToAgent};
use crate::types::{Decision, Delta, FileChangeKind, PlanEntry, PlanStatus, Role, StreamEvent, ToolCall, ToolKind, ToolStatus, Usage};

pub use super::command::SUBCOMMAND;

/// The pause before each event, so that the output is readable as it streams.
const PACE: Duration = Duration::from_millis(20);

const PLAN: [&str; 3] = ["Read the request", "Write the file", "Report the result"];

/// The file to write if the prompt names none.
const DEFAULT_FILE: &str = "hello.py";

/// Runs the demo agent on this process's stdin and stdout, in its current directory.
///
/// # Errors
/// If stdin or stdout is closed, or if a line on stdin is not part of the demo protocol.
pub fn run() -> io::Result<()> {
    DemoAgent { input: io::stdin().lock().lines(), output: io::stdout().lock(), pace: PACE, messages: 0 }.run()
}

struct DemoAgent<I, O> {
    input: I,
    output: O,
    pace: Duration,
    messages: u32,
}

impl<I: Iterator<Item = io::Result<String>>, O: Write> DemoAgent<I, O> {
    fn run(&mut self) -> io::Result<()> {
        let ToAgent::Prompt { text: prompt } = self.read_message()? else { return Err(unexpected_input()) };
        self.report(Report::Ready { version: env!("CARGO_PKG_VERSION").to_owned(), model: "none".to_owned() })?;
        let named = file_named_in(&prompt);
        let name = named.unwrap_or(DEFAULT_FILE);
        let reason = match named {
            Some(name) => format!("The request names {name}, so I will write that file and nothing else. "),
            None => format!("The request names no file, so I will write {name} and nothing else. "),
        };
        self.send_thinking(&reason)?;
        self.send_plan(0)?;
        self.send_message(&format!("I am the built-in demo agent and have no model. I will write {name} in my working directory."))?;
        self.send_plan(1)?;
        let written = self.call_write_tool(name)?;
        self.send_plan(if written { PLAN.len() } else { 2 })?;
        let result = if written {
            format!("Done: {name} is written. A real agent would have acted on your request; this demo only writes one file.")
        } else {
            format!("I was not allowed to write {name}, so nothing was changed.")
        };
        self.send_message(&result)?;
        let words = |text: &str| text.split_whitespace().count() as u64;
        self.send_event(StreamEvent::Usage(Usage { input_tokens: words(&prompt), output_tokens: words(&result), ..Usage::default() }))?;
        self.report(Report::TurnEnded { result })
    }

    /// Calls the only tool, with permission. Returns whether the file was written.
    fn call_write_tool(&mut self, name: &str) -> io::Result<bool> {
        let content = format!("print(\"Hello from OpenRunner, in {name}\")\n");
        let input = json!({ "path": name, "content": content });
        let (call, request) = ("call_1".to_owned(), "perm_1".to_owned());
        self.send_event(StreamEvent::ToolCall(ToolCall {
            id: call.clone(),
            tool: "write_file".into(),
            kind: ToolKind::Edit,
            title: format!("Write {name}"),
            input: input.clone(),
            parent_tool_call_id: None,
        }))?;
        self.send_event(StreamEvent::PermissionRequest {
            id: request,
            tool_call_id: Some(call.clone()),
            tool: "write_file".into(),
            kind: ToolKind::Edit,
            input,
            options: vec![Decision::AllowOnce, Decision::Deny],
            choices: Vec::new(),
            expires_at: None,
        })?;
        let ToAgent::Decision { decision, .. } = self.read_message()? else { return Err(unexpected_input()) };
        let (status, content) = match decision {
            Decision::Deny => (ToolStatus::Denied, "not allowed".to_owned()),
            Decision::AllowOnce | Decision::AllowAlways => match self.write_file(name, &content) {
                Ok(()) => (ToolStatus::Ok, format!("{} bytes written", content.len())),
                Err(error) => (ToolStatus::Error, error.to_string()),
            },
        };
        self.send_event(StreamEvent::ToolResult { id: call, status, content, duration_ms: None })?;
        Ok(status == ToolStatus::Ok)
    }

    fn write_file(&mut self, name: &str, content: &str) -> io::Result<()> {
        let before = replace_file(Path::new(name), content)?;
        let old = before.as_deref().unwrap_or_default();
        let from = if before.is_some() { format!("a/{name}") } else { "/dev/null".to_owned() };
        let diff = similar::TextDiff::from_lines(old, content).unified_diff().header(&from, &format!("b/{name}")).to_string();
        let kind = if before.is_some() { FileChangeKind::Update } else { FileChangeKind::Create };
        let path = std::env::current_dir()?.join(name).display().to_string();
        self.send_event(StreamEvent::FileChange { path, kind, diff: Some(diff) })
    }

    fn send_thinking(&mut self, text: &str) -> io::Result<()> {
        text.split_inclusive(' ').try_for_each(|word| self.send_event(StreamEvent::Thinking { content: word.into() }))
    }

    /// Streams `text` word by word, then sends it as a message.
    fn send_message(&mut self, text: &str) -> io::Result<()> {
        self.messages += 1;
        let message_id = Some(format!("msg_{}", self.messages));
        for word in text.split_inclusive(' ') {
            let mut content: Delta = word.into();
            content.message_id.clone_from(&message_id);
            self.send_event(StreamEvent::Token { content })?;
        }
        self.send_event(StreamEvent::Message { role: Role::Assistant, content: text.to_owned(), message_id, parent_tool_call_id: None })
    }

    /// Sends the plan with its first `done` steps completed.
    fn send_plan(&mut self, done: usize) -> io::Result<()> {
        let status = |step: usize| match step.cmp(&done) {
            std::cmp::Ordering::Less => PlanStatus::Completed,
            std::cmp::Ordering::Equal => PlanStatus::InProgress,
            std::cmp::Ordering::Greater => PlanStatus::Pending,
        };
        let entries = PLAN.iter().enumerate().map(|(step, text)| PlanEntry { content: (*text).to_owned(), status: status(step) });
        self.send_event(StreamEvent::Plan { entries: entries.collect() })
    }

    fn send_event(&mut self, event: StreamEvent) -> io::Result<()> {
        sleep(self.pace);
        self.write_line(&FromAgent::Event(event))
    }

    fn report(&mut self, report: Report) -> io::Result<()> {
        self.write_line(&FromAgent::Report(report))
    }

    fn write_line(&mut self, line: &FromAgent) -> io::Result<()> {
        serde_json::to_writer(&mut self.output, line)?;
        self.output.write_all(b"\n")?;
        self.output.flush()
    }

    fn read_message(&mut self) -> io::Result<ToAgent> {
        let line = self.input.next().ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))??;
        serde_json::from_str(&line).map_err(|_| unexpected_input())
    }
}

/// Writes the file and returns its previous text, if it existed. Never follows a symbolic link, which would lead out of the working
/// directory, and never opens anything but a regular file (rule S13).
fn replace_file(path: &Path, content: &str) -> io::Result<Option<String>> {
    // A FIFO must not block the agent.
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let opened = OpenOptions::new().read(true).write(true).custom_flags(flags).open(path);
    let (mut file, exists) = match opened {
        Ok(file) => (file, true),
        // `create_new` does not follow a symbolic link, either.
        Err(error) if error.kind() == io::ErrorKind::NotFound => (OpenOptions::new().write(true).create_new(true).open(path)?, false),
        Err(_) if path.is_symlink() => return Err(io::Error::other("is a symbolic link, which this agent does not follow")),
        Err(error) => return Err(error),
    };
    let mut before = None;
    if exists {
        if !file.metadata()?.is_file() {
            return Err(io::Error::other("is not a regular file"));
        }
        file.read_to_string(before.insert(String::new()))?;
        file.set_len(0)?;
        file.rewind()?;
    }
    file.write_all(content.as_bytes())?;
    Ok(before)
}

fn unexpected_input() -> io::Error {
    io::Error::other("internal command, not meant to be run by hand: OpenRunner starts it for runs of agent_type `demo`")
}

/// The first plain file name in the prompt, such as `hello.py`. `None` if there is none.
fn file_named_in(prompt: &str) -> Option<&str> {
    let is_plain = |word: &&str| {
        let extension = Path::new(word).extension().is_some_and(|extension| !extension.is_empty());
        let safe = word.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'));
        extension && safe && word.len() <= 64 && !word.starts_with(['.', '-'])
    };
    let words = prompt.split(|letter: char| letter.is_whitespace() || "\"'`,;:()".contains(letter));
    words.map(|word| word.trim_end_matches('.')).find(is_plain)
}

#[cfg(test)]
mod tests {
    //! Rules: S13.

    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_file_is_created_or_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("hello.py");
        assert_eq!(replace_file(&path, "a longer text").unwrap(), None);
        assert_eq!(replace_file(&path, "short").unwrap().as_deref(), Some("a longer text"));
        assert_eq!(fs::read_to_string(&path).unwrap(), "short");
    }

    #[test]
    fn a_symbolic_link_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let (target, link, dangling) = (dir.path().join("outside"), dir.path().join("hello.py"), dir.path().join("new.py"));
        fs::write(&target, "secret").unwrap();
        symlink(&target, &link).unwrap();
        symlink(dir.path().join("missing"), &dangling).unwrap();
        for path in [&link, &dangling] {
            assert!(replace_file(path, "text").unwrap_err().to_string().contains("symbolic link"));
            assert!(path.is_symlink());
        }
        assert_eq!(fs::read_to_string(&target).unwrap(), "secret");
        assert!(!dir.path().join("missing").exists());
    }

    #[test]
    fn only_regular_files_are_opened() {
        let dir = tempfile::tempdir().unwrap();
        assert!(replace_file(dir.path(), "text").is_err());
        let fifo = dir.path().join("hello.py");
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU, 0).unwrap();
        assert!(replace_file(&fifo, "text").is_err());
    }

    #[test]
    fn the_file_is_a_plain_name_from_the_prompt() {
        assert_eq!(file_named_in("create hello.py"), Some("hello.py"));
        assert_eq!(file_named_in("Please write 'notes.txt'."), Some("notes.txt"));
        assert_eq!(file_named_in("write ../../etc/passwd.txt or /tmp/x.py or .bashrc or -x.y"), None);
        assert_eq!(file_named_in("hi"), None);
    }

    /// The thinking text for `prompt`. The permission request is denied, so nothing is written.
    fn thinking(prompt: &str) -> String {
        let prompt = serde_json::to_string(&ToAgent::Prompt { text: prompt.to_owned() }).unwrap();
        let decision = serde_json::to_string(&ToAgent::Decision { id: "perm_1".to_owned(), decision: Decision::Deny }).unwrap();
        let mut output = Vec::new();
        let input = [prompt, decision].map(Ok).into_iter();
        DemoAgent { input, output: &mut output, pace: Duration::ZERO, messages: 0 }.run().unwrap();
        let lines = output.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok());
        lines
            .filter_map(|line| if let FromAgent::Event(StreamEvent::Thinking { content }) = line { Some(content.text) } else { None })
            .collect()
    }

    #[test]
    fn a_file_name_is_attributed_to_the_prompt_only_if_the_prompt_contains_it() {
        assert_eq!(thinking("hi"), "The request names no file, so I will write hello.py and nothing else. ");
        assert_eq!(thinking("create notes.txt"), "The request names notes.txt, so I will write that file and nothing else. ");
    }
}
