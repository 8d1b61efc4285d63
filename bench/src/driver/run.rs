//! The main loop of the driver.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::{Context as _, bail};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::args::Args;
use super::bench::Bench;
use super::goals::Goals;
use super::results::Results;
use super::scenarios::Scenario;
use super::server::TestBed;

/// Runs the scenarios and prints the results. Returns failure if a goal that was reached before is missed, if events were lost, or if a
/// scenario failed.
///
/// # Errors
/// If the benchmark cannot start. A scenario that fails is reported, and the others still run.
pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    if args.list {
        for scenario in Scenario::ALL {
            println!("{:14} {}", scenario.name, scenario.description);
        }
        return Ok(ExitCode::SUCCESS);
    }
    let scenarios = select(&args.scenarios)?;
    let goals = args.check.as_deref().map(Goals::read).transpose()?.unwrap_or_default();
    raise_file_limit()?;
    let program = match &args.server {
        Some(program) => program.clone(),
        None => build_server()?,
    };
    let program = program.canonicalize().with_context(|| format!("{}", program.display()))?;
    let base = args.dir.clone().unwrap_or_else(std::env::temp_dir);
    let directory =
        tempfile::Builder::new().prefix("openrunner-bench-").tempdir_in(&base).context("could not create a working directory")?;
    let bench = Bench { test_bed: TestBed::new(program, directory.path().to_owned())?, quick: args.quick, peer: args.peer.clone() };
    let passes = args.passes.unwrap_or(bench.size(3, 1));

    let mut results = Results::new(passes);
    let mut all_succeeded = true;
    for scenario in scenarios {
        for pass in 1..=passes {
            eprintln!("{} ({pass} of {passes})", scenario.name);
            match (scenario.run)(&bench) {
                Ok(figures) => results.add(scenario.name, figures),
                // Measuring takes long, and the results of the other scenarios are valid without this one.
                Err(error) => {
                    all_succeeded = false;
                    eprintln!("scenario {} failed: {error:#}", scenario.name);
                }
            }
        }
        // Written after each scenario, so that an interrupted benchmark keeps its results.
        if let Some(path) = &args.json {
            fs::write(path, serde_json::to_string_pretty(&results.json())? + "\n")?;
        }
    }
    println!("{}", results.table());
    let goals_met = goals.check(&results);
    Ok(if goals_met && all_succeeded { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn select(names: &[String]) -> anyhow::Result<Vec<&'static Scenario>> {
    if names.is_empty() {
        return Ok(Scenario::ALL.iter().collect());
    }
    let find = |name: &String| {
        let found = Scenario::ALL.iter().find(|scenario| scenario.name == name);
        found.with_context(|| format!("unknown scenario {name:?}; see --list"))
    };
    names.iter().map(find).collect()
}

/// Raises the limit of open files to the maximum: 10,000 readers need as many, here and in the server, which inherits the limit.
fn raise_file_limit() -> anyhow::Result<()> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    Ok(setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?)
}

fn build_server() -> anyhow::Result<PathBuf> {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo).current_dir(root).args(["build", "--profile", "dist", "--locked", "--bin", "openrunner"]).status()?;
    if !status.success() {
        bail!("could not build the server");
    }
    // In the target directory of this program, wherever that is. A debug build of the driver also measures the published build.
    let this = std::env::current_exe()?;
    let target = this.parent().and_then(|profile| profile.parent()).context("this program is not in a target directory")?;
    Ok(target.join("dist/openrunner"))
}
