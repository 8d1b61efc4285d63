//! Passes the lines of a program to its parser, and repairs lines that are not exactly one JSON object.
//!
//! A hook, a plugin or the shell's profile may write to the same stdout as the agent: an escape sequence, a warning, a prompt without a
//! newline. Two objects may also share a line. The parser gets the whole line first; only a line that it cannot read is searched for
//! objects, so well-formed lines are read once.

use std::ops::Range;

use memchr::memchr;
use serde::de::IgnoredAny;

use super::surrogates::{self, Surrogates};
use crate::agent::{Item, LineOutcome, Output, Parser};
use crate::types::StreamEvent;

/// Maximum number of objects read from one line. What follows them is emitted as raw text.
const MAX_OBJECTS: usize = 4096;

/// Maximum number of items for which memory is kept between two lines.
const MAX_KEPT_ITEMS: usize = 64;

/// Reads the lines of one process.
#[derive(Debug, Default)]
pub(in crate::agent) struct LineReader {
    surrogates: Surrogates,
    /// Empty between two lines; kept for its memory.
    own: Output,
}

impl LineReader {
    /// Passes a line without its newline to `parser`. The outcome is that of the whole line.
    ///
    /// The parser gets an empty output for each line, so that it cannot matter which lines arrived together.
    pub(in crate::agent) fn handle_line(&mut self, line: &str, parser: &mut dyn Parser, out: &mut Output) -> LineOutcome {
        let mut own = std::mem::take(&mut self.own);
        let outcome = self.read_line(line, parser, &mut own);
        append(&mut own, out);
        if own.items.capacity() <= MAX_KEPT_ITEMS {
            self.own = own;
        }
        outcome
    }

    /// As [`LineReader::handle_line`], with an empty output.
    fn read_line(&mut self, line: &str, parser: &mut dyn Parser, out: &mut Output) -> LineOutcome {
        if !parser.reads_json() {
            return parser.handle_line(line, out);
        }
        let line = self.surrogates.mark(line);
        let outcome = match parser.handle_line(&line, out) {
            LineOutcome::Raw if is_only_raw(out) => read_objects(&line, parser, out),
            outcome => outcome,
        };
        self.resolve(0, out);
        // A half that is withheld was all that the line contained.
        if outcome == LineOutcome::Emitted && out.is_empty() { LineOutcome::Buffered } else { outcome }
    }

    /// Resolves lone surrogates in what the parser has added to `out` since it had `from` items.
    pub(in crate::agent) fn resolve(&mut self, from: usize, out: &mut Output) {
        self.surrogates.resolve(from, out);
    }

    /// Resolves lone surrogates in a text that the parser has returned.
    pub(in crate::agent) fn resolve_text(&self, text: &mut String) {
        self.surrogates.resolve_text(text);
    }

    /// Ends the output.
    pub(in crate::agent) fn finish(&mut self, parser: &mut dyn Parser, out: &mut Output) {
        let from = out.items.len();
        parser.handle_end_of_output(out);
        self.resolve(from, out);
        self.surrogates.finish(out);
    }
}

/// What `read` finds in a line of a program that is inspected: in the whole line, or in one of the objects among other bytes.
pub(in crate::agent) fn find_in_line<T>(line: &str, read: impl Fn(&str) -> Option<T>) -> Option<T> {
    let line = surrogates::repaired(line);
    read(&line).or_else(|| objects(&line).take(MAX_OBJECTS).find_map(|object| read(&line[object])))
}

/// Moves everything from one output to the end of another.
fn append(from: &mut Output, to: &mut Output) {
    to.items.append(&mut from.items);
    to.send.append(&mut from.send);
    to.close_stdin |= std::mem::take(&mut from.close_stdin);
}

/// Whether nothing but the raw line was emitted for a line.
fn is_only_raw(out: &Output) -> bool {
    out.items.len() == 1 && out.send.is_empty()
}

