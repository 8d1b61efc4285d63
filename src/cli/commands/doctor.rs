//! `openrunner doctor`: checks what a server on this machine needs, with the server's own code, and changes nothing.

use std::fs::{self, File, TryLockError};
use std::io;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use super::agent_check;
use crate::agent::Agents;
use crate::cli::client::{Client, local_address};
use crate::cli::context::Context;
use crate::cli::error::without_os_codes;
use crate::cli::exit::Exit;
use crate::cli::finding::{self, Finding};
use crate::cli::format::count;
use crate::cli::output::{Output, print_json};
use crate::config::{self, ControlGroup, Flags, Isolation, Origins, Settings, SettingsError, UnknownVariable};
use crate::ownership;
use crate::process::Account;
use crate::process::isolation_probe::{Levels, Unavailable};
use crate::run::RetentionPolicy;
#[cfg(feature = "postgres")]
use crate::run::store::PostgresStore;
use crate::run::store::{SqliteStore, StoreStats, StoredLogins};
use crate::server;
use crate::types::{Clock, IsolationLevel, SystemClock, Timestamp};

/// Free disk space in MiB below which a warning or an error is reported.
const DISK_MIB: (u64, u64) = (1024, 100);
/// A clock before this release was written is wrong.
const RELEASED: &str = "2026-11-01T00:00:00Z";
/// The users of a new data directory.
const DEFAULT_USERS: [&str; 2] = ["admin", "user"];

/// Arguments of `doctor`.
#[derive(Debug, Args)]
pub(in crate::cli) struct DoctorArgs {
    #[command(flatten)]
    flags: Flags,
}

/// Checks this machine. The exit code is 1 if a check fails.
pub(in crate::cli) async fn doctor(context: &Context, args: DoctorArgs) -> anyhow::Result<Exit> {
    let findings = match config::load_with_origins(args.flags, &|name| std::env::var_os(name)) {
        Ok((settings, origins)) => check_all(context, &settings, &origins).await?,
        Err(SettingsError::Insecure(insecure)) => vec![Finding::error("settings", insecure.finding(), insecure.remedy())],
        Err(error) => vec![Finding::error("settings", error.to_string(), "see docs/settings.md")],
    };
    let unknown = config::unknown_variables(std::env::vars_os().map(|(name, _)| name));
    let findings: Vec<_> = unknown.iter().map(unknown_variable).chain(findings).collect();
    let is_healthy = finding::is_healthy(&findings);
    if context.output.json {
        print_json(&json!({ "ok": is_healthy, "checks": findings }))?;
    } else {
        finding::print(&findings)?;
    }
    Ok(if is_healthy { Exit::Success } else { Exit::Failed })
}

async fn check_all(context: &Context, settings: &Settings, origins: &Origins) -> anyhow::Result<Vec<Finding>> {
    let mut findings = vec![data_directory(&settings.data_dir)];
    if let Err(insecure) = ownership::check_programs(&settings.agents_dir) {
        findings.push(Finding::error("agents directory", insecure.finding(), insecure.remedy()));
    }
    findings.extend(server_and_address(settings).await);
    let database = database(settings).await;
    findings.extend(database.finding.clone());
    findings.extend(logins(settings, &database));
    let accounts = server::accounts(settings);
    let usable = accounts.clone().unwrap_or_default();
    let levels = agent_check::isolation_levels(context, settings, origins, &usable).await?;
    let agents = agent_check::agents(context, settings, levels.clone().and_then(Result::ok), usable)?;
    let names: Vec<String> = agents.names().map(str::to_owned).collect();
    let reports = agent_check::reports(&agents, &names).await;
    findings.extend(reports.iter().filter(|report| report.agent_type != "demo").map(agent_check::summary));
    findings.extend(isolation(settings.isolation, accounts, levels));
    findings.extend(keys_in_sandbox(settings, &agents));
    findings.extend(limits(settings));
    findings.push(store(settings, SystemClock.now(), &database));
    findings.push(disk(&settings.data_dir));
    findings.push(clock(SystemClock.now(), last_written(&settings.data_dir)));
    Ok(findings)
}

