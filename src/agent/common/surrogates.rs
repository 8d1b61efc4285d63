//! Lone UTF-16 surrogates in the JSON of JavaScript programs.
//!
//! JavaScript strings are sequences of UTF-16 units, so a text that was cut by length may end inside a surrogate pair. `JSON.stringify`
//! writes such a unit as an escape without its partner (`\ud83d`), which `serde_json` rejects. A stream of deltas may also be cut inside a
//! pair, with one half in each delta.
//!
//! Before a line is parsed, each lone surrogate is replaced by a marker: a private character that encodes it. After parsing, the markers
//! are resolved in everything that the parser has produced: two halves that meet become their character, any other half becomes U+FFFD. A
//! delta that ends in the first half of a pair withholds it until the next delta of the same text, or until the end of the text.

use std::borrow::Cow;
use std::sync::LazyLock;

use memchr::memmem::{self, Finder};

use crate::agent::{Item, Output};
use crate::types::{Delta, SplitText, SplitTextKind, StreamEvent};

/// Maximum number of texts with a withheld half. When it is exceeded, the half of the oldest one is emitted.
const MAX_PENDING: usize = 256;

/// Offset from a surrogate to its marker. The markers are the last characters of the second private use plane, U+10F800 to U+10FFFF. If an
/// agent writes one of these itself after a lone surrogate, it becomes U+FFFD.
const MARKER_OFFSET: u32 = 0x0010_2000;

/// The first two bytes of every marker in UTF-8, and of the characters U+10F000 to U+10F7FF.
const MARKER_PREFIX: &[u8] = b"\xf4\x8f";

static ESCAPES: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(br"\u"));

/// Replaces lone surrogates in the lines of one process and resolves them in the output of its parser.
#[derive(Debug, Default)]
pub(in crate::agent) struct Surrogates {
    /// Whether any line contained a lone surrogate. Until then no output contains a marker.
    found: bool,
    /// The first half of a pair at the end of a text's last delta.
    pending: Vec<(SplitText, char)>,
}

impl Surrogates {
    /// Replaces every lone surrogate escape in `line` by its marker. Does not copy a line without any.
    pub(in crate::agent) fn mark<'a>(&mut self, line: &'a str) -> Cow<'a, str> {
        let bytes = line.as_bytes();
        let (mut marked, mut copied, mut at) = (String::new(), 0, 0);
        while let Some(found) = ESCAPES.find(&bytes[at..]) {
            let start = at + found;
            at = start + 2;
            let backslashes = bytes[..start].iter().rev().take_while(|byte| **byte == b'\\').count();
            let Some(unit) = surrogate_at(bytes, start).filter(|_| backslashes % 2 == 0) else { continue };
            at = start + 6;
            if is_high(unit) && surrogate_at(bytes, at).is_some_and(|next| !is_high(next)) {
                at += 6;
                continue;
            }
            marked.push_str(&line[copied..start]);
            marked.push(marker(unit));
            copied = at;
        }
        if copied == 0 {
            return Cow::Borrowed(line);
        }
        self.found = true;
        marked.push_str(&line[copied..]);
        Cow::Owned(marked)
    }

    /// Resolves the markers in the items of `out` from index `from` on, and in its input for the program.
    pub(in crate::agent) fn resolve(&mut self, from: usize, out: &mut Output) {
        if !self.found {
            return;
        }
        if let Cow::Owned(send) = resolve_bytes(&out.send) {
            out.send = send;
        }
        for item in out.items.split_off(from) {
            self.resolve_item(item, &mut out.items);
        }
    }

    /// Resolves the markers in a text that the parser has returned.
    pub(in crate::agent) fn resolve_text(&self, text: &mut String) {
        if self.found {
            resolve_text(text);
        }
    }

    /// Emits the halves that are still withheld. Called at the end of the output.
    pub(in crate::agent) fn finish(&mut self, out: &mut Output) {
        self.finish_texts(|_| true, &mut out.items);
    }

    fn resolve_item(&mut self, mut item: Item, items: &mut Vec<Item>) {
        self.finish_texts_before(&item, items);
        match &mut item {
            Item::Event(StreamEvent::Token { content }) => {
                if !self.resolve_delta(delta_text(SplitTextKind::Token, content), &mut content.text, items) {
                    return;
                }
            }
            Item::Event(StreamEvent::Thinking { content }) => {
                if !self.resolve_delta(delta_text(SplitTextKind::Thinking, content), &mut content.text, items) {
                    return;
                }
            }
            Item::Event(StreamEvent::ToolOutput { id, content }) => {
                if !self.resolve_delta(tool_text(id), content, items) {
                    return;
                }
            }
            Item::Event(event) => resolve_event(event),
            Item::Started(started) => {
                [&mut started.agent_session, &mut started.version, &mut started.model].into_iter().flatten().for_each(resolve_text);
            }
            Item::SessionChanged(text) | Item::TurnEnded(Ok(text)) => resolve_text(text),
            Item::TurnEnded(Err(failure)) => resolve_text(&mut failure.message),
        }
        items.push(item);
    }

    /// Joins the text's withheld half to its next delta and withholds the delta's own last half. Returns `false` if nothing is left.
    fn resolve_delta(&mut self, text: SplitText, delta: &mut String, items: &mut Vec<Item>) -> bool {
        if let Some(index) = self.pending.iter().position(|(other, _)| *other == text) {
            delta.insert(0, self.pending.remove(index).1);
        }
        let half = delta.chars().next_back().filter(|last| unit_of(*last).is_some_and(is_high));
        if let Some(half) = half {
            delta.pop();
            if self.pending.len() == MAX_PENDING {
                let (oldest, _) = self.pending.remove(0);
                items.push(Item::Event(replacement(oldest)));
            }
            self.pending.push((text, half));
        }
        resolve_text(delta);
        half.is_none() || !delta.is_empty()
    }

    /// Emits the withheld halves of the texts that end with this item.
    fn finish_texts_before(&mut self, item: &Item, items: &mut Vec<Item>) {
        if self.pending.is_empty() {
            return;
        }
        let is_output = |text: &SplitText| text.kind == SplitTextKind::ToolOutput;
        match item {
            Item::Event(StreamEvent::Message { message_id: id, parent_tool_call_id: parent, .. }) => {
                let has_id = |text: &SplitText| text.id == *id || text.id.is_none() || id.is_none();
                self.finish_texts(|text| !is_output(text) && text.parent_tool_call_id == *parent && has_id(text), items);
            }
            Item::Event(StreamEvent::ToolCall(call)) => {
                self.finish_texts(|text| !is_output(text) && text.parent_tool_call_id == call.parent_tool_call_id, items);
            }
            Item::Event(StreamEvent::ToolResult { id, .. }) => {
                let ended = tool_text(id);
                self.finish_texts(|text| *text == ended, items);
            }
            Item::TurnEnded(_) => self.finish_texts(|_| true, items),
            _ => {}
        }
    }

    fn finish_texts(&mut self, ends: impl Fn(&SplitText) -> bool, items: &mut Vec<Item>) {
        for (text, _) in self.pending.extract_if(.., |(text, _)| ends(text)) {
            items.push(Item::Event(replacement(text)));
        }
    }
}

