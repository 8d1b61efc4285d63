//! Decides the isolation level of each run: what the operator has set, what the run asks for, and what this machine can hold.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use super::private_home::{self, LoginFile};
use crate::process::isolation::{Egress, FileRules, Files, SandboxView, View};
use crate::process::isolation_probe::{Levels, Unavailable};
use crate::process::{Account, Borrowed, CommandPrefix, Containment, Scratch, WorkingDir};
use crate::types::{IsolationLevel, RunIsolation, UserName};

/// The isolation of a server's agents. The default isolates none.
#[derive(Clone, Debug)]
pub struct IsolationPolicy {
    /// The level of runs that do not ask for one, as far as this machine can hold it.
    wanted: IsolationLevel,
    /// Whether no run gets a lower level.
    is_required: bool,
    /// How each level is held, or why it cannot be.
    levels: Levels,
    /// The accounts that agents run under; empty for the server's own.
    accounts: Vec<Account>,
}

/// What the level of a run depends on besides the settings.
#[derive(Clone, Copy, Debug)]
pub(super) struct AgentFacts<'a> {
    /// The agent's home directory.
    pub(super) home: &'a Path,
    /// Whether the agent runs commands in a sandbox of its own, in this run.
    pub(super) has_own_sandbox: bool,
}

/// Why a run cannot have the isolation level that it asks for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadIsolation {
    /// This machine cannot hold the level.
    #[error("this server cannot hold isolation level {}: {reason}", level.as_str())]
    Unavailable {
        /// The requested level.
        level: IsolationLevel,
        /// What is missing, and what grants it.
        reason: String,
    },
    /// Only admins may lower the level.
    #[error("only admins may choose an isolation level below {}", .0.as_str())]
    NeedsAdmin(IsolationLevel),
    /// The operator requires a higher level.
    #[error("the operator requires isolation level {} (OPENRUNNER_ISOLATION)", .0.as_str())]
    BelowRequired(IsolationLevel),
}

impl Default for IsolationPolicy {
    fn default() -> Self {
        Self { wanted: IsolationLevel::None, is_required: false, levels: Levels::none("it was not set up"), accounts: Vec::new() }
    }
}

impl IsolationPolicy {
    /// `wanted` for every run, as far as this machine can hold it; `levels` is the result of trying them. If the level `is_required`, no run
    /// gets a lower one.
    ///
    /// # Errors
    /// If the level is required and this machine cannot hold it.
    pub fn new(wanted: IsolationLevel, is_required: bool, levels: Levels) -> Result<Self, Unavailable> {
        match unavailable(&levels, wanted) {
            Some(unavailable) if is_required => Err(unavailable.clone()),
            _ => Ok(Self { wanted, is_required, levels, accounts: Vec::new() }),
        }
    }

    /// Agents run under one of these accounts, the same one for all runs of a user. Empty for the server's own account.
    #[must_use]
    pub fn with_accounts(self, accounts: Vec<Account>) -> Self {
        Self { accounts, ..self }
    }

    /// The account of a user's agents; `None` for that of the server.
    pub(super) fn account(&self, owner: &UserName) -> Option<&Account> {
        // FNV-1a: the same in every server, so that a user's files keep their owner.
        let hash =
            owner.as_str().bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        let count = u64::try_from(self.accounts.len()).ok().filter(|count| *count > 0)?;
        self.accounts.get(usize::try_from(hash % count).ok()?)
    }

    /// The account with this name, if agents may run under it.
    pub(super) fn account_named(&self, name: &str) -> Option<&Account> {
        self.accounts.iter().find(|account| account.name == name)
    }

    /// The account that inspects agents; `None` for that of the server.
    pub(super) fn inspecting_account(&self) -> Option<&Account> {
        self.accounts.first()
    }

    /// Why the level that the operator wants is not held, if it is not.
    pub fn shortfall(&self) -> Option<&Unavailable> {
        unavailable(&self.levels, self.wanted)
    }