fn unknown_variable(unknown: &UnknownVariable) -> Finding {
    let hint = unknown.nearest.map_or("see docs/settings.md".to_owned(), |nearest| format!("did you mean {nearest}?"));
    Finding::warning("settings", format!("unknown environment variable {} is ignored", unknown.name), hint)
}

fn data_directory(path: &Path) -> Finding {
    let (check, shown, hint) = ("data directory", path.display(), "set OPENRUNNER_DATA_DIR to a writable directory");
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let parent = nearest_existing(path);
            return if is_writable(&parent) {
                Finding::ok(check, format!("{shown} will be created at the first start"))
            } else {
                Finding::error(check, format!("{shown} cannot be created: {} is not writable", parent.display()), hint)
            };
        }
        Err(error) => return Finding::error(check, format!("{shown}: {}", system_message(&error)), hint),
    };
    if !metadata.is_dir() || !is_writable(path) {
        return Finding::error(check, format!("{shown} is not a writable directory"), hint);
    }
    if let Err(insecure) = ownership::check_data_dir(path) {
        return Finding::error(check, insecure.finding(), insecure.remedy());
    }
    // Other accounts may pass through it to the workspaces of their agents.
    if metadata.permissions().mode() & 0o066 != 0 {
        return Finding::warning(check, format!("other users can read {shown}"), format!("chmod 700 {shown}"));
    }
    Finding::ok(check, format!("{shown}, private to its owner"))
}

/// The message of the system without its number.
fn system_message(error: &io::Error) -> String {
    without_os_codes(&error.to_string())
}

fn is_writable(directory: &Path) -> bool {
    rustix::fs::access(directory, rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK).is_ok()
}

/// The path itself or its nearest existing ancestor.
fn nearest_existing(path: &Path) -> PathBuf {
    path.ancestors().find(|path| path.exists()).unwrap_or(Path::new("/")).to_owned()
}

/// Whether a server uses the data directory, and whether its address is free.
async fn server_and_address(settings: &Settings) -> Vec<Finding> {
    let address = local_address(settings);
    let is_locked =
        File::open(settings.data_dir.join("openrunner.lock")).is_ok_and(|lock| matches!(lock.try_lock(), Err(TryLockError::WouldBlock)));
    let health = match Client::new(address.clone(), Output::default()) {
        Ok(client) => client.health().await.ok(),
        Err(_) => None,
    };
    let version = health.as_ref().and_then(|health| health["version"].as_str());
    let server = match (is_locked, version) {
        (true, Some(version)) => Finding::ok("server", format!("version {version} is running at {address}")),
        (true, None) => Finding::warning(
            "server",
            format!("a server uses this data directory, but none answers at {address}"),
            "if it listens elsewhere, set OPENRUNNER_URL; if it hangs, check its log and stop it",
        ),
        (false, Some(version)) => Finding::warning(
            "server",
            format!("version {version} is running at {address} with another data directory"),
            "set OPENRUNNER_DATA_DIR to that server's data directory, or OPENRUNNER_ADDR to another address",
        ),
        (false, None) => Finding::ok("server", "not running; start it with `openrunner serve`"),
    };
    let mut findings = vec![server];
    if version.is_none() && !is_locked {
        findings.push(match TcpListener::bind(settings.addr) {
            Ok(_free) => Finding::ok("address", format!("{} is free", settings.addr)),
            Err(error) => Finding::error(
                "address",
                format!("cannot listen on {}: {}", settings.addr, system_message(&error)),
                "set OPENRUNNER_ADDR to another address, such as 127.0.0.1:3001",
            ),
        });
    }
    findings
}

