//! Values that no reader may see, and how they are found in a text, whole or in pieces. Pure.
//!
//! What lies in an occurrence of a value, in any of its spellings, becomes [`MASK`]; occurrences that overlap become one. So the result
//! does not depend on the order of the values, nor, for a text in pieces, on where it was cut.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::ops::Range;
use std::sync::Arc;

use aho_corasick::{AhoCorasick, AhoCorasickKind};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// What stands in the place of a secret.
pub const MASK: &str = "[masked]";

/// Shortest value that is hidden, in bytes: `true`, `8080` or `main` are no secrets, and hiding them would tear holes into any text.
pub const SHORTEST: usize = 8;

/// Longest value that is looked for as a whole, in bytes; a longer one is looked for part by part. It bounds what is held back of a text
/// that comes in pieces. Private keys are shorter than this.
const LONGEST: usize = 4096;

/// Values that must not be shown. Cloning shares them. They have no `Serialize`, and `Debug` tells how many there are.
#[derive(Clone, Default)]
pub struct Secrets(Option<Arc<Known>>);

struct Known {
    finder: AhoCorasick,
    /// Every spelling, sorted, for finding those that begin with something.
    spellings: Vec<String>,
    longest: usize,
}

/// What is held back of a text that comes in pieces: the beginning of what may become a secret. Shorter than the longest secret.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct PendingText {
    text: String,
    /// So many bytes of it belong to an occurrence for which the mask is written already.
    covered: usize,
}

/// What an [`PendingText`] is known by to who knows the secrets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PendingDigest {
    length: usize,
    covered: usize,
    /// Of the text (SHA-256).
    digest: [u8; 32],
}

impl PendingText {
    pub(super) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    pub(super) fn stub(&self) -> PendingDigest {
        PendingDigest { length: self.text.len(), covered: self.covered, digest: digest(&self.text) }
    }
}

impl Secrets {
    /// These values, trimmed, but for those that are too short to be secrets.
    pub fn new(values: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        Self::default().and(values)
    }

    /// The same and these. Costs nothing if there are no more.
    ///
    /// # Panics
    /// If they come to hundreds of megabytes. Requests and environments are bounded far below that.
    #[must_use]
    pub fn and(&self, values: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        let mut more: BTreeSet<String> = values.into_iter().flat_map(|value| spellings(value.as_ref())).collect();
        if more.is_empty() {
            return self.clone();
        }
        more.extend(self.0.iter().flat_map(|known| known.spellings.iter().cloned()));
        let spellings: Vec<String> = more.into_iter().collect();
        // Not a table of states, which is quicker by a little and can be larger by a hundred times.
        let finder = AhoCorasick::builder().kind(Some(AhoCorasickKind::ContiguousNFA)).build(&spellings);
        let finder = finder.expect("less than hundreds of megabytes");
        let longest = spellings.iter().map(String::len).max().unwrap_or_default();
        Self(Some(Arc::new(Known { finder, spellings, longest })))
    }

    /// Whether there is nothing to hide.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Hides them in a text.
    pub fn hide(&self, text: &mut String) {
        let Some(known) = &self.0 else { return };
        if known.finder.is_match(text.as_str()) {
            *text = known.piece(&mut PendingText::default(), text, true);
        }
    }

    /// Hides them in every text of a JSON value, names of members among them.
    pub fn hide_in(&self, value: &mut Value) {
        if self.is_empty() {
            return;
        }
        match value {
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
            Value::String(text) => self.hide(text),
            Value::Array(items) => items.iter_mut().for_each(|item| self.hide_in(item)),
            Value::Object(members) => {
                for (mut name, mut member) in std::mem::take(members) {
                    self.hide(&mut name);
                    self.hide_in(&mut member);
                    members.insert(name, member);
                }
            }
        }
    }

    /// What was held back of a text. It is the beginning of a secret; if of none that is known now, nobody can tell it any more, and the
    /// mask stands for it.
    pub(super) fn open_again(&self, stub: &PendingDigest) -> PendingText {
        let spellings = self.0.iter().flat_map(|known| &known.spellings);
        let mut beginnings = spellings.filter_map(|spelling| spelling.get(..stub.length));
        match beginnings.find(|beginning| digest(beginning) == stub.digest) {
            Some(text) => PendingText { text: text.to_owned(), covered: stub.covered.min(stub.length) },
            None if stub.covered < stub.length => PendingText { text: MASK.to_owned(), covered: 0 },
            // For all of it the mask is written already.
            None => PendingText::default(),
        }
    }

