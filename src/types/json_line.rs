//! JSON on one line, for every reader.
//!
//! JSON escapes the line breaks of ASCII. Some readers also break lines at U+0085, U+2028 and U+2029, among them Python's `splitlines` and
//! clients built on it, so these are escaped too.

/// Escapes U+0085, U+2028 and U+2029 in the JSON that starts at `from`. Outside of strings JSON contains none of them.
pub fn escape_line_breaks(json: &mut Vec<u8>, from: usize) {
    let Some(written) = json.get(from..) else { return };
    let mut breaks = memchr::memchr2_iter(0xC2, 0xE2, written).filter_map(|at| Some((at, line_break(written.get(at..)?)?))).peekable();
    if breaks.peek().is_none() {
        return;
    }
    let mut escaped = Vec::with_capacity(written.len() + 64);
    let mut copied = 0;
    for (at, (length, escape)) in breaks {
        escaped.extend_from_slice(&written[copied..at]);
        escaped.extend_from_slice(escape);
        copied = at + length;
    }
    escaped.extend_from_slice(&written[copied..]);
    json.truncate(from);
    json.append(&mut escaped);
}

/// The length in UTF-8 and the escape of the line break at the start of `text`.
fn line_break(text: &[u8]) -> Option<(usize, &'static [u8])> {
    match text {
        [0xC2, 0x85, ..] => Some((2, br"\u0085")),
        [0xE2, 0x80, 0xA8, ..] => Some((3, br"\u2028")),
        [0xE2, 0x80, 0xA9, ..] => Some((3, br"\u2029")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn escaped(text: &str) -> String {
        let mut json = b"\xC2\x85 before ".to_vec();
        let from = json.len();
        serde_json::to_writer(&mut json, text).unwrap();
        escape_line_breaks(&mut json, from);
        assert_eq!(&json[..from], b"\xC2\x85 before ");
        String::from_utf8(json.split_off(from)).unwrap()
    }

    #[test]
    fn all_line_breaks_of_unicode_are_escaped_and_similar_characters_are_kept() {
        assert_eq!(escaped("a\u{85}b\u{2028}\u{2029}"), r#""a\u0085b\u2028\u2029""#);
        assert_eq!(escaped("\u{84}\u{86}\u{2027}\u{202A}\u{e2}\u{85}"), "\"\u{84}\u{86}\u{2027}\u{202A}\u{e2}\\u0085\"");
        assert_eq!(escaped("日本語 é"), "\"日本語 é\"");
    }

    proptest! {
        #[test]
        fn an_escaped_text_is_the_same_text(text in "[a\u{85}\u{2028}\u{2029}\\\\\"\n\u{80}-\u{3000}]*") {
            let json = escaped(&text);
            let has_line_breaks = json.contains(['\u{85}', '\u{2028}', '\u{2029}', '\n']);
            prop_assert!(!has_line_breaks);
            prop_assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
        }
    }
}
