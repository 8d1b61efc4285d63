//! `openrunner doctor`: looks at everything that a server here would need, changes nothing, and says how to mend what is wrong.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anstyle::{AnsiColor, Style};
use anyhow::Context;
use serde::Serialize;
use serde_json::json;

use super::client::{Client, local_address};
use super::commands::LocalArgs;
use super::exit::Exit;
use super::run::print_json;
use super::sanitize;
use crate::agent::{AgentReport, Agents, Authenticated};
use crate::config::{self, Settings};
use crate::process::Spawner;
use crate::process::launch::Launcher;
use crate::run::RetentionPolicy;
use crate::run::store::{SqliteStore, StoreStats};
use crate::server;
use crate::types::{Clock, SystemClock, Timestamp};

/// Free space below which the log of a busy day may not fit, and below which nothing should be started, in MiB.
const DISK: (u64, u64) = (1024, 100);
/// Before this the clock is certainly wrong: it is when this program was written.
const WRITTEN: &str = "2026-11-01T00:00:00Z";

/// How one thing stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Verdict {
    Ok,
    Warn,
    Bad,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Finding {
    what: String,
    verdict: Verdict,
    said: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    mend: Option<String>,
}

impl Finding {
    fn ok(what: &str, said: impl Into<String>) -> Self {
        Self { what: what.to_owned(), verdict: Verdict::Ok, said: said.into(), mend: None }
    }

    fn warn(what: &str, said: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { what: what.to_owned(), verdict: Verdict::Warn, said: said.into(), mend: Some(mend.into()) }
    }

    fn bad(what: &str, said: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { verdict: Verdict::Bad, ..Self::warn(what, said, mend) }
    }
}

/// Carries out `openrunner doctor`.
pub(super) async fn doctor(args: LocalArgs, launcher: Launcher) -> anyhow::Result<Exit> {
    let findings = match config::load(args.flags, &|name| std::env::var_os(name)) {
        Ok(settings) => look(&settings, launcher).await?,
        Err(error) => vec![Finding::bad("settings", error.to_string(), "see docs/settings.md for what each setting takes")],
    };
    let is_well = findings.iter().all(|finding| finding.verdict != Verdict::Bad);
    if args.form.json {
        print_json(&json!({ "ok": is_well, "checks": findings }))?;
    } else {
        print(&findings)?;
    }
    Ok(if is_well { Exit::Done } else { Exit::Failed })
}

fn print(findings: &[Finding]) -> io::Result<()> {
    let mut out = anstream::stdout().lock();
    let dim = Style::new().dimmed();
    for Finding { what, verdict, said, mend } in findings {
        let (word, style) = match verdict {
            Verdict::Ok => ("ok", AnsiColor::Green.on_default()),
            Verdict::Warn => ("warn", AnsiColor::Yellow.on_default()),
            Verdict::Bad => ("bad", AnsiColor::Red.on_default()),
        };
        writeln!(out, "{style}{word:>4}{style:#}  {what:<14} {}", sanitize::line(said))?;
        if let Some(mend) = mend {
            writeln!(out, "{:21} {dim}{}{dim:#}", "", sanitize::line(mend))?;
        }
    }
    Ok(())
}

async fn look(settings: &Settings, launcher: Launcher) -> anyhow::Result<Vec<Finding>> {
    let mut findings = vec![data_folder(&settings.data_dir)];
    findings.extend(address(settings).await);
    findings.push(passwords(settings));
    findings.extend(agents(settings, launcher).await?);
    findings.push(control_groups(Path::new("/sys/fs/cgroup/cgroup.controllers").exists()));
    findings.push(store(settings, SystemClock.now()));
    findings.push(disk(&settings.data_dir));
    findings.push(clock(SystemClock.now(), last_written(&settings.data_dir)));
    Ok(findings)
}

fn data_folder(path: &Path) -> Finding {
    let (what, shown) = ("data folder", path.display());
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let parent = nearest(path);
            return if may_write(&parent) {
                Finding::ok(what, format!("{shown} will be made at the first start"))
            } else {
                Finding::bad(
                    what,
                    format!("{shown} cannot be made below {}", parent.display()),
                    "set OPENRUNNER_DATA_DIR to a folder that may be written",
                )
            };
        }
        Err(error) => return Finding::bad(what, format!("{shown}: {error}"), "set OPENRUNNER_DATA_DIR to a folder that may be written"),
    };
    if !metadata.is_dir() || !may_write(path) {
        return Finding::bad(
            what,
            format!("{shown} is no folder that may be written"),
            "set OPENRUNNER_DATA_DIR to one, or change its owner",
        );
    }
    if metadata.permissions().mode() & 0o077 != 0 {
        return Finding::warn(what, format!("{shown} can be read by others"), format!("chmod 700 {shown}"));
    }
    Finding::ok(what, format!("{shown}, its owner's alone"))
}

fn may_write(folder: &Path) -> bool {
    rustix::fs::access(folder, rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK).is_ok()
}

/// The folder itself, or the nearest one above it that is there.
fn nearest(path: &Path) -> PathBuf {
    path.ancestors().find(|path| path.exists()).unwrap_or(Path::new("/")).to_owned()
}