/// A line of JSON in which lone surrogates are replaced: for a line that stands alone.
pub(in crate::agent) fn repaired(line: &str) -> Cow<'_, str> {
    match Surrogates::default().mark(line) {
        Cow::Owned(mut marked) => {
            resolve_text(&mut marked);
            Cow::Owned(marked)
        }
        borrowed @ Cow::Borrowed(_) => borrowed,
    }
}

/// Whether two texts of a parser are the same once their markers are resolved: one may have been put together from deltas that split a
/// pair.
pub(in crate::agent) fn is_same_text(one: &str, other: &str) -> bool {
    let resolved = |text: &str| {
        let mut text = text.to_owned();
        resolve_text(&mut text);
        text
    };
    one == other || resolved(one) == resolved(other)
}

/// The surrogate whose escape starts at `at`.
fn surrogate_at(bytes: &[u8], at: usize) -> Option<u32> {
    let digits = bytes.get(at..at + 6)?.strip_prefix(br"\u")?;
    let digits = std::str::from_utf8(digits).ok().filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))?;
    u32::from_str_radix(digits, 16).ok().filter(|unit| (0xd800..0xe000).contains(unit))
}

/// Whether a surrogate is the first half of a pair.
fn is_high(surrogate: u32) -> bool {
    surrogate < 0xdc00
}

fn marker(surrogate: u32) -> char {
    char::from_u32(MARKER_OFFSET + surrogate).unwrap_or(char::REPLACEMENT_CHARACTER)
}

/// The surrogate of a marker.
fn unit_of(marker: char) -> Option<u32> {
    u32::from(marker).checked_sub(MARKER_OFFSET).filter(|unit| (0xd800..0xe000).contains(unit))
}

fn resolve_text(text: &mut String) {
    if memmem::find(text.as_bytes(), MARKER_PREFIX).is_none() {
        return;
    }
    let mut resolved = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(each) = chars.next() {
        let Some(unit) = unit_of(each) else {
            resolved.push(each);
            continue;
        };
        let low = chars.peek().copied().and_then(unit_of).filter(|low| is_high(unit) && !is_high(*low));
        let joined = low.and_then(|low| char::from_u32(0x1_0000 + ((unit - 0xd800) << 10) + (low - 0xdc00)));
        if joined.is_some() {
            chars.next();
        }
        resolved.push(joined.unwrap_or(char::REPLACEMENT_CHARACTER));
    }
    *text = resolved;
}

fn resolve_bytes(bytes: &[u8]) -> Cow<'_, [u8]> {
    match std::str::from_utf8(bytes) {
        Ok(text) if memmem::find(bytes, MARKER_PREFIX).is_some() => {
            let mut text = text.to_owned();
            resolve_text(&mut text);
            Cow::Owned(text.into_bytes())
        }
        _ => Cow::Borrowed(bytes),
    }
}

