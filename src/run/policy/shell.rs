//! A conservative reader of shell command lines: finds every simple command that a line may run.
//!
//! It is not a shell. It has to err on one side only: a command that runs must be found, or the line must be marked as not fully understood.
//! Commands that do not run (in a comment, in the body of a here-document) may be found as well.

/// Maximum length of a command line that is analyzed, in bytes.
const MAX_LINE: usize = 64 * 1024;
/// Maximum nesting of substitutions and of scripts in arguments.
const MAX_DEPTH: usize = 12;
/// Maximum number of characters read for one request, including scripts that are read again inside of others.
const MAX_CHARS: usize = 8 * MAX_LINE;

/// A word of a simple command, without its quotes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) text: String,
    /// Whether a part of the word is known only when it runs: a variable, a substitution, a wildcard.
    pub(super) dynamic: bool,
    /// Whether a part of it was quoted or escaped, so that it is no reserved word.
    quoted: bool,
}

impl Word {
    /// A word that is passed to a program as it is.
    pub(super) fn literal(text: impl Into<String>) -> Self {
        Self { text: text.into(), dynamic: false, quoted: true }
    }

    /// Whether the shell treats the word as syntax if it is the first of a command.
    pub(super) fn is_reserved(&self) -> bool {
        const RESERVED: [&str; 17] =
            ["!", "{", "}", "[[", "if", "then", "elif", "else", "fi", "while", "until", "do", "done", "esac", "in", "time", "function"];
        !self.quoted && RESERVED.contains(&&*self.text)
    }

    /// Whether the word begins a loop or a choice.
    pub(super) fn is_loop(&self) -> bool {
        !self.quoted && matches!(&*self.text, "for" | "select" | "case")
    }

    /// Whether the word is an assignment, which may precede a command.
    pub(super) fn is_assignment(&self) -> bool {
        let Some((name, _)) = self.text.split_once('=') else { return false };
        let name = name.strip_suffix('+').unwrap_or(name);
        let name = name.split_once('[').map_or(name, |(name, _)| name);
        let mut chars = name.chars();
        chars.next().is_some_and(|char| char.is_ascii_alphabetic() || char == '_')
            && chars.all(|char| char.is_ascii_alphanumeric() || char == '_')
    }
}

/// The simple commands of a line, in the order in which they end.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Script {
    pub(super) commands: Vec<Vec<Word>>,
    /// Whether some of it could not be read: a quote is not closed, or it is too long or nested too deeply.
    pub(super) incomplete: bool,
}

/// Whether the character separates or embeds commands, or is replaced by a shell.
pub(super) fn is_operator(char: char) -> bool {
    matches!(char, ';' | '&' | '|' | '`' | '$' | '(' | ')' | '<' | '>' | '\n' | '\r')
}

/// How much may still be read for one request.
#[derive(Debug)]
pub(super) struct Budget {
    chars: usize,
    depth: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self { chars: MAX_CHARS, depth: MAX_DEPTH }
    }
}

impl Budget {
    /// Reads a line at one more level of nesting.
    pub(super) fn read(&mut self, line: &str) -> Script {
        let mut script = Script::default();
        if self.depth == 0 || line.len() > MAX_LINE {
            return Script { incomplete: true, ..script };
        }
        self.depth -= 1;
        // A quote in a comment must not hide what follows, and in some shells `#` begins no comment: both readings count.
        for comments in [false, true] {
            if comments && !line.contains('#') {
                break;
            }
            let Some(left) = self.chars.checked_sub(line.len()) else {
                script.incomplete = true;
                break;
            };
            self.chars = left;
            let chars: Vec<char> = line.replace("\\\n", "").chars().collect();
            let mut reader = Reader { chars, at: 0, comments, script: &mut script, budget: self };
            reader.read_commands();
        }
        self.depth += 1;
        script
    }
}

struct Reader<'a> {
    chars: Vec<char>,
    at: usize,
    comments: bool,
    script: &'a mut Script,
    budget: &'a mut Budget,
}

/// What is being built.
#[derive(Default)]
struct Pending {
    command: Vec<Word>,
    word: Option<Word>,
    /// An unquoted `{` was seen in the word.
    brace: bool,
    /// The next word is the target of a redirection.
    redirected: bool,
}

impl Pending {
    fn word(&mut self) -> &mut Word {
        self.word.get_or_insert_default()
    }

    fn push(&mut self, char: char) {
        self.word().text.push(char);
    }

    fn end_word(&mut self) {
        let Some(mut word) = self.word.take() else { return };
        let is_expansion = std::mem::take(&mut self.brace) && (word.text.contains(',') || word.text.contains(".."));
        word.dynamic |= is_expansion;
        if !std::mem::take(&mut self.redirected) {
            self.command.push(word);
        }
    }

    fn end_command(&mut self, script: &mut Script) {
        self.end_word();
        self.redirected = false;
        if !self.command.is_empty() {
            script.commands.push(std::mem::take(&mut self.command));
        }
    }
}

