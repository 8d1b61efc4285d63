//! Makes text from agents and servers safe to print.
//!
//! Some characters control a terminal: they move the cursor, set the title, hide or reorder text. Each is replaced by a visible
//! symbol, so that a person reads, and allows, exactly the text that is there.

use std::borrow::Cow;
use std::fmt::Write;

use crate::types::is_unsafe_to_display;

/// Replaces control characters, except line breaks and tabs.
pub(super) fn text(text: &str) -> Cow<'_, str> {
    let is_control = |letter: char| !matches!(letter, '\n' | '\t') && replacement(letter).is_some();
    if !text.contains(is_control) {
        return Cow::Borrowed(text);
    }
    let mut cleaned = String::with_capacity(text.len() + 16);
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '\n' | '\t' => cleaned.push(letter),
            // A Windows line break.
            '\r' if letters.peek() == Some(&'\n') => {}
            _ => push(letter, &mut cleaned),
        }
    }
    Cow::Owned(cleaned)
}

/// Makes text one line: as [`text`], with spaces for line breaks and tabs.
pub(super) fn line(line: &str) -> String {
    text(line).replace(['\n', '\t'], " ")
}

/// Makes text one line without losing anything: line breaks and tabs are replaced by symbols, too.
pub(super) fn exact(line: &str) -> String {
    let mut cleaned = String::with_capacity(line.len());
    line.chars().for_each(|letter| push(letter, &mut cleaned));
    cleaned
}

/// Makes text one line of at most `max` characters.
pub(super) fn truncate(text: &str, max: usize) -> String {
    let one_line = line(text);
    match one_line.char_indices().nth(max) {
        Some(_) => one_line.chars().take(max.saturating_sub(1)).chain(['…']).take(max).collect(),
        None => one_line,
    }
}

fn push(letter: char, cleaned: &mut String) {
    match replacement(letter) {
        None => cleaned.push(letter),
        Some(Replacement::Symbol(symbol)) => cleaned.push(symbol),
        Some(Replacement::CodePoint) => {
            // Writing to a `String` cannot fail.
            let _ = write!(cleaned, "<U+{:04X}>", u32::from(letter));
        }
    }
}

enum Replacement {
    Symbol(char),
    CodePoint,
}

/// The replacement of a control character. None for all others.
fn replacement(letter: char) -> Option<Replacement> {
    match letter {
        // The block "Control Pictures".
        '\0'..='\u{1f}' => char::from_u32(0x2400 + u32::from(letter)).map(Replacement::Symbol),
        '\u{7f}' => Some(Replacement::Symbol('␡')),
        _ if is_unsafe_to_display(letter) => Some(Replacement::CodePoint),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    //! Rules: C2, W7.

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn control_and_direction_characters_are_replaced() {
        assert_eq!(text("\u{1b}[2Jx\u{7}\u{9b}31m\r"), "␛[2Jx␇<U+009B>31m␍");
        assert_eq!(text("rm \u{202e}gpj.x"), "rm <U+202E>gpj.x");
        assert_eq!(text("a\r\nb\tc"), "a\nb\tc");
        assert_eq!(line("a\nb"), "a b");
        assert_eq!(exact("a\nb"), "a␊b");
    }

    #[test]
    fn ordinary_text_of_every_script_is_unchanged() {
        for plain in ["hello", "你好，世界", "שלום", "مرحبا", "👩‍👩‍👧 e\u{301}", "─│✓"] {
            assert_eq!(text(plain), plain);
        }
    }

    #[test]
    fn long_text_is_truncated_at_a_character() {
        assert_eq!(truncate("漢字漢字", 4), "漢字漢字");
        assert_eq!(truncate("漢字漢字漢", 4), "漢字漢…");
    }

    proptest! {
        #[test]
        fn no_control_character_remains(any in any::<String>()) {
            let cleaned = text(&any);
            prop_assert!(!cleaned.chars().any(|letter| letter.is_control() && !matches!(letter, '\n' | '\t')));
            prop_assert!(!exact(&any).chars().any(char::is_control));
            prop_assert!(truncate(&any, 10).chars().count() <= 10);
        }
    }
}
