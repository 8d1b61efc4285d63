//! Distinguishes the two programs named `opencode`.

use std::path::Path;

use serde_json::Value;

use crate::agent::probe::Prober;

/// The program from npm (`opencode-ai`), Homebrew or its own installer.
pub(super) const NPM: &str = "npm";
/// The archived Go program.
pub(super) const GO: &str = "go";

/// The result of [`detect`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Detection {
    pub(super) variant: &'static str,
    pub(super) version: Option<String>,
    pub(super) error: Option<String>,
}

/// Determines the variant and version of `binary`. Starting it is expensive (0.7 to 1.7 s and 190 MB for `--version`), so its npm
/// `package.json` is read first, and the program is run only if there is none.
pub(super) async fn detect(binary: &Path, prober: &Prober) -> Detection {
    if let Some(version) = npm_version(binary, prober).await {
        return Detection { variant: NPM, version: Some(version), error: None };
    }
    let help = match prober.run(binary, &["--help"]).await {
        // Without a terminal, the npm program prints its help to stderr.
        Ok(output) => format!("{}\n{}", output.stdout, output.stderr),
        Err(error) => {
            let error = prober.version(binary, "opencode").await.err().unwrap_or_else(|| format!("`opencode --help` {error}"));
            return Detection { variant: NPM, version: None, error: Some(error) };
        }
    };
    let Some(variant) = from_help(&help) else {
        // A program that cannot run at all prints no help either.
        if let Err(error) = prober.version(binary, "opencode").await {
            return Detection { variant: NPM, version: None, error: Some(error) };
        }
        let error = format!("{} is not a known opencode: its --help lists the commands of neither program", binary.display());
        return Detection { variant: NPM, version: None, error: Some(error) };
    };
    let version = prober.run(binary, &["--version"]).await.ok().filter(|output| output.exit.is_success());
    let version = version.and_then(|output| output.stdout.split_whitespace().next().map(str::to_owned));
    Detection { variant, version, error: None }
}

/// The variant that prints `help`. `--version` prints a bare number in both, and the Go program takes no subcommand: it would ignore it
/// and open its full-screen interface.
pub(super) fn from_help(help: &str) -> Option<&'static str> {
    if help.contains("opencode run [message") || help.contains("opencode acp") {
        Some(NPM)
    } else if help.contains("--output-format") && help.contains("--cwd") {
        Some(GO)
    } else {
        None
    }
}

/// The version in the `package.json` of the npm package that contains `binary`.
async fn npm_version(binary: &Path, prober: &Prober) -> Option<String> {
    let binary = tokio::fs::canonicalize(binary).await.ok()?;
    let package = binary.parent()?.parent()?.join("package.json");
    let package: Value = serde_json::from_str(&prober.read(&package).await?).ok()?;
    let name = package.get("name")?.as_str()?;
    (name == "opencode-ai" || name.starts_with("opencode-")).then(|| package.get("version")?.as_str().map(str::to_owned))?
}
