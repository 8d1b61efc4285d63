//! Brings flags, environment, file and defaults together.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use confique::{Config, File, FileFormat, Layer as _};

pub(super) use super::environment::Environment;
use super::{Settings, memory};

type SettingsLayer = <Settings as Config>::Layer;

/// Longest of the waits that are set in seconds: a day, far from where arithmetic on clocks could overflow.
const MAX_WAIT_SECS: u32 = 86_400;

/// Heaviest `cpu.weight` of the kernel's `admin-guide/cgroup-v2`.
const MAX_CPU_WEIGHT: u32 = 10_000;

/// Name of the settings file in the data folder.
const FILE_NAME: &str = "openrunner.toml";

/// Settings given on the command line. They overrule all others.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Flags {
    /// Settings file (default: openrunner.toml in the data folder; also `OPENRUNNER_CONFIG`)
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Address and port to listen on (default 127.0.0.1:3000; also `OPENRUNNER_ADDR`)
    #[arg(long, value_name = "ADDR:PORT")]
    pub addr: Option<SocketAddr>,
    /// Folder of the database, the key and the runs' own folders (also `OPENRUNNER_DATA_DIR`)
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// What is logged, such as `info` or `warn,openrunner=debug` (default info; also `OPENRUNNER_LOG`)
    #[arg(long, value_name = "FILTER")]
    pub log: Option<String>,
}

/// Why there are no settings. Every message names the setting and what it should be.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// A variable holds something else than its setting takes.
    #[error("{variable}: {problem}")]
    Variable {
        /// The variable.
        variable: &'static str,
        /// What is wrong, and what would be right.
        problem: String,
    },
    /// A setting's value makes no sense, wherever it came from.
    #[error("{setting}: {problem}")]
    Value {
        /// The setting.
        setting: &'static str,
        /// What is wrong, and what would be right.
        problem: String,
    },
    /// The settings file cannot be read or understood.
    #[error("the settings file {}: {problem}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, with its line where there is one.
        problem: String,
    },
    /// Neither a home folder nor a setting says where data goes.
    #[error("no home folder is known: set OPENRUNNER_DATA_DIR to a folder for this server's data")]
    NoDataDir,
}

/// Reads the settings: flags over environment over file over defaults. `get` reads one environment variable.
///
/// # Errors
/// [`SettingsError`] for the first setting that is wrong.
pub fn load(flags: Flags, get: &dyn Fn(&str) -> Option<OsString>) -> Result<Settings, SettingsError> {
    let environment = Environment { get };
    let file = settings_file(&flags, &environment);
    let from_flags = SettingsLayer { addr: flags.addr, data_dir: flags.data_dir, log: flags.log, ..SettingsLayer::empty() };
    let mut layer = from_flags.with_fallback(environment.layer()?);
    if let Some((path, is_named)) = file {
        layer = layer.with_fallback(read_file(&path, is_named)?);
    }
    let data_dir =
        absolute("data_dir", &layer.data_dir.take().or_else(|| platform_data_dir(&environment)).ok_or(SettingsError::NoDataDir)?)?;
    let agents_dir = absolute("agents_dir", &layer.agents_dir.take().unwrap_or_else(|| data_dir.join("agents")))?;
    layer.data_dir = Some(data_dir);
    layer.agents_dir = Some(agents_dir);
    layer.max_runs = layer.max_runs.or_else(|| Some(memory::runs_that_fit()));
    let settings = Settings::from_layer(layer.with_fallback(SettingsLayer::default_values()))
        .map_err(|error| SettingsError::Value { setting: "settings", problem: error.to_string() })?;
    check(&settings)?;
    Ok(settings)
}

/// Where the settings file is, and whether somebody has named it: then it must be there.
pub(super) fn settings_file(flags: &Flags, environment: &Environment<'_>) -> Option<(PathBuf, bool)> {
    if let Some(named) = flags.config.clone().or_else(|| environment.path("OPENRUNNER_CONFIG")) {
        return Some((named, true));
    }
    let data_dir = flags.data_dir.clone().or_else(|| environment.path("OPENRUNNER_DATA_DIR")).or_else(|| platform_data_dir(environment));
    data_dir.map(|dir| (dir.join(FILE_NAME), false))
}

fn read_file(path: &Path, is_named: bool) -> Result<SettingsLayer, SettingsError> {
    let file = File::with_format(path, FileFormat::Toml);
    let file = if is_named { file.required() } else { file };
    file.load().map_err(|error| {
        let mut problem = error.to_string();
        let mut cause = std::error::Error::source(&error);
        while let Some(error) = cause {
            problem = format!("{problem}: {error}");
            cause = error.source();
        }
        SettingsError::File { path: path.to_owned(), problem }
    })
}

