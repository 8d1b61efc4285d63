//! `openrunner agent logout`

use clap::Args;
use serde_json::json;

use super::agent_check::agents_of_settings;
use crate::agent::ControlRequest;
use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::output::print_json;

/// Arguments of `agent logout`.
#[derive(Debug, Args)]
pub(in crate::cli) struct AgentLogoutArgs {
    /// Agent, such as `copilot`
    #[arg(value_name = "NAME")]
    name: String,
}

/// Has an agent on this machine remove its login.
pub(in crate::cli) async fn logout(context: &Context, args: AgentLogoutArgs) -> anyhow::Result<Exit> {
    let name = args.name.replace('-', "_");
    let agents = agents_of_settings(context).await?;
    if !agents.contains(&name) {
        return Err(CliError::not_found(format!("NAME: unknown agent `{}`; `openrunner agent ls` lists them", args.name)).into());
    }
    match agents.control(&name, ControlRequest::LogOut).await {
        Ok(true) if context.output.json => print_json(&json!({ "agent_type": name, "logged_out": true }))?,
        Ok(true) => anstream::println!("Logged out of {name}"),
        Ok(false) => return Err(anyhow::anyhow!("NAME: agent {name} does not offer to log out; use its own program")),
        Err(error) => return Err(anyhow::anyhow!("agent {name} did not log out: {error}")),
    }
    Ok(Exit::Success)
}