/// Resolves the markers in every string of an event, by way of its JSON.
fn resolve_event(event: &mut StreamEvent) {
    let Ok(mut json) = serde_json::to_string(event) else { return };
    if memmem::find(json.as_bytes(), MARKER_PREFIX).is_some() {
        resolve_text(&mut json);
        if let Ok(resolved) = serde_json::from_str(&json) {
            *event = resolved;
        }
    }
}

fn delta_text(kind: SplitTextKind, delta: &Delta) -> SplitText {
    SplitText { kind, id: delta.message_id.clone(), parent_tool_call_id: delta.parent_tool_call_id.clone() }
}

fn tool_text(id: &str) -> SplitText {
    SplitText { kind: SplitTextKind::ToolOutput, id: Some(id.to_owned()), parent_tool_call_id: None }
}

/// The delta for a half without its partner.
fn replacement(text: SplitText) -> StreamEvent {
    let SplitText { kind, id, parent_tool_call_id } = text;
    let text = char::REPLACEMENT_CHARACTER.to_string();
    match kind {
        SplitTextKind::Token => StreamEvent::Token { content: Delta { text, message_id: id, parent_tool_call_id } },
        SplitTextKind::Thinking => StreamEvent::Thinking { content: Delta { text, message_id: id, parent_tool_call_id } },
        SplitTextKind::ToolOutput => StreamEvent::ToolOutput { id: id.unwrap_or_default(), content: text },
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use proptest::prelude::*;

    use super::*;

    /// The UTF-16 code units as escapes of a JSON string.
    fn escaped(units: &[u16]) -> String {
        let mut literal = String::new();
        for unit in units {
            write!(literal, "\\u{unit:04x}").unwrap();
        }
        literal
    }

    /// The text of a JSON string literal, and whether the line was copied.
    fn read(literal: &str) -> (String, bool) {
        let mut surrogates = Surrogates::default();
        let marked = surrogates.mark(literal);
        let mut text: String = serde_json::from_str(&marked).unwrap();
        surrogates.resolve_text(&mut text);
        (text, matches!(marked, Cow::Owned(_)))
    }

    #[test]
    fn a_lone_surrogate_becomes_the_replacement_character_and_everything_else_stays() {
        for (literal, text) in [
            (r#""a \ud83d…""#, "a \u{fffd}…"),
            (r#""\uDE80\uD83D""#, "\u{fffd}\u{fffd}"),
            (r#""\ud83d\ud83d\ude80""#, "\u{fffd}🚀"),
            (r#""\ud83d\\ude80""#, "\u{fffd}\\ude80"),
        ] {
            assert_eq!(read(literal), (text.to_owned(), true), "{literal}");
        }
        for (literal, text) in [(r#""\ud83d\ude80""#, "🚀"), (r#""\\ud83d""#, "\\ud83d"), (r#""\u4e2d\n""#, "中\n"), (r#""🚀""#, "🚀")]
        {
            assert_eq!(read(literal), (text.to_owned(), false), "{literal}");
        }
    }

    proptest! {
        #[test]
        fn any_text_in_utf16_is_read_as_javascript_would_convert_it(units in proptest::collection::vec(
            prop_oneof![0xd7f0_u16..0xdbfe, 0xdc00_u16..0xe010, 0x20_u16..0x80], 0..40,
        )) {
            let literal = escaped(&units);
            prop_assert_eq!(read(&format!("\"{literal}\"")).0, String::from_utf16_lossy(&units));
        }

        #[test]
        fn no_line_makes_it_panic(line in any::<String>(), escapes in "(\\\\{0,3}u?[dD]?[0-9a-f]{0,4}é?){0,8}") {
            Surrogates::default().mark(&line);
            Surrogates::default().mark(&escapes);
        }

        #[test]
        fn deltas_make_up_the_text_wherever_it_is_cut(
            units in proptest::collection::vec(prop_oneof![0xd800_u16..0xdbfe, 0xdc00_u16..0xe000, 0x61_u16..0x7b], 1..20),
            cuts in proptest::collection::vec(any::<bool>(), 20),
        ) {
            let (mut surrogates, mut out) = (Surrogates::default(), Output::default());
            let deltas = units.iter().zip(&cuts).fold(vec![String::new()], |mut deltas, (unit, cut)| {
                if *cut {
                    deltas.push(String::new());
                }
                write!(deltas.last_mut().unwrap(), "\\u{unit:04x}").unwrap();
                deltas
            });
            for delta in deltas {
                let text: String = serde_json::from_str(&surrogates.mark(&format!("\"{delta}\""))).unwrap();
                let from = out.items.len();
                out.emit(StreamEvent::Token { content: text.into() });
                surrogates.resolve(from, &mut out);
            }
            surrogates.finish(&mut out);
            let joined: String = out.items.iter().map(|item| match item {
                Item::Event(StreamEvent::Token { content }) => content.text.as_str(),
                other => panic!("{other:?}"),
            }).collect();
            prop_assert_eq!(joined, String::from_utf16_lossy(&units));
        }
    }
}
