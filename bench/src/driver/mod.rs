//! The driver: starts what a scenario needs, measures, compares with the floor, and tells.

mod client;
mod goals;
mod process;
mod scenarios;
mod server;
mod table;
mod tools;

use std::fs;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::{Context as _, bail};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use self::goals::Goals;
use self::scenarios::Scenario;
use self::server::Site;
use self::table::Results;

/// Measures an `OpenRunner` server against the least program that could do its job.
#[derive(Debug, clap::Parser)]
pub(crate) struct Args {
    /// Scenarios to run; all of them if none is named.
    scenarios: Vec<String>,
    /// Smaller numbers and one pass: whether it works, not how fast.
    #[arg(long)]
    quick: bool,
    /// Passes of each scenario, of which the median counts.
    #[arg(long)]
    passes: Option<usize>,
    /// The server's program; built as a release if it is not named.
    #[arg(long, value_name = "FILE")]
    server: Option<PathBuf>,
    /// Where the servers' folders are made: the disk that is measured.
    #[arg(long, value_name = "FOLDER")]
    dir: Option<PathBuf>,
    /// Writes the figures as JSON, too.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Fails if a goal of this file that was reached before is missed.
    #[arg(long, value_name = "FILE")]
    check: Option<PathBuf>,
    /// Lists the scenarios.
    #[arg(long)]
    list: bool,
}

/// What a scenario may rely on.
pub(crate) struct Bench {
    site: Site,
    quick: bool,
}

impl Bench {
    /// The number for a real measurement, or the one for a quick look.
    fn size<T>(&self, full: T, quick: T) -> T {
        if self.quick { quick } else { full }
    }
}

/// Is the driver. Gives failure if a goal is missed that was reached before, if events were lost, or if a scenario failed.
///
/// # Errors
/// If nothing can be measured at all. A scenario that cannot be carried out is told, and is a failure in the end.
pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    if args.list {
        for scenario in Scenario::ALL {
            println!("{:14} {}", scenario.name, scenario.about);
        }
        return Ok(ExitCode::SUCCESS);
    }
    let chosen = choose(&args.scenarios)?;
    let goals = args.check.as_deref().map(Goals::read).transpose()?.unwrap_or_default();
    raise_descriptors()?;
    let program = match &args.server {
        Some(program) => program.clone(),
        None => build()?,
    };
    let program = program.canonicalize().with_context(|| format!("{}", program.display()))?;
    let base = args.dir.clone().unwrap_or_else(std::env::temp_dir);
    let folder = tempfile::Builder::new().prefix("openrunner-bench-").tempdir_in(&base).context("no folder to work in")?;
    let bench = Bench { site: Site::new(program, folder.path().to_owned())?, quick: args.quick };
    let passes = args.passes.unwrap_or(bench.size(3, 1));

    let mut results = Results::new(passes);
    let mut all_worked = true;
    for scenario in chosen {
        for pass in 1..=passes {
            eprintln!("{} ({pass} of {passes})", scenario.name);
            match (scenario.run)(&bench) {
                Ok(figures) => results.add(scenario, figures),
                // The others took long to measure, and say something without this one.
                Err(error) => {
                    all_worked = false;
                    eprintln!("scenario {} cannot be carried out: {error:#}", scenario.name);
                }
            }
        }
        // As far as it has come: whoever stops a long measurement keeps what there is.
        if let Some(path) = &args.json {
            fs::write(path, serde_json::to_string_pretty(&results.json())? + "\n")?;
        }
    }
    println!("{}", results.table());
    let kept = goals.judge(&results);
    Ok(if kept && all_worked { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn choose(names: &[String]) -> anyhow::Result<Vec<&'static Scenario>> {
    if names.is_empty() {
        return Ok(Scenario::ALL.iter().collect());
    }
    let one = |name: &String| {
        let found = Scenario::ALL.iter().find(|scenario| scenario.name == name);
        found.with_context(|| format!("there is no scenario {name:?}; --list names those that are"))
    };
    names.iter().map(one).collect()
}

/// Ten thousand readers need as many descriptors, here and in the server, which inherits the limit.
fn raise_descriptors() -> anyhow::Result<()> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    Ok(setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?)
}

fn build() -> anyhow::Result<PathBuf> {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = Command::new(cargo).current_dir(root).args(["build", "--release", "--locked", "--package", "openrunner"]).status()?;
    if !built.success() {
        bail!("the server could not be built");
    }
    // Beside this program, wherever the target folder is; a debug build of the driver looks for the release as well.
    let this = std::env::current_exe()?;
    let target = this.parent().and_then(|profile| profile.parent()).context("this program is in no target folder")?;
    Ok(target.join("release/openrunner"))
}
