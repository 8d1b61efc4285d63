//! The command line: the server's entry point, and a client of its API.

mod accounts;
mod acp;
mod api_error;
mod args;
mod attached;
mod client;
mod commands;
mod context;
mod error;
mod exit;
mod finding;
mod format;
mod local_store;
mod output;
mod parse;
mod password;
mod render;
mod sanitize;
mod table;
mod terminal;
mod tree;
mod watch;

use std::process::ExitCode;

use anyhow::Context as _;

use self::commands::{
    acp as acp_command, agent_check, agent_install, agent_logout, agent_ls, answer, apply, attach, audit, backup, budget, cancel, changes,
    completions, config, demo, doctor, files, health, key, login, logout, logs, ls, man, mcp, password as auth_password, profile, requests,
    restore, retry, revert, rm, run, send, serve, server, session, show, status, store, usage, user, wait, webhook, workspace,
};
use self::context::Context;
use self::error::Report;
use self::exit::Exit;
use self::tree::{
    AgentCommand, AuditCommand, AuthCommand, Cli, Command, ConfigCommand, RequestsCommand, RunCommand, ServerCommand, SessionCommand,
    StoreCommand, WebhookCommand,
};
use crate::agent::demo::script;

/// Parses the command line, runs the command, reports its error, and returns the exit code. `umask` is the file mode mask that the
/// process was started with, which agents get.
pub fn main(umask: rustix::fs::Mode) -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().collect();
    let cli = match parse::parse(&arguments) {
        Ok(cli) => cli,
        Err(error) => return parse::report(&error, &arguments).into(),
    };
    anstream::ColorChoice::from(cli.output.color).write_global();
    let is_json = cli.output.json;
    match dispatch(cli, umask) {
        Ok(exit) => exit.into(),
        Err(error) if error::is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            let report = Report::from(&error);
            report.print(is_json);
            report.exit.into()
        }
    }
}

fn dispatch(cli: Cli, umask: rustix::fs::Mode) -> anyhow::Result<Exit> {
    let Cli { command, flags, output, server } = cli;
    let context = Context::new(server, output, umask);
    match command {
        None => serve::serve(&context, flags, true),
        Some(Command::Serve { flags }) => serve::serve(&context, flags, false),
        Some(Command::DemoAgent) => Ok(script::run().map(|()| Exit::Success)?),
        Some(Command::Backup(args)) => backup::backup(&context, args),
        Some(Command::Restore(args)) => restore::restore(&context, args),
        Some(Command::Store(group)) => match group.command {
            StoreCommand::Migrate(args) => block_on(store::migrate(&context, args)),
        },
        Some(Command::Completions(args)) => completions::completions(&args, tree::command()),
        Some(Command::Man(args)) => man::man(&context, &args, tree::command()),
        Some(command) => block_on(client_command(&context, command)),
    }
}

