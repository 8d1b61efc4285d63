//! Passes the lines of a program to its parser, and repairs lines that are not exactly one JSON object.
//!
//! A hook, a plugin or the shell's profile may write to the same stdout as the agent: an escape sequence, a warning, a prompt without a
//! newline. Two objects may also share a line. The parser gets the whole line first; only a line that it cannot read is searched for
//! objects, so well-formed lines are read once.

use std::ops::Range;

use memchr::memchr;
use serde::de::IgnoredAny;

use super::surrogates::Surrogates;
use crate::agent::{Item, LineOutcome, Output, Parser};
use crate::types::StreamEvent;

/// Maximum number of objects read from one line. What follows them is emitted as raw text.
const MAX_OBJECTS: usize = 4096;

/// Reads the lines of one process.
#[derive(Debug, Default)]
pub(in crate::agent) struct LineReader {
    surrogates: Surrogates,
}

impl LineReader {
    /// Passes a line without its newline to `parser`. The outcome is that of the whole line.
    pub(in crate::agent) fn handle_line(&mut self, line: &str, parser: &mut dyn Parser, out: &mut Output) -> LineOutcome {
        if !parser.reads_json() {
            return parser.handle_line(line, out);
        }
        let (from, sent) = (out.items.len(), out.send.len());
        let line = self.surrogates.mark(line);
        let outcome = match parser.handle_line(&line, out) {
            LineOutcome::Raw if out.items.len() == from + 1 && out.send.len() == sent => read_objects(&line, parser, out),
            outcome => outcome,
        };
        self.resolve(from, out);
        let withheld = outcome == LineOutcome::Emitted && out.items.len() == from && out.send.len() == sent && !out.close_stdin;
        if withheld { LineOutcome::Buffered } else { outcome }
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

/// Reads the objects in a line that the parser has just emitted as raw, and emits the text around them as raw instead. Leaves the line
/// as it is if the parser knows none of the objects.
fn read_objects(line: &str, parser: &mut dyn Parser, out: &mut Output) -> LineOutcome {
    // An unknown message, or JSON that is no message.
    if memchr(b'{', line.as_bytes()).is_none() || serde_json::from_str::<IgnoredAny>(line).is_ok() {
        return LineOutcome::Raw;
    }
    let Some(raw) = out.items.pop() else { return LineOutcome::Raw };
    let (first, mut known, mut rest) = (out.items.len(), false, 0);
    for object in objects(line).take(MAX_OBJECTS) {
        let (before, sent) = (out.items.len(), out.send.len());
        let outcome = parser.handle_line(&line[object.clone()], out);
        if outcome == LineOutcome::Raw && out.items.len() == before + 1 && out.send.len() == sent {
            // Part of the text around the objects.
            out.items.truncate(before);
            continue;
        }
        let items = out.items.split_off(before);
        emit_text(&line[rest..object.start], out);
        out.items.extend(items);
        (known, rest) = (true, object.end);
    }
    if !known {
        out.items.push(raw);
        return LineOutcome::Raw;
    }
    emit_text(&line[rest..], out);
    if out.items.len() > first || !out.send.is_empty() { LineOutcome::Emitted } else { LineOutcome::Buffered }
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
