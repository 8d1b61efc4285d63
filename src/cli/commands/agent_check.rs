//! `openrunner agent check`

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use serde_json::json;

use crate::agent::{AgentReport, Agents, Authenticated, Host, IsolationPolicy};
use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::finding::{self, Finding, Level};
use crate::cli::output::print_json;
use crate::config::{self, Flags, Origins, Settings};
use crate::process::isolation_probe::{Levels, Unavailable};
use crate::process::{Account, Spawner};
use crate::server;

/// Arguments of `agent check`.
#[derive(Debug, Args)]
pub(in crate::cli) struct CheckArgs {
    /// Agent, such as `claude_code`
    #[arg(value_name = "NAME")]
    name: String,
}

/// Probes one agent on this machine, as the server does. The exit code is 1 if the agent cannot be used.
pub(in crate::cli) async fn check(context: &Context, args: CheckArgs) -> anyhow::Result<Exit> {
    let name = args.name.replace('-', "_");
    let agents = agents_of_settings(context).await?;
    let known: Vec<String> = agents.names().map(str::to_owned).collect();
    if !agents.contains(&name) {
        return Err(CliError::not_found(format!("NAME: unknown agent `{}`; expected one of {}", args.name, known.join(", "))).into());
    }
    agents.capabilities(&name).await;
    let report = agents.report(&name).context("the agent was not probed")?;
    let findings = findings(&report);
    if context.output.json {
        print_json(&json!({ "ok": is_usable(&findings), "agent": report, "checks": findings }))?;
    } else {
        finding::print(&findings)?;
    }
    Ok(if is_usable(&findings) { Exit::Success } else { Exit::Failed })
}

/// The agents of a server with the settings of this environment.
///
/// # Errors
/// If the settings are invalid, or agents cannot be started as they say.
pub(super) async fn agents_of_settings(context: &Context) -> anyhow::Result<Agents> {
    let (settings, origins) = config::load_with_origins(Flags::default(), &|name| std::env::var_os(name))?;
    let accounts =
        server::accounts(&settings).map_err(|cause| CliError::failed(format!("OPENRUNNER_AGENT_USER: {cause}")).hint(cause.remedy))?;
    let levels = isolation_levels(context, &settings, &origins, &accounts).await?;
    let levels = levels.transpose().map_err(|cause| CliError::failed(format!("isolation: {cause}")).hint(cause.remedy))?;
    agents(context, &settings, levels, accounts)
}

/// Tries the levels of isolation with these settings, or why that is impossible. `None` if the data directory does not exist.
///
/// # Errors
/// If agents cannot be started.
pub(super) async fn isolation_levels(
    context: &Context,
    settings: &Settings,
    origins: &Origins,
    accounts: &[Account],
) -> anyhow::Result<Option<Result<Levels, Unavailable>>> {
    if !settings.data_dir.is_dir() {
        return Ok(None);
    }
    let launcher = context.launcher()?;
    Ok(Some(server::try_isolation(settings, origins, &launcher, accounts, |name| std::env::var_os(name)).await))
}

/// The agents of a server with these settings, inspected as that server does it.
///
/// # Errors
/// If agents cannot be started.
pub(super) fn agents(context: &Context, settings: &Settings, levels: Option<Levels>, accounts: Vec<Account>) -> anyhow::Result<Agents> {
    let registry = server::build_registry(&settings.agents, |name| std::env::var_os(name));
    let spawner = Spawner::new(context.launcher()?).context("cannot start the thread that starts agents")?;
    let inspection = levels.and_then(|levels| server::inspection(settings, levels, accounts));
    let (dir, isolation) = inspection.unwrap_or_else(|| (PathBuf::from("/"), IsolationPolicy::default()));
    Ok(Agents::new(&registry, &Host { isolation, ..server::host(settings, dir, spawner) }))
}

