//! Carries out scripts in the words of Claude Code.

use std::io::{self, BufWriter, Stdout, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use rustix::process::{Signal, getpid, kill_process};
use serde_json::{Value, json};

use crate::ears::Ears;
use crate::script::{Command, parse};
use crate::{LIFETIME, children, facts};

/// The argument by which this program goes on with the rest of a script after it has become itself again.
pub(crate) const GO_ON: &str = "--go-on";

/// Plays one script a turn.
pub(crate) struct Player {
    output: BufWriter<Stdout>,
    ears: Ears,
    /// The conversation's id: the one that is to be continued, or one of its own.
    session: String,
    calls: u32,
    messages: u32,
    /// Requests without an answer, each with its tool.
    open: Vec<Asked>,
    /// The input of the last tool that was allowed.
    allowed: Value,
    gave_result: bool,
    /// Whether the last turn was interrupted.
    cut_short: bool,
}

/// A request to whoever started this process.
struct Asked {
    request: String,
    call: String,
    tool: String,
}

impl Default for Player {
    fn default() -> Self {
        let continued = std::env::args().find_map(|arg| arg.strip_prefix("--resume=").map(str::to_owned));
        Self {
            output: BufWriter::new(io::stdout()),
            ears: Ears::open(),
            session: continued.unwrap_or_else(|| format!("conversation-{}", std::process::id())),
            calls: 0,
            messages: 0,
            open: Vec::new(),
            allowed: Value::Null,
            gave_result: false,
            cut_short: false,
        }
    }
}

impl Player {
    /// Waits for the prompt and plays it, then for the next one, as long as each gives a result. Ends when its stdin does, and without
    /// a result at once.
    ///
    /// # Errors
    /// If a script is wrong, or whoever started it goes away before the first one.
    pub(crate) fn play(mut self) -> io::Result<ExitCode> {
        let prompt = self.ears.message()?.ok_or(io::ErrorKind::UnexpectedEof)?;
        self.turn(prompt)
    }

    /// Plays the rest of a script, and what comes after it.
    ///
    /// # Errors
    /// As for [`Player::play`].
    pub(crate) fn go_on(mut self, script: &str) -> io::Result<ExitCode> {
        match self.carry_out(script)? {
            Some(code) => Ok(code),
            None => self.next_turn(),
        }
    }

    fn turn(&mut self, script: String) -> io::Result<ExitCode> {
        let mut script = Some(script);
        while let Some(text) = script {
            let session = &self.session;
            let init = json!({
                "type": "system", "subtype": "init", "session_id": session, "model": "scripted", "claude_code_version": "9.9.9",
            });
            self.line(&init)?;
            (self.gave_result, self.cut_short) = (false, false);
            if let Some(code) = self.carry_out(&text)? {
                return Ok(code);
            }
            script = if self.gave_result { self.ears.message()? } else { None };
        }
        // As the real one: after an interrupt as the last thing it exits with 1.
        Ok(ExitCode::from(u8::from(self.cut_short)))
    }

    fn next_turn(&mut self) -> io::Result<ExitCode> {
        match self.gave_result.then(|| self.ears.message()).transpose()?.flatten() {
            Some(script) => self.turn(script),
            None => Ok(ExitCode::from(u8::from(self.cut_short))),
        }
    }

    /// Plays a script to its end, or until it is interrupted; gives the exit code if that is the end of all.
    fn carry_out(&mut self, script: &str) -> io::Result<Option<ExitCode>> {
        let mut commands = parse(script)?.into_iter();
        while let Some(command) = commands.next() {
            match command {
                Command::Exit(code) => return Ok(Some(ExitCode::from(code))),
                Command::IgnoreTerm => return Err(become_again("trap '' TERM", script, commands.len())?),
                Command::CloseStdout => return Err(become_again("exec >/dev/null", script, commands.len())?),
                Command::Report(fact) if fact == "prompt" => self.message(script)?,
                command => self.perform(command)?,
            }
            // Between turns there is nothing to interrupt.
            if let Some(interrupt) = self.ears.interrupt()?.filter(|_| !self.gave_result) {
                self.interrupted(&interrupt)?;
                break;
            }
        }
        Ok(None)
    }

    fn perform(&mut self, command: Command) -> io::Result<()> {
        match command {
            Command::Say(text) => self.message(&text),
            Command::Flood(count) => {
                (1..=count).try_for_each(|number| self.token(&format!("{number} "))).and_then(|()| self.output.flush())
            }
            Command::Pace(count, rate) => {
                let began = Instant::now();
                for number in 1..=count {
                    self.token(&format!("{number} "))?;
                    self.output.flush()?;
                    let due = Duration::from_secs(1) * number / rate;
                    std::thread::sleep(due.saturating_sub(began.elapsed()));
                }
                Ok(())
            }
            Command::Raw(text) => self.bytes(format!("{text}\n").as_bytes()),
            Command::Bytes(bytes) => self.bytes(&bytes),
            Command::LongLine(length) => self.bytes(&vec![b'x'; length]).and_then(|()| self.bytes(b"\n")),
            Command::Partial(text) => self.bytes(text.as_bytes()),
            Command::Stderr(text) => writeln!(io::stderr(), "{text}"),
            Command::StderrFlood(length) => {
                let line = [&[b'e'; 99][..], b"\n"].concat();
                io::stderr().write_all(&line.repeat(length.div_ceil(line.len())))
            }
            Command::Permission(tool, input) => self.ask(&tool, &input).and_then(|()| self.settle()),
            Command::Ask(tool, input) => self.ask(&tool, &input),
            Command::Settle => self.settle(),
            Command::Withdraw => self.withdraw(),
            Command::Question(text, options) => {
                let options: Vec<Value> = options.iter().map(|label| json!({ "label": label, "description": label })).collect();
                let question = json!({ "question": text, "header": "", "options": options, "multiSelect": false });
                self.ask("AskUserQuestion", &json!({ "questions": [question] })).and_then(|()| self.settle())
            }
            Command::Children(count, words) => {
                let started = (0..count).map(|_| children::start(&words)).collect::<io::Result<Vec<u32>>>()?;
                self.message(&json!(started).to_string())
            }
            Command::Report(fact) => self.message(&facts::fact(&fact)?.to_string()),
            Command::Keep(fact, file) => {
                let fact = match fact.as_str() {
                    "mcp" => self.ears.servers().clone(),
                    "allowed" => self.allowed.clone(),
                    _ => facts::fact(&fact)?,
                };
                std::fs::write(file, fact.to_string())
            }
            Command::StopSelf => Ok(kill_process(getpid(), Signal::STOP)?),
            Command::Wait(file) => {
                while !Path::new(&file).exists() && !self.ears.is_interrupted() {
                    self.ears.listen()?;
                }
                Ok(())
            }
            Command::UntilInterrupt => {
                while !self.ears.is_interrupted() {
                    self.ears.listen()?;
                }
                Ok(())
            }
            Command::Deaf => {
                self.ears.be_deaf();
                Ok(())
            }
            Command::Result(text) => self.end_turn(&json!({ "subtype": "success", "is_error": false, "result": text })),
            Command::Error(text) => self.end_turn(&json!({ "subtype": "success", "is_error": true, "result": text })),
            Command::Die(signal) => {
                let signal = Signal::from_named_raw(signal).ok_or_else(|| io::Error::other("no such signal"))?;
                kill_process(getpid(), signal)?;
                Ok(())
            }
            Command::Hang => {
                std::thread::sleep(LIFETIME);
                Ok(())
            }
            Command::Exit(_) | Command::IgnoreTerm | Command::CloseStdout => Ok(()),
        }
    }

    /// A tool call, and the question whether it may.
    fn ask(&mut self, tool: &str, input: &Value) -> io::Result<()> {
        self.calls += 1;
        let (call, request) = (format!("call_{}", self.calls), format!("perm_{}", self.calls));
        let block = json!({ "type": "tool_use", "id": call, "name": tool, "input": input });
        self.line(&json!({ "type": "assistant", "message": { "content": [block] }, "parent_tool_use_id": null }))?;
        let wish = json!({ "subtype": "can_use_tool", "tool_name": tool, "input": input, "tool_use_id": call });
        self.line(&json!({ "type": "control_request", "request_id": request, "request": wish }))?;
        self.open.push(Asked { request, call, tool: tool.to_owned() });
        Ok(())
    }

    /// Waits for the answers to all that was asked, in whatever order they come. What was answered becomes the call's result: for
    /// what is allowed the input that it is allowed with, else the words of the denial.
    fn settle(&mut self) -> io::Result<()> {
        while !self.open.is_empty() {
            let Some((request, answer)) = self.ears.answer()? else { return Ok(()) };
            let Some(at) = self.open.iter().position(|asked| asked.request == request) else { continue };
            let asked = self.open.remove(at);
            let allowed = answer["behavior"] == "allow";
            let content = match (allowed, asked.tool.as_str()) {
                (true, "AskUserQuestion") => answer["updatedInput"]["answers"].to_string(),
                (true, _) => {
                    self.allowed = answer["updatedInput"].clone();
                    self.allowed.to_string()
                }
                (false, _) => answer["message"].as_str().unwrap_or_default().to_owned(),
            };
            self.result_of(&asked.call, &content, !allowed)?;
        }
        Ok(())
    }

    /// What was asked is not asked any more.
    fn withdraw(&mut self) -> io::Result<()> {
        for asked in std::mem::take(&mut self.open) {
            self.line(&json!({ "type": "control_cancel_request", "request_id": asked.request }))?;
            self.result_of(&asked.call, "withdrawn", true)?;
        }
        Ok(())
    }

    /// Ends the turn as the real program does when it is interrupted (recordings `bidi_interrupt_stream` and
    /// `bidi_permission_interrupt_while_pending`).
    fn interrupted(&mut self, interrupt: &str) -> io::Result<()> {
        for asked in &self.open {
            let cancel = json!({ "type": "control_cancel_request", "request_id": asked.request });
            write_line(&mut self.output, &cancel)?;
        }
        let response = json!({ "subtype": "success", "request_id": interrupt, "response": { "still_queued": [] } });
        self.line(&json!({ "type": "control_response", "response": response }))?;
        let reason = if self.open.is_empty() { "aborted_streaming" } else { "aborted_tools" };
        for asked in std::mem::take(&mut self.open) {
            self.result_of(&asked.call, "The user doesn't want to proceed with this tool use.", true)?;
        }
        let said = json!([{ "type": "text", "text": "[Request interrupted by user]" }]);
        self.line(&json!({ "type": "user", "message": { "role": "user", "content": said }, "parent_tool_use_id": null }))?;
        self.cut_short = true;
        self.end_turn(&json!({ "subtype": "error_during_execution", "is_error": true, "terminal_reason": reason, "errors": ["-"] }))
    }

    fn result_of(&mut self, call: &str, content: &str, is_error: bool) -> io::Result<()> {
        let result = json!({ "type": "tool_result", "tool_use_id": call, "content": content, "is_error": is_error });
        self.line(&json!({ "type": "user", "message": { "content": [result] }, "parent_tool_use_id": null }))
    }

    fn message(&mut self, text: &str) -> io::Result<()> {
        self.messages += 1;
        let id = format!("msg_{}", self.messages);
        self.token(text)?;
        let message = json!({ "id": id, "content": [{ "type": "text", "text": text }] });
        self.line(&json!({ "type": "assistant", "message": message, "parent_tool_use_id": null }))
    }

    fn token(&mut self, text: &str) -> io::Result<()> {
        let event = json!({ "type": "content_block_delta", "index": 0, "delta": { "type": "text_delta", "text": text } });
        serde_json::to_writer(&mut self.output, &json!({ "type": "stream_event", "event": event, "parent_tool_use_id": null }))?;
        self.output.write_all(b"\n")
    }

    fn end_turn(&mut self, how: &Value) -> io::Result<()> {
        self.gave_result = true;
        let mut result = json!({ "type": "result", "usage": { "input_tokens": 7, "output_tokens": 11 }, "total_cost_usd": 0.25 });
        if let (Some(result), Some(how)) = (result.as_object_mut(), how.as_object()) {
            result.extend(how.clone());
        }
        self.line(&result)
    }

    fn line(&mut self, value: &Value) -> io::Result<()> {
        write_line(&mut self.output, value)
    }

    fn bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.output.write_all(bytes)?;
        self.output.flush()
    }
}

fn write_line(output: &mut impl Write, value: &Value) -> io::Result<()> {
    serde_json::to_writer(&mut *output, value)?;
    output.write_all(b"\n")?;
    output.flush()
}

/// Becomes this program again, to go on with the last `left` commands.
fn become_again(shell: &str, script: &str, left: usize) -> io::Result<io::Error> {
    let lines: Vec<&str> = script.lines().filter(|line| !line.trim().is_empty() && !line.starts_with(['-', '#'])).collect();
    children::exec_after(shell, &[GO_ON, &lines[lines.len() - left..].join("\n")])
}