/// A relative folder is meant from where the server was started, and must go on meaning that.
fn absolute(setting: &'static str, path: &Path) -> Result<PathBuf, SettingsError> {
    std::path::absolute(path).map_err(|error| SettingsError::Value { setting, problem: format!("{}: {error}", path.display()) })
}

fn platform_data_dir(environment: &Environment<'_>) -> Option<PathBuf> {
    // The base directory specification ignores a relative XDG_DATA_HOME.
    let xdg = environment.path("XDG_DATA_HOME").filter(|path| path.is_absolute());
    let home = || environment.path("HOME").filter(|path| path.is_absolute());
    let base = if cfg!(target_os = "macos") {
        home().map(|home| home.join("Library/Application Support"))
    } else {
        xdg.or_else(|| home().map(|home| home.join(".local/share")))
    };
    base.map(|base| base.join("openrunner"))
}

fn check(settings: &Settings) -> Result<(), SettingsError> {
    let waits = [
        ("stop_grace_secs", settings.stop_grace_secs),
        ("exit_grace_secs", settings.exit_grace_secs),
        ("startup_timeout_secs", settings.startup_timeout_secs),
        ("shutdown_secs", settings.shutdown_secs),
        ("permission_timeout_secs", settings.permission_timeout_secs),
    ];
    for (setting, secs) in waits {
        if secs > MAX_WAIT_SECS {
            return Err(SettingsError::Value {
                setting,
                problem: format!("{secs} is more than a day; give at most {MAX_WAIT_SECS} seconds"),
            });
        }
    }
    if let Some(weight) = settings.run_cpu_weight.filter(|weight| weight.get() > MAX_CPU_WEIGHT) {
        let problem = format!("{weight} is more than the kernel knows; give a weight from 1 to {MAX_CPU_WEIGHT}");
        return Err(SettingsError::Value { setting: "run_cpu_weight", problem });
    }
    for (setting, roots) in [("workspace_roots", &settings.workspace_roots), ("user_workspace_roots", &settings.user_workspace_roots)] {
        if let Some(root) = roots.iter().find(|root| !root.is_absolute()) {
            let problem = format!("`{}` is not absolute; give folders that begin with a slash", root.display());
            return Err(SettingsError::Value { setting, problem });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::super::LogFormat;
    use super::*;
    use crate::agent::Mode;

    fn load_with(flags: Flags, variables: &[(&str, &str)]) -> Result<Settings, SettingsError> {
        let variables: HashMap<String, OsString> =
            variables.iter().map(|(name, value)| ((*name).to_owned(), OsString::from(value))).collect();
        load(flags, &move |name| variables.get(name).cloned())
    }

    fn file(text: &str) -> (tempfile::TempDir, String) {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(FILE_NAME), text).unwrap();
        let path = dir.path().to_str().unwrap().to_owned();
        (dir, path)
    }

    #[test]
    fn d1_without_a_word_it_listens_on_this_machine_only() {
        let settings = load_with(Flags::default(), &[("HOME", "/home/someone")]).unwrap();
        assert_eq!(settings.addr.to_string(), "127.0.0.1:3000");
        assert!(settings.data_dir.starts_with("/home/someone") && settings.data_dir.ends_with("openrunner"));
        assert_eq!(settings.agents_dir, settings.data_dir.join("agents"));
        assert_eq!((settings.max_queue, settings.stop_grace_secs, settings.exit_grace_secs, settings.shutdown_secs), (10_000, 10, 10, 15));
        assert!(settings.max_runs.get() >= 2);
        assert_eq!(settings.agents.codex.mode, Mode::TwoWay);
        assert!(settings.jwt_secret.is_none() && settings.allowed_hosts.is_empty());
    }

    #[test]
    fn flags_overrule_the_environment_and_the_environment_overrules_the_file() {
        let (_dir, data_dir) = file("addr = \"127.0.0.1:1\"\nmax_queue = 7\nlog = \"warn\"\n[agents.codex]\nmode = \"one_shot\"\n");
        let flags = Flags { log: Some("trace".to_owned()), ..Flags::default() };
        let variables = [
            ("OPENRUNNER_DATA_DIR", data_dir.as_str()),
            ("OPENRUNNER_ADDR", "0.0.0.0:8090"),
            ("OPENRUNNER_LOG", "debug"),
            ("OPENRUNNER_LOG_FORMAT", "json"),
            ("OPENRUNNER_ALLOWED_HOSTS", "A.example, b.example"),
            ("OPENRUNNER_WORKSPACE_ROOTS", "/a:/b c"),
            ("OPENRUNNER_JWT_SECRET", ""),
        ];
        let settings = load_with(flags, &variables).unwrap();
        assert_eq!(settings.addr.to_string(), "0.0.0.0:8090");
        assert_eq!(settings.max_queue, 7);
        assert_eq!(settings.log, "trace");
        assert_eq!(settings.log_format, LogFormat::Json);
        assert_eq!(format!("{:?}", settings.allowed_hosts), "[a.example, b.example]");
        assert_eq!(settings.workspace_roots, [PathBuf::from("/a"), PathBuf::from("/b c")]);
        assert_eq!(settings.agents.codex.mode, Mode::OneShot);
        assert!(settings.jwt_secret.is_none(), "a variable set to nothing is unset");
    }

    #[test]
    fn an_error_names_the_setting_and_what_would_be_right() {
        let wrong = [
            ("OPENRUNNER_ADDR", "3000"),
            ("OPENRUNNER_MAX_RUNS", "0"),
            ("OPENRUNNER_MAX_RUNS_PER_USER", "0"),
            ("OPENRUNNER_LOGINS_PER_MINUTE", "0"),
            ("OPENRUNNER_MAX_STREAMS_PER_USER", "many"),
            ("OPENRUNNER_TRUSTED_PROXIES", "10.0.0.1/8"),
            ("OPENRUNNER_LOG_FORMAT", "xml"),
            ("OPENRUNNER_ALLOWED_ORIGINS", "*"),
            ("OPENRUNNER_AGENT_ENV", "OPENRUNNER_JWT_SECRET"),
            ("OPENRUNNER_STOP_GRACE_SECS", "ten"),
            ("OPENRUNNER_CGROUP", "runs"),
            ("OPENRUNNER_RUN_MEMORY_MB", "0"),
            ("OPENRUNNER_KEEP_DAYS", "0"),
            ("OPENRUNNER_MAX_STORE_MB", "1 GB"),
        ];
        for (name, value) in wrong {
            let error = load_with(Flags::default(), &[("HOME", "/h"), (name, value)]).unwrap_err().to_string();
            assert!(error.starts_with(name) && error.contains(value) && error.contains(" is not "), "{error}");
        }
        let error = load_with(Flags::default(), &[("HOME", "/h"), ("OPENRUNNER_EXIT_GRACE_SECS", "90000")]).unwrap_err().to_string();
        assert!(error.contains("exit_grace_secs") && error.contains("86400"), "{error}");
        for (name, setting) in
            [("OPENRUNNER_WORKSPACE_ROOTS", "workspace_roots:"), ("OPENRUNNER_USER_WORKSPACE_ROOTS", "user_workspace_roots:")]
        {
            let error = load_with(Flags::default(), &[("HOME", "/h"), (name, "work")]).unwrap_err().to_string();
            assert!(error.starts_with(setting), "{error}");
        }
        assert!(matches!(load_with(Flags::default(), &[]), Err(SettingsError::NoDataDir)));
    }

    #[test]
    fn a_key_that_nobody_knows_is_refused_at_every_depth() {
        for text in ["adr = \"x\"\n", "[agents.codex]\nmod = \"one_shot\"\n", "[agents.mine]\ncomand = [\"x\"]\n"] {
            let (_dir, data_dir) = file(text);
            let error = load_with(Flags::default(), &[("OPENRUNNER_DATA_DIR", &data_dir)]).unwrap_err().to_string();
            assert!(error.contains("unknown field") && error.contains(FILE_NAME), "{error}");
        }
        let (_dir, data_dir) = file("max_queue = \"many\"\n");
        let error = load_with(Flags::default(), &[("OPENRUNNER_DATA_DIR", &data_dir)]).unwrap_err().to_string();
        assert!(error.contains("max_queue"), "{error}");
    }

    fn agents(text: &str) -> Result<super::super::AgentsSettings, String> {
        let (_dir, data_dir) = file(text);
        let settings = load_with(Flags::default(), &[("OPENRUNNER_DATA_DIR", &data_dir)]);
        settings.map(|settings| settings.agents).map_err(|error| error.to_string())
    }

    #[test]
    fn an_agent_of_the_operators_own_is_a_table() {
        let settings = agents(
            r#"
            [agents.gemini]
            protocol = "acp"
            command = ["gemini", "--acp"]
            session_mode = "default"
            pass_env = ["GEMINI_API_KEY"]
            set_env = { NO_COLOR = "quite-secret" }
            install = "npm install -g @google/gemini-cli"

            [agents.mine]
            protocol = "jsonl"
            command = ["/opt/mine/bin/mine"]
            model_args = ["--model", "{model}"]
            resume_args = ["--resume={session}"]
            fields.session = "/session"
            fields.token = { at = "/text", if = { "/type" = "delta" } }

            [agents.codex]
            mode = "one_shot"
            "#,
        );
        let settings = settings.unwrap();
        assert_eq!(settings.codex.mode, Mode::OneShot);
        let [gemini, mine] = &settings.configured[..] else { panic!("{settings:?}") };
        assert_eq!((gemini.name.as_str(), gemini.program.as_str(), &gemini.args[..]), ("gemini", "gemini", &["--acp".to_owned()][..]));
        assert_eq!((&gemini.pass_env[..], gemini.set_env["NO_COLOR"].as_str()), (&["GEMINI_API_KEY".to_owned()][..], "quite-secret"));
        assert_eq!((mine.program.as_str(), mine.speaks.as_str()), ("/opt/mine/bin/mine", "jsonl"));
        assert!(!format!("{settings:?}").contains("quite-secret"));
    }

    #[test]
    fn a_table_that_describes_no_agent_is_refused_with_what_is_wrong() {
        let acp = |more: &str| format!("[agents.mine]\nprotocol = \"acp\"\ncommand = [\"mine\"]\n{more}");
        let jsonl = |more: &str| format!("[agents.mine]\nprotocol = \"jsonl\"\ncommand = [\"mine\"]\n{more}");
        let wrong = [
            ("[agents.codx]\nmode = \"one_shot\"".to_owned(), "agents.codx: there is no built-in agent"),
            ("[agents.codex]\ncommand = [\"x\"]".to_owned(), "agents.codex: `command` cannot be set"),
            ("[agents.demo]".to_owned(), "agents.demo: it cannot be the name"),
            ("[agents.claude]".to_owned(), "agents.claude: it cannot be the name"),
            ("[agents.\"My Agent\"]".to_owned(), "agents.My Agent: it cannot be the name"),
            (format!("[agents.{}]", "x".repeat(33)), "it cannot be the name"),
            ("[agents.mine]\ncommand = [\"x\"]".to_owned(), "agents.mine: `protocol` is missing"),
            ("[agents.mine]\nprotocol = \"xml\"".to_owned(), "unknown variant `xml`"),
            ("[agents.mine]\nprotocol = \"text\"".to_owned(), "agents.mine: `command` is missing"),
            ("[agents.mine]\nprotocol = \"text\"\ncommand = []".to_owned(), "neither the name of a program"),
            ("[agents.mine]\nprotocol = \"text\"\ncommand = [\"./mine\"]".to_owned(), "`./mine`"),
            ("[agents.mine]\nprotocol = \"text\"\ncommand = [\"x\\u0000\"]".to_owned(), "NUL"),
            (acp("mode = \"two_way\""), "`mode` is for those alone"),
            (acp("fields.token = \"/x\""), "`fields` is for the protocol `jsonl` alone"),
            (acp("model_args = [\"{model}\"]"), "`model_args` is not for the protocol `acp`"),
            (acp("pass_env = [\"OPENRUNNER_JWT_SECRET\"]"), "`OPENRUNNER_JWT_SECRET` is not"),
            (acp("set_env = { PGPASSWORD = \"x\" }"), "`PGPASSWORD` is not"),
            (jsonl(""), "`fields` must say where the text is"),
            (jsonl("fields.session = \"/x\""), "`fields` must say where the text is"),
            (jsonl("fields.token = \"/x\"\nsession_mode = \"ask\""), "`session_mode` is for the protocol `acp` alone"),
            (jsonl("fields.token = \"x\""), "`x` is not a JSON pointer"),
            (jsonl("fields.token = { at = \"/x\", wen = {} }"), "unknown field `wen`"),
            (jsonl("fields.tokn = \"/x\""), "unknown field `tokn`"),
            (jsonl("fields.token = \"/x\"\nmodel_args = [\"--model\"]"), "`model_args` does not contain {model}"),
            (jsonl("fields.token = \"/x\"\nresume_args = [\"{session}\"]"), "set `fields.session`"),
        ];
        for (text, expected) in wrong {
            let error = agents(&text).unwrap_err();
            assert!(error.contains(expected), "{text}\n{error}");
        }
    }

    #[test]
    fn a_settings_file_that_is_named_must_be_there() {
        let error = load_with(Flags::default(), &[("HOME", "/h"), ("OPENRUNNER_CONFIG", "/nowhere/at-all.toml")]).unwrap_err().to_string();
        assert!(error.contains("/nowhere/at-all.toml"), "{error}");
    }

    #[test]
    fn secrets_are_not_shown() {
        let variables = [("HOME", "/h"), ("OPENRUNNER_JWT_SECRET", "quite-secret"), ("OPENRUNNER_ADMIN_PASSWORD", "quite-secret")];
        let settings = load_with(Flags::default(), &variables).unwrap();
        assert_eq!(settings.jwt_secret.as_ref().map(super::super::Secret::expose), Some("quite-secret"));
        assert!(!format!("{settings:?}").contains("quite-secret"));
    }
}
