//! What the parser makes of a program's output, and the bounds around it.

use serde_json::json;

use super::{Command, Delivery};
use crate::agent::{Item, Output, Parser};
use crate::process::{Line, LineSplitter};
use crate::types::{Level, LogStream, NoticeCode, StreamEvent};

/// Most of an agent's stderr that goes into the log, and most that is kept in its file; after it only the end is kept.
pub(super) const STDERR_LOG: usize = 1024 * 1024;
/// A piece of stderr that long goes into the log although its line has not ended.
const STDERR_PIECE: usize = 64 * 1024;

/// One program's words, as far as they have come.
///
/// Pure, as the parser is: the same bytes and the same calls in the same order give the same items and the same answers, however
/// the bytes are cut. A server that comes later relies on that.
pub(super) struct OutputDecoder {
    pub(super) parser: Box<dyn Parser>,
    pub(super) output: Output,
    lines: LineSplitter,
    output_ended: bool,
    pub(super) turn_ended: bool,
    told_invalid_utf8: bool,
    stderr_pending: Vec<u8>,
    stderr_logged: usize,
}

impl OutputDecoder {
    pub(super) fn new(parser: Box<dyn Parser>) -> Self {
        Self {
            parser,
            output: Output::default(),
            lines: LineSplitter::default(),
            output_ended: false,
            turn_ended: false,
            told_invalid_utf8: false,
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

    /// Whether the program has said how its turn went, and has got no further message since.
    pub(super) fn turn_is_over(&self) -> bool {
        self.turn_ended || self.output.items.iter().any(|item| matches!(item, Item::TurnEnded(_)))
    }

    /// Does what a call says. `false` if the program cannot do that now; nothing is said then.
    pub(super) fn carry_out(&mut self, call: &Command) -> bool {
        match call {
            Command::Answer { request, answer } => {
                self.parser.answer(request, answer, &mut self.output);
                true
            }
            Command::Message { text } => self.speak(text, Delivery::NextTurn),
            Command::Steer { text } => self.speak(text, Delivery::IntoTurn),
            Command::Interrupt => self.parser.interrupt(&mut self.output),
            Command::Finish | Command::Stop { .. } => true,
        }
    }

    fn speak(&mut self, text: &str, how: Delivery) -> bool {
        match how {
            Delivery::NextTurn if self.turn_is_over() => {
                let said = self.parser.begin_turn(text, &mut self.output);
                self.turn_ended &= !said;
                said
            }
            Delivery::IntoTurn if !self.turn_is_over() => self.parser.steer(text, &mut self.output),
            Delivery::NextTurn | Delivery::IntoTurn => false,
        }
    }

    pub(super) fn notice(&mut self, level: Level, code: NoticeCode, message: impl Into<String>) {
        self.output.event(StreamEvent::notice(level, code, message));
    }

    pub(super) fn stdout(&mut self, bytes: &[u8]) {
        let mut lines = std::mem::take(&mut self.lines);
        lines.push(bytes, |line| self.line(line));
        self.lines = lines;
    }

    pub(super) fn end_of_output(&mut self) {
        if std::mem::replace(&mut self.output_ended, true) {
            return;
        }
        let mut lines = std::mem::take(&mut self.lines);
        lines.finish(|line| self.line(line));
        self.parser.handle_end_of_output(&mut self.output);
    }

    fn line(&mut self, line: Line<'_>) {
        let (text, replaced) = line.text();
        if let Some(size) = line.cut_from {
            // Half a line is no message of the agent's protocol: it is shown, not understood.
            self.output.raw(&text);
            let message = format!("a line of {size} bytes was cut to {}", line.bytes.len());
            let data = json!({ "kept": line.bytes.len(), "size": size });
            self.output.event(StreamEvent::Notice { level: Level::Warning, code: NoticeCode::Truncated, message, data: Some(data) });
        } else {
            self.parser.handle_line(&text, &mut self.output);
        }
        if replaced && !std::mem::replace(&mut self.told_invalid_utf8, true) {
            let message = "the agent wrote bytes that are not UTF-8; they were replaced, here and wherever they come again";
            self.notice(Level::Warning, NoticeCode::InvalidUtf8, message);
        }
    }

    pub(super) fn stderr(&mut self, bytes: &[u8]) {
        let room = STDERR_LOG.saturating_sub(self.stderr_logged);
        if room == 0 || bytes.is_empty() {
            return;
        }
        self.stderr_pending.extend_from_slice(&bytes[..bytes.len().min(room)]);
        self.stderr_logged += bytes.len().min(room);
        self.log_stderr(whole(&self.stderr_pending));
        if self.stderr_logged == STDERR_LOG {
            let message = "the agent wrote more than 1 MiB to its standard error; only the end of the rest is kept";
            self.notice(Level::Warning, NoticeCode::Truncated, message);
        }
    }

    pub(super) fn end_of_stderr(&mut self) {
        self.log_stderr(self.stderr_pending.len());
    }

    fn log_stderr(&mut self, length: usize) {
        let rest = self.stderr_pending.split_off(length);
        let text = std::mem::replace(&mut self.stderr_pending, rest);
        let text = String::from_utf8_lossy(&text);
        let text = text.trim_end_matches('\n');
        if !text.is_empty() {
            self.output.event(StreamEvent::Log { stream: LogStream::Stderr, content: text.to_owned() });
        }
    }
}

/// How much of the pending stderr goes into the log: whole lines, so that a reader never sees half a word, and of a line without end
/// whole pieces. What is left over depends on the bytes alone and not on how they were read.
fn whole(pending: &[u8]) -> usize {
    let lines = memchr::memrchr(b'\n', pending).map_or(0, |newline| newline + 1);
    lines + (pending.len() - lines) / STDERR_PIECE * STDERR_PIECE
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::agent::LineOutcome;

    struct Deaf;

    impl Parser for Deaf {
        fn open(&mut self, _out: &mut Output) {}

        fn handle_line(&mut self, _line: &str, _out: &mut Output) -> LineOutcome {
            LineOutcome::Ignored
        }
    }

    /// The stderr that is in the log, and what waits.
    fn heard(pieces: &[&[u8]]) -> (String, Vec<u8>) {
        let mut decoder = OutputDecoder::new(Box::new(Deaf));
        for piece in pieces {
            decoder.stderr(piece);
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
        fn stderr_is_told_alike_however_it_is_cut(
            lengths in proptest::collection::vec(0_usize..100_000, 1..5),
            cuts in proptest::collection::vec(0_usize..200_000, 0..5),
        ) {
            let text: Vec<u8> = lengths.iter().flat_map(|length| [vec![b'x'; *length], vec![b'\n']].concat()).collect();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
            cuts.sort_unstable();
            let bounds: Vec<usize> = [0].into_iter().chain(cuts).chain([text.len()]).collect();
            let pieces: Vec<&[u8]> = bounds.windows(2).map(|pair| &text[pair[0]..pair[1]]).collect();
            prop_assert_eq!(heard(&pieces), heard(&[&text]));
        }
    }
}