/// Reads the objects in a line that the parser has just emitted as raw, and emits the text around them as raw instead. Leaves the line
/// as it is if the parser knows none of the objects.
fn read_objects(line: &str, parser: &mut dyn Parser, out: &mut Output) -> LineOutcome {
    // An unknown message, or JSON that is no message.
    if memchr(b'{', line.as_bytes()).is_none() || serde_json::from_str::<IgnoredAny>(line).is_ok() {
        return LineOutcome::Raw;
    }
    let Some(raw) = out.items.pop() else { return LineOutcome::Raw };
    let (mut known, mut rest) = (false, 0);
    for object in objects(line).take(MAX_OBJECTS) {
        let mut own = Output::default();
        let outcome = parser.handle_line(&line[object.clone()], &mut own);
        if outcome == LineOutcome::Raw && is_only_raw(&own) {
            // Part of the text around the objects.
            continue;
        }
        emit_text(&line[rest..object.start], out);
        append(&mut own, out);
        (known, rest) = (true, object.end);
    }
    if !known {
        out.items.push(raw);
        return LineOutcome::Raw;
    }
    emit_text(&line[rest..], out);
    if out.is_empty() { LineOutcome::Buffered } else { LineOutcome::Emitted }
}

/// Emits text between objects, unless it is only whitespace or a byte order mark.
fn emit_text(text: &str, out: &mut Output) {
    if !text.trim_matches(|each: char| each.is_whitespace() || each == '\u{feff}').is_empty() {
        out.items.push(Item::Event(StreamEvent::Raw { line: text.to_owned() }));
    }
}

