//! Start of a shim: detaches from the server, receives the start command, and starts the agent.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Child, ExitCode, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, Timespec, poll};
use rustix::fs::{Mode, OFlags};

use super::connection::{Connection, Message};
use super::event_loop::{AgentProcess, EventLoop};
use super::listener::Listener;
use super::process_files::ProcessFiles;
use super::spool::Spool;
use super::stdin::Stdin;
use super::termination::Termination;
use super::time_limits::TimeLimits;
use crate::process::cgroup::Group;
use crate::process::descriptors::close_inherited;
use crate::process::identity::boot_id;
use crate::process::launch::{Launcher, SHIM_SUBCOMMAND};
use crate::process::process_set::ProcessSet;
use crate::process::shim::ProcessDir;
use crate::process::shim::protocol::{
    Greeting, LENDS, PROTOCOL, ProcessRecord, REPORTS_BEFORE_ACK, Report, ShimCommand, Spooled, StartCommand,
};
use crate::process::{Identity, Marker, Tail, is_resource_exhausted};

/// Time limit for the start command.
const START_TIMEOUT: Duration = Duration::from_secs(30);

/// Size of the end of stderr in the exit record.
const STDERR_TAIL: usize = 16 * 1024;

/// Runs a shim, if this process was started as one. Returns `None` in every other process.
///
/// Must be called first: before any thread is started or any file is opened.
pub fn serve_if_asked(mut args: impl Iterator<Item = OsString>) -> Option<ExitCode> {
    args.next();
    if args.next()? != SHIM_SUBCOMMAND {
        return None;
    }
    let served = match (args.next(), args.next()) {
        (Some(dir), None) => serve(Path::new(&dir)),
        _ => Err(io::Error::other("internal command; not meant to be run by hand")),
    };
    Some(match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("openrunner: shim failed: {error}");
            ExitCode::FAILURE
        }
    })
}

fn serve(dir: &Path) -> io::Result<()> {
    let mut server = Connection::new(detach_from_parent()?)?;
    let mut command = receive_start_command(&mut server)?;
    let handover = std::mem::take(&mut command.handover);
    match start(dir, &command) {
        Ok((agent, listener)) => {
            // Drops the environment with its secrets.
            drop(command);
            server.send(&Report::Started { agent: agent.agent });
            EventLoop::new(agent, Listener::new(listener, server), handover).run();
            Ok(())
        }
        Err(error) => {
            server.send(&Report::NotStarted { message: error.to_string(), resource_exhausted: is_resource_exhausted(&error) });
            Err(error)
        }
    }
}

/// Removes every tie to the parent process except the stream.
fn detach_from_parent() -> io::Result<UnixStream> {
    close_inherited()?;
    rustix::process::setsid()?;
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{DumpableBehavior, getpid, set_child_subreaper, set_dumpable_behavior};

        set_child_subreaper(Some(getpid()))?;
        // The agent's environment passes through this memory, and other agents run under the same account.
        set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    }
    // No directories or executables are created here. The agent gets the mask from the start command.
    rustix::process::umask(Mode::from_bits_truncate(0o177));

    let stream = io::stdin().as_fd().try_clone_to_owned()?;
    let nothing = rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?;
    rustix::stdio::dup2_stdin(nothing)?;
    Ok(stream.into())
}

fn receive_start_command(server: &mut Connection) -> io::Result<Box<StartCommand>> {
    let until = Instant::now() + START_TIMEOUT;
    let mut buffer = vec![0; 4096];
    loop {
        match server.next() {
            Ok(Some(Message::Command(ShimCommand::Hello { .. }))) => server.send(&Report::Hello(Greeting {
                protocol: PROTOCOL,
                agent: None,
                exit: None,
                left_ms: None,
                stopping: None,
                spooled: Spooled::default(),
                handover: String::new(),
                reports_before_ack: REPORTS_BEFORE_ACK,
                lends: LENDS,
            })),
            Ok(Some(Message::Command(ShimCommand::Start(command)))) => return Ok(command),
            Ok(None) if !server.is_closed() => {
                let left = until.saturating_duration_since(Instant::now());
                let left = Timespec::try_from(left).map_err(io::Error::other)?;
                if poll(&mut [PollFd::new(server, server.wants())], Some(&left))? == 0 {
                    return Err(io::ErrorKind::TimedOut.into());
                }
                server.flush();
                server.receive(&mut buffer);
            }
            Ok(_) | Err(_) => return Err(io::Error::other("the server sent no start command")),
        }
    }
}

