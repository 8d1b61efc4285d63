//! Display of untrusted text.

/// Whether a character is unsafe to show to a person: it moves a terminal's cursor, breaks a line, changes the writing direction, or is
/// invisible. With such characters a tool call could be displayed as something else (rule C2).
///
/// The joiners of scripts and emoji are not included, because they visibly affect their neighbors.
pub fn is_unsafe_to_display(char: char) -> bool {
    char.is_control()
        || matches!(char,
            '\u{ad}' | '\u{61c}' | '\u{180e}' // soft hyphen, Arabic letter mark, Mongolian vowel separator
            | '\u{200b}' | '\u{200e}' | '\u{200f}' // zero width space, direction marks
            | '\u{2028}'..='\u{202e}' // line and paragraph separators, direction embeddings and overrides
            | '\u{2060}'..='\u{206f}' // word joiner, invisible operators, direction isolates
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' // byte order mark, interlinear annotations
            | '\u{e0000}'..='\u{e007f}' // tags: an invisible copy of ASCII
        )
}
