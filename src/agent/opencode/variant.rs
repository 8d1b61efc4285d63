//! Which of the two programs named `opencode` a file is.

use std::path::Path;

use serde_json::Value;

use crate::agent::probe::Prober;

/// The program from npm (`opencode-ai`), Homebrew or its own installer.
pub(super) const NPM: &str = "npm";
/// The archived Go program.
pub(super) const GO: &str = "go";

/// What a file was found to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) variant: &'static str,
    pub(super) version: Option<String>,
    pub(super) error: Option<String>,
}

/// Looks at `binary`. The program is large and slow to start (0.7 to 1.7 s and 190 MB for `--version` alone), so npm's own note
/// beside it is read first; only without one is it run.
pub(super) async fn find(binary: &Path, prober: &Prober) -> Found {
    if let Some(version) = npm_version(binary, prober).await {
        return Found { variant: NPM, version: Some(version), error: None };
    }
    let help = match prober.run(binary, &["--help"]).await {
        // The npm program prints its help to stderr when nobody watches.
        Ok(said) => format!("{}\n{}", said.stdout, said.stderr),
        Err(error) => return Found { variant: NPM, version: None, error: Some(format!("{}: {error}", binary.display())) },
    };
    let Some(variant) = from_help(&help) else {
        let error = format!("{} is no opencode that is known: its --help names neither program's commands", binary.display());
        return Found { variant: NPM, version: None, error: Some(error) };
    };
    let version = prober.run(binary, &["--version"]).await.ok().filter(|said| said.exit.is_success());
    let version = version.and_then(|said| said.stdout.split_whitespace().next().map(str::to_owned));
    Found { variant, version, error: None }
}

/// The two cannot be told apart by `--version`, which prints a bare number in both, and never by a subcommand: the Go program has
/// none, ignores the word and opens its full-screen interface.
pub(super) fn from_help(help: &str) -> Option<&'static str> {
    if help.contains("opencode run [message") || help.contains("opencode acp") {
        Some(NPM)
    } else if help.contains("--output-format") && help.contains("--cwd") {
        Some(GO)
    } else {
        None
    }
}

/// The version in the `package.json` of the npm package that `binary` lies in.
async fn npm_version(binary: &Path, prober: &Prober) -> Option<String> {
    let binary = tokio::fs::canonicalize(binary).await.ok()?;
    let package = binary.parent()?.parent()?.join("package.json");
    let package: Value = serde_json::from_str(&prober.read(&package).await?).ok()?;
    let name = package.get("name")?.as_str()?;
    (name == "opencode-ai" || name.starts_with("opencode-")).then(|| package.get("version")?.as_str().map(str::to_owned))?
}