/// Whether a server runs on this data folder, and whether its address can be had.
async fn address(settings: &Settings) -> Vec<Finding> {
    let address = local_address(settings);
    let is_locked =
        File::open(settings.data_dir.join("openrunner.lock")).is_ok_and(|lock| matches!(lock.try_lock(), Err(TryLockError::WouldBlock)));
    let health = match Client::guest(address.clone()) {
        Ok(client) => client.health().await.ok(),
        Err(_) => None,
    };
    let answers = health.as_ref().and_then(|health| health["version"].as_str());
    let server = match (is_locked, answers) {
        (true, Some(version)) => Finding::ok("server", format!("{version} is running at {address}")),
        (true, None) => Finding::warn(
            "server",
            format!("one is using this data folder, but none answers at {address}"),
            "if it listens elsewhere, say where with OPENRUNNER_URL; if it hangs, look at its log and stop it",
        ),
        (false, Some(version)) => Finding::warn(
            "server",
            format!("{version} is running at {address} with another data folder"),
            "set OPENRUNNER_DATA_DIR as that server has it, or another OPENRUNNER_ADDR for this one",
        ),
        (false, None) => Finding::ok("server", "none is running here; `openrunner serve` starts one"),
    };
    let mut findings = vec![server];
    if answers.is_none() {
        findings.push(match TcpListener::bind(settings.addr) {
            Ok(_free) => Finding::ok("address", format!("{} is free", settings.addr)),
            Err(error) => Finding::bad(
                "address",
                format!("{}: {error}", settings.addr),
                "set OPENRUNNER_ADDR to another address, such as 127.0.0.1:3001",
            ),
        });
    }
    findings
}

fn passwords(settings: &Settings) -> Finding {
    if settings.addr.ip().is_loopback() || settings.admin_password.is_some() {
        return Finding::ok(
            "passwords",
            if settings.admin_password.is_some() { "admin has one from the settings" } else { "only this machine can log in" },
        );
    }
    Finding::warn(
        "passwords",
        format!("{} can be reached from other machines, and no admin password is set here", settings.addr),
        "set OPENRUNNER_ADMIN_PASSWORD, unless admin has got a password otherwise",
    )
}

async fn agents(settings: &Settings, launcher: Launcher) -> anyhow::Result<Vec<Finding>> {
    let registry = server::build_registry(&settings.agents, |name| std::env::var_os(name));
    let spawner = Spawner::new(launcher).context("cannot start the thread that starts agents")?;
    let host = server::host(settings, PathBuf::from("/"), spawner);
    let agents = Agents::new(&registry, &host);
    let names: Vec<String> = agents.names().map(str::to_owned).collect();
    for name in &names {
        // A report does not wait for a slow program; this does.
        agents.capabilities(name).await;
    }
    Ok(agents.reports().await.into_iter().filter(|report| report.agent_type != "demo").map(agent).collect())
}

fn agent(report: AgentReport) -> Finding {
    let AgentReport { agent_type: name, available, version, path, authenticated, install, login, error } = report;
    let found = format!("{} {}", version.unwrap_or_default(), path.map(|path| path.display().to_string()).unwrap_or_default());
    let login = login.unwrap_or_else(|| "see docs/agents.md".to_owned());
    match (available, authenticated) {
        (false, _) => {
            let mend = if install.is_some() { format!("openrunner agents install {name}") } else { "see docs/agents.md".to_owned() };
            Finding::warn(&name, error.unwrap_or_else(|| "is not there".to_owned()), mend)
        }
        (true, Authenticated::No) => Finding::warn(&name, format!("{found}, not logged in"), login),
        (true, Authenticated::Unknown) => Finding::ok(&name, format!("{found}, perhaps logged in")),
        (true, Authenticated::Yes) => Finding::ok(&name, format!("{found}, logged in")),
    }
}

fn control_groups(has_v2: bool) -> Finding {
    if has_v2 {
        return Finding::ok("control groups", "version 2");
    }
    Finding::ok("control groups", "not version 2; the processes of a run are found by their parents and a mark in their environment")
}

fn disk(data_dir: &Path) -> Finding {
    let place = nearest(data_dir);
    match rustix::fs::statvfs(&place) {
        Ok(space) => disk_with(space.f_bavail.saturating_mul(space.f_frsize) / (1024 * 1024), &place),
        Err(error) => Finding::warn("disk", format!("{}: {error}", place.display()), "see whether the file system is mounted"),
    }
}

fn disk_with(free: u64, place: &Path) -> Finding {
    let said = format!("{free} MiB are free at {}", place.display());
    let mend = "make room, delete old runs, or set OPENRUNNER_DATA_DIR to a larger disk";
    match free {
        _ if free < DISK.1 => Finding::bad("disk", said, mend),
        _ if free < DISK.0 => Finding::warn("disk", said, mend),
        _ => Finding::ok("disk", said),
    }
}

