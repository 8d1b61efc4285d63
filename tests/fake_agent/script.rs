//! The script of one turn: one command a line, in the text of the prompt or of a further message.
//!
//! Lines that begin with `-` or `#` are there for the prompt's sake and do nothing.

use std::io;

use serde_json::Value;

/// One thing to do.
#[derive(Debug)]
pub(crate) enum Command {
    /// `say TEXT`: a token and the message that it belongs to.
    Say(String),
    /// `flood N`: this many tokens, as fast as the pipe takes them.
    Flood(u64),
    /// `pace N RATE`: this many tokens, so many a second.
    Pace(u32, u32),
    /// `raw TEXT`: a line of this text, whatever it is.
    Raw(String),
    /// `bytes HEX`: these bytes and nothing else.
    Bytes(Vec<u8>),
    /// `longline N`: one line of this many bytes.
    LongLine(usize),
    /// `partial TEXT`: the text without a newline after it.
    Partial(String),
    /// `stderr TEXT`: a line on the standard error.
    Stderr(String),
    /// `stderr-flood N`: this many bytes on the standard error, in lines.
    StderrFlood(usize),
    /// `permission TOOL INPUT`: asks whether the tool may run and waits for the answer, which becomes the tool's result. Without an
    /// input it is a command.
    Permission(String, Value),
    /// `ask TOOL INPUT`: the same without the wait.
    Ask(String, Value),
    /// `settle`: waits for the answers to all that was asked.
    Settle,
    /// `withdraw`: what was asked and not answered is not asked any more.
    Withdraw,
    /// `question TEXT|OPTION|OPTION`: asks the user and waits for the answer, which becomes the tool's result.
    Question(String, Vec<String>),
    /// `children N WORD…`: this many further processes, whose ids are said; see [`crate::children`] for the words.
    Children(usize, Vec<String>),
    /// `report FACT`: says what it finds out about itself, see [`crate::facts`] for the facts; or, for `prompt`, says the whole prompt.
    Report(String),
    /// `keep FACT FILE`: writes such a fact into a file, so that it is said to nobody; `mcp` is the MCP servers that were given, `allowed` the
    /// input of the last tool that was.
    Keep(String, String),
    /// `ignore-term`: TERM does nothing from here on.
    IgnoreTerm,
    /// `close-stdout`: the standard output ends, the process does not.
    CloseStdout,
    /// `stop-self`: SIGSTOP.
    StopSelf,
    /// `wait FILE`: goes on when the file is there.
    Wait(String),
    /// `until-interrupt`: does nothing until the turn is interrupted.
    UntilInterrupt,
    /// `deaf`: interrupts are not heard from here on.
    Deaf,
    /// `result TEXT`: the turn ends well.
    Result(String),
    /// `error TEXT`: the turn ends badly.
    Error(String),
    /// `exit CODE`: ends at once.
    Exit(u8),
    /// `die SIGNAL`: by the number of a signal.
    Die(i32),
    /// `hang`: does nothing more, and hears nothing more.
    Hang,
}

/// Reads a script.
///
/// # Errors
/// The first line that is no command.
pub(crate) fn parse(script: &str) -> io::Result<Vec<Command>> {
    let lines = script.lines().filter(|line| !line.trim().is_empty() && !line.starts_with(['-', '#']));
    lines.map(|line| command(line).ok_or_else(|| io::Error::other(format!("not a command: {line:?}")))).collect()
}

fn command(line: &str) -> Option<Command> {
    let (name, rest) = line.split_once(' ').unwrap_or((line, ""));
    Some(match name {
        "say" => Command::Say(rest.to_owned()),
        "flood" => Command::Flood(rest.parse().ok()?),
        "pace" => rest.split_once(' ').and_then(|(count, rate)| Some(Command::Pace(count.parse().ok()?, rate.parse().ok()?)))?,
        "raw" => Command::Raw(rest.to_owned()),
        "bytes" => Command::Bytes(hex(rest)?),
        "longline" => Command::LongLine(rest.parse().ok()?),
        "partial" => Command::Partial(rest.to_owned()),
        "stderr" => Command::Stderr(rest.to_owned()),
        "stderr-flood" => Command::StderrFlood(rest.parse().ok()?),
        "permission" => tool(rest).map(|(tool, input)| Command::Permission(tool, input))?,
        "ask" => tool(rest).map(|(tool, input)| Command::Ask(tool, input))?,
        "settle" => Command::Settle,
        "withdraw" => Command::Withdraw,
        "question" => {
            let mut parts = rest.split('|').map(str::to_owned);
            Command::Question(parts.next()?, parts.collect())
        }
        "children" => {
            let (count, words) = rest.split_once(' ').unwrap_or((rest, ""));
            Command::Children(count.parse().ok()?, words.split_whitespace().map(str::to_owned).collect())
        }
        "report" => Command::Report(rest.to_owned()),
        "keep" => rest.split_once(' ').map(|(fact, file)| Command::Keep(fact.to_owned(), file.to_owned()))?,
        "ignore-term" => Command::IgnoreTerm,
        "close-stdout" => Command::CloseStdout,
        "stop-self" => Command::StopSelf,
        "wait" => Command::Wait(rest.to_owned()),
        "until-interrupt" => Command::UntilInterrupt,
        "deaf" => Command::Deaf,
        "result" => Command::Result(rest.to_owned()),
        "error" => Command::Error(rest.to_owned()),
        "exit" => Command::Exit(rest.parse().ok()?),
        "die" => Command::Die(rest.parse().ok()?),
        "hang" => Command::Hang,
        _ => return None,
    })
}

/// A tool's name and what it is to be given.
fn tool(text: &str) -> Option<(String, Value)> {
    let (name, input) = text.split_once(' ').unwrap_or((text, "{\"command\":\"true\"}"));
    Some((name.to_owned(), serde_json::from_str(input).ok()?))
}

/// Bytes written as two hexadecimal digits each.
fn hex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes().chunks(2);
    digits.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}