/// Which users can log in, and from where, by the rules of the server: a default password works from this machine only.
fn logins(settings: &Settings, database: &Database) -> Vec<Finding> {
    let check = "logins";
    let sets_admin = settings.admin_password.is_some();
    if settings.admin_password.as_ref().is_some_and(|password| password.expose() == DEFAULT_USERS[0]) {
        return vec![Finding::error(
            check,
            "OPENRUNNER_ADMIN_PASSWORD is the default password, with which the server does not start",
            "choose another password",
        )];
    }
    let (StoredLogins { users, damaged }, is_new) = match stored_logins(settings, database) {
        Ok(Some(logins)) => (logins, false),
        Ok(None) => (StoredLogins { users: DEFAULT_USERS.map(|name| (name.to_owned(), true)).to_vec(), damaged: 0 }, true),
        Err(()) => {
            return vec![Finding::warning(check, "the users cannot be read from the database", "start the server and check its log")];
        }
    };
    let mut findings = Vec::new();
    if damaged > 0 {
        let message = format!("{damaged} of the users in the database are damaged and cannot log in");
        findings.push(Finding::warning(check, message, "restore a backup, or create them again with `openrunner user create`"));
    }
    if sets_admin && !users.iter().any(|(name, _is_default)| name == DEFAULT_USERS[0]) {
        findings.push(Finding::warning(
            check,
            "OPENRUNNER_ADMIN_PASSWORD has no effect: there is no user admin",
            "remove the setting, or create the user with `openrunner user create admin --role admin`",
        ));
    }
    // The server gives admin the configured password at its start.
    let with_default: Vec<String> = users
        .into_iter()
        .filter(|(name, is_default)| *is_default && !(sets_admin && name == DEFAULT_USERS[0]))
        .map(|(name, _is_default)| name)
        .collect();
    findings.push(login_finding(&with_default, is_new, settings.addr.ip().is_loopback()));
    findings
}

fn login_finding(with_default: &[String], is_new: bool, is_loopback: bool) -> Finding {
    let check = "logins";
    if with_default.is_empty() {
        return Finding::ok(check, "no user has a default password");
    }
    let names = with_default.join(" and ");
    let verb = if is_new {
        "will get"
    } else if with_default.len() == 1 {
        "has"
    } else {
        "have"
    };
    let noun = if with_default.len() == 1 { "a default password" } else { "default passwords" };
    let message = format!("{names} {verb} {noun}: login from this machine only");
    if is_loopback {
        return Finding::ok(check, message);
    }
    let hint = if with_default.iter().any(|name| name == DEFAULT_USERS[0]) {
        "set a password with `openrunner auth password` or OPENRUNNER_ADMIN_PASSWORD to log in from other machines"
    } else {
        "set a password with `openrunner user set NAME --password`, or delete the user"
    };
    Finding::warning(check, message, hint)
}

/// Whether agents can be isolated: each level, tried by starting a program as agents are started, and the accounts that agents run under.
fn isolation(
    settings: Isolation,
    accounts: Result<Vec<Account>, Unavailable>,
    levels: Option<Result<Levels, Unavailable>>,
) -> Vec<Finding> {
    let check = "isolation";
    let mut findings = Vec::new();
    let accounts = match accounts {
        Ok(accounts) => accounts,
        Err(Unavailable { reason, remedy }) => {
            findings.push(Finding::error("agent account", reason, remedy));
            Vec::new()
        }
    };
    if !accounts.is_empty() {
        let names: Vec<&str> = accounts.iter().map(|account| account.name.as_str()).collect();
        findings.push(Finding::ok("agent account", format!("agents run as {}", names.join(", "))));
    }
    let levels = match levels {
        Some(Ok(levels)) => levels,
        Some(Err(Unavailable { reason, remedy })) => {
            findings.push(Finding::error(check, reason, remedy));
            return findings;
        }
        None => {
            findings.push(Finding::ok(check, "not tried, because the data directory does not exist yet"));
            return findings;
        }
    };
    let tried = [
        (IsolationLevel::Sandbox, levels.sandbox.err(), "agents see only the system, their workspace and a private home directory"),
        (IsolationLevel::Guard, levels.guard.err(), "agents cannot reach the server's files and processes"),
        (IsolationLevel::Files, levels.files.err(), "agents cannot open the server's files"),
    ];
    let Isolation { level: wanted, is_required } = settings;
    if wanted == IsolationLevel::None {
        let message = "off (OPENRUNNER_ISOLATION): agents can do everything that this account can do";
        findings.push(Finding::warning(check, message, "set OPENRUNNER_ISOLATION to guard or sandbox"));
    }
    for (level, failure, meaning) in tried {
        let name = level.as_str();
        // A level that is not the server's may still be asked for by a run.
        findings.push(match failure {
            None => Finding::ok(check, format!("{name} works: {meaning}")),
            Some(Unavailable { reason, remedy }) if level == wanted && is_required => {
                Finding::error(check, format!("{name} is required and does not work: {reason}"), remedy)
            }
            Some(Unavailable { reason, remedy }) if level == wanted => {
                Finding::warning(check, format!("{name} does not work, so agents get a lower level: {reason}"), remedy)
            }
            Some(Unavailable { reason, remedy }) => Finding::ok(check, format!("{name} does not work here: {reason} (remedy: {remedy})")),
        });
    }
    findings
}

