//! What a search looks for, and in which text. Pure.
//!
//! Text and search are brought into the same form: lower case, and a single space between words. A search is a list of terms, each of which
//! must occur somewhere in the text, also inside of a word. So languages without spaces between words need no special treatment.

use crate::types::RunSpec;

/// Length of the beginning of a prompt or an answer that a search covers, in characters.
const SEARCHED_CHARS: usize = 2000;

/// Maximum number of terms in a search.
const MAX_TERMS: usize = 16;

/// Maximum length of all labels and of the working directory that a search covers, in characters.
const MAX_FIELD: usize = 4000;

/// The terms of a search. All of them must match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SearchText {
    terms: Vec<String>,
    /// The search as the beginning of a run's id.
    id_prefix: Option<String>,
}

/// Why a text cannot be searched for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadSearch {
    /// It contains no word.
    #[error("must contain a word")]
    Empty,
    /// It contains too many words.
    #[error("must not contain more than {MAX_TERMS} words and quoted phrases")]
    TooManyTerms,
}

impl SearchText {
    /// Splits a text at spaces into terms. Text in double quotes is one term; a quote that is not closed extends to the end.
    ///
    /// # Errors
    /// [`BadSearch`], by cause.
    pub fn parse(text: &str) -> Result<Self, BadSearch> {
        // The parts with an odd number are in quotes.
        let parts = text.split('"').enumerate();
        let mut terms: Vec<String> = Vec::new();
        for (number, part) in parts {
            let part = normalized(part, usize::MAX);
            if number % 2 == 1 {
                terms.push(part);
            } else {
                terms.extend(part.split(' ').map(str::to_owned));
            }
        }
        terms.retain(|term| !term.is_empty());
        match terms.len() {
            0 => Err(BadSearch::Empty),
            1..=MAX_TERMS => {
                let id_prefix = if let [term] = &terms[..] { id_prefix(term) } else { None };
                Ok(Self { terms, id_prefix })
            }
            _ => Err(BadSearch::TooManyTerms),
        }
    }

    /// The terms, each in the form of [`searchable`] text.
    pub(super) fn terms(&self) -> &[String] {
        &self.terms
    }

    /// The beginning of the ids of runs that match, if the search can be one.
    pub(super) fn id_prefix(&self) -> Option<&str> {
        self.id_prefix.as_deref()
    }
}

fn id_prefix(term: &str) -> Option<String> {
    let digits = term.strip_prefix("run_").unwrap_or(term);
    let is_hex = (1..=32).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hex.then(|| format!("run_{digits}"))
}

/// The text of a run that a search covers, and with `answer` that of the ended run. Terms do not match across its parts.
pub(in crate::run) fn searchable(spec: &RunSpec, answer: Option<&str>) -> String {
    let labels: Vec<String> = spec.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let labels = labels.iter().map(|label| normalized(label, MAX_FIELD));
    let mut parts = vec![normalized(&spec.prompt, SEARCHED_CHARS), normalized(&spec.working_dir.to_string_lossy(), MAX_FIELD)];
    parts.extend(labels);
    parts.extend(answer.map(searchable_answer));
    parts.join("\n")
}

/// The part of an answer that a search covers.
pub(super) fn searchable_answer(answer: &str) -> String {
    normalized(answer, SEARCHED_CHARS)
}

/// At most `max` characters of the text, in lower case, with single spaces instead of white space and control characters.
fn normalized(text: &str, max: usize) -> String {
    let mut normalized = String::new();
    // Character by character, since the lower case of a whole word can depend on its end.
    let is_space = |char: char| char.is_whitespace() || char.is_control();
    for char in text.chars().skip_while(|char| is_space(*char)).take(max) {
        if !is_space(char) {
            normalized.extend(char.to_lowercase());
        } else if !normalized.ends_with(' ') {
            normalized.push(' ');
        }
    }
    normalized.truncate(normalized.trim_end().len());
    normalized
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms(text: &str) -> Vec<String> {
        SearchText::parse(text).unwrap().terms
    }

    #[test]
    fn words_and_quoted_phrases_are_terms() {
        assert_eq!(terms("  Fix the\tLOGIN "), ["fix", "the", "login"]);
        assert_eq!(terms("\"fix  the\" Login"), ["fix the", "login"]);
        assert_eq!(terms("a\"b c\"d"), ["a", "b c", "d"]);
        assert_eq!(terms("not \"closed at all"), ["not", "closed at all"]);
        assert_eq!(terms("修复 登录"), ["修复", "登录"]);
        assert_eq!(terms("AND NOT (x* OR y) ^z {text}: -q"), ["and", "not", "(x*", "or", "y)", "^z", "{text}:", "-q"]);
        for empty in ["", " ", "\"", "\"\" \" \"", "\0"] {
            assert_eq!(SearchText::parse(empty), Err(BadSearch::Empty), "{empty:?}");
        }
        assert_eq!(SearchText::parse(&"a ".repeat(17)), Err(BadSearch::TooManyTerms));
    }

    #[test]
    fn a_single_hexadecimal_term_can_be_the_beginning_of_an_id() {
        let prefix = |text: &str| SearchText::parse(text).unwrap().id_prefix;
        assert_eq!(prefix("run_01AB"), Some("run_01ab".to_owned()));
        assert_eq!(prefix("01ab"), Some("run_01ab".to_owned()));
        for other in ["run", "run_", "01ag", "01ab x", &"0".repeat(33)] {
            assert_eq!(prefix(other), None, "{other}");
        }
    }

    #[test]
    fn text_is_cut_at_a_character_and_folded_without_regard_to_its_neighbors() {
        assert_eq!(normalized("\n A\r\n\0B  ", 99), "a b");
        assert_eq!(normalized("ÄÖÜ", 2), "äö");
        assert_eq!(normalized("ΟΔΟΣ", 99), "οδοσ");
        assert_eq!(normalized(&"字".repeat(3000), SEARCHED_CHARS).chars().count(), SEARCHED_CHARS);
    }
}