    /// The isolation of runs that do not ask for a level: the highest level up to the wanted one that can be held.
    pub(super) fn default_isolation(&self, agent: AgentFacts<'_>) -> RunIsolation {
        let Some(Unavailable { reason, .. }) = self.shortfall() else { return self.as_set(agent.home) };
        let missing = format!("{}: {reason}", self.wanted.as_str());
        if self.wanted > IsolationLevel::Guard && self.levels.guard.is_ok() {
            return RunIsolation { level: IsolationLevel::Guard, reason: Some(missing), account: None };
        }
        let (level, reason) = match &self.levels.files {
            Ok(files) if self.wanted > IsolationLevel::Files => {
                if agent.has_own_sandbox {
                    (IsolationLevel::None, format!("{missing}; files: the agent's own sandbox does not start in it"))
                } else if files.suits(agent.home) {
                    (IsolationLevel::Files, with_exposed(files, agent.home, missing))
                } else {
                    let problem = "the data directory is below the agent's home directory, in which nothing could be created";
                    (IsolationLevel::None, format!("{missing}; files: {problem}"))
                }
            }
            _ => (IsolationLevel::None, missing),
        };
        RunIsolation { level, reason: Some(reason), account: None }
    }

    /// The level that the operator wants, which this machine can hold.
    fn as_set(&self, home: &Path) -> RunIsolation {
        let is_highest = self.wanted == IsolationLevel::Sandbox;
        let reason = (!is_highest).then(|| self.reason(self.wanted, home, format!("OPENRUNNER_ISOLATION is {}", self.wanted.as_str())));
        RunIsolation { level: self.wanted, reason, account: None }
    }

    /// `reason`, with what `level` does not hide from agents with this home directory.
    fn reason(&self, level: IsolationLevel, home: &Path, reason: String) -> String {
        match &self.levels.files {
            Ok(files) if level == IsolationLevel::Files => with_exposed(files, home, reason),
            _ => reason,
        }
    }

    /// The isolation of a run that asks for `level`.
    ///
    /// # Errors
    /// [`BadIsolation`], by cause.
    pub(super) fn check(&self, level: Option<IsolationLevel>, is_admin: bool, agent: AgentFacts<'_>) -> Result<RunIsolation, BadIsolation> {
        let default = self.default_isolation(agent);
        let Some(level) = level.filter(|level| *level != default.level) else { return Ok(default) };
        if level < default.level && self.is_required {
            return Err(BadIsolation::BelowRequired(self.wanted));
        }
        if level < default.level && !is_admin {
            return Err(BadIsolation::NeedsAdmin(default.level));
        }
        if let Some(Unavailable { reason, remedy }) = unavailable(&self.levels, level) {
            let remedy = if remedy.is_empty() { String::new() } else { format!("; remedy for the operator: {remedy}") };
            return Err(BadIsolation::Unavailable { level, reason: format!("{reason}{remedy}") });
        }
        if level == IsolationLevel::Files && agent.has_own_sandbox {
            return Err(BadIsolation::Unavailable { level, reason: "the agent's own sandbox does not start in it".to_owned() });
        }
        let reason = (level < IsolationLevel::Sandbox).then(|| self.reason(level, agent.home, "the run asked for it".to_owned()));
        Ok(RunIsolation { level, reason, account: None })
    }

    /// The isolation of a run of an agent that is part of the server's process.
    ///
    /// # Errors
    /// If the run asks for a level.
    pub(super) fn check_in_process(level: Option<IsolationLevel>) -> Result<(), BadIsolation> {
        match level {
            None | Some(IsolationLevel::None) => Ok(()),
            Some(level) => Err(BadIsolation::Unavailable { level, reason: "the agent is part of the server's process".to_owned() }),
        }
    }

    /// Where a run at `level` sees its directory for temporary files.
    pub(super) fn inner_temp_dir(level: IsolationLevel, outer: &Path) -> PathBuf {
        match level {
            IsolationLevel::None | IsolationLevel::Files => outer.to_owned(),
            IsolationLevel::Guard | IsolationLevel::Sandbox => PathBuf::from("/tmp"),
        }
    }

