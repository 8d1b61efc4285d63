//! Facts about the agent's own process.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::{env, fs, io};

use rustix::process::{Resource, getpgrp, getpid, getppid, getrlimit, getsid};
use serde_json::{Value, json};

/// Returns the fact with this name: `env`, `fds` (the target of each descriptor, by number), `argv`, `ids` (pid, sid, pgid, ppid), `umask`,
/// `cwd`, `cgroup`, `input` (the run's files), `limits` (of data and core size, in bytes) or `open_files` (the limit).
///
/// # Errors
/// If the name is unknown or the fact is not available.
pub(crate) fn read_fact(name: &str) -> io::Result<Value> {
    match name {
        "env" => Ok(env::vars_os().map(|(name, value)| (lossy(name), lossy(value))).collect::<BTreeMap<_, _>>().into_iter().collect()),
        "fds" => descriptors(),
        "argv" => Ok(env::args_os().map(lossy).collect()),
        "ids" => {
            let parent = getppid().map(|pid| pid.as_raw_nonzero().get());
            Ok(
                json!({ "pid": getpid().as_raw_nonzero(), "sid": getsid(None)?.as_raw_nonzero(), "pgid": getpgrp().as_raw_nonzero(), "ppid": parent }),
            )
        }
        "umask" => {
            let status = fs::read_to_string("/proc/self/status")?;
            Ok(status.lines().find_map(|line| line.strip_prefix("Umask:")).map(str::trim).into())
        }
        "cgroup" => {
            let cgroups = fs::read_to_string("/proc/self/cgroup")?;
            Ok(cgroups.lines().find_map(|line| line.strip_prefix("0::")).into())
        }
        "limits" => {
            let limit = |resource| getrlimit(resource).current;
            Ok(json!({ "data": limit(Resource::Data), "core": limit(Resource::Core) }))
        }
        "open_files" => Ok(getrlimit(Resource::Nofile).current.into()),
        "input" => {
            let mut files = BTreeMap::new();
            for entry in fs::read_dir(last_input()?)? {
                let entry = entry?;
                files.insert(lossy(entry.file_name()), lossy(OsStr::from_bytes(&fs::read(entry.path())?)));
            }
            Ok(files.into_iter().collect())
        }
        "cwd" => Ok(lossy(env::current_dir()?).into()),
        _ => Err(io::Error::other(format!("unknown fact: {name:?}"))),
    }
}

/// The directory with the files of the last message, or of the prompt.
fn last_input() -> io::Result<PathBuf> {
    let numbers = |name: &str| name.strip_prefix("openrunner-input")?.split('-').skip(1).map(|number| number.parse::<u64>().ok()).collect();
    let mut found: Vec<(Vec<u64>, PathBuf)> = Vec::new();
    for entry in fs::read_dir(env::temp_dir())? {
        let entry = entry?;
        found.extend(entry.file_name().to_str().and_then(numbers).map(|numbers| (numbers, entry.path())));
    }
    let last = found.into_iter().max().map(|(_, path)| path);
    last.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "no files were given"))
}

fn descriptors() -> io::Result<Value> {
    let own = format!("/proc/{}/fd", std::process::id());
    let mut open = BTreeMap::new();
    for entry in fs::read_dir("/proc/self/fd")? {
        let entry = entry?;
        let target = lossy(fs::read_link(entry.path())?);
        // Skips the descriptor of this listing.
        if target != own {
            open.insert(lossy(entry.file_name()), target);
        }
    }
    Ok(open.into_iter().collect())
}

fn lossy(text: impl AsRef<OsStr>) -> String {
    text.as_ref().to_string_lossy().into_owned()
}