    /// The next piece of a text, as it may be shown after what `open` was held back of the pieces before. The `last` one holds nothing back.
    pub(super) fn piece(&self, open: &mut PendingText, piece: &str, last: bool) -> String {
        match &self.0 {
            Some(known) => known.piece(open, piece, last),
            None => piece.to_owned(),
        }
    }
}

impl Known {
    fn piece(&self, open: &mut PendingText, piece: &str, last: bool) -> String {
        let PendingText { mut text, covered } = std::mem::take(open);
        text.push_str(piece);
        // From here on it is not known yet what is to be hidden.
        let end = if last { text.len() } else { text.len() - self.beginning_at_the_end(&text) };
        open.covered = covered.saturating_sub(end);
        let mut shown = String::with_capacity(end);
        let mut at = 0;
        for hidden in self.occurrences(&text, covered).into_iter().take_while(|hidden| hidden.start < end) {
            shown.push_str(&text[at..hidden.start]);
            let is_marked = covered > 0 && hidden.start == 0;
            shown.push_str(if is_marked { "" } else { MASK });
            at = hidden.end.min(end);
            open.covered = hidden.end - at;
        }
        shown.push_str(&text[at..end]);
        open.text = text.split_off(end);
        shown
    }

    /// Where secrets are, sorted and apart from each other. The first `covered` bytes belong to one in any case.
    fn occurrences(&self, text: &str, covered: usize) -> Vec<Range<usize>> {
        let mut found: Vec<Range<usize>> = Vec::new();
        if covered > 0 {
            found.push(0..covered);
        }
        // They come sorted by their end, so one that is longer than those before may swallow several of them.
        for next in self.finder.find_overlapping_iter(text) {
            let mut joined = next.range();
            while let Some(before) = found.pop_if(|before| before.end > joined.start) {
                joined.start = joined.start.min(before.start);
                joined.end = joined.end.max(before.end);
            }
            found.push(joined);
        }
        found
    }

    /// How many bytes at the end of a text may be the beginning of a secret that goes on in the next piece.
    fn beginning_at_the_end(&self, text: &str) -> usize {
        let text = text.as_bytes();
        let from = text.len().saturating_sub(self.longest - 1);
        (from..text.len()).find(|start| self.goes_on(&text[*start..])).map_or(0, |start| text.len() - start)
    }

    /// Whether something that is to be hidden begins with this, and is longer.
    fn goes_on(&self, beginning: &[u8]) -> bool {
        let first = self.spellings.partition_point(|spelling| spelling.as_bytes() <= beginning);
        self.spellings.get(first).is_some_and(|spelling| spelling.as_bytes().starts_with(beginning))
    }
}

fn digest(text: &str) -> [u8; 32] {
    Sha256::digest(text).into()
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Secrets({})", self.0.as_ref().map_or(0, |known| known.spellings.len()))
    }
}

/// Tells nothing of the text, which is part of a secret as like as not.
impl std::fmt::Debug for PendingText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PendingText({} bytes)", self.text.len())
    }
}

/// The forms in which a value turns up: as it is, and as it stands in JSON, whether that keeps letters beyond ASCII or not.
fn spellings(value: &str) -> Vec<String> {
    let mut found = Vec::new();
    for part in parts(value.trim()) {
        let quoted = Value::from(part).to_string();
        let as_json = &quoted[1..quoted.len() - 1];
        let mut as_ascii = String::with_capacity(as_json.len());
        for letter in as_json.chars() {
            if letter.is_ascii() {
                as_ascii.push(letter);
            } else {
                for unit in letter.encode_utf16(&mut [0; 2]) {
                    let _ = write!(as_ascii, "\\u{unit:04x}");
                }
            }
        }
        found.extend([part.to_owned(), as_json.to_owned(), as_ascii]);
    }
    found
}

