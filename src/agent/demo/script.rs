//! The demo agent itself: a short play in plain blocking code.

use std::fs;
use std::io::{self, BufRead, Write};
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use serde_json::json;

use super::wire::{About, FromAgent, ToAgent};
use crate::types::{Decision, FileChangeKind, PlanEntry, PlanStatus, Role, StreamEvent, ToolCall, ToolKind, ToolStatus, Usage};

pub use super::command::SUBCOMMAND;

/// Between two words, so that a person sees them come.
const PACE: Duration = Duration::from_millis(20);

const STEPS: [&str; 3] = ["Read the request", "Write the file", "Tell what was done"];

/// Plays the demo agent over this process's stdin and stdout, in its current folder.
///
/// # Errors
/// If whoever started it goes away, or says something that is not the demo's protocol.
pub fn play() -> io::Result<()> {
    Actor { input: io::stdin().lock().lines(), output: io::stdout().lock(), messages: 0 }.play()
}

struct Actor<I, O> {
    input: I,
    output: O,
    messages: u32,
}

impl<I: Iterator<Item = io::Result<String>>, O: Write> Actor<I, O> {
    fn play(&mut self) -> io::Result<()> {
        let ToAgent::Prompt { text: prompt } = self.hear()? else { return Err(not_our_protocol()) };
        self.about(About::Ready { version: env!("CARGO_PKG_VERSION").to_owned(), model: "none".to_owned() })?;
        let name = file_named_in(&prompt);
        self.think(&format!("The request names {name}, so I will write that file and nothing else. "))?;
        self.plan(0)?;
        self.say(&format!("I am the built-in demo agent, without a model behind me. I will write {name} in my workspace."))?;
        self.plan(1)?;
        let written = self.write(name)?;
        self.plan(if written { 3 } else { 2 })?;
        let result = if written {
            format!("Done: {name} is written. A real agent would have read your request; I only know how to do this.")
        } else {
            format!("I was not allowed to write {name}, so nothing was changed.")
        };
        self.say(&result)?;
        let words = |text: &str| text.split_whitespace().count() as u64;
        self.tell(StreamEvent::Usage(Usage { input_tokens: words(&prompt), output_tokens: words(&result), ..Usage::default() }))?;
        self.about(About::TurnEnded { result })
    }

    /// Calls the one tool there is, with permission. Gives whether the file was written.
    fn write(&mut self, name: &str) -> io::Result<bool> {
        let content = format!("print(\"Hello from OpenRunner, in {name}\")\n");
        let input = json!({ "path": name, "content": content });
        let (call, request) = ("call_1".to_owned(), "perm_1".to_owned());
        self.tell(StreamEvent::ToolCall(ToolCall {
            id: call.clone(),
            tool: "write_file".into(),
            kind: ToolKind::Edit,
            title: format!("Write {name}"),
            input: input.clone(),
            parent_tool_call_id: None,
        }))?;
        self.tell(StreamEvent::PermissionRequest {
            id: request,
            tool_call_id: Some(call.clone()),
            tool: "write_file".into(),
            kind: ToolKind::Edit,
            input,
            options: vec![Decision::AllowOnce, Decision::Deny],
            expires_at: None,
        })?;
        let ToAgent::Decision { decision, .. } = self.hear()? else { return Err(not_our_protocol()) };
        let (status, told) = match decision {
            Decision::Deny => (ToolStatus::Denied, "not allowed".to_owned()),
            Decision::AllowOnce | Decision::AllowAlways => match self.put(name, &content) {
                Ok(()) => (ToolStatus::Ok, format!("{} bytes written", content.len())),
                Err(error) => (ToolStatus::Error, error.to_string()),
            },
        };
        self.tell(StreamEvent::ToolResult { id: call, status, content: told, duration_ms: None })?;
        Ok(status == ToolStatus::Ok)
    }

    fn put(&mut self, name: &str, content: &str) -> io::Result<()> {
        let before = match fs::read_to_string(name) {
            Ok(before) => Some(before),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        fs::write(name, content)?;
        let old = before.as_deref().unwrap_or_default();
        let from = if before.is_some() { format!("a/{name}") } else { "/dev/null".to_owned() };
        let diff = similar::TextDiff::from_lines(old, content).unified_diff().header(&from, &format!("b/{name}")).to_string();
        let kind = if before.is_some() { FileChangeKind::Update } else { FileChangeKind::Create };
        let path = std::env::current_dir()?.join(name).display().to_string();
        self.tell(StreamEvent::FileChange { path, kind, diff: Some(diff) })
    }

    fn think(&mut self, text: &str) -> io::Result<()> {
        text.split_inclusive(' ').try_for_each(|word| self.tell(StreamEvent::Thinking { content: word.into() }))
    }

    fn say(&mut self, text: &str) -> io::Result<()> {
        self.messages += 1;
        let message_id = Some(format!("msg_{}", self.messages));
        for word in text.split_inclusive(' ') {
            let mut content: crate::types::Delta = word.into();
            content.message_id.clone_from(&message_id);
            self.tell(StreamEvent::Token { content })?;
        }
        self.tell(StreamEvent::Message { role: Role::Assistant, content: text.to_owned(), message_id, parent_tool_call_id: None })
    }

    /// The plan when `done` of its steps are behind us.
    fn plan(&mut self, done: usize) -> io::Result<()> {
        let status = |step: usize| match step.cmp(&done) {
            std::cmp::Ordering::Less => PlanStatus::Completed,
            std::cmp::Ordering::Equal => PlanStatus::InProgress,
            std::cmp::Ordering::Greater => PlanStatus::Pending,
        };
        let entries = STEPS.iter().enumerate().map(|(step, text)| PlanEntry { content: (*text).to_owned(), status: status(step) });
        self.tell(StreamEvent::Plan { entries: entries.collect() })
    }

    fn tell(&mut self, event: StreamEvent) -> io::Result<()> {
        sleep(PACE);
        self.line(&FromAgent::Event(event))
    }

    fn about(&mut self, about: About) -> io::Result<()> {
        self.line(&FromAgent::About(about))
    }

    fn line(&mut self, line: &FromAgent) -> io::Result<()> {
        serde_json::to_writer(&mut self.output, line)?;
        self.output.write_all(b"\n")?;
        self.output.flush()
    }

    fn hear(&mut self) -> io::Result<ToAgent> {
        let line = self.input.next().ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))??;
        serde_json::from_str(&line).map_err(|_| not_our_protocol())
    }
}

fn not_our_protocol() -> io::Error {
    io::Error::other("this is not for typing: openrunner starts it when a run asks for the agent `demo`")
}

/// The first plain file name in the prompt, such as `hello.py`; that one if there is none.
fn file_named_in(prompt: &str) -> &str {
    let plain = |word: &&str| {
        let extension = Path::new(word).extension().is_some_and(|extension| !extension.is_empty());
        let safe = word.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'));
        extension && safe && word.len() <= 64 && !word.starts_with(['.', '-'])
    };
    let words = prompt.split(|letter: char| letter.is_whitespace() || "\"'`,;:()".contains(letter));
    words.map(|word| word.trim_end_matches('.')).find(plain).unwrap_or("hello.py")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_a_plain_name_in_the_workspace_whatever_the_prompt_says() {
        assert_eq!(file_named_in("create hello.py"), "hello.py");
        assert_eq!(file_named_in("Please write 'notes.txt'."), "notes.txt");
        assert_eq!(file_named_in("write ../../etc/passwd.txt or /tmp/x.py or .bashrc or -x.y"), "hello.py");
        assert_eq!(file_named_in("nothing named here"), "hello.py");
    }
}
