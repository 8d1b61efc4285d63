//! The words of a command that may be paths, as a shell would expand them.
//!
//! It errs on one side: a word may be found that the command does not contain. What only a running shell knows (other variables,
//! substitutions) is not expanded.

use std::path::{Component, Path, PathBuf};

/// What separates the words of a command, apart from white space and quotes.
const SEPARATORS: &[char] = &['`', '=', ':', ',', ';', '|', '&', '<', '>', '(', ')', '{', '}', '@'];
/// Characters of a word that a shell replaces by what is in a directory.
const WILDCARDS: &[char] = &['*', '?', '['];
/// Maximum number of words that one word with braces expands to, and maximum length of a word that is expanded, in bytes: that of a path.
const MAX_ALTERNATIVES: usize = 64;
const MAX_EXPANDED: usize = 4096;
/// Maximum length of a name whose wildcards are looked up in a directory, in bytes: that of a file's name.
const MAX_NAME: usize = 255;

/// The words of `text`, with quotes as separators, then with quotes and escapes removed, as they are in the middle of a word. Of a word with
/// braces, the words that it expands to. `home` and `working_dir` replace the variables that name them. Stops once there are more than `limit`.
pub(super) fn words(text: &str, home: Option<&Path>, working_dir: &Path, limit: usize) -> Vec<String> {
    let mut found = Vec::new();
    let mut add = |text: &str| {
        for word in text.split_whitespace() {
            if found.len() > limit {
                return;
            }
            for word in expand_braces(&expand_variables(word, home, working_dir)) {
                found.extend(word.split(SEPARATORS).filter(|word| !word.is_empty()).map(str::to_owned));
            }
        }
    };
    let is_quote = |char: char| matches!(char, '\'' | '"');
    add(&text.replace(is_quote, " "));
    let is_removed = |char: char| is_quote(char) || char == '\\';
    if text.contains(is_removed) {
        add(&text.replace(is_removed, ""));
    }
    found
}

/// Replaces the variables whose values are known.
fn expand_variables(word: &str, home: Option<&Path>, working_dir: &Path) -> String {
    if !word.contains('$') || word.len() > MAX_EXPANDED {
        return word.to_owned();
    }
    let mut word = word.to_owned();
    for (name, value) in [("HOME", home), ("PWD", Some(working_dir))] {
        let Some(value) = value.and_then(Path::to_str) else { continue };
        word = word.replace(&format!("${{{name}}}"), value);
        // `$HOMEDIR` is another variable.
        let variable = format!("${name}");
        while let Some(at) = word.find(&variable) {
            let rest = &word[at + variable.len()..];
            if rest.starts_with(|char: char| char.is_ascii_alphanumeric() || char == '_') {
                break;
            }
            word = format!("{}{value}{rest}", &word[..at]);
        }
    }
    word
}

/// The words that `a{b,c}d` stands for: itself, and those that a shell makes of it, as far as they are not too many.
fn expand_braces(word: &str) -> Vec<String> {
    let mut done = vec![word.to_owned()];
    if word.len() > MAX_EXPANDED {
        return done;
    }
    let mut open = vec![word.to_owned()];
    while let Some(word) = open.pop() {
        // The last opening brace has no other one within.
        let Some(start) = word.rfind('{') else { continue };
        let Some(end) = word[start..].find('}').map(|end| start + end) else { continue };
        for alternative in word[start + 1..end].split(',') {
            if done.len() == MAX_ALTERNATIVES {
                return done;
            }
            let expanded = format!("{}{alternative}{}", &word[..start], &word[end + 1..]);
            done.push(expanded.clone());
            open.push(expanded);
        }
    }
    done
}

/// The directories that a command changes to: those that follow `cd` and the options of programs that change their directory.
#[derive(Debug, Default)]
pub(super) struct DirectoryChanges {
    is_next: bool,
}

impl DirectoryChanges {
    /// The directory that this word names, if the words before it say so.
    pub(super) fn directory<'a>(&mut self, word: &'a str) -> Option<&'a str> {
        const COMMANDS: [&str; 6] = ["cd", "chdir", "pushd", "-C", "--chdir", "--directory"];
        if COMMANDS.contains(&word) {
            self.is_next = true;
            return None;
        }
        if let Some(attached) = word.strip_prefix("-C") {
            return Some(attached);
        }
        // Options of `cd`.
        if self.is_next && !word.starts_with('-') {
            self.is_next = false;
            return Some(word);
        }
        None
    }
}

/// Whether the path has a wildcard.
pub(super) fn is_pattern(path: &Path) -> bool {
    path.to_str().is_some_and(|text| text.contains(WILDCARDS))
}

/// Whether the absolute pattern may match `target` or something in it.
pub(super) fn may_lead_inside(pattern: &Path, target: &Path) -> bool {
    let mut pattern = pattern.components();
    for expected in target.components() {
        match (pattern.next(), expected) {
            // Any number of directories.
            (Some(Component::Normal(name)), _) if name == "**" => return true,
            (Some(Component::Normal(name)), Component::Normal(expected))
                if matches(&name.to_string_lossy(), &expected.to_string_lossy()) => {}
            (Some(one), other) if one == other => {}
            _ => return false,
        }
    }
    true
}

