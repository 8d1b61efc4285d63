//! Text that others wrote, where people read it.

/// Whether a character does more than stand there: it moves a terminal's cursor, breaks a line, turns the direction of writing, or is not
/// seen at all. By such characters what an agent asks for could look like something else (C2 of the threat model).
///
/// The joiners of scripts and emoji are not among them: they are seen by what they join.
pub fn acts_on_a_reader(char: char) -> bool {
    char.is_control()
        || matches!(char,
            '\u{ad}' | '\u{61c}' | '\u{180e}' // soft hyphen, Arabic letter mark, Mongolian vowel separator
            | '\u{200b}' | '\u{200e}' | '\u{200f}' // a space without width, marks of direction
            | '\u{2028}'..='\u{202e}' // separators of lines and paragraphs, embeddings and overrides
            | '\u{2060}'..='\u{206f}' // word joiner, invisible operators, isolates
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' // byte order mark, annotations
            | '\u{e0000}'..='\u{e007f}' // tags: a whole invisible alphabet
        )
}
