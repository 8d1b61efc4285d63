//! Splits a program's output into lines for its parser, within bounds.

use std::time::Duration;

use serde_json::json;

use super::Command;
use crate::agent::common::LineReader;
use crate::agent::{Item, Output, Parser};
use crate::process::{Exit, Line, LineSplitter};
use crate::types::{Failure, Level, LogStream, NoticeCode, StreamEvent};

/// Maximum length in bytes of an agent's stderr in the log and in its file. After it only the end is kept.
pub(super) const STDERR_LOG: usize = 1024 * 1024;
/// Maximum length in bytes of a `log` event for a line of stderr that has not ended.
const STDERR_PIECE: usize = 64 * 1024;

/// Decodes one program's output.
///
/// Pure, as the parser is: the same bytes and commands in the same order yield the same items and input, however the bytes are split.
/// [`replay`](super::replay) relies on that.
pub(super) struct OutputDecoder {
    parser: Box<dyn Parser>,
    reader: LineReader,
    pub(super) output: Output,
    lines: LineSplitter,
    stdout_ended: bool,
    pub(super) turn_ended: bool,
    reported_invalid_utf8: bool,
    stderr_pending: Vec<u8>,
    stderr_logged: usize,
}

impl OutputDecoder {
    pub(super) fn new(parser: Box<dyn Parser>) -> Self {
        Self {
            parser,
            reader: LineReader::default(),
            output: Output::default(),
            lines: LineSplitter::default(),
            stdout_ended: false,
            turn_ended: false,
            reported_invalid_utf8: false,
            stderr_pending: Vec::new(),
            stderr_logged: 0,
        }
    }

    pub(super) fn open(&mut self) {
        self.parser.open(&mut self.output);
    }

    pub(super) fn has_items(&self) -> bool {
        !self.output.items.is_empty()
    }

    pub(super) fn take_items(&mut self) -> Vec<Item> {
        self.turn_ended = self.turn_is_over();
        std::mem::take(&mut self.output.items)
    }

    /// Whether the program has ended its turn and received no further message since.
    pub(super) fn turn_is_over(&self) -> bool {
        self.turn_ended || self.output.items.iter().any(|item| matches!(item, Item::TurnEnded(_)))
    }

    /// How long the program may be silent until [`Command::Silence`].
    pub(super) fn max_silence(&self) -> Option<Duration> {
        self.parser.max_silence()
    }

    /// Carries out a command. Returns `false`, without any effect, if the program does not support it now.
    pub(super) fn carry_out(&mut self, command: &Command) -> bool {
        let from = self.output.items.len();
        let done = self.pass_to_parser(command);
        self.reader.resolve(from, &mut self.output);
        done
    }

    fn pass_to_parser(&mut self, command: &Command) -> bool {
        match command {
            Command::Answer { request, answer } => {
                self.parser.answer(request, answer, &mut self.output);
                true
            }
            Command::Message(message) if self.turn_is_over() => {
                let begun = self.parser.begin_turn(message, &mut self.output);
                self.turn_ended &= !begun;
                begun
            }
            Command::Steer(message) if !self.turn_is_over() => self.parser.steer(message, &mut self.output),
            Command::Message(_) | Command::Steer(_) => false,
            Command::Interrupt => self.parser.interrupt(&mut self.output),
            Command::Silence => {
                self.parser.handle_silence(&mut self.output);
                true
            }
            Command::Finish => {
                self.parser.finish(&mut self.output);
                true
            }
            Command::Stop { .. } => true,
        }
    }

    pub(super) fn emit_notice(&mut self, level: Level, code: NoticeCode, message: impl Into<String>) {
        self.output.emit(StreamEvent::notice(level, code, message));
    }

    pub(super) fn decode_stdout(&mut self, bytes: &[u8]) {
        let mut lines = std::mem::take(&mut self.lines);
        lines.push(bytes, |line| self.handle_line(line));
        self.lines = lines;
    }

    pub(super) fn finish_stdout(&mut self) {
        if std::mem::replace(&mut self.stdout_ended, true) {
            return;
        }
        let mut lines = std::mem::take(&mut self.lines);
        lines.finish(|line| self.handle_line(line));
        self.reader.finish(&mut *self.parser, &mut self.output);
    }

    /// Handles the exit of the process.
    pub(super) fn handle_exit(&mut self, exit: Exit) {
        let from = self.output.items.len();
        self.parser.handle_exit(exit, &mut self.output);
        self.reader.resolve(from, &mut self.output);
    }