/// The existing paths that the absolute, normalized pattern matches. `left` limits the number of directory entries that are looked at.
pub(super) fn expand(pattern: &Path, left: &mut usize) -> Vec<PathBuf> {
    let mut found = vec![PathBuf::from("/")];
    for component in pattern.components() {
        let Component::Normal(name) = component else {
            // There is no other one in a normalized path.
            continue;
        };
        let name = name.to_string_lossy();
        if !name.contains(WILDCARDS) {
            for path in &mut found {
                path.push(&*name);
            }
            continue;
        }
        if name.len() > MAX_NAME {
            return Vec::new();
        }
        let mut next = Vec::new();
        for dir in found {
            for entry in std::fs::read_dir(&dir).into_iter().flatten().filter_map(Result::ok) {
                if *left == 0 {
                    return next;
                }
                *left -= 1;
                if matches(&name, &entry.file_name().to_string_lossy()) {
                    next.push(dir.join(entry.file_name()));
                }
            }
        }
        found = next;
    }
    found
}

/// Whether a name may match a pattern of a shell. What is in brackets matches any character.
fn matches(pattern: &str, name: &str) -> bool {
    let mut parts: Vec<Option<char>> = Vec::new();
    let mut chars = pattern.chars();
    // Before which parts there is a star.
    let mut stars = vec![false];
    while let Some(char) = chars.next() {
        match char {
            '*' => {
                stars[parts.len()] = true;
                continue;
            }
            '?' => parts.push(None),
            '[' if chars.as_str().contains(']') => {
                // A bracket in first place is a member of the set.
                let rest = chars.as_str();
                let from = rest.strip_prefix(['!', '^']).unwrap_or(rest);
                let from = from.strip_prefix(']').unwrap_or(from);
                let Some(end) = from.find(']') else { return true };
                chars = from[end + 1..].chars();
                parts.push(None);
            }
            char => parts.push(Some(char)),
        }
        stars.push(false);
    }
    // Which prefixes of the pattern match the characters so far.
    let mut reached = vec![false; parts.len() + 1];
    reached[0] = true;
    for char in name.chars() {
        let mut next = vec![false; parts.len() + 1];
        for at in 0..=parts.len() {
            next[at] |= reached[at] && stars[at];
            if at < parts.len() && reached[at] && parts[at].is_none_or(|expected| expected == char) {
                next[at + 1] = true;
            }
        }
        reached = next;
    }
    reached[parts.len()]
}

#[cfg(test)]
mod tests {
    //! Rules: G2.

    use super::*;

    fn words_of(text: &str) -> Vec<String> {
        words(text, Some(Path::new("/home/me")), Path::new("/work"), 1000)
    }

    #[test]
    fn words_are_found_as_a_shell_expands_them() {
        for (text, expected) in [
            ("cat '/a b/c'", "b/c"),
            ("cat /a/\"\"b'c'/d", "/a/bc/d"),
            (r"cat /a/b\c", "/a/bc"),
            ("cat /a/{b,c{d,e}}/f", "/a/ce/f"),
            ("cat $HOME/x", "/home/me/x"),
            ("cat ${HOME}/x", "/home/me/x"),
            ("cat \"$PWD\"/x", "/work/x"),
            ("dd if=/a/b", "/a/b"),
            ("cat <$HOME/x", "/home/me/x"),
        ] {
            assert!(words_of(text).iter().any(|word| word == expected), "{text}: {:?}", words_of(text));
        }
        assert!(!words_of("cat $HOMEDIR/x").iter().any(|word| word.starts_with("/home/me")));
        assert!(words_of(&"{a,b}".repeat(100)).len() < 100_000);
        assert_eq!(words_of(&"$HOME".repeat(100_000)).len(), 1, "too long to be expanded");
        assert!(words(&"x ".repeat(5000), None, Path::new("/"), 10).len() <= 11);
    }

    #[test]
    fn wildcards_match_as_in_a_shell_or_more() {
        for (pattern, name, expected) in [
            ("*", "jwt.key", true),
            ("jwt.*", "jwt.key", true),
            ("*.db", "jwt.key", false),
            ("j?t.key", "jwt.key", true),
            ("j?t.key", "jt.key", false),
            ("[a-z]wt.key", "jwt.key", true),
            ("[]x]wt.key", "jwt.key", true),
            ("[wt.key", "jwt.key", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-b-b", false),
            ("", "", true),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn a_pattern_leads_inside_if_it_may_match_every_component() {
        let target = Path::new("/var/lib/openrunner");
        for (pattern, expected) in [
            ("/var/lib/open*/jwt.key", true),
            ("/var/*/openrunner", true),
            ("/*/*/*/jwt.key", true),
            ("/var/**/jwt.key", true),
            ("/var/lib/*.d/x", false),
            ("/var/*", false),
            ("/srv/**", false),
        ] {
            assert_eq!(may_lead_inside(Path::new(pattern), target), expected, "{pattern}");
        }
    }

    #[test]
    fn directories_of_commands_are_found() {
        let mut changes = DirectoryChanges::default();
        let words = ["cd", "-P", "..", "make", "-Cout", "git", "-C", "a", "b"];
        let found: Vec<&str> = words.iter().filter_map(|word| changes.directory(word)).collect();
        assert_eq!(found, ["..", "out", "a"]);
    }
}
