//! What a command line may run: every simple command in it, and what programs such as `sudo`, `env` and `bash -c` run in turn.

use super::Match;
use super::shell::{Budget, Word, is_operator};

pub(super) const SHELLS: [&str; 10] = ["sh", "bash", "zsh", "dash", "ksh", "mksh", "ash", "fish", "rbash", "yash"];
/// Directories whose shells are those of the system.
pub(super) const SYSTEM_DIRS: [&str; 3] = ["/bin/", "/usr/bin/", "/usr/local/bin/"];
/// Programs that run the program named somewhere in their arguments, or a script in one of them.
const WRAPPERS: [&str; 52] = [
    "arch",
    "bwrap",
    "builtin",
    "busybox",
    "caffeinate",
    "chroot",
    "chrt",
    "command",
    "coproc",
    "dbus-run-session",
    "doas",
    "entr",
    "env",
    "exec",
    "fakeroot",
    "faketime",
    "firejail",
    "flock",
    "ionice",
    "ltrace",
    "nice",
    "nix-shell",
    "nohup",
    "nsenter",
    "parallel",
    "pkexec",
    "prlimit",
    "proot",
    "rlwrap",
    "runuser",
    "script",
    "setarch",
    "setpriv",
    "setsid",
    "ssh",
    "start-stop-daemon",
    "stdbuf",
    "strace",
    "su",
    "sudo",
    "systemd-inhibit",
    "systemd-run",
    "taskset",
    "time",
    "timeout",
    "toybox",
    "trap",
    "unbuffer",
    "unshare",
    "watch",
    "xargs",
    "xvfb-run",
];
/// Wrappers that append words which they read to the command in their arguments.
const APPENDING: [&str; 2] = ["parallel", "xargs"];
/// Builtins that run text or change what later commands mean.
const OPAQUE: [&str; 3] = ["alias", "eval", "hash"];
/// Options of `find` that are followed by a command.
const FIND_ACTIONS: [&str; 4] = ["-exec", "-execdir", "-ok", "-okdir"];

/// Maximum number of invocations in one request.
const MAX_INVOCATIONS: usize = 20_000;
/// Maximum nesting of scripts in arguments.
const MAX_DEPTH: usize = 8;
/// Maximum number of arguments that are compared or read as options.
const MAX_ARGUMENTS: usize = 64;

/// The program calls that the commands of a request may cause.
#[derive(Debug, Default)]
pub(super) struct Invocations {
    commands: Vec<Vec<Word>>,
    all: Vec<Invocation>,
    /// Something could not be seen through.
    unknown: bool,
    budget: Budget,
    depth: usize,
}

/// The words of a command from a position on.
#[derive(Clone, Copy, Debug)]
struct Invocation {
    command: usize,
    start: usize,
    /// Further words follow that are not known.
    is_open: bool,
}

impl Invocations {
    /// Adds a command line.
    pub(super) fn add_line(&mut self, line: &str) {
        if self.depth == MAX_DEPTH {
            self.unknown = true;
            return;
        }
        let script = self.budget.read(line);
        self.unknown |= script.incomplete;
        self.depth += 1;
        script.commands.into_iter().for_each(|command| self.add_command(command));
        self.depth -= 1;
    }

    /// Adds a program call without a shell.
    pub(super) fn add_arguments(&mut self, words: &[String]) {
        self.add_command(words.iter().map(Word::literal).collect());
    }

    /// Whether any of them starts with `prefix`.
    pub(super) fn any_starts_with(&self, prefix: &[String]) -> Match {
        let mut result = if self.unknown { Match::Unknown } else { Match::No };
        for invocation in &self.all {
            let words = &self.commands[invocation.command][invocation.start..];
            match starts_with(words, prefix, invocation.is_open) {
                Match::Yes => return Match::Yes,
                Match::Unknown => result = Match::Unknown,
                Match::No => {}
            }
        }
        result
    }

    fn add_command(&mut self, command: Vec<Word>) {
        let start = syntax_length(&command);
        let words = &command[start..];
        let Some(first) = words.first() else { return };
        let mut scripts = Vec::new();
        let mut starts = vec![(start, false)];
        let name = program_name(&first.text);
        if SHELLS.contains(&name) {
            scripts.extend(self.shell_script(&words[1..]));
        } else if OPAQUE.contains(&name) {
            self.unknown = true;
            // `eval` joins its arguments.
            scripts.push(words[1..].iter().map(|word| &*word.text).collect::<Vec<_>>().join(" "));
        } else if matches!(name, "source" | ".") {
            self.unknown |= words.get(1).is_none_or(reads_a_stream);
        } else if name == "find" {
            if let Some(action) = words.iter().position(|word| FIND_ACTIONS.contains(&&*word.text)) {
                self.add_wrapped(&command, start + action + 1, false, &mut starts, &mut scripts);
            }
        } else if WRAPPERS.contains(&name) {
            self.add_wrapped(&command, start + 1, APPENDING.contains(&name), &mut starts, &mut scripts);
        }
        if self.all.len() + starts.len() > MAX_INVOCATIONS {
            self.unknown = true;
            return;
        }
        let index = self.commands.len();
        self.commands.push(command);
        self.all.extend(starts.into_iter().map(|(start, is_open)| Invocation { command: index, start, is_open }));
        for script in scripts {
            self.add_line(&script);
        }
    }

