//! The set of known secrets, and how they are found in a text, complete or in pieces.
//!
//! Every byte that belongs to an occurrence of a value, in any of its encodings, is replaced by [`MASK`]; overlapping occurrences become
//! one mask. The result therefore depends neither on the order of the values nor, for a text in pieces, on where it was split.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::ops::Range;
use std::sync::Arc;

use aho_corasick::{AhoCorasick, AhoCorasickKind};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::types::PendingDigest;

/// Replaces a secret.
pub const MASK: &str = "[masked]";

/// Shortest value that is redacted, in bytes. Values such as `true`, `8080` or `main` are not secrets, and redacting them would make any
/// text unreadable.
pub const MIN_LENGTH: usize = 8;

/// Longest value that is searched for as a whole, in bytes; a longer one is split and each part is redacted. It bounds how much of a text
/// in pieces is withheld. Private keys are shorter than this.
const MAX_LENGTH: usize = 4096;

/// Values that must not be shown. Cloning shares them. They cannot be serialized, and `Debug` prints only their number.
#[derive(Clone, Default)]
pub struct Secrets(Option<Arc<Matcher>>);

struct Matcher {
    automaton: AhoCorasick,
    /// Every encoding of every value, sorted, to find those with a given prefix.
    patterns: Vec<String>,
    longest: usize,
}

/// The withheld end of a text that arrives in pieces: a proper prefix of a secret, and so shorter than the longest secret.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct PendingText {
    text: String,
    /// Length of its beginning that belongs to an occurrence whose mask was emitted already, in bytes.
    covered: usize,
}

impl PendingText {
    pub(super) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    pub(super) fn digest(&self) -> PendingDigest {
        PendingDigest { length: self.text.len(), covered: self.covered, digest: sha256(&self.text) }
    }
}

impl Secrets {
    /// The given values, trimmed, without those shorter than [`MIN_LENGTH`].
    pub fn new(values: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        Self::default().with(values)
    }

    pub(super) fn with_min_length(values: impl IntoIterator<Item = impl AsRef<str>>, min_length: usize) -> Self {
        Self::default().extend(values, min_length)
    }

    /// These secrets and the given values. Cheap if no value is added.
    ///
    /// # Panics
    /// If the values exceed hundreds of megabytes. Requests and environments are bounded far below that.
    #[must_use]
    pub fn with(&self, values: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        self.extend(values, MIN_LENGTH)
    }

    fn extend(&self, values: impl IntoIterator<Item = impl AsRef<str>>, min_length: usize) -> Self {
        let mut added: BTreeSet<String> = values.into_iter().flat_map(|value| encodings(value.as_ref(), min_length)).collect();
        if added.is_empty() {
            return self.clone();
        }
        added.extend(self.0.iter().flat_map(|matcher| matcher.patterns.iter().cloned()));
        let patterns: Vec<String> = added.into_iter().collect();
        // A DFA is slightly faster and up to a hundred times larger.
        let automaton = AhoCorasick::builder().kind(Some(AhoCorasickKind::ContiguousNFA)).build(&patterns);
        let automaton = automaton.expect("less than hundreds of megabytes");
        let longest = patterns.iter().map(String::len).max().unwrap_or_default();
        Self(Some(Arc::new(Matcher { automaton, patterns, longest })))
    }

    /// Whether there are no secrets.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Redacts a complete text.
    pub fn redact(&self, text: &mut String) {
        let Some(matcher) = &self.0 else { return };
        if matcher.automaton.is_match(text.as_str()) {
            *text = matcher.redact_piece(&mut PendingText::default(), text, true);
        }
    }

    /// Redacts every string in a JSON value, including the names of members.
    pub fn redact_json(&self, value: &mut Value) {
        if self.is_empty() {
            return;
        }
        match value {
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
            Value::String(text) => self.redact(text),
            Value::Array(items) => items.iter_mut().for_each(|item| self.redact_json(item)),
            Value::Object(members) => {
                for (mut name, mut member) in std::mem::take(members) {
                    self.redact(&mut name);
                    self.redact_json(&mut member);
                    members.insert(name, member);
                }
            }
        }
    }

    /// The withheld text with this digest. It is a prefix of a secret; if that secret is not known anymore, the mask takes its place.
    pub(super) fn restore_pending(&self, pending: &PendingDigest) -> PendingText {
        let patterns = self.0.iter().flat_map(|matcher| &matcher.patterns);
        let mut prefixes = patterns.filter_map(|pattern| pattern.get(..pending.length));
        match prefixes.find(|prefix| sha256(prefix) == pending.digest) {
            Some(text) => PendingText { text: text.to_owned(), covered: pending.covered.min(pending.length) },
            None if pending.covered < pending.length => PendingText { text: MASK.to_owned(), covered: 0 },
            // The mask for all of it was emitted already.
            None => PendingText::default(),
        }
    }

