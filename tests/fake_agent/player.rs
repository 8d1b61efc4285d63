//! Carries out scripts in the protocol of Claude Code.

use std::io::{self, BufWriter, Stdout, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use rustix::process::{Signal, getpid, kill_process};
use serde_json::{Value, json};

use crate::script::{Command, parse};
use crate::stdin::Stdin;
use crate::{LIFETIME, children, facts};

/// The argument that makes this program resume a script after it has executed itself again.
pub(crate) const RESUME_FLAG: &str = "--resume-script";

/// Plays one script per turn.
pub(crate) struct Player {
    output: BufWriter<Stdout>,
    stdin: Stdin,
    /// The session id: the resumed one, or a new one.
    session: String,
    calls: u32,
    messages: u32,
    open_requests: Vec<OpenRequest>,
    /// Minimum length of the number in the id of a tool call.
    id_length: usize,
    /// The input of the last allowed tool call.
    allowed_input: Value,
    has_result: bool,
    /// The file with the script for corrections.
    correction: Option<String>,
    /// Whether the last turn was interrupted.
    was_interrupted: bool,
}

/// A permission request or question without an answer.
struct OpenRequest {
    id: String,
    call: String,
    tool: String,
}

impl Default for Player {
    fn default() -> Self {
        let resumed = std::env::args().find_map(|arg| arg.strip_prefix("--resume=").map(str::to_owned));
        Self {
            output: BufWriter::new(io::stdout()),
            stdin: Stdin::open(),
            session: resumed.unwrap_or_else(|| format!("conversation-{}", std::process::id())),
            calls: 0,
            messages: 0,
            open_requests: Vec::new(),
            id_length: 0,
            allowed_input: Value::Null,
            has_result: false,
            correction: None,
            was_interrupted: false,
        }
    }
}

impl Player {
    /// Plays the prompt, and then further messages as long as each turn ends with a result. Ends with standard input, or after a turn without
    /// a result.
    ///
    /// # Errors
    /// If a script is invalid, or standard input ends before the first one.
    pub(crate) fn play(mut self) -> io::Result<ExitCode> {
        let prompt = self.stdin.next_message()?.ok_or(io::ErrorKind::UnexpectedEof)?;
        self.play_turns(prompt)
    }

    /// Plays the rest of a script, and then further messages.
    ///
    /// # Errors
    /// As for [`Player::play`].
    pub(crate) fn resume(mut self, script: &str) -> io::Result<ExitCode> {
        match self.run_script(script)? {
            Some(code) => Ok(code),
            None => self.play_next_turns(),
        }
    }

    fn play_turns(&mut self, script: String) -> io::Result<ExitCode> {
        let mut script = Some(script);
        while let Some(text) = script {
            let session = &self.session;
            let init = json!({
                "type": "system", "subtype": "init", "session_id": session, "model": "scripted", "claude_code_version": "9.9.9",
            });
            self.write_message(&init)?;
            (self.has_result, self.was_interrupted) = (false, false);
            let text = match &self.correction {
                Some(file) if text.starts_with("Your last answer does not match") => std::fs::read_to_string(file)?,
                _ => text,
            };
            if let Some(code) = self.run_script(&text)? {
                return Ok(code);
            }
            script = if self.has_result { self.stdin.next_message()? } else { None };
        }
        // Like the real program, which exits with 1 if its last turn was interrupted.
        Ok(ExitCode::from(u8::from(self.was_interrupted)))
    }

    fn play_next_turns(&mut self) -> io::Result<ExitCode> {
        match self.has_result.then(|| self.stdin.next_message()).transpose()?.flatten() {
            Some(script) => self.play_turns(script),
            None => Ok(ExitCode::from(u8::from(self.was_interrupted))),
        }
    }

    /// Runs a script to its end or until it is interrupted. Returns the exit code if the script exits.
    fn run_script(&mut self, script: &str) -> io::Result<Option<ExitCode>> {
        let mut commands = parse(script)?.into_iter();
        while let Some(command) = commands.next() {
            match command {
                Command::Exit(code) => return Ok(Some(ExitCode::from(code))),
                Command::IgnoreTerm => return Err(exec_self("trap '' TERM", script, commands.len())?),
                Command::CloseStdout => return Err(exec_self("exec >/dev/null", script, commands.len())?),
                Command::Continue => return self.run_script(&std::fs::read_to_string("continue")?),
                Command::Report(fact) if fact == "prompt" => self.emit_message(script)?,
                command => self.run_command(command)?,
            }
            // An interrupt after the result has no effect.
            if let Some(interrupt) = self.stdin.take_interrupt()?.filter(|_| !self.has_result) {
                self.handle_interrupt(&interrupt)?;
                break;
            }
        }
        Ok(None)
    }

    fn run_command(&mut self, command: Command) -> io::Result<()> {
        match command {
            Command::Say(text) => self.emit_message(&text),
            Command::Flood(count) => {
                (1..=count).try_for_each(|number| self.write_token(&format!("{number} "))).and_then(|()| self.output.flush())
            }
            Command::Pace(count, rate) => {
                let started = Instant::now();
                for number in 1..=count {
                    self.write_token(&format!("{number} "))?;
                    self.output.flush()?;
                    let due = Duration::from_secs(1) * number / rate;
                    std::thread::sleep(due.saturating_sub(started.elapsed()));
                }
                Ok(())
            }
            Command::Raw(text) => self.write_bytes(format!("{text}\n").as_bytes()),
            Command::Bytes(bytes) => self.write_bytes(&bytes),
            Command::LongLine(length) => self.write_bytes(&vec![b'x'; length]).and_then(|()| self.write_bytes(b"\n")),
            Command::Partial(text) => self.write_bytes(text.as_bytes()),
            Command::Stderr(text) => writeln!(io::stderr(), "{text}"),
            Command::StderrFlood(length) => {
                let line = [&[b'e'; 99][..], b"\n"].concat();
                io::stderr().write_all(&line.repeat(length.div_ceil(line.len())))
            }
            Command::Permission(tool, input) => self.request(&tool, &input).and_then(|()| self.await_answers()),
            Command::PermissionNoWait(tool, input) => self.request(&tool, &input),
            Command::PermissionFlood(count, length) => {
                self.id_length = length;
                (0..count).try_for_each(|number| self.request("Bash", &json!({ "command": format!("command {number}") })))?;
                self.id_length = 0;
                Ok(())
            }
            Command::CallFlood(count) => {
                (0..count).try_for_each(|number| self.call("Bash", &json!({ "command": number.to_string() })).map(|_| ()))
            }
            Command::AwaitAnswers => self.await_answers(),
            Command::WithdrawRequests => self.withdraw_requests(),
            Command::Question(text, options) => {
                let options: Vec<Value> =
                    options.iter().map(|label| json!({ "label": label, "description": format!("the colour {label}") })).collect();
                let question = json!({ "question": text, "header": "Choice", "options": options, "multiSelect": false });
                self.request("AskUserQuestion", &json!({ "questions": [question] })).and_then(|()| self.await_answers())
            }
            Command::Children(count, traits) => {
                let pids = (0..count).map(|_| children::start(&traits)).collect::<io::Result<Vec<u32>>>()?;
                self.emit_message(&json!(pids).to_string())
            }
            Command::Report(fact) => self.emit_message(&facts::read_fact(&fact)?.to_string()),
            Command::Save(fact, file) => {
                let fact = match fact.as_str() {
                    "mcp" => self.stdin.mcp_servers().clone(),
                    "content" => self.stdin.content().clone(),
                    "initialize" => self.stdin.initialize().clone(),
                    "allowed" => self.allowed_input.clone(),
                    _ => facts::read_fact(&fact)?,
                };
                std::fs::write(file, fact.to_string())
            }
            Command::StopSelf => Ok(kill_process(getpid(), Signal::STOP)?),
            Command::Wait(file) => {
                while !Path::new(&file).exists() && !self.stdin.is_interrupted() {
                    self.stdin.poll()?;
                }
                Ok(())
            }
            Command::WaitForInterrupt => {
                while !self.stdin.is_interrupted() {
                    self.stdin.poll()?;
                }
                Ok(())
            }
            Command::IgnoreInterrupts => {
                self.stdin.ignore_interrupts();
                Ok(())
            }
            Command::Correct(file) => {
                self.correction = Some(file);
                Ok(())
            }
            Command::Result(text) => self.end_turn(&json!({ "subtype": "success", "is_error": false, "result": text })),
            Command::Error(text) => self.end_turn(&json!({ "subtype": "success", "is_error": true, "result": text })),
            Command::SignalSelf(signal) => {
                let signal = Signal::from_named_raw(signal).ok_or_else(|| io::Error::other("unknown signal"))?;
                kill_process(getpid(), signal)?;
                Ok(())
            }
            Command::Hang => {
                std::thread::sleep(LIFETIME);
                Ok(())
            }
            Command::Exit(_) | Command::IgnoreTerm | Command::CloseStdout | Command::Continue => Ok(()),
        }
    }

    /// Writes a tool call and returns its id.
    fn call(&mut self, tool: &str, input: &Value) -> io::Result<String> {
        self.calls += 1;
        let call = format!("call_{:0>1$}", self.calls, self.id_length);
        let block = json!({ "type": "tool_use", "id": call, "name": tool, "input": input });
        self.write_message(&json!({ "type": "assistant", "message": { "content": [block] }, "parent_tool_use_id": null }))?;
        Ok(call)
    }

    /// Writes a tool call and requests permission for it.
    fn request(&mut self, tool: &str, input: &Value) -> io::Result<()> {
        let call = self.call(tool, input)?;
        let id = format!("perm_{}", self.calls);
        let request = json!({ "subtype": "can_use_tool", "tool_name": tool, "input": input, "tool_use_id": call });
        self.write_message(&json!({ "type": "control_request", "request_id": id, "request": request }))?;
        self.open_requests.push(OpenRequest { id, call, tool: tool.to_owned() });
        Ok(())
    }

    /// Waits for the answers to all open requests, in any order. An answer becomes the result of its call: the input with which it was allowed, or
    /// the message of the denial.
    fn await_answers(&mut self) -> io::Result<()> {
        while !self.open_requests.is_empty() {
            let Some((id, answer)) = self.stdin.next_answer()? else { return Ok(()) };
            let Some(index) = self.open_requests.iter().position(|request| request.id == id) else { continue };
            let request = self.open_requests.remove(index);
            let is_allowed = answer["behavior"] == "allow";
            let content = match (is_allowed, request.tool.as_str()) {
                (true, "AskUserQuestion") => answer["updatedInput"]["answers"].to_string(),
                (true, _) => {
                    self.allowed_input = answer["updatedInput"].clone();
                    self.allowed_input.to_string()
                }
                (false, _) => answer["message"].as_str().unwrap_or_default().to_owned(),
            };
            self.write_tool_result(&request.call, &content, !is_allowed)?;
        }
        Ok(())
    }

    /// Withdraws all open requests.
    fn withdraw_requests(&mut self) -> io::Result<()> {
        for request in std::mem::take(&mut self.open_requests) {
            self.write_message(&json!({ "type": "control_cancel_request", "request_id": request.id }))?;
            self.write_tool_result(&request.call, "withdrawn", true)?;
        }
        Ok(())
    }

    /// Ends an interrupted turn like the real program (recordings `bidi_interrupt_stream` and
    /// `bidi_permission_interrupt_while_pending`).
    fn handle_interrupt(&mut self, interrupt: &str) -> io::Result<()> {
        for request in &self.open_requests {
            let cancel = json!({ "type": "control_cancel_request", "request_id": request.id });
            write_line(&mut self.output, &cancel)?;
        }
        let response = json!({ "subtype": "success", "request_id": interrupt, "response": { "still_queued": [] } });
        self.write_message(&json!({ "type": "control_response", "response": response }))?;
        let reason = if self.open_requests.is_empty() { "aborted_streaming" } else { "aborted_tools" };
        for request in std::mem::take(&mut self.open_requests) {
            self.write_tool_result(&request.call, "The user doesn't want to proceed with this tool use.", true)?;
        }
        let content = json!([{ "type": "text", "text": "[Request interrupted by user]" }]);
        self.write_message(&json!({ "type": "user", "message": { "role": "user", "content": content }, "parent_tool_use_id": null }))?;
        self.was_interrupted = true;
        self.end_turn(&json!({ "subtype": "error_during_execution", "is_error": true, "terminal_reason": reason, "errors": ["-"] }))
    }

    fn write_tool_result(&mut self, call: &str, content: &str, is_error: bool) -> io::Result<()> {
        let result = json!({ "type": "tool_result", "tool_use_id": call, "content": content, "is_error": is_error });
        self.write_message(&json!({ "type": "user", "message": { "content": [result] }, "parent_tool_use_id": null }))
    }

    /// Writes a token and the message that contains it.
    fn emit_message(&mut self, text: &str) -> io::Result<()> {
        self.messages += 1;
        let id = format!("msg_{}", self.messages);
        self.write_token(text)?;
        let message = json!({ "id": id, "content": [{ "type": "text", "text": text }] });
        self.write_message(&json!({ "type": "assistant", "message": message, "parent_tool_use_id": null }))
    }

    fn write_token(&mut self, text: &str) -> io::Result<()> {
        let event = json!({ "type": "content_block_delta", "index": 0, "delta": { "type": "text_delta", "text": text } });
        serde_json::to_writer(&mut self.output, &json!({ "type": "stream_event", "event": event, "parent_tool_use_id": null }))?;
        self.output.write_all(b"\n")
    }

    fn end_turn(&mut self, outcome: &Value) -> io::Result<()> {
        self.has_result = true;
        let mut result = json!({ "type": "result", "usage": { "input_tokens": 7, "output_tokens": 11 }, "total_cost_usd": 0.25 });
        if let (Some(result), Some(outcome)) = (result.as_object_mut(), outcome.as_object()) {
            result.extend(outcome.clone());
        }
        self.write_message(&result)
    }

    fn write_message(&mut self, value: &Value) -> io::Result<()> {
        write_line(&mut self.output, value)
    }

    fn write_bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.output.write_all(bytes)?;
        self.output.flush()
    }
}

fn write_line(output: &mut impl Write, value: &Value) -> io::Result<()> {
    serde_json::to_writer(&mut *output, value)?;
    output.write_all(b"\n")?;
    output.flush()
}

/// Executes a shell command and then this program again, which resumes with the last `left` commands. Returns only if that fails.
fn exec_self(shell_command: &str, script: &str, left: usize) -> io::Result<io::Error> {
    let lines: Vec<&str> = script.lines().filter(|line| !line.trim().is_empty() && !line.starts_with(['-', '#'])).collect();
    children::exec_after(shell_command, &[RESUME_FLAG, &lines[lines.len() - left..].join("\n")])
}
