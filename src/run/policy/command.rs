//! Matches the command of a request against the beginning of a command, as in `git push`.
//!
//! A rule that allows matches one plain command only. A rule that denies or asks matches any part of a command line, seen through reserved
//! words, assignments, shells and programs that run other programs, see [`Invocations`]. What cannot be seen through is
//! [`Match::Unknown`].

use std::cell::OnceCell;

use serde_json::Value;

use super::Match;
use super::invocations::{Invocations, SHELLS, SYSTEM_DIRS};
use super::shell::is_operator;
use crate::types::ToolKind;

/// Keys of a request's input whose value is a command: a line, or a list of arguments.
const COMMAND_KEYS: [&str; 5] = ["command", "cmd", "shell_command", "script", "argv"];
/// Keys whose value is a list of command lines.
const LIST_KEYS: [&str; 2] = ["commands", "cmds"];
/// Maximum number of commands in one request, and maximum depth at which they are found.
const MAX_COMMANDS: usize = 256;
const MAX_INPUT_DEPTH: usize = 8;

/// The words of a simple command; `None` if it contains operators, quotes or escapes.
pub(super) fn simple_words(text: &str) -> Option<Vec<String>> {
    let simple = !text.contains(is_operator) && !text.contains(['\'', '"', '\\']);
    simple.then(|| text.split_whitespace().map(str::to_owned).collect())
}

/// The commands of one request.
#[derive(Debug, Default)]
pub(super) struct Commands {
    lines: Vec<String>,
    arguments: Vec<Vec<String>>,
    /// The title under which the agent asks. It may be the command, or text about it.
    title: Option<String>,
    /// There is a command that cannot be read, or there are too many.
    unreadable: bool,
    is_execution: bool,
    /// What the commands may run; computed when the first rule needs it.
    invocations: OnceCell<Invocations>,
}

impl Commands {
    /// Collects the commands of a request from all fields of its input.
    pub(super) fn from_request(kind: ToolKind, input: &Value) -> Self {
        let mut commands = Self { is_execution: kind == ToolKind::Execute, ..Self::default() };
        commands.collect(input, 0);
        if commands.is_execution {
            commands.title = input.get("title").and_then(Value::as_str).map(str::to_owned);
        }
        commands
    }

    /// Whether the request names its command.
    pub(super) fn is_known(&self) -> bool {
        !self.unreadable && (!self.lines.is_empty() || !self.arguments.is_empty())
    }

    /// Whether every command is a single plain one that starts with `prefix`.
    pub(super) fn all_start_with(&self, prefix: &[String]) -> bool {
        let plain = |words: &[String]| words.len() >= prefix.len() && words.iter().zip(prefix).all(|(word, expected)| word == expected);
        self.is_known()
            && self.lines.iter().all(|line| plain_words(line).is_some_and(|words| plain(&words)))
            && self.arguments.iter().all(|words| match system_shell_script(words) {
                Some(script) => plain_words(script).is_some_and(|words| plain(&words)),
                None => plain(words),
            })
    }

    /// Whether a part of a command starts with `prefix`.
    pub(super) fn any_starts_with(&self, prefix: &[String]) -> Match {
        let invocations = self.invocations.get_or_init(|| {
            let mut invocations = Invocations::default();
            self.lines.iter().chain(&self.title).for_each(|line| invocations.add_line(line));
            self.arguments.iter().for_each(|words| invocations.add_arguments(words));
            invocations
        });
        match invocations.any_starts_with(prefix) {
            Match::Yes => Match::Yes,
            // It runs something, but does not say what.
            _ if self.is_execution && self.lines.is_empty() && self.arguments.is_empty() => {
                if self.title.is_some() {
                    Match::Unknown
                } else {
                    Match::Yes
                }
            }
            _ if self.unreadable => Match::Unknown,
            other => other,
        }
    }

