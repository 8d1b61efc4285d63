//! Distinguishes the programs named `opencode`: by what they print and answer. Only the tested package in its tested major version is known
//! without being run.

use std::path::Path;

use serde_json::Value;

use crate::agent::acp::{initialize_request, initialized};
use crate::agent::probe::Prober;
use crate::process::probe_command::{ProbeError, ProbeOutput};

/// The program of the tested major version, from npm (`opencode-ai`), Homebrew or its own installer.
pub(super) const NPM: &str = "npm";
/// The same program in another major version, such as `OpenCode` 2: not tested, and driven over the Agent Client Protocol in every mode.
pub(super) const UNTESTED: &str = "untested";
/// The archived Go program.
pub(super) const GO: &str = "go";

/// The largest major version that the adapter was tested with. Earlier ones have the same commands.
const TESTED_MAJOR: u64 = 1;

/// The result of [`detect`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Detection {
    pub(super) variant: &'static str,
    pub(super) version: Option<String>,
    pub(super) error: Option<String>,
}

impl Detection {
    fn unusable(error: String) -> Self {
        Self { variant: NPM, version: None, error: Some(error) }
    }
}

/// Determines the variant and version of `binary` by its `--help` and `--version`, and of an unknown one by whether it answers `initialize`.
/// Each takes the program up to 2 s and 190 MB, so the tested package is recognized by its `package.json`.
pub(super) async fn detect(binary: &Path, prober: &Prober) -> Detection {
    if let Some(version) = tested_package(binary, prober).await {
        return Detection { variant: NPM, version: Some(version), error: None };
    }
    let (help, version) = tokio::join!(prober.run(binary, &["--help"]), prober.run(binary, &["--version"]));
    let help = match help {
        // Without a terminal, version 1 prints its help to stderr.
        Ok(output) => format!("{}\n{}", output.stdout, output.stderr),
        Err(error) => {
            let error = prober.version(binary, "opencode").await.err().unwrap_or_else(|| format!("`opencode --help` {error}"));
            return Detection::unusable(error);
        }
    };
    let version = version_of(version);
    match from_help(&help, version.as_deref()) {
        Some(UNTESTED) => confirm(binary, prober, version).await,
        Some(variant) => Detection { variant, version, error: None },
        None => {
            // A program that cannot run at all prints no help either.
            let error = prober.version(binary, "opencode").await.err();
            Detection::unusable(error.unwrap_or_else(|| {
                format!("{} is not a known opencode: its --help lists the commands of none of these programs", binary.display())
            }))
        }
    }
}

/// The variant that prints `help` and `version`. The Go program takes no subcommand: it would ignore it and open its full-screen interface,
/// so this is decided before one is tried.
pub(super) fn from_help(help: &str, version: Option<&str>) -> Option<&'static str> {
    // Previews of later versions are named 0.0.0.
    let is_tested =
        version.is_some_and(|version| !version.starts_with("0.0.0") && major(version).is_some_and(|major| major <= TESTED_MAJOR));
    if is_tested && (help.contains("opencode run [message") || help.contains("opencode acp")) {
        Some(NPM)
    } else if help.lines().any(offers_acp) {
        Some(UNTESTED)
    } else if help.contains("--output-format") && help.contains("--cwd") {
        Some(GO)
    } else {
        None
    }
}

/// Whether a line of a help lists the command `acp`, with or without the program's name before it.
fn offers_acp(line: &str) -> bool {
    let mut words = line.split_whitespace();
    match (words.next(), words.next()) {
        (Some("acp"), _) => true,
        (Some(program), Some("acp")) => program.starts_with("opencode"),
        _ => false,
    }
}

/// Asks an unknown version whether it speaks the protocol, which also states its version.
async fn confirm(binary: &Path, prober: &Prober, version: Option<String>) -> Detection {
    let request = initialize_request().to_string();
    let answer = prober.converse(binary, &["acp"], &request, |line| initialized(line).is_some()).await;
    let answer = match answer {
        Ok(line) => initialized(&line).map_or(Ok(None), |answer| answer.map(|stated| stated.version)),
        // It may be slow on a busy machine; a run has a time limit of its own.
        Err(ProbeError::TimedOut(_)) => Ok(None),
        Err(error) => Err(format!("`opencode acp` does not answer over the Agent Client Protocol: {error}")),
    };
    match answer {
        Ok(stated) => Detection { variant: UNTESTED, version: stated.or(version), error: None },
        Err(error) => Detection { variant: UNTESTED, version, error: Some(error) },
    }
}

/// The version of the tested npm package, if it contains `binary` and has a tested major version. Packages of other names or versions say
/// nothing about the program in them.
async fn tested_package(binary: &Path, prober: &Prober) -> Option<String> {
    let binary = tokio::fs::canonicalize(binary).await.ok()?;
    let package = binary.parent()?.parent()?.join("package.json");
    let package: Value = serde_json::from_str(&prober.read(&package).await?).ok()?;
    let name = package.get("name")?.as_str()?;
    let version = package.get("version")?.as_str()?;
    let is_tested = (name == "opencode-ai" || name.starts_with("opencode-linux-") || name.starts_with("opencode-darwin-"))
        && major(version) == Some(TESTED_MAJOR);
    is_tested.then(|| version.to_owned())
}

/// The version in the output of `--version`: a bare number, or one after the program's name.
fn version_of(output: Result<ProbeOutput, ProbeError>) -> Option<String> {
    let output = output.ok().filter(|output| output.exit.is_success())?;
    output.stdout.split_whitespace().find(|word| major(word).is_some()).map(str::to_owned)
}

/// The first number of a version such as `v2.0.31`.
fn major(version: &str) -> Option<u64> {
    let version = version.strip_prefix('v').unwrap_or(version);
    version.split('.').next()?.parse().ok()
}
