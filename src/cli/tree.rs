//! The command tree.

use clap::{Args, CommandFactory, Parser, Subcommand};

use super::args::{OutputArgs, ServerArgs};
use super::commands::{
    acp, agent_check, agent_install, agent_logout, answer, apply, attach, audit, backup, budget, cancel, changes, completions, config,
    demo, doctor, files, key, login, logout, logs, ls, man, mcp, password, profile, requests, restore, retry, revert, rm, run, send,
    session, show, store, usage, user, wait, webhook, workspace,
};
use super::exit::exit_codes;
use crate::config::Flags;

/// Runs coding agents as a durable HTTP service. Without a command, serves the API.
#[derive(Debug, Parser)]
#[command(name = "openrunner", version, max_term_width = 110, subcommand_help_heading = "Commands", after_help = exit_codes!())]
pub(super) struct Cli {
    /// The command; without one, serve.
    #[command(subcommand)]
    pub(super) command: Option<Command>,
    /// Settings for serving.
    #[command(flatten)]
    pub(super) flags: Flags,
    /// How to print.
    #[command(flatten)]
    pub(super) output: OutputArgs,
    /// Which server.
    #[command(flatten)]
    pub(super) server: ServerArgs,
}

/// Top-level commands.
#[derive(Debug, Subcommand)]
#[expect(clippy::large_enum_variant, reason = "one value per process")]
pub(super) enum Command {
    /// Serve the API (default)
    Serve {
        /// Settings.
        #[command(flatten)]
        flags: Flags,
    },
    /// Start a run and follow it, or manage runs
    Run(RunGroup),
    /// List runs, newest first (`run ls`)
    Ls(ls::LsArgs),
    /// Show a run (`run show`)
    Show(show::ShowArgs),
    /// Follow a run and answer its requests (`run attach`)
    Attach(attach::AttachArgs),
    /// Print the events of a run (`run logs`)
    Logs(logs::LogsArgs),
    /// Show what a run has changed in its directory (`run changes`)
    Changes(changes::ChangesArgs),
    /// Apply what a run has changed to the current directory (`run apply`)
    Apply(apply::ApplyArgs),
    /// Revert the directory of a run to an earlier state (`run revert`)
    Revert(revert::RevertArgs),
    /// List, print and download the files of a run (`run files`)
    Files(files::FilesArgs),
    /// Send a message to a live run (`run send`)
    Send(send::SendArgs),
    /// Wait for a run to end (`run wait`)
    Wait(wait::WaitArgs),
    /// Start a run again with the same input (`run retry`)
    Retry(retry::RetryArgs),
    /// Cancel runs, with all their processes (`run cancel`)
    Cancel(cancel::CancelArgs),
    /// Delete ended runs (`run rm`)
    Rm(rm::RmArgs),
    /// List open permission requests and questions
    Requests(RequestsGroup),
    /// Answer a permission request or a question
    Answer(answer::AnswerArgs),
    /// List and show conversations, and what they have changed
    #[command(alias = "sessions")]
    Session(SessionGroup),
    /// Commit the work in a conversation's worktree (`session branch`)
    Branch(workspace::BranchArgs),
    /// Log in and out, and change your password
    Auth(AuthGroup),
    /// Log in to a server (`auth login`)
    Login(login::LoginArgs),
    /// Log out of a server (`auth logout`)
    Logout(logout::LogoutArgs),
    /// Manage users
    User(UserGroup),
    /// Manage API keys
    Key(KeyGroup),
    /// Manage profiles, which runs are started with
    #[command(alias = "profiles")]
    Profile(ProfileGroup),
    /// Show and set daily budgets
    Budget(BudgetGroup),
    /// Show the tokens and cost of runs
    Usage(usage::UsageArgs),
    /// Read the audit log
    Audit(AuditGroup),
    /// Inspect webhook deliveries
    Webhook(WebhookGroup),
    /// List the servers you are logged in to
    Server(ServerGroup),
    /// List, install and check agents
    #[command(alias = "agents")]
    Agent(AgentGroup),
    /// Show the settings of the server, or create a settings file
    Config(ConfigGroup),
    /// Check this machine and the settings of the server
    Doctor(doctor::DoctorArgs),
    /// Check that a server is up
    Health,
    /// Copy the database into a file, also while the server runs
    Backup(backup::BackupArgs),
    /// Replace the database with a backup; no server may use it
    Restore(restore::RestoreArgs),
    /// Move the database to PostgreSQL and back; no server may use it
    Store(StoreGroup),
    /// Try a run with the built-in agent; needs no server and no installation
    Demo(demo::DemoArgs),
    /// Serve MCP on standard input and output, for agents that start and supervise runs
    Mcp(mcp::McpArgs),
    /// Serve an editor on standard input and output, as an agent of the Agent Client Protocol
    Acp(acp::AcpArgs),
    /// Print a completion script for a shell
    Completions(completions::CompletionsArgs),
    /// Print the manual page, or write one page per command
    Man(man::ManArgs),
    /// Internal: the demo agent, started by the server
    #[command(hide = true, name = "demo-agent")]
    DemoAgent,
}