    fn collect(&mut self, value: &Value, depth: usize) {
        if depth > MAX_INPUT_DEPTH || self.lines.len() + self.arguments.len() >= MAX_COMMANDS {
            self.unreadable = true;
            return;
        }
        match value {
            Value::Object(fields) => {
                for (name, value) in fields {
                    match value {
                        Value::String(line) if COMMAND_KEYS.contains(&&**name) || LIST_KEYS.contains(&&**name) => {
                            self.lines.push(line.clone());
                        }
                        Value::Array(elements) if COMMAND_KEYS.contains(&&**name) => self.add_arguments(elements),
                        Value::Array(elements) if LIST_KEYS.contains(&&**name) => self.add_lines(elements, depth),
                        Value::Null => {}
                        Value::Object(_) | Value::Array(_) => self.collect(value, depth + 1),
                        _ if COMMAND_KEYS.contains(&&**name) || LIST_KEYS.contains(&&**name) => self.unreadable = true,
                        _ => {}
                    }
                }
            }
            Value::Array(elements) => elements.iter().for_each(|element| self.collect(element, depth + 1)),
            _ => {}
        }
    }

    fn add_arguments(&mut self, elements: &[Value]) {
        let words: Option<Vec<String>> = elements.iter().map(|word| word.as_str().map(str::to_owned)).collect();
        match words {
            Some(words) => self.arguments.extend(Some(words).filter(|words| !words.is_empty())),
            None => self.unreadable = true,
        }
    }

    fn add_lines(&mut self, elements: &[Value], depth: usize) {
        for element in elements {
            match element {
                Value::String(line) => self.lines.push(line.clone()),
                other @ (Value::Object(_) | Value::Array(_)) => self.collect(other, depth + 1),
                _ => self.unreadable = true,
            }
        }
        self.unreadable |= self.lines.len() > MAX_COMMANDS;
    }
}

/// The words of a line that a shell runs as exactly one command, without replacing anything in it.
fn plain_words(line: &str) -> Option<Vec<String>> {
    let words = split_plain(line)?;
    match system_shell_script(&words) {
        Some(script) => split_plain(script),
        None => Some(words),
    }
}

fn split_plain(line: &str) -> Option<Vec<String>> {
    // In quotes they are harmless, but a line without them leaves no doubt.
    if line.contains(is_operator) { None } else { shlex::split(line) }
}

/// The script in `/bin/bash -lc '…'`, in which Codex wraps every command. Only for shells of the system: `./sh` is a program of the
/// repository.
fn system_shell_script(words: &[String]) -> Option<&str> {
    let [shell, flags, script] = words else { return None };
    let name = SYSTEM_DIRS.iter().find_map(|dir| shell.strip_prefix(dir)).unwrap_or(shell);
    (SHELLS.contains(&name) && matches!(flags.as_str(), "-c" | "-lc")).then_some(script)
}

