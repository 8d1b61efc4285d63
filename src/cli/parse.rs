//! Parses the command line, beyond what clap can express.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{ArgMatches, FromArgMatches};

use super::error::Report;
use super::exit::Exit;
use super::tree::{self, Cli};

/// Commands that work on this machine only, where `--server` would be misleading.
const LOCAL: [&str; 10] = ["serve", "backup", "restore", "store", "config", "doctor", "demo", "completions", "man", "server"];

/// Parses the arguments, program name included.
///
/// # Errors
/// The usage error, or help or version to print.
pub(super) fn parse(arguments: &[OsString]) -> Result<Cli, clap::Error> {
    let mut command = tree::command();
    let mut matches = command.try_get_matches_from_mut(arguments)?;
    refuse_stray_arguments(&mut command, &matches)?;
    refuse_server(&mut command, &matches)?;
    Cli::from_arg_matches_mut(&mut matches).map_err(|error| error.format(&mut command))
}

/// Prints help, the version or a usage error.
pub(super) fn report(error: &clap::Error, arguments: &[OsString]) -> Exit {
    let is_json = arguments.iter().skip(1).take_while(|argument| *argument != "--").any(|argument| argument == "--json");
    match Report::from_clap(error) {
        Some(report) if is_json => report.print(true),
        // Standard output may be closed, as in `openrunner --help | head`.
        Some(_) | None => drop(error.print()),
    }
    if error.use_stderr() { Exit::Usage } else { Exit::Success }
}

/// Refuses arguments of a command before the name of its subcommand, as in `openrunner --addr X ls` and `openrunner run "prompt" ls`:
/// clap would accept and ignore them.
fn refuse_stray_arguments(command: &mut clap::Command, matches: &ArgMatches) -> Result<(), clap::Error> {
    let Some((name, sub)) = matches.subcommand() else { return Ok(()) };
    let stray = command.get_arguments().filter(|argument| !argument.is_global_set()).find(|argument| {
        let id = argument.get_id().as_str();
        matches.try_contains_id(id).is_ok_and(|is_known| is_known) && matches.value_source(id) == Some(ValueSource::CommandLine)
    });
    if let Some(stray) = stray {
        let mut error = clap::Error::new(ErrorKind::ArgumentConflict).with_cmd(command);
        error.insert(ContextKind::InvalidArg, ContextValue::String(stray.to_string()));
        error.insert(ContextKind::PriorArg, ContextValue::String(format!("{} {name}", command.get_bin_name().unwrap_or("openrunner"))));
        return Err(error);
    }
    match command.find_subcommand_mut(name) {
        Some(command) => refuse_stray_arguments(command, sub),
        None => Ok(()),
    }
}