/// How large the store is, and what of it would go by the settings.
fn store(settings: &Settings, now: Timestamp) -> Finding {
    let keep = RetentionPolicy { max_age: settings.keep_age(), max_bytes: settings.max_store() };
    match SqliteStore::stats(&settings.data_dir, keep.cutoff(now)) {
        Ok(None) => Finding::ok("store", "nothing is stored yet"),
        Ok(Some(survey)) => store_of(survey, keep),
        // One of an earlier release is brought up to date when the server starts.
        Err(error) => Finding::warn("store", format!("it cannot be read: {error}"), "start the server, whose log says more"),
    }
}

fn store_of(StoreStats { size, runs, expired }: StoreStats, keep: RetentionPolicy) -> Finding {
    let mebibytes = |bytes: u64| bytes.div_ceil(1024 * 1024);
    let over = keep.max_bytes.and_then(|most| size.used.checked_sub(most)).filter(|over| *over > 0);
    let parts = [
        Some(format!("{runs} runs in {} MiB, and {} MiB free in the file", mebibytes(size.used), mebibytes(size.free))),
        keep.max_age.map(|_| format!("{expired} runs are old enough to go")),
        over.map(|over| format!("{} MiB of the oldest logs are to be cut", mebibytes(over))),
        (keep == RetentionPolicy::default()).then(|| "everything is kept for ever".to_owned()),
    ];
    let said = parts.into_iter().flatten().collect::<Vec<_>>().join("; ");
    Finding::ok("store", said)
}

/// When the database was last written, in milliseconds since 1970.
fn last_written(data_dir: &Path) -> Option<i64> {
    let metadata = fs::metadata(data_dir.join("openrunner.db")).ok()?;
    Some(metadata.mtime().saturating_mul(1000))
}

fn clock(now: Timestamp, last_written: Option<i64>) -> Finding {
    let mend = "set the clock, mostly by `timedatectl set-ntp true`: tokens are good or not by it";
    if Timestamp::parse(WRITTEN).is_some_and(|written| now < written) {
        return Finding::bad("clock", format!("{now} cannot be"), mend);
    }
    if last_written.is_some_and(|written| written > now.as_millis() + 60_000) {
        return Finding::warn("clock", format!("{now} is before the database was last written"), mend);
    }
    Finding::ok("clock", now.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_data_folder_is_judged_by_who_may_use_it() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        assert_eq!(data_folder(&data).verdict, Verdict::Ok, "it will be made");
        fs::create_dir(&data).unwrap();
        fs::set_permissions(&data, fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(data_folder(&data).verdict, Verdict::Warn);
        fs::set_permissions(&data, fs::Permissions::from_mode(0o700)).unwrap();
        assert_eq!(data_folder(&data).verdict, Verdict::Ok);
        fs::write(folder.path().join("file"), "").unwrap();
        assert_eq!(data_folder(&folder.path().join("file")).verdict, Verdict::Bad);
    }

    #[test]
    fn little_room_is_a_warning_and_none_is_bad() {
        let verdict = |free| disk_with(free, Path::new("/")).verdict;
        assert_eq!([verdict(50), verdict(500), verdict(5000)], [Verdict::Bad, Verdict::Warn, Verdict::Ok]);
    }

    #[test]
    fn the_store_is_told_with_what_would_go() {
        use crate::run::store::StoreSize;
        use std::time::Duration;
        const MIB: u64 = 1024 * 1024;
        let survey = StoreStats { size: StoreSize { used: 10 * MIB, free: 1 }, runs: 7, expired: 3 };
        let said = |max_age, max_bytes| store_of(survey, RetentionPolicy { max_age, max_bytes }).said;
        assert_eq!(said(None, None), "7 runs in 10 MiB, and 1 MiB free in the file; everything is kept for ever");
        assert!(said(Some(Duration::from_hours(24)), None).ends_with("; 3 runs are old enough to go"));
        assert!(said(None, Some(4 * MIB)).ends_with("; 6 MiB of the oldest logs are to be cut"));
        assert!(said(None, Some(10 * MIB)).ends_with("free in the file"));
    }

    #[test]
    fn a_clock_that_has_gone_back_is_noticed() {
        let now = Timestamp::parse("2026-11-22T13:05:00Z").unwrap();
        assert_eq!(clock(now, Some(now.as_millis())).verdict, Verdict::Ok);
        assert_eq!(clock(now, Some(now.as_millis() + 3_600_000)).verdict, Verdict::Warn);
        assert_eq!(clock(Timestamp::from_millis(0), None).verdict, Verdict::Bad);
    }

    #[test]
    fn whatever_is_not_well_comes_with_what_to_do() {
        let report = |available, authenticated| AgentReport {
            agent_type: "codex".into(),
            available,
            version: None,
            path: None,
            authenticated,
            install: Some("npm install x".into()),
            login: Some("codex login".into()),
            error: Some("not found".into()),
        };
        let missing = agent(report(false, Authenticated::Unknown));
        assert_eq!((missing.verdict, missing.mend.as_deref() == Some("openrunner agents install codex")), (Verdict::Warn, true));
        assert_eq!(agent(report(true, Authenticated::No)).mend.as_deref(), Some("codex login"));
        assert_eq!(agent(report(true, Authenticated::Yes)).verdict, Verdict::Ok);
    }
}