/// `run`
#[derive(Debug, Args)]
#[command(
    override_usage = "openrunner run [OPTIONS] [PROMPT]\n       openrunner run <COMMAND>",
    after_help = concat!("A prompt that equals the name of a command is given after `--`: openrunner run -- show\n\n", exit_codes!())
)]
pub(super) struct RunGroup {
    /// The command; without one, start a run.
    #[command(subcommand)]
    pub(super) command: Option<RunCommand>,
    /// The run to start.
    #[command(flatten)]
    pub(super) start: run::StartArgs,
}

/// Commands on runs.
#[derive(Debug, Subcommand)]
pub(super) enum RunCommand {
    /// List runs, newest first
    Ls(ls::LsArgs),
    /// Show a run
    Show(show::ShowArgs),
    /// Follow a run and answer its requests
    Attach(attach::AttachArgs),
    /// Print the events of a run
    Logs(logs::LogsArgs),
    /// Show what a run has changed in its directory
    Changes(changes::ChangesArgs),
    /// Apply what a run has changed to the current directory
    Apply(apply::ApplyArgs),
    /// Revert the directory of a run to an earlier state
    Revert(revert::RevertArgs),
    /// List, print and download the files of a run
    Files(files::FilesArgs),
    /// Send a message to a live run
    Send(send::SendArgs),
    /// Wait for a run to end
    Wait(wait::WaitArgs),
    /// Start a run again with the same input
    Retry(retry::RetryArgs),
    /// Cancel runs, with all their processes
    Cancel(cancel::CancelArgs),
    /// Delete ended runs
    Rm(rm::RmArgs),
}

/// `requests`
#[derive(Debug, Args)]
pub(super) struct RequestsGroup {
    /// The command.
    #[command(subcommand)]
    pub(super) command: RequestsCommand,
}

/// Commands on requests.
#[derive(Debug, Subcommand)]
pub(super) enum RequestsCommand {
    /// List open permission requests and questions, oldest first
    #[command(alias = "list")]
    Ls(requests::RequestsLsArgs),
}

/// `session`
#[derive(Debug, Args)]
pub(super) struct SessionGroup {
    /// The command; without one, list.
    #[command(subcommand)]
    pub(super) command: Option<SessionCommand>,
}

/// Commands on sessions.
#[derive(Debug, Subcommand)]
pub(super) enum SessionCommand {
    /// List conversations, newest first
    #[command(alias = "list")]
    Ls(session::SessionLsArgs),
    /// Show a conversation and its runs
    Show(session::SessionShowArgs),
    /// Show what a conversation has changed in its directory
    Changes(workspace::SessionChangesArgs),
    /// Commit the work in a conversation's worktree on its branch openrunner/SESSION
    Branch(workspace::BranchArgs),
    /// Remove the directory that was made for a conversation, and its worktree
    RmWorkspace(workspace::RmWorkspaceArgs),
}

/// `auth`
#[derive(Debug, Args)]
pub(super) struct AuthGroup {
    /// The command.
    #[command(subcommand)]
    pub(super) command: AuthCommand,
}

/// Commands on your login.
#[derive(Debug, Subcommand)]
pub(super) enum AuthCommand {
    /// Log in to a server and store the token
    Login(login::LoginArgs),
    /// Log out: revoke and delete the token
    Logout(logout::LogoutArgs),
    /// Show the server and the user that commands use
    Status,
    /// Change your password
    Password(password::PasswordArgs),
}

