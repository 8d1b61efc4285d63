//! The form of the commands that speak with a server, and of those that look at this machine.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

use super::client::ServerArgs;
use crate::config::Flags;
use crate::types::{Day, MessageMode, PermissionMode, UserName};

/// Commands for people who use agents, and for the operator who looks after the machine.
#[derive(Debug, Subcommand)]
pub enum ClientCommand {
    /// Have an agent carry out a prompt, and watch it
    Run(RunArgs),
    /// Watch a run and take part in it, from its beginning or from anywhere
    Attach(AttachArgs),
    /// Print what has happened in a run
    Logs(LogsArgs),
    /// List runs, newest first
    Ls(LsArgs),
    /// Tell everything about one run
    Show(OneRun),
    /// End a run with all its processes
    Cancel(OneRun),
    /// Say something more to a live run
    Send(SendArgs),
    /// List conversations, newest first
    Sessions(SessionsArgs),
    /// Add up what runs have used, in tokens and money
    Usage(UsageArgs),
    /// Tell which agents the server finds, or install them
    Agents(AgentsArgs),
    /// Ask a server whether it is well; needs no login
    Health(HealthArgs),
    /// Log in to a server and keep the token
    Login(LoginArgs),
    /// Forget a server's token
    Logout(LogoutArgs),
    /// Print the server's settings and where each of them comes from
    Config(LocalArgs),
    /// Check this machine and the server's settings, and say how to mend what is wrong
    Doctor(LocalArgs),
    /// Print a completion script for a shell
    #[command(hide = true)]
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page
    #[command(hide = true)]
    Man,
}

/// What a command prints.
#[derive(Clone, Copy, Debug, Default, Args)]
pub(super) struct OutputArgs {
    /// Print JSON: one document, or one event a line
    #[arg(long)]
    pub(super) json: bool,
}

/// `run`
#[derive(Debug, Args)]
pub struct RunArgs {
    /// What the agent is to do; `-`, or nothing where input is piped in, reads it from there
    pub(super) prompt: Option<String>,
    /// Read the prompt from this file
    #[arg(long, value_name = "FILE", conflicts_with = "prompt")]
    pub(super) file: Option<PathBuf>,
    /// Which agent (default: the session's, else `claude_code`)
    #[arg(long, short, value_name = "NAME")]
    pub(super) agent: Option<String>,
    /// Which model, in the agent's own words
    #[arg(long, short, value_name = "MODEL")]
    pub(super) model: Option<String>,
    /// Folder that the agent works in (default: this one, for a server on this machine)
    #[arg(long, short = 'C', value_name = "DIR")]
    pub(super) dir: Option<PathBuf>,
    /// Time limit, such as 90, 90s, 15m or 2h (default: the server's)
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(super) timeout: Option<Duration>,
    /// Who decides on permissions (default: auto)
    #[arg(long, short, value_name = "MODE", value_parser = permission_mode_parser())]
    pub(super) permission_mode: Option<PermissionMode>,
    /// Go on with this conversation: its id, the beginning of it, or `last`
    #[arg(long, short, value_name = "SESSION")]
    pub(super) session: Option<String>,
    /// A mark of your own, for finding the run again; may be repeated
    #[arg(long = "label", short, value_name = "NAME=VALUE", value_parser = label)]
    pub(super) labels: Vec<(String, String)>,
    /// Give the agent this variable of your environment; may be repeated
    #[arg(long, value_name = "NAME")]
    pub(super) env: Vec<String>,
    /// Print the run's id and leave it running
    #[arg(long, short)]
    pub(super) detach: bool,
    /// The server.
    #[command(flatten)]
    pub(super) at: ServerArgs,
    /// The form.
    #[command(flatten)]
    pub(super) form: OutputArgs,
}

/// Which part of a run's events.
#[derive(Clone, Copy, Debug, Args)]
pub(super) struct RangeArgs {
    /// Begin with the event of this number (default: the first)
    #[arg(long, value_name = "N", conflicts_with = "tail")]
    pub(super) from: Option<u64>,
    /// Begin with the last N events
    #[arg(long, value_name = "N")]
    pub(super) tail: Option<u64>,
}