/// The JSON objects in a line, from left to right.
///
/// Where an object is malformed, the search resumes where its syntax breaks and not inside it, so that no part of a broken object is taken
/// for a message and every byte is read a bounded number of times. It resumes a few bytes earlier, because an object that another one
/// interrupts inside a string (`"text{"type":…`) breaks after the other's first quote.
fn objects(line: &str) -> impl Iterator<Item = Range<usize>> {
    const OVERLAP: usize = 4;
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            let start = at + memchr(b'{', line.as_bytes().get(at..)?)?;
            let mut values = serde_json::Deserializer::from_str(&line[start..]).into_iter::<IgnoredAny>();
            match values.next()? {
                Ok(_) => {
                    at = start + values.byte_offset();
                    return Some(start..at);
                }
                Err(error) => at = start + error.column().saturating_sub(OVERLAP).max(1),
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    /// Knows objects with a member `text`, which become tokens.
    struct TextParser;

    impl Parser for TextParser {
        fn open(&mut self, _out: &mut Output) {}

        fn handle_line(&mut self, line: &str, out: &mut Output) -> LineOutcome {
            let value = serde_json::from_str::<Value>(line).unwrap_or_default();
            let Some(text) = value.get("text").and_then(Value::as_str) else { return out.emit_raw(line) };
            out.emit(StreamEvent::Token { content: text.into() });
            LineOutcome::Emitted
        }
    }

    /// The tokens and the raw texts (in brackets) of a line.
    fn read(line: &str) -> Vec<String> {
        let mut out = Output::default();
        LineReader::default().handle_line(line, &mut TextParser, &mut out);
        let texts = out.items.into_iter().map(|item| match item {
            Item::Event(StreamEvent::Token { content }) => content.text,
            Item::Event(StreamEvent::Raw { line }) => format!("<{line}>"),
            other => panic!("{other:?}"),
        });
        texts.collect()
    }

    #[test]
    fn objects_are_found_among_other_bytes_which_become_raw() {
        let object = r#"{"text":"a"}"#;
        for (line, expected) in [
            (format!("\u{1b}]0;proj: ready\u{7}{object}"), vec!["<\u{1b}]0;proj: ready\u{7}>", "a"]),
            (format!("\u{feff}{object}"), vec!["a"]),
            (format!("warning: {{x}} {object}"), vec!["<warning: {x} >", "a"]),
            (format!("{object} (node:1) Warning: {{"), vec!["a", "< (node:1) Warning: {>"]),
            (format!("{object}{object}"), vec!["a", "a"]),
            (format!("{object} \t{object}\r"), vec!["a", "a"]),
            (format!("> {object}{{\"b\":1}}{object}"), vec!["<> >", "a", "<{\"b\":1}>", "a"]),
            (format!("{{\"cut\":\"off{object}"), vec!["<{\"cut\":\"off>", "a"]),
            (format!("{{\"cut\":{object},\"x"), vec!["<{\"cut\":{\"text\":\"a\"},\"x>"]),
            (format!("[{object}]"), vec!["<[{\"text\":\"a\"}]>"]),
            ("[debug] {\"b\":1}".to_owned(), vec!["<[debug] {\"b\":1}>"]),
            (r#"> {"text":"\ud83d"}"#.to_owned(), vec!["<> >", "\u{fffd}"]),
        ] {
            let expected: Vec<&str> = expected;
            let mut found = read(&line);
            // A withheld half is emitted with the next delta.
            if found.len() < expected.len() {
                found.push("\u{fffd}".to_owned());
            }
            assert_eq!(found, expected, "{line}");
        }
    }

    /// Emits a token with the number of items in the output that it gets.
    struct CountingParser;

    impl Parser for CountingParser {
        fn open(&mut self, _out: &mut Output) {}

        fn handle_line(&mut self, line: &str, out: &mut Output) -> LineOutcome {
            if serde_json::from_str::<IgnoredAny>(line).is_err() {
                return out.emit_raw(line);
            }
            let before = out.items.len() + out.send.len();
            out.emit(StreamEvent::Token { content: before.to_string().into() });
            out.send.push(b'x');
            LineOutcome::Emitted
        }
    }

    #[test]
    fn a_parser_does_not_see_what_was_emitted_for_other_lines_and_objects() {
        let (mut reader, mut out) = (LineReader::default(), Output::default());
        for line in ["{}", "{}", "{} and {}", "{}"] {
            reader.handle_line(line, &mut CountingParser, &mut out);
        }
        let tokens = out.items.iter().filter_map(|item| match item {
            Item::Event(StreamEvent::Token { content }) => Some(content.text.as_str()),
            _ => None,
        });
        assert_eq!(tokens.collect::<Vec<_>>(), ["0"; 5]);
        assert_eq!(out.send, b"xxxxx");
    }

    #[test]
    fn an_answer_is_found_among_other_bytes_of_a_line() {
        let read = |line: &str| find_in_line(line, |text| serde_json::from_str::<Value>(text).ok()?.get("a")?.as_str().map(str::to_owned));
        for line in [r#"{"a":"x"}"#, "\u{1b}]0;ready\u{7}{\"a\":\"x\"}", "\u{feff}{\"a\":\"x\"}", r#"{"b":1}{"a":"x"} done"#] {
            assert_eq!(read(line).as_deref(), Some("x"), "{line}");
        }
        assert_eq!(read(r#"> {"a":"cut \ud83d"}"#).as_deref(), Some("cut \u{fffd}"));
        assert_eq!(read(r#"{"b":"{\"a\":\"x\"}"}"#), None, "text in an object is no object");
    }

    #[test]
    fn the_work_is_linear_in_the_length_of_a_line() {
        for pattern in ["{", "{\"a\":", "{\"", "{\"a{", "[{", "{} ", "{}x{\"", "\\ud83d{", "\\"] {
            let line = format!("x{}", pattern.repeat(1024 * 1024 / pattern.len()));
            let started = Instant::now();
            read(&line);
            assert!(started.elapsed() < Duration::from_secs(20), "{pattern}");
        }
    }

    proptest! {
        #[test]
        fn any_line_is_read_without_loss(pieces in proptest::collection::vec(prop_oneof![
            Just(r#"{"text":"a"}"#.to_owned()),
            Just(r#"{"text":"b","c":[{"text":"{"}]}"#.to_owned()),
            "[{}\"\\\\:,a \u{1b}é]{0,6}",
            any::<String>(),
        ], 0..8)) {
            let line = pieces.concat();
            let texts = read(&line);
            let raw: String = texts.iter().filter_map(|text| text.strip_prefix('<')?.strip_suffix('>')).collect();
            let unread = line.replace(r#"{"text":"a"}"#, "").replace(r#"{"text":"b","c":[{"text":"{"}]}"#, "");
            let count = |text: &str, letter| text.matches(letter).count();
            // Everything but the objects that were read and blank text is still there.
            for letter in ['\\', 'é', '\u{1b}', ':'] {
                prop_assert!(count(&raw, letter) >= count(&unread, letter), "{line:?} {texts:?}");
            }
        }
    }
}