async fn client_command(context: &Context, command: Command) -> anyhow::Result<Exit> {
    match command {
        Command::Run(group) => match group.command {
            None => run::run(context, group.start).await,
            Some(command) => run_command(context, command).await,
        },
        Command::Ls(args) => ls::ls(context, args).await,
        Command::Show(args) => show::show(context, args).await,
        Command::Attach(args) => attach::attach(context, args).await,
        Command::Logs(args) => logs::logs(context, args).await,
        Command::Changes(args) => changes::changes(context, args).await,
        Command::Apply(args) => apply::apply(context, args).await,
        Command::Revert(args) => revert::revert(context, args).await,
        Command::Files(args) => files::files(context, args).await,
        Command::Mcp(args) => mcp::mcp(context, args).await,
        Command::Acp(args) => acp_command::acp(context, args).await,
        Command::Branch(args) => workspace::branch(context, args).await,
        Command::Send(args) => send::send(context, args).await,
        Command::Wait(args) => wait::wait(context, args).await,
        Command::Retry(args) => retry::retry(context, args).await,
        Command::Cancel(args) => cancel::cancel(context, args).await,
        Command::Rm(args) => rm::rm(context, args).await,
        Command::Requests(group) => match group.command {
            RequestsCommand::Ls(args) => requests::ls(context, args).await,
        },
        Command::Answer(args) => answer::answer(context, args).await,
        Command::Session(group) => match group.command {
            None => session::ls(context, session::SessionLsArgs::default()).await,
            Some(SessionCommand::Ls(args)) => session::ls(context, args).await,
            Some(SessionCommand::Show(args)) => session::show(context, args).await,
            Some(SessionCommand::Changes(args)) => workspace::changes(context, args).await,
            Some(SessionCommand::Branch(args)) => workspace::branch(context, args).await,
            Some(SessionCommand::RmWorkspace(args)) => workspace::remove(context, args).await,
        },
        Command::Auth(group) => match group.command {
            AuthCommand::Login(args) => login::login(context, args).await,
            AuthCommand::Logout(args) => logout::logout(context, args).await,
            AuthCommand::Status => status::status(context).await,
            AuthCommand::Password(args) => auth_password::password(context, args).await,
        },
        Command::Login(args) => login::login(context, args).await,
        Command::Logout(args) => logout::logout(context, args).await,
        Command::User(group) => user::user(context, group.command).await,
        Command::Key(group) => key::key(context, group.command).await,
        Command::Profile(group) => profile::profile(context, group.command).await,
        Command::Budget(group) => budget::budget(context, group.command).await,
        Command::Usage(args) => usage::usage(context, args).await,
        Command::Audit(group) => match group.command {
            AuditCommand::Ls(args) => audit::ls(context, args).await,
        },
        Command::Webhook(group) => match group.command {
            WebhookCommand::Deliveries(args) => webhook::deliveries(context, args).await,
        },
        Command::Server(group) => match group.command {
            ServerCommand::Ls => server::ls(context),
        },
        Command::Agent(group) => match group.command {
            None | Some(AgentCommand::Ls) => agent_ls::ls(context).await,
            Some(AgentCommand::Install(args)) => agent_install::install(args),
            Some(AgentCommand::Check(args)) => agent_check::check(context, args).await,
            Some(AgentCommand::Logout(args)) => agent_logout::logout(context, args).await,
        },
        Command::Config(group) => match group.command {
            None => config::show(context, group.show),
            Some(ConfigCommand::Show(args)) => config::show(context, args),
            Some(ConfigCommand::Init(args)) => config::init(context, args),
        },
        Command::Doctor(args) => doctor::doctor(context, args).await,
        Command::Health => health::health(context).await,
        Command::Demo(args) => Box::pin(demo::demo(context, args)).await,
        // `dispatch` handles the others.
        Command::Serve { .. }
        | Command::DemoAgent
        | Command::Backup(_)
        | Command::Restore(_)
        | Command::Store(_)
        | Command::Completions(_)
        | Command::Man(_) => Ok(Exit::Usage),
    }
}

async fn run_command(context: &Context, command: RunCommand) -> anyhow::Result<Exit> {
    match command {
        RunCommand::Ls(args) => ls::ls(context, args).await,
        RunCommand::Show(args) => show::show(context, args).await,
        RunCommand::Attach(args) => attach::attach(context, args).await,
        RunCommand::Logs(args) => logs::logs(context, args).await,
        RunCommand::Changes(args) => changes::changes(context, args).await,
        RunCommand::Apply(args) => apply::apply(context, args).await,
        RunCommand::Revert(args) => revert::revert(context, args).await,
        RunCommand::Files(args) => files::files(context, args).await,
        RunCommand::Send(args) => send::send(context, args).await,
        RunCommand::Wait(args) => wait::wait(context, args).await,
        RunCommand::Retry(args) => retry::retry(context, args).await,
        RunCommand::Cancel(args) => cancel::cancel(context, args).await,
        RunCommand::Rm(args) => rm::rm(context, args).await,
    }
}

/// Runs an asynchronous command. Background tasks that remain at its end are abandoned.
fn block_on<T>(command: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start the runtime")?;
    let result = runtime.block_on(command);
    runtime.shutdown_background();
    result
}