/// `attach`
#[derive(Debug, Args)]
pub struct AttachArgs {
    /// The run: its id, the beginning of it, or `last`
    pub(super) run: String,
    /// The part.
    #[command(flatten)]
    pub(super) part: RangeArgs,
    /// The server.
    #[command(flatten)]
    pub(super) at: ServerArgs,
    /// The form.
    #[command(flatten)]
    pub(super) form: OutputArgs,
}

/// `logs`
#[derive(Debug, Args)]
pub struct LogsArgs {
    /// The run: its id, the beginning of it, or `last`
    pub(super) run: String,
    /// Go on until the run ends
    #[arg(long, short)]
    pub(super) follow: bool,
    /// The part.
    #[command(flatten)]
    pub(super) part: RangeArgs,
    /// The server.
    #[command(flatten)]
    pub(super) at: ServerArgs,
    /// The form.
    #[command(flatten)]
    pub(super) form: OutputArgs,
}

/// `ls`
#[derive(Debug, Args)]
pub struct LsArgs {
    /// Only runs that are so, such as running, waiting or failed
    #[arg(long, short, value_name = "STATUS")]
    pub(super) status: Option<String>,
    /// Only this agent's
    #[arg(long, short, value_name = "NAME")]
    pub(super) agent: Option<String>,
    /// Only those of this conversation
    #[arg(long, value_name = "SESSION")]
    pub(super) session: Option<String>,
    /// Only those with this label
    #[arg(long, short, value_name = "NAME=VALUE", value_parser = label)]
    pub(super) label: Option<(String, String)>,
    /// Only those created at this time or later, such as 2026-11-22T13:05:00Z
    #[arg(long, value_name = "TIME")]
    pub(super) since: Option<String>,
    /// Only this user's; for admins
    #[arg(long, value_name = "USER")]
    pub(super) owner: Option<String>,
    /// At most so many
    #[arg(long, short = 'n', value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=200))]
    pub(super) limit: u16,
    /// The server.
    #[command(flatten)]
    pub(super) at: ServerArgs,
    /// The form.
    #[command(flatten)]
    pub(super) form: OutputArgs,
}

/// `show`, `cancel`
#[derive(Debug, Args)]
pub struct OneRun {
    /// The run: its id, the beginning of it, or `last`
    pub(super) run: String,
    /// The server.
    #[command(flatten)]
    pub(super) at: ServerArgs,
    /// The form.
    #[command(flatten)]
    pub(super) form: OutputArgs,
}

/// `send`
#[derive(Debug, Args)]
pub struct SendArgs {
    /// The run: its id, the beginning of it, or `last`
    pub(super) run: String,
    /// What to say; `-`, or nothing where input is piped in, reads it from there
    pub(super) text: Option<String>,
    /// Into the present turn, where the agent can take it, instead of as the next one
    #[arg(long, conflicts_with = "interrupt")]
    steer: bool,
    /// Interrupt the present turn first
    #[arg(long)]
    interrupt: bool,
    /// The server.
    #[command(flatten)]
    pub(super) at: ServerArgs,
    /// The form.
    #[command(flatten)]
    pub(super) form: OutputArgs,
}

impl SendArgs {
    /// How the message is to reach the run.
    pub(super) fn mode(&self) -> MessageMode {
        match (self.steer, self.interrupt) {
            (true, _) => MessageMode::Steer,
            (false, true) => MessageMode::Interrupt,
            (false, false) => MessageMode::Queue,
        }
    }
}

/// `sessions`
#[derive(Debug, Args)]
pub struct SessionsArgs {
    /// At most so many
    #[arg(long, short = 'n', value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=200))]
    pub(super) limit: u16,
    /// The server.
    #[command(flatten)]
    pub(super) at: ServerArgs,
    /// The form.
    #[command(flatten)]
    pub(super) form: OutputArgs,
}