/// A value, cut into parts if it is very long. What is too short to be a secret is left out.
fn parts(mut value: &str) -> impl Iterator<Item = &str> {
    std::iter::from_fn(move || {
        let (part, rest) = value.split_at(value.floor_char_boundary(LONGEST));
        value = rest;
        (part.len() >= SHORTEST).then_some(part)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn hidden(secrets: &Secrets, text: &str) -> String {
        let mut text = text.to_owned();
        secrets.hide(&mut text);
        text
    }

    #[test]
    fn secrets_that_overlap_or_stand_in_each_other_leave_nothing_of_themselves() {
        let secrets = Secrets::new(["abcdefgh", "efghijkl", "abcdefghijklmnop"]);
        assert_eq!(hidden(&secrets, "(abcdefghijkl)"), "([masked])");
        assert_eq!(hidden(&secrets, "(abcdefghijklmnop)"), "([masked])");
        assert_eq!(hidden(&secrets, "abcdefghabcdefgh!"), "[masked][masked]!");
        assert_eq!(hidden(&secrets, "abcdefg efghijk"), "abcdefg efghijk");
    }

    #[test]
    fn a_secret_is_found_as_json_writes_it() {
        let secrets = Secrets::new(["tell\"no\\body", "schlüssel-🔑-wort"]);
        for text in ["tell\"no\\body", r#"tell\"no\\body"#, "schlüssel-🔑-wort", r"schl\u00fcssel-\ud83d\udd11-wort"] {
            assert_eq!(hidden(&secrets, &format!("<{text}>")), "<[masked]>", "{text}");
        }
        let mut value = json!({ "a": ["tell\"no\\body"], "is tell\"no\\body": 1, "b": 5 });
        secrets.hide_in(&mut value);
        assert_eq!(value, json!({ "a": ["[masked]"], "is [masked]": 1, "b": 5 }));
    }

    #[test]
    fn what_is_too_short_is_no_secret_and_what_is_very_long_is_hidden_in_parts() {
        let long: String = ('a'..='z').cycle().take(9_000).collect();
        assert!(Secrets::new(["1234567", " 1234567\n", ""]).is_empty());
        let secrets = Secrets::new([long.as_str(), " trimmed!\n"]);
        assert!(secrets.0.as_ref().is_some_and(|known| known.longest == LONGEST));
        assert!(!hidden(&secrets, &format!("<{long}>")).contains("abc"));
        assert_eq!(hidden(&secrets, "trimmed!"), MASK);
    }

    #[test]
    fn no_secret_is_shown_by_debug() {
        let secrets = Secrets::new(["tell-nobody"]);
        let mut open = PendingText::default();
        assert_eq!(secrets.piece(&mut open, "a tell-nob", false), "a ");
        assert_eq!(format!("{secrets:?} {open:?}"), "Secrets(1) PendingText(8 bytes)");
    }

    /// Few letters, so that secrets share beginnings, repeat and overlap; none of them is in the mask.
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

    fn cut(text: &str, cuts: &[prop::sample::Index]) -> Vec<String> {
        let mut at: Vec<usize> = cuts.iter().map(|cut| text.floor_char_boundary(cut.index(text.len() + 1))).collect();
        at.extend([0, text.len()]);
        at.sort_unstable();
        at.windows(2).map(|pair| text[pair[0]..pair[1]].to_owned()).collect()
    }

    proptest! {
        #[test]
        fn however_a_text_is_cut_no_secret_is_visible_and_everything_else_is(
            (secrets, text) in any_secrets().prop_flat_map(any_text),
            cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..12),
        ) {
            let known = Secrets::new(&secrets);
            let longest = known.0.as_ref().map_or(0, |known| known.longest);
            let (mut open, mut shown) = (PendingText::default(), String::new());
            for piece in cut(&text, &cuts) {
                shown.push_str(&known.piece(&mut open, &piece, false));
                prop_assert!(open.text.len() < longest);
            }
            shown.push_str(&known.piece(&mut open, "", true));
            prop_assert!(open.is_empty());
            for secret in &secrets {
                prop_assert!(!shown.contains(secret), "{shown}");
            }
            // By the slowest way there is: which letters of the text belong to an occurrence of any spelling?
            let mut expected = String::new();
            let spellings: Vec<String> = secrets.iter().flat_map(|secret| spellings(secret)).collect();
            let mut until = 0;
            for (at, letter) in text.char_indices() {
                let here = spellings.iter().filter(|spelling| text[at..].starts_with(spelling.as_str()));
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