fn start(dir: &Path, start: &StartCommand) -> io::Result<(AgentProcess, UnixListener)> {
    let process_files = ProcessFiles::open(dir)?;
    let (out, err, journal) =
        (process_files.create(ProcessDir::out)?, process_files.create(ProcessDir::err)?, process_files.create(ProcessDir::journal)?);
    let listener = process_files.listen()?;

    let launcher = Launcher::new(Mode::from_bits_truncate(start.umask))?;
    let mut command = launcher.command(&start.containment, Path::new(&start.program), &start.args)?;
    command
        .env_clear()
        .envs(start.env.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let group = start.containment.make_group()?;
    let started = command.spawn().and_then(|mut child| {
        adopt(process_files, start, &mut child, [out, err, journal], group.clone()).inspect_err(|_| {
            // It has not read any input, and its output is discarded.
            let _ = child.kill();
            let _ = child.wait();
        })
    });
    if let (Err(_), Some(group)) = (&started, &group) {
        group.remove();
    }
    Ok((started?, listener))
}

fn adopt(
    process_files: ProcessFiles,
    command: &StartCommand,
    child: &mut Child,
    [out, err, journal]: [File; 3],
    group: Option<Group>,
) -> io::Result<AgentProcess> {
    let agent = Identity::of_child(child.id().cast_signed()).ok_or_else(|| io::Error::other("cannot identify the agent process"))?;
    let shim = Identity::of_child(std::process::id().cast_signed()).ok_or_else(|| io::Error::other("cannot identify this process"))?;
    let (Some(stdin), Some(stdout), Some(stderr)) = (child.stdin.take(), child.stdout.take(), child.stderr.take()) else {
        return Err(io::Error::other("the agent process has no pipes"));
    };
    let group_path = command.containment.group.clone();
    process_files.put(ProcessDir::identity, &ProcessRecord { protocol: PROTOCOL, shim, agent, group: group_path, boot: boot_id() })?;
    let is_monitor = command.containment.prefix.is_some();
    let process_set = ProcessSet::own_descendants(agent, Marker::new(&*command.marker)).led_by_monitor(is_monitor).within(group);
    Ok(AgentProcess {
        process_files,
        agent,
        is_monitor,
        exit_handle: exit_handle(agent),
        input: Stdin::new(stdin.into(), journal)?,
        out: Spool::new(stdout.into(), out, command.max_out)?,
        err: Spool::new(stderr.into(), err, command.max_err)?,
        err_tail: Tail::new(STDERR_TAIL),
        termination: Termination::new(process_set, Instant::now()),
        time_limits: TimeLimits::new(Instant::now(), command.left_ms.map(Duration::from_millis)),
        grace: Duration::from_millis(command.grace_ms),
    })
}

/// A handle that becomes readable at the exit of the process. The process must be an unreaped child.
#[cfg(target_os = "linux")]
fn exit_handle(agent: Identity) -> Option<OwnedFd> {
    use rustix::process::{Pid, PidfdFlags, pidfd_open};

    pidfd_open(Pid::from_raw(agent.pid)?, PidfdFlags::empty()).ok()
}

/// Not supported; the exit is noticed when children are reaped.
#[cfg(not(target_os = "linux"))]
fn exit_handle(_agent: Identity) -> Option<OwnedFd> {
    None
}