    /// The reason for an exit without a result, if the parser knows it.
    pub(super) fn diagnose(&self, exit: Exit, stderr_tail: &str) -> Option<Failure> {
        let mut failure = self.parser.diagnose(exit, stderr_tail)?;
        self.reader.resolve_text(&mut failure.message);
        Some(failure)
    }

    fn handle_line(&mut self, line: Line<'_>) {
        let (text, replaced) = line.text();
        if let Some(size) = line.full_length {
            // A truncated line is not a valid protocol message, so it is shown and not parsed.
            self.output.emit_raw(&text);
            let message = format!("a line of {size} bytes was truncated to {}", line.bytes.len());
            let data = json!({ "kept": line.bytes.len(), "size": size });
            self.output.emit(StreamEvent::Notice { level: Level::Warning, code: NoticeCode::Truncated, message, data: Some(data) });
        } else {
            self.reader.handle_line(&text, &mut *self.parser, &mut self.output);
        }
        if replaced && !std::mem::replace(&mut self.reported_invalid_utf8, true) {
            let message = "the agent wrote invalid UTF-8; it was replaced, here and in all later output";
            self.emit_notice(Level::Warning, NoticeCode::InvalidUtf8, message);
        }
    }

    pub(super) fn decode_stderr(&mut self, bytes: &[u8]) {
        let room = STDERR_LOG.saturating_sub(self.stderr_logged);
        if room == 0 || bytes.is_empty() {
            return;
        }
        self.stderr_pending.extend_from_slice(&bytes[..bytes.len().min(room)]);
        self.stderr_logged += bytes.len().min(room);
        self.log_stderr(complete_length(&self.stderr_pending));
        if self.stderr_logged == STDERR_LOG {
            let message = "the agent wrote more than 1 MiB to stderr; only the end of the rest is kept";
            self.emit_notice(Level::Warning, NoticeCode::Truncated, message);
        }
    }

    pub(super) fn finish_stderr(&mut self) {
        self.log_stderr(self.stderr_pending.len());
    }

    fn log_stderr(&mut self, length: usize) {
        let rest = self.stderr_pending.split_off(length);
        let text = std::mem::replace(&mut self.stderr_pending, rest);
        let text = String::from_utf8_lossy(&text);
        let text = text.trim_end_matches('\n');
        if !text.is_empty() {
            self.output.emit(StreamEvent::Log { stream: LogStream::Stderr, content: text.to_owned() });
        }
    }
}

/// How much of the pending stderr goes into the log: complete lines, so that readers never see half a word, and complete pieces of a line
/// that has not ended. What remains depends only on the bytes and not on how they were read.
fn complete_length(pending: &[u8]) -> usize {
    let lines = memchr::memrchr(b'\n', pending).map_or(0, |newline| newline + 1);
    lines + (pending.len() - lines) / STDERR_PIECE * STDERR_PIECE
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::agent::LineOutcome;

    struct IgnoringParser;

    impl Parser for IgnoringParser {
        fn open(&mut self, _out: &mut Output) {}

        fn handle_line(&mut self, _line: &str, _out: &mut Output) -> LineOutcome {
            LineOutcome::Ignored
        }
    }

    /// The logged stderr, and what is pending.
    fn logged(pieces: &[&[u8]]) -> (String, Vec<u8>) {
        let mut decoder = OutputDecoder::new(Box::new(IgnoringParser));
        for piece in pieces {
            decoder.decode_stderr(piece);
        }
        let pending = decoder.stderr_pending.clone();
        let texts = decoder.take_items().into_iter().map(|item| match item {
            Item::Event(StreamEvent::Log { content, .. }) => content,
            other => panic!("{other:?}"),
        });
        (texts.collect::<Vec<_>>().concat().replace('\n', ""), pending)
    }

    proptest! {
        #[test]
        fn stderr_is_logged_the_same_however_it_is_split(
            lengths in proptest::collection::vec(0_usize..100_000, 1..5),
            cuts in proptest::collection::vec(0_usize..200_000, 0..5),
        ) {
            let text: Vec<u8> = lengths.iter().flat_map(|length| [vec![b'x'; *length], vec![b'\n']].concat()).collect();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
            cuts.sort_unstable();
            let bounds: Vec<usize> = [0].into_iter().chain(cuts).chain([text.len()]).collect();
            let pieces: Vec<&[u8]> = bounds.windows(2).map(|pair| &text[pair[0]..pair[1]]).collect();
            prop_assert_eq!(logged(&pieces), logged(&[&text]));
        }
    }
}