fn refuse_server(command: &mut clap::Command, matches: &ArgMatches) -> Result<(), clap::Error> {
    let name = matches.subcommand_name().unwrap_or("serve");
    let is_given = matches.value_source("server") == Some(ValueSource::CommandLine);
    let is_local_agent_command =
        name == "agent" && matches.subcommand_matches(name).and_then(ArgMatches::subcommand_name).is_some_and(|sub| sub != "ls");
    if !is_given || !(LOCAL.contains(&name) || is_local_agent_command) {
        return Ok(());
    }
    let mut error = clap::Error::new(ErrorKind::ArgumentConflict).with_cmd(command);
    error.insert(ContextKind::InvalidArg, ContextValue::String("--server <NAME|URL>".to_owned()));
    error.insert(ContextKind::PriorArg, ContextValue::String(format!("openrunner {name}")));
    Err(error)
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;
    use crate::cli::tree::{Command, RunCommand};

    fn parsed(line: &[&str]) -> Result<Cli, clap::Error> {
        let arguments: Vec<OsString> = ["openrunner"].iter().chain(line).map(Into::into).collect();
        parse(&arguments)
    }

    /// Visits each visible command with its path, such as `run ls`.
    fn each_command(command: &clap::Command, path: &str, visit: &mut dyn FnMut(&str, &clap::Command)) {
        visit(path, command);
        for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set() && sub.get_name() != "help") {
            each_command(sub, format!("{path} {}", sub.get_name()).trim(), visit);
        }
    }

    #[test]
    fn the_command_tree_is_consistent() {
        tree::command().debug_assert();
    }

    #[test]
    fn without_a_command_the_program_serves() {
        let bare = parsed(&["--addr", "127.0.0.1:0"]).unwrap();
        assert!(bare.command.is_none() && bare.flags.addr.is_some());
        let serve = parsed(&["serve", "--addr", "127.0.0.1:0"]).unwrap();
        assert!(matches!(serve.command, Some(Command::Serve { flags }) if flags.addr.is_some()));
    }

    #[test]
    fn global_flags_may_stand_anywhere() {
        for line in [&["--json", "run", "ls"][..], &["run", "--json", "ls"], &["run", "ls", "--json"]] {
            let cli = parsed(line).unwrap();
            let Some(Command::Run(group)) = cli.command else { panic!("{line:?}") };
            assert!(cli.output.json && matches!(group.command, Some(RunCommand::Ls(_))), "{line:?}");
        }
        assert_eq!(parsed(&["ls", "--server", "office"]).unwrap().server.server.as_deref(), Some("office"));
    }

    #[test]
    fn run_takes_a_prompt_or_a_command() {
        let prompt = |line: &[&str]| match parsed(line).unwrap().command {
            Some(Command::Run(group)) => {
                assert!(group.command.is_none(), "{line:?}");
                group.start.prompt
            }
            other => panic!("{other:?}"),
        };
        assert_eq!(prompt(&["run", "fix the test"]).as_deref(), Some("fix the test"));
        assert_eq!(prompt(&["run", "-"]).as_deref(), Some("-"));
        assert_eq!(prompt(&["run", "--", "--help"]).as_deref(), Some("--help"));
        assert_eq!(prompt(&["run", "--", "show"]).as_deref(), Some("show"));
        assert_eq!(prompt(&["run", "-a", "demo", "--", "ls"]).as_deref(), Some("ls"));
        assert_eq!(prompt(&["run"]), None);
    }

    #[test]
    fn short_flags_have_one_meaning() {
        let mut meanings = std::collections::BTreeMap::<char, String>::new();
        let mut command = tree::command();
        command.build();
        each_command(&command, "", &mut |path, command| {
            for argument in command.get_arguments() {
                // `run -f image.png` gives a file, while `-f` follows a log elsewhere, as in the programs that people know.
                if path == "run" && argument.get_short() == Some('f') {
                    continue;
                }
                if let (Some(short), Some(long)) = (argument.get_short(), argument.get_long()) {
                    let meaning = meanings.entry(short).or_insert_with(|| long.to_owned());
                    assert_eq!(meaning, long, "-{short} of `{path}`");
                }
            }
        });
        assert!(meanings.len() > 8, "{meanings:?}");
    }

    #[test]
    fn every_argument_has_a_help_text_in_plain_form() {
        let mut command = tree::command();
        command.build();
        each_command(&command, "", &mut |path, command| {
            assert!(command.get_about().is_some(), "`{path}` has no help");
            for argument in command.get_arguments() {
                let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
                assert!(!help.is_empty() && !help.ends_with('.'), "`{path}` {argument}: {help:?}");
            }
        });
    }

    #[test]
    fn the_help_of_every_command_is_as_reviewed() {
        let mut command = tree::command().term_width(110);
        command.build();
        let mut paths = Vec::new();
        each_command(&command, "", &mut |path, _command| paths.push(path.to_owned()));
        let mut settings = insta::Settings::clone_current();
        settings.set_prepend_module_to_snapshot(false);
        settings.bind(|| {
            for path in paths {
                let line = ["openrunner"].into_iter().chain(path.split(' ').filter(|word| !word.is_empty())).chain(["--help"]);
                let help = tree::command().term_width(110).try_get_matches_from(line).unwrap_err().to_string();
                insta::assert_snapshot!(format!("help_{}", path.replace([' ', '-'], "_")).trim_end_matches('_').to_owned(), help);
            }
        });
    }

    /// Command lines that are refused without asking a server.
    const MISTAKES: &[&[&str]] = &[
        &["frobnicate"],
        &["lss"],
        &["--addr", "localhost"],
        &["--addr", "127.0.0.1:1", "ls"],
        &["--colour", "never"],
        &["--color", "maybe", "ls"],
        &["-q", "-v", "ls"],
        &["serve", "--port", "80"],
        &["serve", "--server", "x"],
        &["run", "x", "--file", "y"],
        &["run", "x", "ls"],
        &["run", "x", "--timeout", "soon"],
        &["run", "x", "--timeout", "0"],
        &["run", "x", "-p", "maybe"],
        &["run", "x", "--label", "=y"],
        &["run", "x", "y"],
        &["ls", "-n", "201"],
        &["ls", "-n", "many"],
        &["ls", "--all", "-n", "5"],
        &["ls", "--status", "odd"],
        &["ls", "--since", "yesterday"],
        &["ls", "--owner", "../x"],
        &["show"],
        &["attach", "last", "--from", "3", "--tail", "3"],
        &["attach", "last", "--from", "x"],
        &["logs"],
        &["changes", "last", "--stat", "--patch"],
        &["changes", "last", "--turn", "x"],
        &["files", "last", "a", "--changed"],
        &["revert", "last"],
        &["revert", "last", "--turn", "1", "--snapshot", "x"],
        &["apply", "last", "--turn", "x"],
        &["send", "last", "x", "--steer", "--interrupt"],
        &["wait", "last", "--timeout", "x"],
        &["retry"],
        &["cancel"],
        &["rm"],
        &["requests", "show"],
        &["answer", "last"],
        &["answer", "last", "--allow", "--deny"],
        &["answer", "last", "--allow", "--message", "x"],
        &["session", "show"],
        &["auth"],
        &["auth", "logon"],
        &["login", "x", "y"],
        &["logout", "x", "y"],
        &["user", "create"],
        &["user", "create", "../x"],
        &["user", "create", "dora", "--role", "king"],
        &["user", "set", "dora"],
        &["user", "rm"],
        &["user", "budget", "dora", "--tokens-per-day", "many"],
        &["user", "ls", "--server", "x", "--data-dir", "y"],
        &["key", "create", "--name", "ci"],
        &["key", "create", "--name", "ci", "--scope", "all"],
        &["key", "create", "--name", "ci", "--scope", "admin", "--expires-in-days", "0"],
        &["key", "rm", "ci"],
        &["profile", "set", "a/b"],
        &["profile", "set", "x", "--permission-mode", "odd"],
        &["profile", "rm"],
        &["budget", "set", "--cost-per-day-usd", "-1"],
        &["usage", "--by", "month"],
        &["usage", "--since", "2026-13-01"],
        &["audit", "ls", "--since", "x"],
        &["webhook", "deliveries", "--status", "lost"],
        &["server", "rm"],
        &["agent", "install", "--global", "--prefix", "/x"],
        &["agent", "check"],
        &["config", "edit"],
        &["doctor", "--fix"],
        &["health", "x"],
        &["backup"],
        &["backup", "x", "--server", "office"],
        &["restore"],
        &["branch", "last"],
        &["session", "rm-workspace"],
        &["store", "migrate"],
        &["demo", "a", "b"],
        &["mcp", "stdio"],
        &["acp", "--mode", "never"],
        &["key", "create", "--name", "ci", "--scope", "runs:read", "--on-disconnect", "wait"],
        &["completions", "tcsh"],
        &["man", "ls"],
    ];

    #[test]
    fn usage_errors_are_as_reviewed() {
        let mut all = String::new();
        for line in MISTAKES {
            let error = parsed(line).err().unwrap_or_else(|| panic!("{line:?} is accepted"));
            let report = Report::from_clap(&error).unwrap_or_else(|| panic!("{line:?} prints help"));
            let hint = report.hint.map(|hint| format!("\n  hint: {hint}")).unwrap_or_default();
            writeln!(all, "openrunner {}\n  {}{hint}", line.join(" "), report.message).unwrap();
        }
        let mut settings = insta::Settings::clone_current();
        settings.set_prepend_module_to_snapshot(false);
        settings.bind(|| insta::assert_snapshot!("usage_errors", all));
        let mut command = tree::command();
        command.build();
        each_command(&command, "", &mut |path, _command| {
            let first = path.split(' ').next().unwrap_or_default();
            assert!(path.is_empty() || MISTAKES.iter().any(|line| line.contains(&first)), "no mistake of `{path}` is tested");
        });
    }
}