impl Reader<'_> {
    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn next(&mut self) -> Option<char> {
        let char = self.peek();
        self.at += usize::from(char.is_some());
        char
    }

    fn read_commands(&mut self) {
        let mut pending = Pending::default();
        while let Some(char) = self.next() {
            match char {
                ' ' | '\t' | '\r' => pending.end_word(),
                // The parts of a subshell or a process substitution are commands like any other.
                '\n' | ';' | '&' | '|' | '(' | ')' => pending.end_command(self.script),
                '<' | '>' => self.read_redirection(&mut pending),
                '#' if self.comments && pending.word.is_none() => {
                    while self.peek().is_some_and(|char| char != '\n') {
                        self.at += 1;
                    }
                }
                '\\' => {
                    let escaped = self.next();
                    self.script.incomplete |= escaped.is_none();
                    pending.word().quoted = true;
                    pending.word().text.extend(escaped);
                }
                '\'' => self.read_single_quoted(&mut pending),
                '"' => self.read_double_quoted(&mut pending),
                '$' => self.read_dollar(&mut pending),
                '`' => self.read_backticks(&mut pending),
                '*' | '?' => {
                    pending.push(char);
                    pending.word().dynamic = true;
                }
                '[' => {
                    // `[` and `[[` alone are commands.
                    let is_command = pending.word.as_ref().is_none_or(|word| word.text == "[");
                    pending.push('[');
                    pending.word().dynamic |= !(is_command && self.peek().is_none_or(|next| next == '[' || next.is_whitespace()));
                }
                '{' => {
                    pending.brace = true;
                    pending.push('{');
                }
                other => pending.push(other),
            }
        }
        pending.end_command(self.script);
    }

    /// The operator and the number before it are dropped, and so is the word after it. `<(` and `>(` begin a process substitution.
    fn read_redirection(&mut self, pending: &mut Pending) {
        let is_number = |word: &Word| !word.quoted && !word.dynamic && word.text.chars().all(|char| char.is_ascii_digit());
        if pending.word.as_ref().is_some_and(is_number) {
            pending.word = None;
        }
        pending.end_word();
        while self.peek().is_some_and(|char| matches!(char, '<' | '>' | '&' | '|' | '-')) {
            self.at += 1;
        }
        pending.redirected = self.peek() != Some('(');
    }

    fn read_single_quoted(&mut self, pending: &mut Pending) {
        pending.word().quoted = true;
        loop {
            match self.next() {
                Some('\'') => return,
                Some(char) => pending.push(char),
                None => return self.script.incomplete = true,
            }
        }
    }

    fn read_double_quoted(&mut self, pending: &mut Pending) {
        pending.word().quoted = true;
        loop {
            match self.next() {
                Some('"') => return,
                Some('\\') => match self.next() {
                    Some(char @ ('"' | '\\' | '$' | '`')) => pending.push(char),
                    Some(char) => pending.word().text.extend(['\\', char]),
                    None => return self.script.incomplete = true,
                },
                Some('$') if !matches!(self.peek(), Some('\'' | '"')) => self.read_dollar(pending),
                Some('`') => self.read_backticks(pending),
                Some(char) => pending.push(char),
                None => return self.script.incomplete = true,
            }
        }
    }

    /// What follows a `$`: a substitution, a variable, a quote, or nothing special.
    fn read_dollar(&mut self, pending: &mut Pending) {
        match self.peek() {
            Some(open @ ('(' | '{')) => {
                self.at += 1;
                let inner = self.take_balanced(open);
                pending.word().dynamic = true;
                self.read_nested(&inner);
            }
            Some('\'') => {
                self.at += 1;
                pending.word().quoted = true;
                loop {
                    match self.next() {
                        Some('\'') => break,
                        // An escape that only some shells know.
                        Some('\\') => {
                            pending.word().dynamic = true;
                            self.at += usize::from(self.peek().is_some());
                        }
                        Some(char) => pending.push(char),
                        None => {
                            self.script.incomplete = true;
                            break;
                        }
                    }
                }
            }
            Some('"') => {} // a translated string: the quote follows
            Some(char) if char.is_ascii_alphanumeric() || "_@*#?$!-".contains(char) => {
                pending.word().dynamic = true;
                self.at += 1;
                while self.peek().is_some_and(|char| char.is_ascii_alphanumeric() || char == '_') {
                    self.at += 1;
                }
            }
            _ => pending.push('$'),
        }
    }

    fn read_backticks(&mut self, pending: &mut Pending) {
        pending.word().dynamic = true;
        let mut inner = String::new();
        loop {
            match self.next() {
                Some('`') => break,
                Some('\\') => match self.next() {
                    Some(char @ ('`' | '\\' | '$')) => inner.push(char),
                    Some(char) => inner.extend(['\\', char]),
                    None => break,
                },
                Some(char) => inner.push(char),
                None => {
                    self.script.incomplete = true;
                    break;
                }
            }
        }
        self.read_nested(&inner);
    }

    /// The text up to the parenthesis or brace that closes `open`, without regard to quotes if these are not balanced.
    fn take_balanced(&mut self, open: char) -> String {
        let close = if open == '(' { ')' } else { '}' };
        let start = self.at;
        let (mut level, mut quote) = (1_usize, None);
        while let Some(char) = self.next() {
            match (quote, char) {
                (None | Some('"'), '\\') => self.at += usize::from(self.peek().is_some()),
                (Some(open), char) if open == char => quote = None,
                (None, '\'' | '"') => quote = Some(char),
                (None, char) if char == open => level += 1,
                (None, char) if char == close => {
                    level -= 1;
                    if level == 0 {
                        return self.chars[start..self.at - 1].iter().collect();
                    }
                }
                _ => {}
            }
        }
        self.script.incomplete = true;
        self.chars[start..].iter().collect()
    }

    fn read_nested(&mut self, line: &str) {
        let Script { commands, incomplete } = self.budget.read(line);
        self.script.commands.extend(commands);
        self.script.incomplete |= incomplete;
    }
}