/// Reports of all agents, after probing these to the end: a report alone does not wait for a slow program.
pub(super) async fn reports(agents: &Agents, names: &[String]) -> Vec<AgentReport> {
    for name in names {
        agents.capabilities(name).await;
    }
    agents.reports().await
}

/// One line about an agent, for `doctor`.
pub(super) fn summary(report: &AgentReport) -> Finding {
    let name = &report.agent_type;
    let program = program(report);
    match (report.available, report.authenticated) {
        (false, _) => Finding::warning(name, problem(report), remedy(report)),
        (true, Authenticated::No) => Finding::warning(name, format!("{program}, not logged in"), login(report)),
        (true, Authenticated::Unknown) => Finding::ok(name, format!("{program}, login unknown")),
        (true, Authenticated::Yes) => Finding::ok(name, format!("{program}, logged in")),
    }
}

/// The checks of one agent in detail.
fn findings(report: &AgentReport) -> Vec<Finding> {
    let found = match &report.path {
        Some(path) => Finding::ok("program", path.display().to_string()),
        None if report.available => Finding::ok("program", "built in"),
        None => return vec![Finding::error("program", problem(report), remedy(report))],
    };
    let version = match (&report.version, report.available) {
        (version, true) => Finding::ok("version", version.as_deref().unwrap_or("unknown")),
        (_, false) => return vec![found, Finding::error("version", problem(report), remedy(report))],
    };
    let login = match report.authenticated {
        Authenticated::Yes => Finding::ok("login", "yes"),
        Authenticated::Unknown => Finding::ok("login", "unknown: the program does not tell"),
        Authenticated::No => Finding::error("login", "not logged in", login(report)),
    };
    vec![found, version, login]
}

fn is_usable(findings: &[Finding]) -> bool {
    findings.iter().all(|finding| finding.level == Level::Ok)
}

fn program(report: &AgentReport) -> String {
    let path = report.path.as_ref().map(|path| path.display().to_string());
    [report.version.clone(), path].into_iter().flatten().collect::<Vec<_>>().join(" ")
}

/// Why the agent cannot be used. The report of a missing program also says how to install it, which is the remedy.
fn problem(report: &AgentReport) -> String {
    match &report.error {
        Some(error) if report.path.is_some() => error.clone(),
        _ => "not installed".to_owned(),
    }
}

fn remedy(report: &AgentReport) -> String {
    if report.install.is_some() { format!("openrunner agent install {}", report.agent_type) } else { "see docs/agents.md".to_owned() }
}

fn login(report: &AgentReport) -> String {
    report.login.clone().unwrap_or_else(|| "see docs/agents.md".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(available: bool, authenticated: Authenticated) -> AgentReport {
        AgentReport {
            agent_type: "codex".into(),
            available,
            version: available.then(|| "1".into()),
            path: available.then(|| "/bin/codex".into()),
            authenticated,
            capabilities: crate::agent::Capabilities::NONE,
            tested: true,
            install: Some("npm install x".into()),
            login: Some("codex login".into()),
            error: (!available).then(|| "not found".into()),
        }
    }

    #[test]
    fn every_problem_has_a_remedy() {
        let missing = summary(&report(false, Authenticated::Unknown));
        assert_eq!((missing.level, missing.message.as_str()), (Level::Warning, "not installed"));
        assert_eq!(missing.hint.as_deref(), Some("openrunner agent install codex"));
        assert_eq!(summary(&report(true, Authenticated::No)).hint.as_deref(), Some("codex login"));
        assert_eq!(summary(&report(true, Authenticated::Yes)).level, Level::Ok);
    }

    #[test]
    fn a_check_ends_at_the_first_problem() {
        let levels = |report: &AgentReport| findings(report).iter().map(|finding| finding.level).collect::<Vec<_>>();
        assert_eq!(levels(&report(false, Authenticated::Unknown)), [Level::Error]);
        assert_eq!(levels(&report(true, Authenticated::No)), [Level::Ok, Level::Ok, Level::Error]);
        assert!(is_usable(&findings(&report(true, Authenticated::Yes))));
    }
}