/// `usage`
#[derive(Debug, Args)]
pub struct UsageArgs {
    /// What to add up by
    #[arg(long, value_name = "WHAT", value_enum, default_value = "day")]
    pub(super) by: UsageBy,
    /// Only from this day on, such as 2026-11-22 (UTC)
    #[arg(long, value_name = "DAY")]
    pub(super) since: Option<Day>,
    /// Only up to this day
    #[arg(long, value_name = "DAY")]
    pub(super) until: Option<Day>,
    /// Only this user's; for admins
    #[arg(long, value_name = "USER")]
    pub(super) user: Option<UserName>,
    /// Only that of this agent
    #[arg(long, value_name = "NAME")]
    pub(super) agent: Option<String>,
    /// Only that of this conversation: its id, the beginning of it, or `last`
    #[arg(long, value_name = "SESSION")]
    pub(super) session: Option<String>,
    /// At most so many lines
    #[arg(long, short = 'n', value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=200))]
    pub(super) limit: u16,
    /// The server.
    #[command(flatten)]
    pub(super) at: ServerArgs,
    /// The form.
    #[command(flatten)]
    pub(super) form: OutputArgs,
}

/// What usage is added up by.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum UsageBy {
    /// Days, in UTC
    Day,
    /// Users
    User,
    /// Agents
    Agent,
    /// Models
    Model,
    /// Conversations
    Session,
    /// Runs
    Run,
}

/// `agents`
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct AgentsArgs {
    /// What else than telling which there are.
    #[command(subcommand)]
    pub(super) command: Option<AgentsCommand>,
    /// The server.
    #[command(flatten)]
    pub(super) at: ServerArgs,
    /// The form.
    #[command(flatten)]
    pub(super) form: OutputArgs,
}

/// What else can be done with agents.
#[derive(Debug, Subcommand)]
pub(super) enum AgentsCommand {
    /// Install agent programs at the versions that this release is tested with (needs npm)
    Install {
        /// Which ones (default: all)
        #[arg(value_name = "NAME")]
        names: Vec<String>,
        /// Folder to install into (default: the one that the server looks in first)
        #[arg(long, value_name = "DIR", conflicts_with = "global")]
        prefix: Option<PathBuf>,
        /// Install for everybody, as `npm install --global` does
        #[arg(long)]
        global: bool,
    },
}

/// `health`
#[derive(Debug, Args)]
pub struct HealthArgs {
    /// The server.
    #[command(flatten)]
    pub(super) at: ServerArgs,
    /// The form.
    #[command(flatten)]
    pub(super) form: OutputArgs,
}

/// `login`
#[derive(Debug, Args)]
pub struct LoginArgs {
    /// Address of the server (default: the one of this machine)
    pub(super) url: Option<String>,
    /// Name to keep it under (default: its host's)
    #[arg(long, value_name = "NAME")]
    pub(super) name: Option<String>,
    /// Who logs in
    #[arg(long, short, value_name = "USER", default_value = "admin")]
    pub(super) user: String,
    /// The form.
    #[command(flatten)]
    pub(super) form: OutputArgs,
}

/// `logout`
#[derive(Debug, Args)]
pub struct LogoutArgs {
    /// Which server (default: the one last logged in to)
    pub(super) name: Option<String>,
    /// The form.
    #[command(flatten)]
    pub(super) form: OutputArgs,
}

/// `config`, `doctor`
#[derive(Debug, Args)]
pub struct LocalArgs {
    /// Settings, as `serve` takes them.
    #[command(flatten)]
    pub(super) flags: Flags,
    /// The form.
    #[command(flatten)]
    pub(super) form: OutputArgs,
}

/// A time as people write it: seconds, or a number with `s`, `m` or `h`.
fn duration(text: &str) -> Result<Duration, String> {
    let (number, seconds) = match text.strip_suffix(['s', 'm', 'h']) {
        Some(number) => (number, [("s", 1), ("m", 60), ("h", 3600)].iter().find(|(unit, _)| text.ends_with(unit)).map_or(1, |(_, n)| *n)),
        None => (text, 1),
    };
    let whole = number.parse::<u64>().ok().and_then(|number| number.checked_mul(seconds)).filter(|seconds| *seconds > 0);
    whole.map(Duration::from_secs).ok_or_else(|| "give a time such as 90, 90s, 15m or 2h".to_owned())
}