/// `user`
#[derive(Debug, Args)]
pub(super) struct UserGroup {
    /// The command.
    #[command(subcommand)]
    pub(super) command: user::UserCommand,
}

/// `key`
#[derive(Debug, Args)]
pub(super) struct KeyGroup {
    /// The command.
    #[command(subcommand)]
    pub(super) command: key::KeyCommand,
}

/// `profile`
#[derive(Debug, Args)]
pub(super) struct ProfileGroup {
    /// The command.
    #[command(subcommand)]
    pub(super) command: profile::ProfileCommand,
}

/// `budget`
#[derive(Debug, Args)]
pub(super) struct BudgetGroup {
    /// The command.
    #[command(subcommand)]
    pub(super) command: budget::BudgetCommand,
}

/// `audit`
#[derive(Debug, Args)]
pub(super) struct AuditGroup {
    /// The command.
    #[command(subcommand)]
    pub(super) command: AuditCommand,
}

/// Commands on the audit log.
#[derive(Debug, Subcommand)]
pub(super) enum AuditCommand {
    /// List who did what, newest first (admin)
    #[command(alias = "list")]
    Ls(audit::AuditLsArgs),
}

/// `webhook`
#[derive(Debug, Args)]
pub(super) struct WebhookGroup {
    /// The command.
    #[command(subcommand)]
    pub(super) command: WebhookCommand,
}

/// Commands on webhooks.
#[derive(Debug, Subcommand)]
pub(super) enum WebhookCommand {
    /// List deliveries, newest first
    Deliveries(webhook::DeliveriesArgs),
}

/// `server`
#[derive(Debug, Args)]
pub(super) struct ServerGroup {
    /// The command.
    #[command(subcommand)]
    pub(super) command: ServerCommand,
}

/// `store`
#[derive(Debug, Args)]
pub(super) struct StoreGroup {
    /// The command.
    #[command(subcommand)]
    pub(super) command: StoreCommand,
}

/// Commands on the database.
#[derive(Debug, Subcommand)]
pub(super) enum StoreCommand {
    /// Move everything in the database to PostgreSQL, or back to a data directory
    Migrate(store::StoreMigrateArgs),
}

/// Commands on stored servers.
#[derive(Debug, Subcommand)]
pub(super) enum ServerCommand {
    /// List the servers you are logged in to
    #[command(alias = "list")]
    Ls,
}

/// `agent`
#[derive(Debug, Args)]
pub(super) struct AgentGroup {
    /// The command; without one, list.
    #[command(subcommand)]
    pub(super) command: Option<AgentCommand>,
}

/// Commands on agents.
#[derive(Debug, Subcommand)]
pub(super) enum AgentCommand {
    /// List the agents of the server, and how to install or log in to them
    #[command(alias = "list")]
    Ls,
    /// Install agent programs at the versions that this release is tested with (needs npm)
    Install(agent_install::InstallArgs),
    /// Check one agent on this machine: program, version, login
    Check(agent_check::CheckArgs),
    /// Have an agent on this machine remove its login, if it offers that over the Agent Client Protocol
    Logout(agent_logout::AgentLogoutArgs),
}

/// `config`
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct ConfigGroup {
    /// The command; without one, show.
    #[command(subcommand)]
    pub(super) command: Option<ConfigCommand>,
    /// What to show.
    #[command(flatten)]
    pub(super) show: config::ShowArgs,
}

/// Commands on settings.
#[derive(Debug, Subcommand)]
pub(super) enum ConfigCommand {
    /// Show the settings a server would start with, and where each comes from
    Show(config::ShowArgs),
    /// Write a settings file with every setting commented out
    Init(config::InitArgs),
}

/// The command tree as clap builds it.
pub(super) fn command() -> clap::Command {
    Cli::command().mut_arg("addr", |arg| arg.value_parser(address))
}

/// Parses the address to listen on.
fn address(text: &str) -> Result<std::net::SocketAddr, String> {
    text.parse().map_err(|_| "expected an IP address and a port, such as 127.0.0.1:3000".to_owned())
}
