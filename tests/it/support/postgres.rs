//! A real PostgreSQL for tests, started from the system's package.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The user of the databases.
const USER: &str = "openrunner";

/// A server that ends with the process that started it, and leaves nothing.
pub(crate) struct Postgres {
    directory: PathBuf,
    /// Its standard input is the sign of life of this process: when it closes, the script ends the server.
    _script: Child,
}

static SERVER: OnceLock<Option<Postgres>> = OnceLock::new();

/// The server of this process, on which the test has a database already.
pub(crate) fn postgres() -> &'static Postgres {
    SERVER.get().and_then(Option::as_ref).expect("a server with a database")
}

/// The URL of a new, empty database on the server of this process. Where PostgreSQL cannot be started, None, or with `CI=true` a failure.
pub(crate) fn new_database() -> Option<String> {
    SERVER.get_or_init(|| Postgres::start("")).as_ref().map(Postgres::new_database)
}

/// Ends with its standard input, also if the test process is killed. A server that is gone already was stopped by a test.
const SCRIPT: &str = r#"
dir=$1 bin=$2; shift 2
"$@" "$bin/initdb" -D "$dir/data" -U openrunner -A trust -E UTF8 --locale=C -N >"$dir/log" 2>&1 || { cat "$dir/log"; exit 1; }
"$@" "$bin/postgres" -D "$dir/data" -k "$dir" -c listen_addresses= -c fsync=off -c max_connections=1000 -c shared_buffers=32MB \
    -c unix_socket_permissions=0777 $OPTIONS >>"$dir/log" 2>&1 </dev/null &
pid=$!
while ! "$bin/pg_isready" -q -h "$dir" -U openrunner; do
    kill -0 $pid 2>/dev/null || { cat "$dir/log"; exit 1; }
    sleep 0.1
done
echo ready
exec >/dev/null
cat >/dev/null
kill -QUIT $pid 2>/dev/null
wait $pid
rm -rf "$dir"
"#;

impl Postgres {
    /// Starts a server with these further options. Where it cannot be started, None, or with `CI=true` a failure.
    pub(crate) fn start(options: &str) -> Option<Self> {
        match Self::try_start(options) {
            Ok(server) => Some(server),
            Err(problem) => {
                assert!(std::env::var("CI").as_deref() != Ok("true"), "PostgreSQL is required with CI=true: {problem}");
                eprintln!("SKIPPED: {problem}");
                None
            }
        }
    }

    fn try_start(options: &str) -> Result<Self, String> {
        let bin = programs().ok_or("PostgreSQL is not installed; it is in the package `postgresql` of your system")?;
        // The server does not run as root.
        let account = rustix::process::getuid().is_root().then(unprivileged);
        let directory = new_directory(account.is_some()).map_err(|error| format!("no directory for the database: {error}"))?;
        let script = run_script(&directory, &bin, account, options).inspect_err(|_| drop(std::fs::remove_dir_all(&directory)))?;
        Ok(Self { directory, _script: script })
    }

    /// The URL of a new, empty database.
    pub(crate) fn new_database(&self) -> String {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let name = format!("test_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        self.sql("postgres", &format!("CREATE DATABASE {name}"));
        self.url(&name)
    }

    /// The URL of a database.
    pub(crate) fn url(&self, database: &str) -> String {
        format!("postgres://{USER}@/{database}?host={}", self.directory.display())
    }

    /// Runs a statement and returns its output, one line per row.
    pub(crate) fn sql(&self, database: &str, statement: &str) -> String {
        let mut command = Command::new(programs().expect("PostgreSQL, which has been started").join("psql"));
        command.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-U", USER, "-d", database, "-c", statement]);
        let output = command.arg("-h").arg(&self.directory).output().expect("psql runs");
        assert!(output.status.success(), "{statement}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }
}

/// Starts the script, and returns when the server accepts connections.
fn run_script(directory: &Path, bin: &Path, account: Option<(u32, u32)>, options: &str) -> Result<Child, String> {
    let mut command = Command::new("sh");
    command.args(["-c", SCRIPT, "sh"]).arg(directory).arg(bin).env("OPTIONS", options).env("LC_ALL", "C");
    if let Some((uid, gid)) = account {
        chown(directory, Some(uid), Some(gid)).map_err(|error| format!("cannot give a directory to the database's account: {error}"))?;
        command.args(["setpriv", &format!("--reuid={uid}"), &format!("--regid={gid}"), "--clear-groups"]);
    } else {
        command.arg("env");
    }
    let script = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let mut script = script.map_err(|error| format!("no shell: {error}"))?;
    let mut output = BufReader::new(script.stdout.take().ok_or("no output")?);
    let mut line = String::new();
    output.read_line(&mut line).map_err(|error| error.to_string())?;
    if line == "ready\n" {
        return Ok(script);
    }
    let _ = output.read_to_string(&mut line);
    let _ = script.wait();
    Err(format!("PostgreSQL does not start:\n{line}"))
}

/// A new directory for a server, which also another account reaches if it must, and with a short path: that of a socket has at most 107 bytes.
fn new_directory(is_shared: bool) -> std::io::Result<PathBuf> {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let is_open = |path: &Path| std::fs::metadata(path).is_ok_and(|found| found.permissions().mode() & 0o001 != 0);
    let usable = |parent: &PathBuf| parent.as_os_str().len() <= 60 && (!is_shared || parent.ancestors().all(is_open));
    let parents = [std::env::temp_dir(), "/tmp".into(), "/var/tmp".into(), "/dev/shm".into()];
    let parent = parents.into_iter().find(usable).unwrap_or_else(std::env::temp_dir);
    let directory = parent.join(format!("orpg-{}-{number}", std::process::id()));
    let _ = std::fs::remove_dir_all(&directory);
    std::fs::DirBuilder::new().mode(0o755).create(&directory)?;
    Ok(directory)
}

/// The directory with the newest PostgreSQL's programs.
fn programs() -> Option<PathBuf> {
    let installed = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut versions: Vec<PathBuf> = installed.map(|entry| entry.path().join("bin")).collect();
    versions.sort_by_key(|bin| bin.parent().and_then(Path::file_name).and_then(|name| name.to_str()?.parse::<u32>().ok()));
    let path = std::env::var_os("PATH").unwrap_or_default();
    versions.into_iter().rev().chain(std::env::split_paths(&path)).find(|bin| bin.join("initdb").exists())
}

/// An account that owns nothing else.
fn unprivileged() -> (u32, u32) {
    let accounts = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let account = accounts.lines().map(|line| line.split(':').collect::<Vec<_>>()).find(|fields| fields[0] == "postgres");
    let id = |field: usize| account.as_ref().and_then(|fields| fields.get(field)?.parse().ok());
    (id(2).unwrap_or(65534), id(3).unwrap_or(65534))
}