/// The keys that sandboxed agents could read, if agents are sandboxed.
fn keys_in_sandbox(settings: &Settings, agents: &Agents) -> Option<Finding> {
    let credentials = settings.credentials.read().ok()?;
    let inherited = config::inherited_credentials(|name| std::env::var_os(name));
    let inside = agents.keys_in_sandbox(|agent| [&credentials, &inherited].iter().any(|known| known.models.contains_key(agent)));
    if settings.isolation.level != IsolationLevel::Sandbox || inside.is_empty() {
        return None;
    }
    let inside: Vec<String> = inside.into_iter().map(|(agent, keys)| format!("{agent}: {}", keys.join(", "))).collect();
    let message = format!("agents can read keys inside their sandbox: {}", inside.join("; "));
    Some(Finding::warning("keys", message, "set `[credentials.AGENT]` where docs/egress.md lists the agent, else remove the variables"))
}

/// Control groups and the limits of runs, as a server that is started from this shell has them.
fn limits(settings: &Settings) -> Vec<Finding> {
    let check = "control groups";
    let without = "processes of a run are found by their parents and a marker in their environment";
    let policy = match server::limits_policy(settings) {
        Ok(policy) => policy,
        Err(error) => {
            let message = without_os_codes(&format!("{:#}", anyhow::Error::new(error)));
            return vec![Finding::error(check, message, "set OPENRUNNER_CGROUP to a delegated control group, `auto` or `off`")];
        }
    };
    let mut findings = vec![match (policy.groups(), &settings.cgroup) {
        (Some(groups), _) => Finding::ok(check, format!("each run gets a control group in {}", groups.dir().display())),
        (None, ControlGroup::Off) => Finding::ok(check, format!("off (OPENRUNNER_CGROUP); {without}")),
        (None, _) => Finding::ok(check, format!("none is delegated to this shell; {without}")),
    }];
    let unenforceable = policy.unenforceable();
    let variables = [
        (unenforceable.memory_bytes, "OPENRUNNER_RUN_MEMORY_MB"),
        (unenforceable.processes, "OPENRUNNER_RUN_PROCESSES"),
        (unenforceable.cpu_weight, "OPENRUNNER_RUN_CPU_WEIGHT"),
    ];
    let variables: Vec<&str> = variables.into_iter().filter(|(limit, _name)| limit.is_some()).map(|(_limit, name)| name).collect();
    if !variables.is_empty() {
        findings.push(Finding::warning(
            "limits",
            format!("not enforced here: {}", variables.join(", ")),
            "run the server with a delegated control group, such as a systemd unit with Delegate=yes",
        ));
    }
    findings
}

fn disk(data_dir: &Path) -> Finding {
    let path = nearest_existing(data_dir);
    match rustix::fs::statvfs(&path) {
        Ok(space) => disk_with(space.f_bavail.saturating_mul(space.f_frsize) / (1024 * 1024), &path),
        Err(error) => Finding::warning(
            "disk",
            format!("{}: {}", path.display(), system_message(&error.into())),
            "check that the file system is mounted",
        ),
    }
}