fn label(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').filter(|(name, _)| !name.is_empty()).ok_or("give a label as NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

/// The modes by the names that they have on the wire.
fn permission_mode_parser() -> impl clap::builder::TypedValueParser<Value = PermissionMode> {
    #[derive(Clone, Copy, ValueEnum)]
    #[value(rename_all = "snake_case")]
    enum Mode {
        /// Everything is allowed, and written down
        Auto,
        /// A person is asked
        Ask,
        /// What only looks is allowed
        ReadOnly,
    }
    use clap::builder::TypedValueParser as _;
    clap::builder::EnumValueParser::<Mode>::new().map(|mode| match mode {
        Mode::Auto => PermissionMode::Auto,
        Mode::Ask => PermissionMode::Ask,
        Mode::ReadOnly => PermissionMode::ReadOnly,
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::{Cli, Command};

    fn parsed(line: &str) -> Result<ClientCommand, clap::Error> {
        match Cli::try_parse_from(line.split(' '))?.command {
            Some(Command::Client(command)) => Ok(command),
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn a_run_takes_all_that_a_client_may_say_of_it() {
        let line =
            "openrunner run fix -a codex -m gpt-5 -C /srv --timeout 15m -p read_only -s last -l a=b --label c=d=e --env TOKEN -d --json";
        let ClientCommand::Run(args) = parsed(line).unwrap() else { panic!("{line}") };
        assert_eq!((args.prompt.as_deref(), args.agent.as_deref(), args.model.as_deref()), (Some("fix"), Some("codex"), Some("gpt-5")));
        assert_eq!((args.timeout, args.permission_mode), (Some(Duration::from_mins(15)), Some(PermissionMode::ReadOnly)));
        assert_eq!(args.labels, [("a".to_owned(), "b".to_owned()), ("c".to_owned(), "d=e".to_owned())]);
        assert!(args.detach && args.form.json && args.env == ["TOKEN"] && args.session.as_deref() == Some("last"));
    }

    #[test]
    fn a_prompt_may_be_a_dash_or_begin_with_one_after_two_dashes() {
        let prompt = |line: &str| match parsed(line).unwrap() {
            ClientCommand::Run(args) => args.prompt,
            other => panic!("{other:?}"),
        };
        assert_eq!(prompt("openrunner run -").as_deref(), Some("-"));
        assert_eq!(prompt("openrunner run -- --help").as_deref(), Some("--help"));
        assert_eq!(prompt("openrunner run"), None);
    }

    #[test]
    fn what_cannot_be_meant_together_is_refused() {
        for line in [
            "openrunner run x --file y",
            "openrunner attach last --from 3 --tail 3",
            "openrunner send last x --steer --interrupt",
            "openrunner agents install --global --prefix /x",
            "openrunner run x --timeout soon",
            "openrunner run x --timeout 0",
            "openrunner run x -p maybe",
            "openrunner run x --label =y",
            "openrunner ls -n 201",
        ] {
            assert!(Cli::try_parse_from(line.split(' ')).is_err(), "{line}");
        }
    }

    #[test]
    fn times_are_read_as_people_write_them() {
        let seconds = |text: &str| duration(text).map(|time| time.as_secs());
        assert_eq!([seconds("90"), seconds("90s"), seconds("15m"), seconds("2h")], [Ok(90), Ok(90), Ok(900), Ok(7200)]);
        for wrong in ["", "m", "-1", "1d", "99999999999999999999", "18446744073709551615h"] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn agents_tells_or_installs() {
        assert!(matches!(parsed("openrunner agents").unwrap(), ClientCommand::Agents(AgentsArgs { command: None, .. })));
        let ClientCommand::Agents(args) = parsed("openrunner agents install codex").unwrap() else { panic!("agents") };
        assert!(matches!(args.command, Some(AgentsCommand::Install { names, .. }) if names == ["codex"]));
    }
}
