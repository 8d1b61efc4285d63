//! What a process can find out about itself.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::{env, fs, io};

use rustix::process::{Resource, getpgrp, getpid, getppid, getrlimit, getsid};
use serde_json::{Value, json};

/// The fact of this name: `env`, `fds` (what each descriptor leads to, by number), `argv`, `ids` (pid, sid, pgid, ppid), `umask`, `cwd`,
/// `group` (the control group), `limits` (of resources, in bytes) or `open_files` (how many there may be).
///
/// # Errors
/// If there is no fact of that name or the system does not tell.
pub(crate) fn fact(name: &str) -> io::Result<Value> {
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
        "group" => {
            let groups = fs::read_to_string("/proc/self/cgroup")?;
            Ok(groups.lines().find_map(|line| line.strip_prefix("0::")).into())
        }
        "limits" => {
            let of = |resource| getrlimit(resource).current;
            Ok(json!({ "data": of(Resource::Data), "core": of(Resource::Core) }))
        }
        "open_files" => Ok(getrlimit(Resource::Nofile).current.into()),
        "cwd" => Ok(lossy(env::current_dir()?).into()),
        _ => Err(io::Error::other(format!("no such fact: {name:?}"))),
    }
}

fn descriptors() -> io::Result<Value> {
    let own = format!("/proc/{}/fd", std::process::id());
    let mut open = BTreeMap::new();
    for entry in fs::read_dir("/proc/self/fd")? {
        let entry = entry?;
        let target = lossy(fs::read_link(entry.path())?);
        // The listing itself is a descriptor, too.
        if target != own {
            open.insert(lossy(entry.file_name()), target);
        }
    }
    Ok(open.into_iter().collect())
}

fn lossy(text: impl AsRef<OsStr>) -> String {
    text.as_ref().to_string_lossy().into_owned()
}