fn disk_with(free_mib: u64, path: &Path) -> Finding {
    let message = format!("{free_mib} MiB free at {}", path.display());
    let hint = "free disk space, delete old runs, or set OPENRUNNER_DATA_DIR to a larger disk";
    match free_mib {
        _ if free_mib < DISK_MIB.1 => Finding::error("disk", message, hint),
        _ if free_mib < DISK_MIB.0 => Finding::warning("disk", message, hint),
        _ => Finding::ok("disk", message),
    }
}

/// The size of the store, and what retention would delete.
fn store(settings: &Settings, now: Timestamp, database: &Database) -> Finding {
    let policy = retention_policy(settings);
    let stats = match &settings.database_url {
        None => SqliteStore::stats(&settings.data_dir, policy.cutoff(now)).map_err(|_| ()),
        Some(_) => database.content.clone().map(|content| content.map(|(_, stats)| stats)),
    };
    match stats {
        Ok(None) => Finding::ok("store", "empty"),
        Ok(Some(stats)) => store_with(stats, policy),
        // A store of an earlier release is migrated when the server starts.
        Err(()) => Finding::warning("store", "the database cannot be read", "start the server and check its log"),
    }
}

fn retention_policy(settings: &Settings) -> RetentionPolicy {
    RetentionPolicy { max_age: settings.keep_age(), max_bytes: settings.max_store(), ..RetentionPolicy::default() }
}

/// The database of the settings, if it is not in the data directory.
#[derive(Clone)]
struct Database {
    finding: Option<Finding>,
    /// Its users and statistics; `None` if no server has created them yet.
    content: Result<Option<(StoredLogins, StoreStats)>, ()>,
}

#[cfg(feature = "postgres")]
async fn database(settings: &Settings) -> Database {
    let Some(url) = &settings.database_url else { return Database { finding: None, content: Ok(None) } };
    match PostgresStore::inspect(url.expose(), retention_policy(settings).cutoff(SystemClock.now())).await {
        Ok(content) => Database { finding: Some(Finding::ok("database", "PostgreSQL can be reached")), content: Ok(content) },
        Err(error) => {
            let hint = "check OPENRUNNER_DATABASE_URL, and that the database exists: see docs/operating.md#postgresql";
            Database { finding: Some(Finding::error("database", error.to_string(), hint)), content: Err(()) }
        }
    }
}

#[cfg(not(feature = "postgres"))]
async fn database(settings: &Settings) -> Database {
    let finding = settings.database_url.as_ref().map(|_| {
        Finding::error("database", "this program was built without PostgreSQL", "unset OPENRUNNER_DATABASE_URL, or build with `postgres`")
    });
    std::future::ready(Database { finding, content: Err(()) }).await
}

fn stored_logins(settings: &Settings, database: &Database) -> Result<Option<StoredLogins>, ()> {
    match &settings.database_url {
        None => SqliteStore::default_passwords(&settings.data_dir).map_err(|_| ()),
        Some(_) => database.content.clone().map(|content| content.map(|(logins, _)| logins)),
    }
}

fn store_with(StoreStats { size, runs, expired }: StoreStats, policy: RetentionPolicy) -> Finding {
    let mib = |bytes: u64| bytes.div_ceil(1024 * 1024);
    let excess = policy.max_bytes.and_then(|max| size.used.checked_sub(max)).filter(|excess| *excess > 0);
    let parts = [
        Some(format!("{}, {} MiB used, {} MiB free in the file", count(runs, "run"), mib(size.used), mib(size.free))),
        policy.max_age.map(|_| format!("retention will delete {}", count(expired, "run"))),
        excess.map(|excess| format!("retention will trim {} MiB of the oldest logs", mib(excess))),
        (policy == RetentionPolicy::default()).then(|| "no retention limit".to_owned()),
    ];
    Finding::ok("store", parts.into_iter().flatten().collect::<Vec<_>>().join("; "))
}