    /// How a run at `level` sees the machine.
    ///
    /// # Errors
    /// If the level cannot be held now.
    pub(super) fn place(&self, level: IsolationLevel, run: &RunPlace<'_>) -> io::Result<Placed> {
        let RunPlace { working_dir, temp_dir, home, program, files, borrowed, .. } = *run;
        let view = View { working_dir: working_dir.path(), temp_dir, home, program, files, borrowed };
        let as_outside = Placed::default();
        let own_temp = |prefix| Placed { prefix: Some(prefix), files: None };
        match level {
            IsolationLevel::None => Ok(as_outside),
            IsolationLevel::Files => {
                let files = self.levels.files.as_ref().map_err(unheld)?;
                Ok(Placed { files: Some(files.rules(view)?), ..as_outside })
            }
            IsolationLevel::Guard => Ok(own_temp(self.levels.guard.as_ref().map_err(unheld)?.prefix(view)?)),
            IsolationLevel::Sandbox => {
                let sandbox = self.levels.sandbox.as_ref().map_err(unheld)?;
                let logins = if run.egress.is_some_and(|egress| egress.injects_credentials) { &[][..] } else { run.logins };
                private_home::prepare(run.private_home, run.outer_home, run.outer_env, run.logins, logins, run.account)?;
                private_home::remove_settings(run.private_home, run.unkept_settings, run.account)?;
                let view = SandboxView { view, private_home: run.private_home, egress: run.egress };
                let (prefix, mount_points) = sandbox.prefix(view)?;
                private_home::make_mount_points(run.private_home, &mount_points, run.account)?;
                Ok(own_temp(prefix))
            }
        }
    }

    /// Where and how a program is inspected: at the level of runs that do not ask for one, but in no sandbox, which hides what a login
    /// depends on. `None` at level `none`.
    ///
    /// # Errors
    /// If the level cannot be held now, or the directories cannot be created.
    pub(super) fn place_probe(&self, probe: ProbePlace<'_>) -> io::Result<Option<PlacedProbe>> {
        let ProbePlace { home, program, files, base } = probe;
        let level = self.default_isolation(AgentFacts { home, has_own_sandbox: false }).level;
        if level == IsolationLevel::None {
            return Ok(None);
        }
        let account = self.inspecting_account();
        let scratch = Scratch::new(base)?;
        let (working_dir, temp_dir) = (scratch.make("work", account)?, scratch.make("tmp", account)?);
        let view = View { working_dir: &working_dir, temp_dir: &temp_dir, home, program, files, borrowed: &[] };
        let mut containment = Containment { account: account.cloned(), ..Containment::default() };
        let temp_dir = if level == IsolationLevel::Files {
            containment.files = Some(self.levels.files.as_ref().map_err(unheld)?.rules(view)?);
            if account.is_some() {
                scratch.let_pass()?;
            }
            temp_dir
        } else {
            containment.prefix = Some(self.levels.guard.as_ref().map_err(unheld)?.prefix(view)?);
            PathBuf::from("/tmp")
        };
        Ok(Some(PlacedProbe { containment, working_dir, temp_dir, _scratch: scratch }))
    }
}

/// `reason`, with the files of the operator that level `files` does not hide.
fn with_exposed(files: &Files, home: &Path, reason: String) -> String {
    let exposed = files.exposed(home);
    if exposed.is_empty() {
        return reason;
    }
    let exposed: Vec<_> = exposed.iter().map(|path| path.display().to_string()).collect();
    format!("{reason}; not hidden, because the home directory stays writable: {}", exposed.join(", "))
}

fn unheld(unavailable: &Unavailable) -> io::Error {
    io::Error::other(unavailable.clone())
}

/// Why `level` cannot be held. `None` if it can.
fn unavailable(levels: &Levels, level: IsolationLevel) -> Option<&Unavailable> {
    match level {
        IsolationLevel::None => None,
        IsolationLevel::Files => levels.files.as_ref().err(),
        IsolationLevel::Guard => levels.guard.as_ref().err(),
        IsolationLevel::Sandbox => levels.sandbox.as_ref().err(),
    }
}

/// The paths of one run.
pub(super) struct RunPlace<'a> {
    pub(super) working_dir: &'a WorkingDir,
    /// Its directory for temporary files.
    pub(super) temp_dir: &'a Path,
    /// Its home directory, as it sees it.
    pub(super) home: &'a Path,
    /// The home directory of its account.
    pub(super) outer_home: &'a Path,
    pub(super) program: &'a Path,
    /// Files that its command line names.
    pub(super) files: &'a [PathBuf],
    /// Directories of others that it reads.
    pub(super) borrowed: &'a [Borrowed],
    /// The environment of its account.
    pub(super) outer_env: &'a BTreeMap<String, String>,
    /// The home directory of its session in a sandbox.
    pub(super) private_home: &'a Path,
    /// The files with logins that the agent needs.
    pub(super) logins: &'a [LoginFile],
    /// Its settings that are not kept between the runs of a session in a sandbox.
    pub(super) unkept_settings: &'a [&'a str],
    /// The way out of its sandbox.
    pub(super) egress: Option<&'a Egress>,
    /// The account that it runs under, if it is another one.
    pub(super) account: Option<&'a Account>,
}

