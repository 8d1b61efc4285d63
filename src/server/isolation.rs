//! Sets up the isolation of agents: what is hidden from them, and whether this machine can hide it.

use std::ffi::OsString;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;

use crate::agent::IsolationPolicy;
use crate::config::{AccountName, Origins, Settings};
use crate::process::Account;
use crate::process::isolation::{Hidden, Shared};
use crate::process::isolation_probe::{Levels, Unavailable, find_levels};
use crate::process::launch::Launcher;
use crate::types::IsolationLevel;

/// Directory of the service's environment file in the documented installation.
const SERVICE_SETTINGS: &str = "/etc/openrunner";

/// Tries each level of isolation on this machine, as agents of a server with these settings will be started, under the
/// first of `accounts` if there are any. `get` reads a variable of the server's
/// environment. The data directory must exist.
///
/// # Errors
/// [`Unavailable`] if the data directory cannot be hidden.
pub async fn try_isolation(
    settings: &Settings,
    origins: &Origins,
    launcher: &Launcher,
    accounts: &[Account],
    get: impl Fn(&str) -> Option<OsString>,
) -> Result<Levels, Unavailable> {
    let of_data_dir = |error: io::Error| Unavailable {
        reason: format!("the data directory {} cannot be hidden: {error}", settings.data_dir.display()),
        remedy: "check the data directory".to_owned(),
    };
    let hidden = Hidden::new(&settings.data_dir, secret_paths(settings, origins, &get)).map_err(of_data_dir)?;
    let shared = Shared { kept: settings.agent_paths.clone(), protected: vec![settings.agents_dir.clone()] };
    let search: Vec<PathBuf> = get("PATH").map(|path| std::env::split_paths(&path).collect()).unwrap_or_default();
    Ok(find_levels(launcher, &search, hidden, shared, accounts.first()).await)
}

/// The files with secrets that are hidden by themselves, and so only as long as no other file takes their name.
fn hidden_alone(settings: &Settings, origins: &Origins, get: impl Fn(&str) -> Option<OsString>) -> Vec<PathBuf> {
    Hidden::new(&settings.data_dir, secret_paths(settings, origins, get)).and_then(|hidden| hidden.hidden_alone()).unwrap_or_default()
}

/// Files and directories with secrets of the server and of its operator outside the data directory: settings, and the logins of the command
/// line.
pub(super) fn secret_paths(settings: &Settings, origins: &Origins, get: impl Fn(&str) -> Option<OsString>) -> Vec<PathBuf> {
    let logins = logins_dir(get);
    let file = origins.file().and_then(|path| std::path::absolute(path).ok());
    let keys = settings.credentials.files().map(PathBuf::from);
    [Some(PathBuf::from(SERVICE_SETTINGS)), logins, file].into_iter().flatten().chain(keys).collect()
}

/// The directory of the command line's logins.
fn logins_dir(get: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let absolute = |name: &str| get(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let config = absolute("XDG_CONFIG_HOME").or_else(|| absolute("HOME").map(|home| home.join(".config")));
    config.map(|config| config.join("openrunner"))
}

/// The directory in which programs are inspected, in the data directory.
pub(super) const INSPECTION_DIR: &str = "empty";

/// How a command without a server inspects programs: the directory, and the isolation, as a server with these settings does it. `None`
/// if no server was ever started with this data directory, or if this account may not write to it: then there are no files to hide,
/// or they are out of reach anyway.
pub fn inspection(settings: &Settings, levels: Levels, accounts: Vec<Account>) -> Option<(PathBuf, IsolationPolicy)> {
    let dir = settings.data_dir.join(INSPECTION_DIR);
    let is_usable = dir.is_dir() && rustix::fs::access(&dir, rustix::fs::Access::WRITE_OK).is_ok();
    // A level that is required and cannot be held is another finding.
    let policy = IsolationPolicy::new(settings.isolation.level, false, levels).ok().filter(|_| is_usable)?;
    Some((dir, policy.with_accounts(accounts)))
}

/// The isolation of agents, as far as the settings want it and this machine can hold it.
///
/// # Errors
/// [`Unavailable`] if the settings require a level that this machine cannot hold.
pub(super) async fn isolation_policy(
    settings: &Settings,
    origins: &Origins,
    launcher: &Launcher,
    accounts: Vec<Account>,
) -> Result<IsolationPolicy, Unavailable> {
    let wanted = settings.isolation.level;
    let get = |name: &str| std::env::var_os(name);
    let levels = try_isolation(settings, origins, launcher, &accounts, get).await?;
    let covers = wanted >= IsolationLevel::Guard && levels.guard.is_ok();
    if let Some(dir) = logins_dir(get).filter(|_| covers) {
        // Only what exists can be covered, and a login may be stored while agents are running. Where this fails, none can be stored either.
        let _ = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir);
    }
    let policy = IsolationPolicy::new(wanted, settings.isolation.is_required, levels)?.with_accounts(accounts);
    for file in hidden_alone(settings, origins, get).into_iter().filter(|_| covers) {
        tracing::warn!(
            file = %file.display(),
            "a file with secrets is next to other files: replacing it uncovers it for running agents; move it to a directory of its own"
        );
    }
    match policy.shortfall() {
        Some(Unavailable { reason, remedy }) => {
            tracing::warn!(
                level = wanted.as_str(),
                reason,
                remedy,
                "agents are not isolated as OPENRUNNER_ISOLATION wants; each run reports its level"
            );
        }
        None if wanted == IsolationLevel::None => {
            tracing::warn!("agents are not isolated (OPENRUNNER_ISOLATION): they can do everything that this account can do");
        }
        None => {}
    }
    Ok(policy)
}

/// The accounts that agents run under, from the settings.
///
/// # Errors
/// [`Unavailable`] if the server cannot start programs under one of them.
pub fn accounts(settings: &Settings) -> Result<Vec<Account>, Unavailable> {
    let find = |name: &AccountName| {
        Account::find(name.as_str()).map_err(|error| Unavailable { reason: error.to_string(), remedy: error.remedy() })
    };
    settings.agent_user.iter().map(find).collect()
}
