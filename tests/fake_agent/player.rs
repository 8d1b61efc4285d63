//! Carries out a script in the words of Claude Code.

use std::io::{self, BufRead, BufWriter, Stdout, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use rustix::process::{Signal, getpid, kill_process};
use serde_json::{Value, json};

use crate::script::{Command, parse};
use crate::{LIFETIME, children, facts};

/// The argument by which this program goes on with the rest of a script after it has become itself again.
pub(crate) const GO_ON: &str = "--go-on";

/// How often it is looked whether a file has come.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// Plays one script.
pub(crate) struct Player {
    output: BufWriter<Stdout>,
    calls: u32,
    messages: u32,
    gave_result: bool,
}

impl Default for Player {
    fn default() -> Self {
        Self { output: BufWriter::new(io::stdout()), calls: 0, messages: 0, gave_result: false }
    }
}

impl Player {
    /// Waits for the prompt and plays it. After a result it ends when its stdin does, without one at once.
    ///
    /// # Errors
    /// If the script is wrong, or whoever started it goes away.
    pub(crate) fn play(mut self) -> io::Result<ExitCode> {
        let prompt = loop {
            let message = hear()?;
            if message["type"] == "user" {
                break message["message"]["content"].as_str().unwrap_or_default().to_owned();
            }
        };
        self.line(
            &json!({ "type": "system", "subtype": "init", "session_id": "fake", "model": "scripted", "claude_code_version": "9.9.9" }),
        )?;
        self.carry_out(&prompt)
    }

    /// Plays the rest of a script.
    ///
    /// # Errors
    /// As for [`Player::play`].
    pub(crate) fn go_on(mut self, script: &str) -> io::Result<ExitCode> {
        self.carry_out(script)
    }

    fn carry_out(&mut self, script: &str) -> io::Result<ExitCode> {
        let mut commands = parse(script)?.into_iter();
        while let Some(command) = commands.next() {
            match command {
                Command::Exit(code) => return Ok(ExitCode::from(code)),
                Command::IgnoreTerm => return Err(become_again("trap '' TERM", script, commands.len())?),
                Command::CloseStdout => return Err(become_again("exec >/dev/null", script, commands.len())?),
                Command::Report(fact) if fact == "prompt" => self.message(script)?,
                command => self.perform(command)?,
            }
        }
        self.wait_for_end()
    }

    fn wait_for_end(&self) -> io::Result<ExitCode> {
        if self.gave_result {
            io::copy(&mut io::stdin(), &mut io::sink())?;
        }
        Ok(ExitCode::SUCCESS)
    }

    fn perform(&mut self, command: Command) -> io::Result<()> {
        match command {
            Command::Say(text) => self.message(&text),
            Command::Flood(count) => {
                (1..=count).try_for_each(|number| self.token(&format!("{number} "))).and_then(|()| self.output.flush())
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
            Command::Permission(tool) => self.ask(&tool),
            Command::Children(count, words) => {
                let started = (0..count).map(|_| children::start(&words)).collect::<io::Result<Vec<u32>>>()?;
                self.message(&json!(started).to_string())
            }
            Command::Report(fact) => self.message(&facts::fact(&fact)?.to_string()),
            Command::StopSelf => Ok(kill_process(getpid(), Signal::STOP)?),
            Command::Wait(file) => {
                while !Path::new(&file).exists() {
                    std::thread::sleep(LOOK_AGAIN);
                }
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

    /// A tool call, the question whether it may, and the answer as its result.
    fn ask(&mut self, tool: &str) -> io::Result<()> {
        self.calls += 1;
        let (call, request) = (format!("call_{}", self.calls), format!("perm_{}", self.calls));
        let block = json!({ "type": "tool_use", "id": call, "name": tool, "input": { "command": "true" } });
        self.line(&json!({ "type": "assistant", "message": { "content": [block] }, "parent_tool_use_id": null }))?;
        let wish = json!({ "subtype": "can_use_tool", "tool_name": tool, "input": { "command": "true" }, "tool_use_id": call });
        self.line(&json!({ "type": "control_request", "request_id": request, "request": wish }))?;
        let answer = loop {
            let answer = hear()?;
            if answer["response"]["request_id"] == request {
                break answer["response"]["response"]["behavior"].clone();
            }
        };
        let result = json!({ "type": "tool_result", "tool_use_id": call, "content": answer, "is_error": answer != "allow" });
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
        serde_json::to_writer(&mut self.output, value)?;
        self.bytes(b"\n")
    }

    fn bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.output.write_all(bytes)?;
        self.output.flush()
    }
}

/// One line from whoever started this process.
fn hear() -> io::Result<Value> {
    let mut line = String::new();
    if io::stdin().lock().read_line(&mut line)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(serde_json::from_str(&line)?)
}

/// Becomes this program again, to go on with the last `left` commands.
fn become_again(shell: &str, script: &str, left: usize) -> io::Result<io::Error> {
    let lines: Vec<&str> = script.lines().filter(|line| !line.trim().is_empty() && !line.starts_with(['-', '#'])).collect();
    children::exec_after(shell, &[GO_ON, &lines[lines.len() - left..].join("\n")])
}