/// How a run is started at its level.
#[derive(Default)]
pub(super) struct Placed {
    pub(super) prefix: Option<CommandPrefix>,
    pub(super) files: Option<FileRules>,
}

/// The paths of an inspection.
#[derive(Clone, Copy, Debug)]
pub(super) struct ProbePlace<'a> {
    /// The home directory of its account.
    pub(super) home: &'a Path,
    pub(super) program: &'a Path,
    /// Files that the program's command line names.
    pub(super) files: &'a [PathBuf],
    /// The directory in which its own directories are created.
    pub(super) base: &'a Path,
}

/// How a program is inspected. Its directories are removed when this is dropped.
#[derive(Debug)]
pub(super) struct PlacedProbe {
    pub(super) containment: Containment,
    /// An empty directory.
    pub(super) working_dir: PathBuf,
    /// Its directory for temporary files, as it sees it.
    pub(super) temp_dir: PathBuf,
    _scratch: Scratch,
}

#[cfg(test)]
mod tests {
    //! Rules: G2, G3.

    use super::*;

    fn agent() -> AgentFacts<'static> {
        AgentFacts { home: Path::new("/home/me"), has_own_sandbox: false }
    }

    fn missing() -> Unavailable {
        Unavailable { reason: "bwrap is missing".to_owned(), remedy: "install it".to_owned() }
    }

    fn none() -> Levels {
        Levels { guard: Err(missing()), sandbox: Err(missing()), ..Levels::none("no Landlock") }
    }

    #[test]
    fn a_required_level_that_cannot_be_held_is_an_error_and_a_wanted_one_is_reported() {
        for level in [IsolationLevel::Guard, IsolationLevel::Sandbox] {
            assert_eq!(IsolationPolicy::new(level, true, none()).unwrap_err(), missing());
            let policy = IsolationPolicy::new(level, false, none()).unwrap();
            let reason = format!("{}: bwrap is missing", level.as_str());
            assert_eq!(
                policy.check(None, false, agent()),
                Ok(RunIsolation { level: IsolationLevel::None, reason: Some(reason), account: None })
            );
            assert_eq!(policy.shortfall(), Some(&missing()));
        }
        assert_eq!(IsolationPolicy::new(IsolationLevel::Files, true, none()).unwrap_err().reason, "no Landlock");
    }

    #[test]
    fn a_run_that_asks_for_a_level_gets_it_or_is_refused_with_the_remedy() {
        let policy = IsolationPolicy::new(IsolationLevel::None, false, none()).unwrap();
        for (is_admin, level) in [(false, IsolationLevel::Guard), (true, IsolationLevel::Guard), (false, IsolationLevel::Sandbox)] {
            let refused = policy.check(Some(level), is_admin, agent()).unwrap_err();
            assert!(matches!(refused, BadIsolation::Unavailable { level: refused, .. } if refused == level));
            assert!(refused.to_string().contains("bwrap is missing") && refused.to_string().contains("install it"));
        }
        assert_eq!(policy.check(Some(IsolationLevel::None), false, agent()), policy.check(None, false, agent()));
        assert_eq!(policy.shortfall(), None, "the operator wants none");
    }

    #[test]
    fn a_user_always_gets_the_same_account() {
        let account = |uid: u32| Account { name: format!("agent{uid}"), uid, gid: uid, home: "/".into() };
        let policy = IsolationPolicy::default().with_accounts(vec![account(1), account(2), account(3)]);
        let of = |name: &str| policy.account(&name.parse().unwrap()).unwrap().uid;
        let used: std::collections::BTreeSet<u32> = (0..50).map(|number| of(&format!("user{number}"))).collect();
        assert_eq!(used.len(), 3, "all accounts are used");
        assert_eq!(of("anna"), of("anna"));
        assert!(IsolationPolicy::default().account(&"anna".parse().unwrap()).is_none());
    }
}
