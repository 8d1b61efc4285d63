//! Ignore files, as in gitignore(5).

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use globset::{Candidate, Glob, GlobBuilder, GlobSet, GlobSetBuilder};

/// Maximum number of patterns of one file. The rest is not read.
const MAX_PATTERNS: usize = 2000;

/// Maximum length of a pattern, in bytes. Longer ones match nothing.
const MAX_PATTERN: usize = 1024;

/// The patterns of one ignore file. They apply to paths relative to its directory.
#[derive(Debug)]
pub(super) struct Ignore {
    globs: GlobSet,
    patterns: Vec<Pattern>,
}

#[derive(Clone, Copy, Debug)]
struct Pattern {
    /// Whether it takes an exclusion back.
    negated: bool,
    directories_only: bool,
}

impl Ignore {
    /// Reads the patterns. Those that are invalid match nothing. `None` if there are none.
    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(text);
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        let (mut globs, mut patterns) = (GlobSetBuilder::new(), Vec::new());
        for (glob, pattern) in text.lines().filter_map(parse_line).take(MAX_PATTERNS) {
            globs.add(glob);
            patterns.push(pattern);
        }
        // It fails if the patterns are too large together.
        let globs = globs.build().ok().filter(|_| !patterns.is_empty())?;
        Some(Self { globs, patterns })
    }

    /// Whether a path is ignored; `None` if no pattern matches it.
    pub(super) fn decision(&self, path: &[u8], is_directory: bool) -> Option<bool> {
        let matching = self.globs.matches_candidate(&Candidate::new(Path::new(OsStr::from_bytes(path))));
        // In the order of the patterns, of which the last one decides.
        let last =
            matching.into_iter().rev().map(|index| self.patterns[index]).find(|pattern| is_directory || !pattern.directories_only)?;
        Some(!last.negated)
    }
}

fn parse_line(line: &str) -> Option<(Glob, Pattern)> {
    let line = trim_end(line.strip_suffix('\r').unwrap_or(line));
    if line.is_empty() || line.starts_with('#') || line.len() > MAX_PATTERN {
        return None;
    }
    let (negated, line) = line.strip_prefix('!').map_or((false, line), |rest| (true, rest));
    let (directories_only, line) = line.strip_suffix('/').map_or((false, line), |rest| (true, rest));
    let is_anchored = line.contains('/');
    let line = line.strip_prefix('/').unwrap_or(line);
    if line.is_empty() {
        return None;
    }
    let glob = if is_anchored { escape_braces(line) } else { format!("**/{}", escape_braces(line)) };
    let glob = GlobBuilder::new(&glob).literal_separator(true).backslash_escape(true).build().ok()?;
    Some((glob, Pattern { negated, directories_only }))
}

/// Removes trailing spaces, except for one after a backslash.
fn trim_end(line: &str) -> &str {
    let trimmed = line.trim_end_matches(' ');
    let escapes = trimmed.len() - trimmed.trim_end_matches('\\').len();
    if escapes % 2 == 1 && trimmed.len() < line.len() { &line[..=trimmed.len()] } else { trimmed }
}

/// Braces mean nothing in ignore files, but alternatives to the library.
fn escape_braces(pattern: &str) -> String {
    let (mut escaped, mut is_escaped, mut in_class) = (String::with_capacity(pattern.len()), false, false);
    for character in pattern.chars() {
        match character {
            '{' | '}' if !is_escaped && !in_class => escaped.push('\\'),
            '[' if !is_escaped => in_class = true,
            ']' if !is_escaped => in_class = false,
            _ => {}
        }
        is_escaped = character == '\\' && !is_escaped;
        escaped.push(character);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_ignored(patterns: &str, path: &str, is_directory: bool) -> bool {
        Ignore::parse(patterns.as_bytes()).and_then(|ignore| ignore.decision(path.as_bytes(), is_directory)).unwrap_or(false)
    }

    #[test]
    fn patterns_match_as_in_gitignore() {
        for (pattern, path) in [
            ("*.o", "a/b/x.o"),
            ("/x", "x"),
            ("a/b", "a/b"),
            ("a/*/c", "a/b/c"),
            ("**/deep", "a/b/deep"),
            ("a/**/z", "a/z"),
            ("a/**/z", "a/b/c/z"),
            ("logs/**", "logs/x/y"),
            ("[ab].txt", "b.txt"),
            ("[!ab].txt", "c.txt"),
            ("\\#x", "#x"),
            ("\\!x", "!x"),
            ("x\\ ", "x "),
            ("x  ", "x"),
            ("{a,b}", "{a,b}"),
            ("x\r", "x"),
        ] {
            assert!(is_ignored(pattern, path, false), "{pattern} matches {path}");
        }
        for (pattern, path) in
            [("*.o", "x.oo"), ("/x", "a/x"), ("a/b", "c/a/b"), ("a/*/c", "a/c"), ("a/*", "a/b/c"), ("#x", "#x"), ("{a,b}", "a"), ("[", "[")]
        {
            assert!(!is_ignored(pattern, path, false), "{pattern} does not match {path}");
        }
    }

    #[test]
    fn a_pattern_with_a_slash_at_its_end_matches_directories_only() {
        assert!(is_ignored("build/", "a/build", true));
        assert!(!is_ignored("build/", "build", false));
        // An earlier pattern decides where the last one does not match.
        assert!(is_ignored("build\n!build/", "build", false));
    }

    #[test]
    fn the_last_pattern_that_matches_decides() {
        assert!(!is_ignored("*.log\n!keep.log", "keep.log", false));
        assert!(is_ignored("!keep.log\n*.log", "keep.log", false));
    }
}