    /// Adds what a wrapper runs. Any of its arguments, of which the first is `first`, may be the program, since its options are not known.
    fn add_wrapped(&mut self, command: &[Word], first: usize, is_open: bool, starts: &mut Vec<(usize, bool)>, scripts: &mut Vec<String>) {
        for index in first..command.len() {
            let start = index + syntax_length(&command[index..]);
            let Some(word) = command.get(start) else { continue };
            starts.push((start, is_open));
            let name = program_name(&word.text);
            if SHELLS.contains(&name) {
                scripts.extend(self.shell_script(&command[start + 1..]));
            }
            self.unknown |= OPAQUE.contains(&name);
            let argument = &command[index].text;
            if argument.contains(|char: char| char.is_whitespace() || is_operator(char)) {
                scripts.push(argument.clone());
            }
        }
    }

    /// The script that a shell with these arguments runs, if it is one of them.
    fn shell_script(&mut self, arguments: &[Word]) -> Option<String> {
        const FLAGS: &str = "abefhiklmnprstuvxBCDEHPTc";
        const LONG_FLAGS: [&str; 5] = ["--login", "--norc", "--noprofile", "--posix", "--verbose"];
        let (mut has_script, mut reads_stdin) = (false, false);
        let mut arguments = arguments.iter().take(MAX_ARGUMENTS);
        while let Some(word) = arguments.next() {
            match word.text.strip_prefix(['-', '+']).filter(|flags| !flags.is_empty() && !word.dynamic) {
                Some("-") => {}
                Some(_) if LONG_FLAGS.contains(&&*word.text) => {}
                Some("o" | "O") => drop(arguments.next()),
                Some(flags) if flags.chars().all(|flag| FLAGS.contains(flag)) => {
                    has_script |= flags.contains('c');
                    reads_stdin |= flags.contains('s');
                }
                Some(_) => self.unknown = true,
                None if has_script => {
                    self.unknown |= word.dynamic;
                    return Some(word.text.clone());
                }
                // A file. Its content is as unknown as that of any other program.
                None => {
                    self.unknown |= reads_stdin || word.text == "-" || reads_a_stream(word);
                    return None;
                }
            }
        }
        // It reads its commands from a pipe or a here-document.
        self.unknown = true;
        None
    }
}

/// Whether a file may be the output of another command.
fn reads_a_stream(file: &Word) -> bool {
    file.dynamic || file.text.starts_with("/dev/") || file.text.starts_with("/proc/")
}

/// Compares a simple command with a prefix. Options between the words of the prefix are skipped, with a value each.
fn starts_with(words: &[Word], prefix: &[String], is_open: bool) -> Match {
    let (Some(program), Some(first)) = (prefix.first(), words.first()) else { return Match::No };
    if first.dynamic {
        return Match::Unknown;
    }
    let name = if program.contains('/') { &*first.text } else { program_name(&first.text) };
    if name != program {
        return Match::No;
    }
    let mut expected = prefix[1..].iter().peekable();
    let mut after_option = false;
    for word in words[1..].iter().take(MAX_ARGUMENTS) {
        let Some(next) = expected.peek() else { break };
        if word.dynamic {
            return Match::Unknown;
        }
        let is_option = word.text.starts_with('-');
        if word.text == **next {
            expected.next();
        } else if !is_option && !after_option {
            return Match::No;
        }
        after_option = is_option && !word.text.contains('=');
    }
    match expected.peek() {
        None => Match::Yes,
        Some(_) if is_open || words.len() > MAX_ARGUMENTS => Match::Unknown,
        Some(_) => Match::No,
    }
}

/// The number of words that may precede a program's name: reserved words and assignments.
fn syntax_length(words: &[Word]) -> usize {
    let mut length = 0;
    while let Some(first) = words.get(length) {
        length += match () {
            // `for x do rm; done` has no separator before `do`.
            () if first.is_loop() => {
                words[length..].iter().position(|word| word.text == "do").map_or(words.len() - length, |index| index + 1)
            }
            () if first.is_reserved() && first.text == "function" => 2,
            () if first.is_reserved() || first.is_assignment() => 1,
            () => break,
        };
    }
    length.min(words.len())
}

/// The last component of a program's path. zsh replaces `=name` by the program's path.
fn program_name(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.strip_prefix('=').unwrap_or(name)
}