/// The time at which the database was last written, in milliseconds since 1970.
fn last_written(data_dir: &Path) -> Option<i64> {
    let metadata = fs::metadata(data_dir.join("openrunner.db")).ok()?;
    Some(metadata.mtime().saturating_mul(1000))
}

fn clock(now: Timestamp, last_written: Option<i64>) -> Finding {
    let hint = "set the clock, for example with `timedatectl set-ntp true`; the validity of tokens depends on it";
    if Timestamp::parse(RELEASED).is_some_and(|released| now < released) {
        return Finding::error("clock", format!("{now} is before the release of this program"), hint);
    }
    if last_written.is_some_and(|written| written > now.as_millis() + 60_000) {
        return Finding::warning("clock", format!("{now} is before the last change of the database"), hint);
    }
    Finding::ok("clock", now.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::finding::Level;

    #[test]
    fn a_data_directory_must_be_writable_and_private() {
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path().join("data");
        assert_eq!(data_directory(&data).level, Level::Ok, "it will be created");
        fs::create_dir(&data).unwrap();
        fs::set_permissions(&data, fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(data_directory(&data).level, Level::Warning);
        fs::set_permissions(&data, fs::Permissions::from_mode(0o700)).unwrap();
        assert_eq!(data_directory(&data).level, Level::Ok);
        fs::write(directory.path().join("file"), "").unwrap();
        assert_eq!(data_directory(&directory.path().join("file")).level, Level::Error);
    }

    #[test]
    fn an_unknown_variable_is_reported_with_the_nearest_name() {
        let finding = |nearest| unknown_variable(&UnknownVariable { name: "OPENRUNNER_ADRR".to_owned(), nearest });
        assert_eq!(finding(Some("OPENRUNNER_ADDR")).hint.as_deref(), Some("did you mean OPENRUNNER_ADDR?"));
        assert_eq!(finding(None).level, Level::Warning);
    }

    #[test]
    fn little_disk_space_is_reported() {
        let level = |free| disk_with(free, Path::new("/")).level;
        assert_eq!([level(50), level(500), level(5000)], [Level::Error, Level::Warning, Level::Ok]);
    }

    #[test]
    fn the_store_is_reported_with_what_retention_will_delete() {
        use crate::run::store::StoreSize;
        use std::time::Duration;
        const MIB: u64 = 1024 * 1024;
        let stats = StoreStats { size: StoreSize { used: 10 * MIB, free: 1 }, runs: 7, expired: 1 };
        let message = |max_age, max_bytes| store_with(stats, RetentionPolicy { max_age, max_bytes, ..RetentionPolicy::default() }).message;
        assert_eq!(message(None, None), "7 runs, 10 MiB used, 1 MiB free in the file; no retention limit");
        assert!(message(Some(Duration::from_hours(24)), None).ends_with("; retention will delete 1 run"));
        assert!(message(None, Some(4 * MIB)).ends_with("; retention will trim 6 MiB of the oldest logs"));
        assert!(message(None, Some(10 * MIB)).ends_with("free in the file"));
    }

    #[test]
    fn a_clock_that_went_back_is_reported() {
        let now = Timestamp::parse("2026-11-22T13:05:00Z").unwrap();
        assert_eq!(clock(now, Some(now.as_millis())).level, Level::Ok);
        assert_eq!(clock(now, Some(now.as_millis() + 3_600_000)).level, Level::Warning);
        assert_eq!(clock(Timestamp::from_millis(0), None).level, Level::Error);
    }

    #[test]
    fn default_passwords_are_a_problem_only_for_other_machines() {
        let finding = |names: &[&str], is_loopback| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            login_finding(&names, false, is_loopback)
        };
        assert_eq!(finding(&["admin", "user"], true).level, Level::Ok);
        let remote = finding(&["admin", "user"], false);
        assert_eq!(remote.level, Level::Warning);
        assert_eq!(remote.message, "admin and user have default passwords: login from this machine only");
        assert_eq!(finding(&[], false).level, Level::Ok);
    }
}
