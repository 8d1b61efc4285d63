//! Text of agents and servers, made safe to look at.
//!
//! On a terminal some characters are commands: they move the cursor, set the title, hide or reorder what stands there. Here every
//! such character is replaced by one that shows what it is, so that what a person reads, and allows, is what is there.

use std::borrow::Cow;
use std::fmt::Write;

use crate::types::is_unsafe_to_display;

/// Text of several lines: line breaks and tabs keep their meaning, everything else that a terminal would obey is shown.
pub(super) fn text(text: &str) -> Cow<'_, str> {
    let is_odd = |letter: char| !matches!(letter, '\n' | '\t') && shown(letter).is_some();
    if !text.contains(is_odd) {
        return Cow::Borrowed(text);
    }
    let mut seen = String::with_capacity(text.len() + 16);
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '\n' | '\t' => seen.push(letter),
            // A line that ends as on Windows is a line.
            '\r' if letters.peek() == Some(&'\n') => {}
            _ => push(letter, &mut seen),
        }
    }
    Cow::Owned(seen)
}

/// Text as one line: line breaks and tabs become spaces.
pub(super) fn line(line: &str) -> String {
    text(line).replace(['\n', '\t'], " ")
}

/// Text as one line in which nothing is lost: line breaks and tabs are shown, too.
pub(super) fn exactly(line: &str) -> String {
    let mut seen = String::with_capacity(line.len());
    line.chars().for_each(|letter| push(letter, &mut seen));
    seen
}

/// Text as one line of at most `most` characters.
pub(super) fn short(text: &str, most: usize) -> String {
    let one_line = line(text);
    match one_line.char_indices().nth(most) {
        Some(_) => one_line.chars().take(most.saturating_sub(1)).chain(['…']).take(most).collect(),
        None => one_line,
    }
}

fn push(letter: char, seen: &mut String) {
    match shown(letter) {
        None => seen.push(letter),
        Some(Shown::As(picture)) => seen.push(picture),
        Some(Shown::ByNumber) => {
            // A string takes whatever is written to it.
            let _ = write!(seen, "<U+{:04X}>", u32::from(letter));
        }
    }
}

enum Shown {
    As(char),
    ByNumber,
}

/// What is shown in place of a character that cannot be shown itself.
fn shown(letter: char) -> Option<Shown> {
    match letter {
        // Unicode has a picture for each of the old control characters.
        '\0'..='\u{1f}' => char::from_u32(0x2400 + u32::from(letter)).map(Shown::As),
        '\u{7f}' => Some(Shown::As('␡')),
        _ if is_unsafe_to_display(letter) => Some(Shown::ByNumber),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn c2_control_and_direction_characters_are_shown_and_not_obeyed() {
        assert_eq!(text("\u{1b}[2Jx\u{7}\u{9b}31m\r"), "␛[2Jx␇<U+009B>31m␍");
        assert_eq!(text("rm \u{202e}gpj.x"), "rm <U+202E>gpj.x");
        assert_eq!(text("a\r\nb\tc"), "a\nb\tc");
        assert_eq!(line("a\nb"), "a b");
        assert_eq!(exactly("a\nb"), "a␊b");
    }

    #[test]
    fn ordinary_text_of_every_script_stays_as_it_is() {
        for plain in ["hello", "你好，世界", "שלום", "مرحبا", "👩‍👩‍👧 e\u{301}", "─│✓"] {
            assert_eq!(text(plain), plain);
        }
    }

    #[test]
    fn a_long_text_is_cut_at_a_character_and_says_so() {
        assert_eq!(short("漢字漢字", 4), "漢字漢字");
        assert_eq!(short("漢字漢字漢", 4), "漢字漢…");
    }

    proptest! {
        #[test]
        fn w7_no_text_keeps_a_character_that_a_terminal_obeys(any in any::<String>()) {
            let seen = text(&any);
            prop_assert!(!seen.chars().any(|letter| letter.is_control() && !matches!(letter, '\n' | '\t')));
            prop_assert!(!exactly(&any).chars().any(char::is_control));
            prop_assert!(short(&any, 10).chars().count() <= 10);
        }
    }
}