    /// Redacts the next piece of a text, of which `pending` was withheld before, and updates `pending`. Nothing is withheld of the `last`
    /// piece.
    pub(super) fn redact_piece(&self, pending: &mut PendingText, piece: &str, last: bool) -> String {
        match &self.0 {
            Some(matcher) => matcher.redact_piece(pending, piece, last),
            None => piece.to_owned(),
        }
    }
}

impl Matcher {
    fn redact_piece(&self, pending: &mut PendingText, piece: &str, last: bool) -> String {
        let PendingText { mut text, covered } = std::mem::take(pending);
        text.push_str(piece);
        // From here on the next piece decides what is redacted.
        let end = if last { text.len() } else { text.len() - self.partial_match_length(&text) };
        pending.covered = covered.saturating_sub(end);
        let mut redacted = String::with_capacity(end);
        let mut copied = 0;
        for secret in self.occurrences(&text, covered).into_iter().take_while(|secret| secret.start < end) {
            redacted.push_str(&text[copied..secret.start]);
            let is_masked_already = covered > 0 && secret.start == 0;
            redacted.push_str(if is_masked_already { "" } else { MASK });
            copied = secret.end.min(end);
            pending.covered = secret.end - copied;
        }
        redacted.push_str(&text[copied..end]);
        pending.text = text.split_off(end);
        redacted
    }

    /// The ranges to redact, sorted and disjoint. The first `covered` bytes always belong to one.
    fn occurrences(&self, text: &str, covered: usize) -> Vec<Range<usize>> {
        let mut found: Vec<Range<usize>> = Vec::new();
        if covered > 0 {
            found.push(0..covered);
        }
        // Matches are sorted by their end, so a longer one may include several of those before it.
        for next in self.automaton.find_overlapping_iter(text) {
            let mut joined = next.range();
            while let Some(before) = found.pop_if(|before| before.end > joined.start) {
                joined.start = joined.start.min(before.start);
                joined.end = joined.end.max(before.end);
            }
            found.push(joined);
        }
        found
    }

    /// Length of the longest suffix of a text that may be the beginning of a secret, in bytes.
    fn partial_match_length(&self, text: &str) -> usize {
        let text = text.as_bytes();
        let from = text.len().saturating_sub(self.longest - 1);
        (from..text.len()).find(|start| self.has_longer_pattern(&text[*start..])).map_or(0, |start| text.len() - start)
    }

    /// Whether `prefix` is a proper prefix of a pattern.
    fn has_longer_pattern(&self, prefix: &[u8]) -> bool {
        let first = self.patterns.partition_point(|pattern| pattern.as_bytes() <= prefix);
        self.patterns.get(first).is_some_and(|pattern| pattern.as_bytes().starts_with(prefix))
    }
}

fn sha256(text: &str) -> [u8; 32] {
    Sha256::digest(text).into()
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Secrets({})", self.0.as_ref().map_or(0, |matcher| matcher.patterns.len()))
    }
}

/// Prints only the length: the text is probably part of a secret.
impl std::fmt::Debug for PendingText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PendingText({} bytes)", self.text.len())
    }
}

/// The forms in which a value occurs: literally, and as a JSON string with and without escapes for non-ASCII characters.
fn encodings(value: &str, min_length: usize) -> Vec<String> {
    let mut found = Vec::new();
    for part in split_long(value.trim(), min_length) {
        let quoted = Value::from(part).to_string();
        let as_json = &quoted[1..quoted.len() - 1];
        let mut as_ascii = String::with_capacity(as_json.len());
        for char in as_json.chars() {
            if char.is_ascii() {
                as_ascii.push(char);
            } else {
                for unit in char.encode_utf16(&mut [0; 2]) {
                    let _ = write!(as_ascii, "\\u{unit:04x}");
                }
            }
        }
        found.extend([part.to_owned(), as_json.to_owned(), as_ascii]);
    }
    found
}