#[cfg(test)]
mod tests {
    //! Rules: P2, P3, P4.

    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split(' ').map(str::to_owned).collect()
    }

    /// Whether a rule that allows `git status` matches.
    fn allows(command: &Value) -> bool {
        Commands::from_request(ToolKind::Execute, &json!({ "command": command })).all_start_with(&words("git status"))
    }

    /// Whether a rule that denies `prefix` matches.
    fn denies(prefix: &str, command: &Value) -> Match {
        Commands::from_request(ToolKind::Execute, &json!({ "command": command })).any_starts_with(&words(prefix))
    }

    #[test]
    fn an_allow_rule_matches_a_plain_command_word_by_word() {
        for command in [
            json!("git status"),
            json!("git  status -s"),
            json!("'git' status"),
            json!(["git", "status"]),
            json!("/bin/bash -lc 'git status'"),
            json!("bash -c 'git status -s'"),
            json!(["/usr/bin/sh", "-c", "git status"]),
        ] {
            assert!(allows(&command), "{command}");
        }
        for command in
            [json!("git statusx"), json!("git"), json!("sudo git status"), json!("GIT status"), json!(7), json!(["git", 7]), json!([])]
        {
            assert!(!allows(&command), "{command}");
        }
    }

    #[test]
    fn an_allow_rule_does_not_unwrap_a_shell_of_the_repository() {
        for shell in ["./sh", "bin/bash", "/tmp/x/bash", "../zsh", "/bin/../tmp/sh", "/bin/./x/sh"] {
            assert!(!allows(&json!(format!("{shell} -c 'git status'"))), "{shell}");
            assert!(!allows(&json!([shell, "-c", "git status"])), "{shell}");
        }
        for command in [
            "bash -ec 'git status'",
            "bash --rcfile x -c 'git status'",
            "PATH=. git status",
            "env git status",
            "./git status",
            "bash -c git status",
        ] {
            assert!(!allows(&json!(command)), "{command}");
        }
    }

    #[test]
    fn an_allow_rule_does_not_match_compound_commands() {
        for tail in ["; rm -rf /", " && rm x", " | sh", "\nrm x", " $(rm x)", " `rm x`", " > /etc/passwd", " & rm x", " <(rm x)", "\rrm x"]
        {
            let line = format!("git status{tail}");
            assert!(!allows(&json!(line)), "{tail}");
            assert!(!allows(&json!(["bash", "-c", line])), "wrapped {tail}");
        }
    }

    #[test]
    fn an_allow_rule_must_match_every_command_of_a_request() {
        let allows = |input: Value| Commands::from_request(ToolKind::Execute, &input).all_start_with(&words("git status"));
        assert!(allows(json!({ "commands": ["git status", "git status -s"] })));
        assert!(!allows(json!({ "commands": ["git status", "rm x"] })));
        assert!(!allows(json!({ "command": "git status", "arguments": { "cmd": "rm x" } })));
        assert!(!allows(json!({ "command": "git status", "cmd": 7 })));
        assert!(!allows(json!({ "title": "git status" })), "a title is text about a command, not the command");
        assert!(!allows(json!({})));
    }

    #[test]
    fn a_deny_rule_matches_every_spelling_that_can_be_seen_through() {
        for command in [
            "rm x",
            "/bin/rm x",
            "\\rm x",
            "'r'm x",
            "r\\\nm x",
            "cd /x && rm x",
            "true; rm x",
            "true & rm x",
            "true\nrm x",
            "echo $(rm x)",
            "echo `rm x`",
            "echo \"${y:-$(rm x)}\"",
            "cat <(rm x)",
            "(rm x)",
            "{ rm x; }",
            "! rm x",
            "time rm x",
            "if true; then rm x; fi",
            "for y in 1 2; do rm x; done",
            "for y do rm x; done",
            "while rm x; do :; done",
            "case 1 in 1) rm x;; esac",
            "f() { rm x; }; f",
            "function f { rm x; }; f",
            "A=b C=d rm x",
            "> /dev/null rm x",
            "2>&1 rm x",
            "env -i A=b rm x",
            "command rm x",
            "nohup rm x",
            "exec -a y rm x",
            "timeout -k 1 5 rm x",
            "sudo -u y env A=b nice -n 5 rm x",
            "echo x | xargs -n1 rm",
            "find . -name y -exec rm {} +",
            "find . -exec sudo rm {} +",
            "bash -c 'rm x'",
            "bash -ec 'cd y; rm x'",
            "bash -o pipefail -c 'rm x'",
            "./sh -c 'rm x'",
            "sudo sh -c 'sh -c \"rm x\"'",
            "su -c 'rm x' y",
            "eval rm x",
            "eval 'rm x'",
            "ssh host 'cd y; rm x'",
            "trap 'rm x' EXIT",
            "busybox rm x",
            "coproc rm x",
            "# don't\nrm x\n# can't",
            "echo \"it's\" # y\nrm x",
            "cat <<E\n$(rm x)\nE",
        ] {
            assert_eq!(denies("rm", &json!(command)), Match::Yes, "{command}");
        }
        for arguments in [json!(["rm", "x"]), json!(["bash", "-lc", "cd y; rm x"]), json!(["env", "rm", "x"])] {
            assert_eq!(denies("rm", &arguments), Match::Yes, "{arguments}");
        }
    }

    #[test]
    fn a_deny_rule_sees_through_options_between_its_words() {
        for command in ["git push", "git -C /x push", "git --no-pager -c a=b push origin", "/usr/bin/git push", "git -c push.x=y push"] {
            assert_eq!(denies("git push", &json!(command)), Match::Yes, "{command}");
        }
        for command in ["git status", "git pushx", "git commit -m push-later", "gitx push", "echo git push", "git log push"] {
            assert_eq!(denies("git push", &json!(command)), Match::No, "{command}");
        }
    }

    #[test]
    fn what_cannot_be_seen_through_is_unknown() {
        for command in [
            "$x y",
            "r${y}m x",
            "\"$(echo rm)\" x",
            "`echo rm` x",
            "$'\\x72m' x",
            "r? x",
            "/bin/r* x",
            "{rm,x}",
            "[r]m x",
            "sudo $x",
            "eval \"$x\"",
            "alias y=z; y",
            "bash -c \"$x\"",
            "bash --unknown x -c 'true'",
            "echo x | bash",
            "bash <<< x",
            "bash -s y",
            "bash /dev/stdin",
            "source <(cat y)",
            ". /dev/fd/3",
            "echo 'not closed",
            "echo $(not closed",
        ] {
            assert_eq!(denies("rm", &json!(command)), Match::Unknown, "{command}");
        }
        assert_eq!(denies("git push", &json!("git $x")), Match::Unknown);
        assert_eq!(denies("git push", &json!("echo push | xargs git")), Match::Unknown);
        assert_eq!(denies("rm", &json!("x ".repeat(40_000))), Match::Unknown, "too long");
        assert_eq!(denies("rm", &json!(format!("{}x{}", "$(".repeat(30), ")".repeat(30)))), Match::Unknown, "nested too deeply");
    }

    #[test]
    fn ordinary_commands_are_known_not_to_match() {
        for command in [
            "cargo test --workspace -- --nocapture",
            "ls -la *.rs",
            "grep -rn \"$pattern\" src | head -20",
            "for file in *.txt; do echo \"$file\"; done",
            "git commit -m \"remove $x; rm is mentioned\"",
            "python3 script.py --rm",
            "cd x && npm run build > log 2>&1",
            "bash script.sh rm",
            "[ -f x ] && [[ -d y ]] && echo yes",
            "find . -name rm",
            "echo {a,b} rm",
        ] {
            assert_eq!(denies("rm", &json!(command)), Match::No, "{command}");
        }
    }

    #[test]
    fn a_command_that_the_agent_hides_meets_every_rule_that_denies() {
        let denies = |kind, input: Value| Commands::from_request(kind, &input).any_starts_with(&words("touch"));
        assert_eq!(denies(ToolKind::Execute, json!({})), Match::Yes);
        assert_eq!(denies(ToolKind::Execute, json!({ "title": "touch made.txt" })), Match::Yes);
        assert_eq!(denies(ToolKind::Execute, json!({ "title": "Make a file" })), Match::Unknown);
        assert_eq!(denies(ToolKind::Execute, json!({ "command": "ls", "title": "touch x" })), Match::Yes, "both count");
        assert_eq!(denies(ToolKind::Execute, json!({ "commands": ["ls", "touch x"] })), Match::Yes);
        assert_eq!(denies(ToolKind::Execute, json!({ "arguments": { "command": "touch x" } })), Match::Yes);
        assert_eq!(denies(ToolKind::Execute, json!({ "command": { "unknown": "form" } })), Match::Yes);
        assert_eq!(denies(ToolKind::Execute, json!({ "command": 7, "cmd": "ls" })), Match::Unknown);
        assert_eq!(denies(ToolKind::Edit, json!({ "file_path": "touch" })), Match::No);
    }

    #[test]
    fn hostile_commands_are_analyzed_in_bounded_time() {
        let lines =
            ["sudo sh -c 'x y' ", "find -exec ", "git -a ", "bash -o ", "env 'a b' ", "$(", "`\\`", "\"$(", "# ' \n", "{a,", "eval "];
        for line in lines {
            let line = line.repeat(60_000 / line.len());
            let commands = Commands::from_request(ToolKind::Execute, &json!({ "commands": vec![line; 20] }));
            let before = std::time::Instant::now();
            for _ in 0..10 {
                commands.any_starts_with(&words("git push"));
            }
            // A hundred times what it takes, for slow and busy machines.
            assert!(before.elapsed() < std::time::Duration::from_secs(20));
        }
    }

    proptest! {
        #[test]
        fn no_command_causes_a_panic(line in any::<String>(), shell in r#"([a ;&|$(){}'"`\\\n<>#*=!-]|\$\(|sudo |bash -c |rm ){0,40}"#) {
            for line in [line, shell] {
                let commands = Commands::from_request(ToolKind::Execute, &json!({ "command": line, "title": line }));
                commands.any_starts_with(&words("rm x"));
                commands.all_start_with(&words("rm"));
            }
        }

        /// Independently of what precedes it, a command behind a separator is found or the line is not understood. What precedes it does not
        /// end with a backslash, behind which the separator is an ordinary character.
        #[test]
        fn a_command_cannot_be_hidden_by_what_precedes_it(before in r#"[a ;&|$(){}'"`\\<>#*=-]{0,12}[a $('"`<>*-]"#, separator in "[;\n]") {
            prop_assert_ne!(denies("rm", &json!(format!("{before}{separator}rm x"))), Match::No);
        }
    }
}
