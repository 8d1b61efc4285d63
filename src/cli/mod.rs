//! What is typed: subcommands and what they print.

mod args;
mod backup;
mod client;
mod commands;
mod config;
mod demo;
mod doctor;
mod exit;
mod generate;
mod health;
mod install;
mod keys;
mod lists;
mod local_store;
mod login;
mod one;
mod password;
mod render;
mod run;
mod sanitize;
mod serve;
mod table;
mod terminal;
mod usage;
mod users;
mod watch;

pub use args::{Cli, Command, DataFlags, KeyCommand, UserCommand};

use std::process::ExitCode;

use anyhow::Context;

use self::commands::{AgentsCommand, ClientCommand};
use self::exit::Exit;
use crate::agent::demo::script;
use crate::process::launch::Launcher;

/// Carries out a parsed command line and gives its exit code; an error is told on standard error. `umask` is the file mode mask that the
/// process was started with, which agents get back.
pub fn run(cli: Cli, umask: rustix::fs::Mode) -> ExitCode {
    let done = match cli.command {
        None => serve::serve(cli.flags, umask),
        Some(Command::Serve { flags }) => serve::serve(flags, umask),
        Some(Command::Demo { prompt, dir }) => demo::demo(&prompt, dir, umask),
        Some(Command::Backup { to, force, data }) => backup::backup(&to, force, data),
        Some(Command::Restore { from, force, data }) => backup::restore(&from, force, data),
        Some(Command::User { command }) => users::user(command),
        Some(Command::Key { command }) => keys::key(command),
        Some(Command::DemoAgent) => script::run().map(|()| ExitCode::SUCCESS).map_err(anyhow::Error::from),
        Some(Command::Client(command)) => client_command(command, umask).map(ExitCode::from),
    };
    match done {
        Ok(code) => code,
        // Whoever read our output has seen enough, as in `openrunner ls | head`.
        Err(error) if exit::is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            anstream::eprintln!("openrunner: {error:#}");
            Exit::of_error(&error).into()
        }
    }
}

fn client_command(command: ClientCommand, umask: rustix::fs::Mode) -> anyhow::Result<Exit> {
    let launcher = || Launcher::new(umask).context("cannot determine the path of this program");
    match command {
        ClientCommand::Run(args) => block_on(run::run(args, launcher()?)),
        ClientCommand::Attach(args) => block_on(run::attach(args)),
        ClientCommand::Logs(args) => block_on(run::logs(args)),
        ClientCommand::Ls(args) => block_on(lists::runs(args)),
        ClientCommand::Show(args) => block_on(one::show(args)),
        ClientCommand::Cancel(args) => block_on(one::cancel(args)),
        ClientCommand::Send(args) => block_on(one::send(args)),
        ClientCommand::Sessions(args) => block_on(lists::sessions(args)),
        ClientCommand::Usage(args) => block_on(usage::usage(args)),
        ClientCommand::Agents(args) => match args.command {
            Some(AgentsCommand::Install { names, prefix, global }) => install::install(&names, prefix, global),
            None => block_on(lists::agents(args)),
        },
        ClientCommand::Health(args) => block_on(health::health(args)),
        ClientCommand::Login(args) => block_on(login::login(args)),
        ClientCommand::Logout(args) => block_on(login::logout(args)),
        ClientCommand::Config(args) => config::config(args),
        ClientCommand::Doctor(args) => block_on(doctor::doctor(args, launcher()?)),
        ClientCommand::Completions { shell } => generate::completions(shell),
        ClientCommand::Man => generate::man(),
    }
}

/// Carries out a command that waits for others. What is still under way when it is done is left alone: nothing hangs on it.
fn block_on<T>(command: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start the runtime")?;
    let done = runtime.block_on(command);
    runtime.shutdown_background();
    done
}