/// A value in parts of at most [`MAX_LENGTH`], without parts shorter than `min_length`.
fn split_long(mut value: &str, min_length: usize) -> impl Iterator<Item = &str> {
    std::iter::from_fn(move || {
        let (part, rest) = value.split_at(value.floor_char_boundary(MAX_LENGTH));
        value = rest;
        (part.len() >= min_length).then_some(part)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn redacted(secrets: &Secrets, text: &str) -> String {
        let mut text = text.to_owned();
        secrets.redact(&mut text);
        text
    }

    #[test]
    fn overlapping_and_nested_secrets_are_redacted_completely() {
        let secrets = Secrets::new(["abcdefgh", "efghijkl", "abcdefghijklmnop"]);
        assert_eq!(redacted(&secrets, "(abcdefghijkl)"), "([masked])");
        assert_eq!(redacted(&secrets, "(abcdefghijklmnop)"), "([masked])");
        assert_eq!(redacted(&secrets, "abcdefghabcdefgh!"), "[masked][masked]!");
        assert_eq!(redacted(&secrets, "abcdefg efghijk"), "abcdefg efghijk");
    }

    #[test]
    fn secrets_are_found_in_their_json_encodings() {
        let secrets = Secrets::new(["pass\"wo\\rd", "schlüssel-🔑-wort"]);
        for text in ["pass\"wo\\rd", r#"pass\"wo\\rd"#, "schlüssel-🔑-wort", r"schl\u00fcssel-\ud83d\udd11-wort"] {
            assert_eq!(redacted(&secrets, &format!("<{text}>")), "<[masked]>", "{text}");
        }
        let mut value = json!({ "a": ["pass\"wo\\rd"], "is pass\"wo\\rd": 1, "b": 5 });
        secrets.redact_json(&mut value);
        assert_eq!(value, json!({ "a": ["[masked]"], "is [masked]": 1, "b": 5 }));
    }

    #[test]
    fn short_values_are_ignored_and_long_ones_are_redacted_in_parts() {
        let long: String = ('a'..='z').cycle().take(9_000).collect();
        assert!(Secrets::new(["1234567", " 1234567\n", ""]).is_empty());
        let secrets = Secrets::new([long.as_str(), " trimmed!\n"]);
        assert!(secrets.0.as_ref().is_some_and(|matcher| matcher.longest == MAX_LENGTH));
        assert!(!redacted(&secrets, &format!("<{long}>")).contains("abc"));
        assert_eq!(redacted(&secrets, "trimmed!"), MASK);
    }

    #[test]
    fn debug_prints_no_secret() {
        let secrets = Secrets::new(["correct-horse"]);
        let mut pending = PendingText::default();
        assert_eq!(secrets.redact_piece(&mut pending, "a correct-", false), "a ");
        assert_eq!(format!("{secrets:?} {pending:?}"), "Secrets(1) PendingText(8 bytes)");
    }

    /// Uses few letters so that secrets share prefixes, repeat and overlap; none of the letters occurs in the mask.
    fn any_secrets() -> impl Strategy<Value = Vec<String>> {
        prop_oneof![
            proptest::collection::vec("[xy]{8,12}", 1..5),
            proptest::collection::vec("[xyzé\"\\\\]{8,10}", 1..4),
            Just(vec!["xxxxxxxx".to_owned(), "xxxxxxxxxxxx".to_owned()]),
        ]
    }

    fn any_text(secrets: Vec<String>) -> impl Strategy<Value = (Vec<String>, String)> {
        let piece = prop_oneof![
            proptest::sample::select(secrets.clone()),
            proptest::sample::select(secrets.clone()).prop_map(|secret| secret.chars().take(5).collect()),
            "[xyzé\"\\\\ ]{0,6}",
        ];
        proptest::collection::vec(piece, 0..8).prop_map(move |pieces| (secrets.clone(), pieces.concat()))
    }

    fn split(text: &str, cuts: &[prop::sample::Index]) -> Vec<String> {
        let mut at: Vec<usize> = cuts.iter().map(|cut| text.floor_char_boundary(cut.index(text.len() + 1))).collect();
        at.extend([0, text.len()]);
        at.sort_unstable();
        at.windows(2).map(|pair| text[pair[0]..pair[1]].to_owned()).collect()
    }

    proptest! {
        #[test]
        fn no_split_reveals_a_secret_or_loses_other_text(
            (secrets, text) in any_secrets().prop_flat_map(any_text),
            cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..12),
        ) {
            let known = Secrets::new(&secrets);
            let longest = known.0.as_ref().map_or(0, |matcher| matcher.longest);
            let (mut pending, mut shown) = (PendingText::default(), String::new());
            for piece in split(&text, &cuts) {
                shown.push_str(&known.redact_piece(&mut pending, &piece, false));
                prop_assert!(pending.text.len() < longest);
            }
            shown.push_str(&known.redact_piece(&mut pending, "", true));
            prop_assert!(pending.is_empty());
            for secret in &secrets {
                prop_assert!(!shown.contains(secret), "{shown}");
            }
            // Brute force: find the characters that belong to an occurrence of any encoding.
            let mut expected = String::new();
            let patterns: Vec<String> = secrets.iter().flat_map(|secret| encodings(secret, MIN_LENGTH)).collect();
            let mut until = 0;
            for (at, letter) in text.char_indices() {
                let here = patterns.iter().filter(|pattern| text[at..].starts_with(pattern.as_str()));
                let end = here.map(String::len).max().map(|length| at + length);
                match end {
                    Some(end) if at >= until => {
                        expected.push_str(MASK);
                        until = end;
                    }
                    Some(end) => until = until.max(end),
                    None if at >= until => expected.push(letter),
                    None => {}
                }
            }
            prop_assert_eq!(shown, expected);
        }
    }
}
