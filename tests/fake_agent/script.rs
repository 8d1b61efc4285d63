//! The script of one turn: one command per line, in the text of the prompt or of a further message.
//!
//! Lines that start with `-` or `#` are ignored; tests use them to give a prompt a certain form.

use std::io;

use serde_json::Value;

/// One command.
#[derive(Debug)]
pub(crate) enum Command {
    /// `say TEXT`: writes a token and its message.
    Say(String),
    /// `flood N`: writes N tokens at full speed.
    Flood(u64),
    /// `pace N RATE`: writes N tokens, RATE per second.
    Pace(u32, u32),
    /// `raw TEXT`: writes TEXT as a line.
    Raw(String),
    /// `bytes HEX`: writes these bytes, without a newline.
    Bytes(Vec<u8>),
    /// `long-line N`: writes a line of N bytes.
    LongLine(usize),
    /// `partial TEXT`: writes TEXT without a newline.
    Partial(String),
    /// `stderr TEXT`: writes a line to standard error.
    Stderr(String),
    /// `stderr-flood N`: writes N bytes to standard error, in lines.
    StderrFlood(usize),
    /// `permission TOOL INPUT`: requests permission for a tool call and waits for the answer, which becomes the tool's result. The default input
    /// is a shell command.
    Permission(String, Value),
    /// `permission-nowait TOOL INPUT`: requests permission without waiting.
    PermissionNoWait(String, Value),
    /// `permission-flood N LENGTH`: requests permission for N tool calls without waiting. The ids of the calls have at least LENGTH characters.
    PermissionFlood(u32, usize),
    /// `call-flood N`: writes N tool calls that never get a result.
    CallFlood(u32),
    /// `await-answers`: waits for the answers to all open requests.
    AwaitAnswers,
    /// `withdraw-requests`: withdraws all open requests.
    WithdrawRequests,
    /// `question TEXT|OPTION|OPTION`: asks the user and waits for the answer, which becomes the tool's result.
    Question(String, Vec<String>),
    /// `children N TRAIT…`: starts N child processes and writes their process ids as a message; see [`crate::children`] for the traits.
    Children(usize, Vec<String>),
    /// `report FACT`: writes a fact about the process as a message, see [`crate::facts`]; `prompt` is the whole prompt.
    Report(String),
    /// `save FACT FILE`: writes a fact to a file instead of the output; `mcp` is the configured MCP servers, `allowed` the input of the last
    /// allowed tool call.
    Save(String, String),
    /// `ignore-term`: ignores SIGTERM from now on.
    IgnoreTerm,
    /// `close-stdout`: closes standard output.
    CloseStdout,
    /// `stop-self`: sends itself SIGSTOP.
    StopSelf,
    /// `wait FILE`: waits until the file exists.
    Wait(String),
    /// `wait-for-interrupt`: waits until the turn is interrupted.
    WaitForInterrupt,
    /// `ignore-interrupts`: ignores interrupts from now on.
    IgnoreInterrupts,
    /// `correct FILE`: carries out the script in the file when it is asked to correct its answer.
    Correct(String),
    /// `result TEXT`: ends the turn successfully.
    Result(String),
    /// `error TEXT`: ends the turn with an error.
    Error(String),
    /// `Continue. …`: what the server sends to an agent that continues its work; plays the script in the file `continue`.
    Continue,
    /// `exit CODE`: exits immediately.
    Exit(u8),
    /// `signal-self N`: sends itself signal N.
    SignalSelf(i32),
    /// `hang`: sleeps and handles no more input.
    Hang,
}

/// Parses a script.
///
/// # Errors
/// If a line is not a valid command.
pub(crate) fn parse(script: &str) -> io::Result<Vec<Command>> {
    // The server adds where the files of a run are.
    let script = script.split("\n\nFiles given with this task:").next().unwrap_or_default();
    let lines = script.lines().filter(|line| !line.trim().is_empty() && !line.starts_with(['-', '#']));
    lines.map(|line| parse_command(line).ok_or_else(|| io::Error::other(format!("invalid command: {line:?}")))).collect()
}

fn parse_command(line: &str) -> Option<Command> {
    let (name, rest) = line.split_once(' ').unwrap_or((line, ""));
    Some(match name {
        "say" => Command::Say(rest.to_owned()),
        "flood" => Command::Flood(rest.parse().ok()?),
        "pace" => rest.split_once(' ').and_then(|(count, rate)| Some(Command::Pace(count.parse().ok()?, rate.parse().ok()?)))?,
        "raw" => Command::Raw(rest.to_owned()),
        "bytes" => Command::Bytes(parse_hex(rest)?),
        "long-line" => Command::LongLine(rest.parse().ok()?),
        "partial" => Command::Partial(rest.to_owned()),
        "stderr" => Command::Stderr(rest.to_owned()),
        "stderr-flood" => Command::StderrFlood(rest.parse().ok()?),
        "permission" => parse_tool_call(rest).map(|(tool, input)| Command::Permission(tool, input))?,
        "permission-nowait" => parse_tool_call(rest).map(|(tool, input)| Command::PermissionNoWait(tool, input))?,
        "permission-flood" => {
            let (count, length) = rest.split_once(' ').unwrap_or((rest, "0"));
            Command::PermissionFlood(count.parse().ok()?, length.parse().ok()?)
        }
        "call-flood" => Command::CallFlood(rest.parse().ok()?),
        "await-answers" => Command::AwaitAnswers,
        "withdraw-requests" => Command::WithdrawRequests,
        "question" => {
            let mut parts = rest.split('|').map(str::to_owned);
            Command::Question(parts.next()?, parts.collect())
        }
        "children" => {
            let (count, traits) = rest.split_once(' ').unwrap_or((rest, ""));
            Command::Children(count.parse().ok()?, traits.split_whitespace().map(str::to_owned).collect())
        }
        "report" => Command::Report(rest.to_owned()),
        "save" => rest.split_once(' ').map(|(fact, file)| Command::Save(fact.to_owned(), file.to_owned()))?,
        "ignore-term" => Command::IgnoreTerm,
        "close-stdout" => Command::CloseStdout,
        "stop-self" => Command::StopSelf,
        "wait" => Command::Wait(rest.to_owned()),
        "wait-for-interrupt" => Command::WaitForInterrupt,
        "ignore-interrupts" => Command::IgnoreInterrupts,
        "correct" => Command::Correct(rest.to_owned()),
        "result" => Command::Result(rest.to_owned()),
        "error" => Command::Error(rest.to_owned()),
        "Continue." => Command::Continue,
        "exit" => Command::Exit(rest.parse().ok()?),
        "signal-self" => Command::SignalSelf(rest.parse().ok()?),
        "hang" => Command::Hang,
        _ => return None,
    })
}

/// Parses the name of a tool and its input.
fn parse_tool_call(text: &str) -> Option<(String, Value)> {
    let (name, input) = text.split_once(' ').unwrap_or((text, "{\"command\":\"true\"}"));
    Some((name.to_owned(), serde_json::from_str(input).ok()?))
}

/// Parses bytes of two hexadecimal digits each.
fn parse_hex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes().chunks(2);
    digits.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}
