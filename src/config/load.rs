//! Combines command line, environment, file and defaults.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Read;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use super::declare::{DefaultValue, Rejected};
use super::settings::Layer;
use super::unknown::nearest;
use super::{Origins, ResolvedSetting, SettingSource, Settings, memory};
use crate::ownership::{self, Insecure, Protection};

/// Name of the settings file in the data directory.
const FILE_NAME: &str = "openrunner.toml";

/// The variable that names the settings file.
const FILE_VARIABLE: &str = "OPENRUNNER_CONFIG";

/// Settings given on the command line. They take precedence over all others.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Flags {
    /// Settings file [default: openrunner.toml in the data directory] [env: `OPENRUNNER_CONFIG`]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Address and port to listen on [default: 127.0.0.1:3000] [env: `OPENRUNNER_ADDR`]
    #[arg(long, value_name = "ADDR:PORT")]
    pub addr: Option<SocketAddr>,
    /// Directory of the database, the signing key and the workspaces [env: `OPENRUNNER_DATA_DIR`]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Log filter, such as `info` or `warn,openrunner=debug` [default: info] [env: `OPENRUNNER_LOG`]
    #[arg(long, value_name = "FILTER")]
    pub log: Option<String>,
}

/// Why the settings could not be loaded. Every message names the setting and what it accepts.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// An environment variable has a value that its setting does not accept.
    #[error("{variable}: {problem}")]
    Variable {
        /// The variable.
        variable: &'static str,
        /// What is wrong, and what is accepted.
        problem: String,
    },
    /// A setting has no usable value, from any source.
    #[error("{setting}: {problem}")]
    Value {
        /// The setting.
        setting: &'static str,
        /// What is wrong, and what is accepted.
        problem: String,
    },
    /// The settings file cannot be read, or has a line that is not accepted.
    #[error("{}{}: {problem}", path.display(), line.map(|line| format!(":{line}")).unwrap_or_default())]
    File {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: Option<usize>,
        /// What is wrong with it.
        problem: String,
    },
    /// Another account controls the settings file, or can read its secrets.
    #[error(transparent)]
    Insecure(#[from] Insecure),
    /// Neither a home directory nor a setting says where the data directory is.
    #[error("no home directory: set OPENRUNNER_DATA_DIR to a directory for the data of this server")]
    NoDataDir,
}

/// A view of the environment: reads one variable. Tests pass their own instead of the process's.
pub type Variables<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// Loads the settings; see [`load_with_origins`].
///
/// # Errors
/// [`SettingsError`] for the first value that is not accepted.
pub fn load(flags: Flags, variables: Variables<'_>) -> Result<Settings, SettingsError> {
    load_with_origins(flags, variables).map(|(settings, _)| settings)
}

/// Loads the settings, with the source of each value. The command line takes precedence over the environment, the environment over the
/// file, and the file over defaults. An empty variable counts as unset.
///
/// # Errors
/// [`SettingsError`] for the first value that is not accepted.
pub fn load_with_origins(flags: Flags, variables: Variables<'_>) -> Result<(Settings, Origins), SettingsError> {
    let file = settings_file(&flags, variables);
    let flag_layer = Layer { addr: flags.addr, data_dir: flags.data_dir, log: flags.log, ..Layer::default() };
    let environment_layer = read_environment(variables)?;
    let file_layer = match &file {
        Some((path, required)) => read_file(path, *required)?,
        None => Layer::default(),
    };
    let file_source = || file.as_ref().map_or(SettingSource::Default, |(path, _)| SettingSource::File(path.display().to_string()));
    let source = |name: &'static str| match name {
        name if flag_layer.sets(name) => SettingSource::Flag,
        name if environment_layer.sets(name) => SettingSource::Environment,
        name if file_layer.sets(name) => file_source(),
        _ => SettingSource::Default,
    };
    let origins = Settings::DECLARATIONS.iter().map(|declared| (declared.name, source(declared.name))).collect::<BTreeMap<_, _>>();
    let mut layer = flag_layer.or(environment_layer).or(file_layer);
    let data_dir = layer.data_dir.take().or_else(|| platform_data_dir(variables)).ok_or(SettingsError::NoDataDir)?;
    let data_dir = absolute("data_dir", &data_dir)?;
    layer.agents_dir = Some(absolute("agents_dir", &layer.agents_dir.take().unwrap_or_else(|| data_dir.join("agents")))?);
    layer.data_dir = Some(data_dir);
    layer.max_runs = layer.max_runs.or_else(|| Some(memory::default_max_runs()));
    let settings = layer.or(defaults()).finish().map_err(|setting| SettingsError::Value { setting, problem: "has no value".to_owned() })?;
    Ok((settings, Origins::new(origins)))
}

/// The settings that a server would start with.
///
/// # Errors
/// [`SettingsError`], as [`load_with_origins`].
pub fn resolve(flags: Flags, variables: Variables<'_>) -> Result<Vec<ResolvedSetting>, SettingsError> {
    load_with_origins(flags, variables).map(|(settings, origins)| origins.resolve(&settings))
}

/// The values of the declared defaults.
fn defaults() -> Layer {
    let mut layer = Layer::default();
    for declared in Settings::DECLARATIONS {
        if let DefaultValue::Literal(text) = declared.default {
            let parsed = match text {
                "" => layer.set_toml(declared.name, declared.format.empty()),
                text => layer.set_text(declared.name, OsStr::new(text)),
            };
            parsed.expect("a test parses every declared default");
        }
    }
    layer
}

fn read_environment(variables: Variables<'_>) -> Result<Layer, SettingsError> {
    let mut layer = Layer::default();
    for declared in Settings::DECLARATIONS {
        let Some(variable) = declared.variable else { continue };
        let Some(text) = variable_value(variables, variable) else { continue };
        layer.set_text(declared.name, &text).map_err(|rejected| {
            let problem = match rejected {
                Rejected::Unexpected => format!("`{}` is not {}", text.to_string_lossy(), declared.expects),
                Rejected::Because(problem) => problem,
            };
            SettingsError::Variable { variable, problem }
        })?;
    }
    Ok(layer)
}

/// Path of the settings file, and whether it was named explicitly: then it must exist.
fn settings_file(flags: &Flags, variables: Variables<'_>) -> Option<(PathBuf, bool)> {
    let path_variable = |name| variable_value(variables, name).map(PathBuf::from);
    if let Some(named) = flags.config.clone().or_else(|| path_variable(FILE_VARIABLE)) {
        return Some((named, true));
    }
    let data_dir = flags.data_dir.clone().or_else(|| path_variable("OPENRUNNER_DATA_DIR")).or_else(|| platform_data_dir(variables));
    data_dir.map(|dir| (dir.join(FILE_NAME), false))
}

fn read_file(path: &Path, required: bool) -> Result<Layer, SettingsError> {
    let error = |line, problem| SettingsError::File { path: path.to_owned(), line, problem };
    let unreadable = |source: std::io::Error| error(None, format!("cannot read the settings file: {source}"));
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(missing) if missing.kind() == std::io::ErrorKind::NotFound && !required => return Ok(Layer::default()),
        Err(source) => return Err(unreadable(source)),
    };
    ownership::check_above(path)?;
    ownership::check_open(&file, path, Protection::Write)?;
    let mut text = String::new();
    file.read_to_string(&mut text).map_err(unreadable)?;
    let line_of = |offset: usize| Some(1 + text[..offset].matches('\n').count());
    // Parsed twice: once for the positions of the keys, once for their values.
    let syntax = |source: &toml::de::Error| error(source.span().and_then(|span| line_of(span.start)), source.message().to_owned());
    let keys = DeTable::parse(&text).map_err(|source| syntax(&source))?;
    let mut values: toml::Table = text.parse().map_err(|source| syntax(&source))?;
    let mut layer = Layer::default();
    for (key, parsed) in keys.get_ref() {
        let (name, line) = (key.get_ref().as_ref(), line_of(key.span().start));
        let Some(declared) = Settings::DECLARATIONS.iter().find(|declared| declared.name == name) else {
            let names = Settings::DECLARATIONS.iter().map(|declared| declared.name);
            let hint = nearest(name, names).map(|name| format!("; did you mean `{name}`?")).unwrap_or_default();
            return Err(error(line, format!("unknown setting `{name}`{hint}")));
        };
        let value = values.remove(name).expect("both parsers found the key");
        layer.set_toml(declared.name, value).map_err(|rejected| {
            let problem = match rejected {
                Rejected::Unexpected => format!("{} is not {}", shown(parsed.get_ref(), &text[parsed.span()]), declared.expects),
                Rejected::Because(problem) => problem,
            };
            error(line, format!("{name}: {problem}"))
        })?;
    }
    if layer.has_secret() {
        ownership::check_open(&file, path, Protection::ReadAndWrite)?;
    }
    Ok(layer)
}

/// A value of the file as it is quoted in an error: as it was written, unless it is long.
fn shown(value: &DeValue<'_>, written: &str) -> String {
    match value {
        DeValue::Array(_) | DeValue::Table(_) => format!("this {}", value.type_str()),
        _ => format!("`{}`", written.trim_matches('"').chars().take(80).collect::<String>()),
    }
}

/// A relative directory is relative to where the server was started, and must keep that meaning.
fn absolute(setting: &'static str, path: &Path) -> Result<PathBuf, SettingsError> {
    std::path::absolute(path).map_err(|error| SettingsError::Value { setting, problem: format!("{}: {error}", path.display()) })
}

/// The value of a variable; an empty one counts as unset.
fn variable_value(variables: Variables<'_>, name: &str) -> Option<OsString> {
    variables(name).filter(|value| !value.is_empty())
}

fn platform_data_dir(variables: Variables<'_>) -> Option<PathBuf> {
    // The XDG Base Directory Specification ignores a relative XDG_DATA_HOME.
    let absolute_path = |name| variable_value(variables, name).map(PathBuf::from).filter(|path| path.is_absolute());
    let home = || absolute_path("HOME");
    let base = if cfg!(target_os = "macos") {
        home().map(|home| home.join("Library/Application Support"))
    } else {
        absolute_path("XDG_DATA_HOME").or_else(|| home().map(|home| home.join(".local/share")))
    };
    base.map(|base| base.join("openrunner"))
}

#[cfg(test)]
mod tests {
    //! Rules: D1, S7.

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
        let file = dir.path().join(FILE_NAME);
        std::fs::write(&file, text).unwrap();
        std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        let path = dir.path().to_str().unwrap().to_owned();
        (dir, path)
    }

    #[test]
    fn the_default_address_is_loopback() {
        let settings = load_with(Flags::default(), &[("HOME", "/home/someone")]).unwrap();
        assert_eq!(settings.addr.to_string(), "127.0.0.1:3000");
        assert!(settings.data_dir.starts_with("/home/someone") && settings.data_dir.ends_with("openrunner"));
        assert_eq!(settings.agents_dir, settings.data_dir.join("agents"));
        assert_eq!(settings.max_queue, 10_000);
        assert_eq!([settings.stop_grace(), settings.exit_grace(), settings.shutdown()].map(|time| time.as_secs()), [10, 10, 15]);
        assert!(settings.max_runs.get() >= 2);
        assert_eq!(settings.agents.codex.mode, Mode::TwoWay);
        assert!(settings.jwt_secret.is_none() && settings.allowed_hosts.is_empty());
    }

    #[test]
    fn flags_take_precedence_over_the_environment_and_the_environment_over_the_file() {
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
        assert!(settings.jwt_secret.is_none(), "an empty variable is unset");
    }

    #[test]
    fn an_error_names_the_variable_the_value_and_what_is_accepted() {
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
            ("OPENRUNNER_EXIT_GRACE_SECS", "90000"),
            ("OPENRUNNER_RUN_CPU_WEIGHT", "10001"),
            ("OPENRUNNER_WORKSPACE_ROOTS", "work"),
            ("OPENRUNNER_USER_WORKSPACE_ROOTS", "work"),
        ];
        for (name, value) in wrong {
            let error = load_with(Flags::default(), &[("HOME", "/h"), (name, value)]).unwrap_err().to_string();
            assert!(error.starts_with(name) && error.contains(value) && error.contains(" is not "), "{error}");
        }
        assert!(matches!(load_with(Flags::default(), &[]), Err(SettingsError::NoDataDir)));
    }

    #[test]
    fn an_unknown_key_is_rejected_at_every_depth() {
        for text in ["adr = \"x\"\n", "[agents.codex]\nmod = \"one_shot\"\n", "[agents.mine]\ncomand = [\"x\"]\n"] {
            let (_dir, data_dir) = file(text);
            let error = load_with(Flags::default(), &[("OPENRUNNER_DATA_DIR", &data_dir)]).unwrap_err().to_string();
            assert!((error.contains("unknown field") || error.contains("unknown setting")) && error.contains(FILE_NAME), "{error}");
        }
    }

    #[test]
    fn an_error_in_the_file_names_the_line_the_setting_and_what_is_accepted() {
        for (text, expected) in [
            ("# comment\nmax_queue = \"many\"\n", ":2: max_queue: `many` is not a whole number of runs"),
            ("max_queue = 1.5\n", ":1: max_queue: `1.5` is not a whole number of runs"),
            ("max_queue = [1]\n", ":1: max_queue: this array is not a whole number of runs"),
            ("log = 3\n", ":1: log: `3` is not a log filter"),
            ("workspace_roots = [\"work\"]\n", ":1: workspace_roots: `work` is not an absolute path"),
            ("allowed_hosts = \"a\"\n", ":1: allowed_hosts: `a` is not a list of host names"),
            ("\nadr = \"127.0.0.1:1\"\n", ":2: unknown setting `adr`; did you mean `addr`?"),
            ("addr = \n", ":1: "),
        ] {
            let (_dir, data_dir) = file(text);
            let error = load_with(Flags::default(), &[("OPENRUNNER_DATA_DIR", &data_dir)]).unwrap_err().to_string();
            assert!(error.contains(&format!("{FILE_NAME}{expected}")), "{error}");
        }
    }

    fn agents(text: &str) -> Result<super::super::AgentsSettings, String> {
        let (_dir, data_dir) = file(text);
        let settings = load_with(Flags::default(), &[("OPENRUNNER_DATA_DIR", &data_dir)]);
        settings.map(|settings| settings.agents).map_err(|error| error.to_string())
    }

    #[test]
    fn a_table_configures_an_agent() {
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
        assert_eq!((mine.program.as_str(), mine.wire_format.as_str()), ("/opt/mine/bin/mine", "jsonl"));
        assert!(!format!("{settings:?}").contains("quite-secret"));
    }

    #[test]
    fn a_table_without_a_command_changes_a_preset() {
        let settings = agents(
            r#"
            [agents.gemini]
            session_mode = { read_only = "plan2" }
            pass_env = ["MY_PROXY"]
            secret_env = { GEMINI_API_KEY = "quite-secret" }

            [agents.qwen]
            protocol = "acp"
            command = ["qwen", "--other"]
            session_mode = { auto = "a", ask = "b", read_only = "c" }
            auth_method = "openai"
            asks = "edits"
            config_options = { effort = "high" }
            "#,
        );
        let settings = settings.unwrap();
        let [gemini, qwen] = &settings.configured[..] else { panic!("{settings:?}") };
        assert_eq!(gemini.preset.map(|preset| preset.name), Some("gemini"));
        assert_eq!((gemini.program.as_str(), &gemini.args[..]), ("gemini", &["--acp".to_owned()][..]));
        assert!(gemini.pass_env.contains(&"GEMINI_API_KEY".to_owned()) && gemini.pass_env.contains(&"MY_PROXY".to_owned()));
        assert_eq!((gemini.session_modes.read_only.as_deref(), &gemini.session_modes.auto), (Some("plan2"), &None));
        assert!(!format!("{settings:?}").contains("quite-secret"));
        assert_eq!((qwen.preset.map(|preset| preset.name), &qwen.args[..]), (None, &["--other".to_owned()][..]), "an agent of one's own");
        assert_eq!((qwen.auth_method.as_deref(), qwen.asks), (Some("openai"), Some(crate::agent::configured::AskScope::Edits)));
    }

    #[test]
    fn an_invalid_agent_table_is_rejected_with_the_reason() {
        let acp = |more: &str| format!("[agents.mine]\nprotocol = \"acp\"\ncommand = [\"mine\"]\n{more}");
        let jsonl = |more: &str| format!("[agents.mine]\nprotocol = \"jsonl\"\ncommand = [\"mine\"]\n{more}");
        let wrong = [
            ("[agents.codx]\nmode = \"one_shot\"".to_owned(), "agents.codx: unknown built-in agent"),
            ("[agents.codex]\ncommand = [\"x\"]".to_owned(), "agents.codex: `command` is not available"),
            ("[agents.demo]".to_owned(), "agents.demo: invalid name"),
            ("[agents.claude]".to_owned(), "agents.claude: invalid name"),
            ("[agents.\"My Agent\"]".to_owned(), "agents.My Agent: invalid name"),
            (format!("[agents.{}]", "x".repeat(33)), "invalid name"),
            ("[agents.mine]\ncommand = [\"x\"]".to_owned(), "agents.mine: `protocol` is missing"),
            ("[agents.mine]\nprotocol = \"xml\"".to_owned(), "unknown variant `xml`"),
            ("[agents.mine]\nprotocol = \"text\"".to_owned(), "agents.mine: `command` is missing"),
            ("[agents.mine]\nprotocol = \"text\"\ncommand = []".to_owned(), "neither a program name"),
            ("[agents.mine]\nprotocol = \"text\"\ncommand = [\"./mine\"]".to_owned(), "`./mine`"),
            ("[agents.mine]\nprotocol = \"text\"\ncommand = [\"x\\u0000\"]".to_owned(), "NUL"),
            (acp("mode = \"two_way\""), "`mode` is only for built-in agents"),
            (acp("fields.token = \"/x\""), "`fields` is only for protocol `jsonl`"),
            (acp("model_args = [\"{model}\"]"), "`model_args` is not available for protocol `acp`"),
            (acp("pass_env = [\"OPENRUNNER_JWT_SECRET\"]"), "`OPENRUNNER_JWT_SECRET` is not"),
            (acp("set_env = { PGPASSWORD = \"x\" }"), "`PGPASSWORD` is not"),
            (jsonl(""), "`fields` needs one of"),
            (jsonl("fields.session = \"/x\""), "`fields` needs one of"),
            (jsonl("fields.token = \"/x\"\nsession_mode = \"ask\""), "`session_mode` is only for protocol `acp`"),
            (jsonl("fields.token = \"/x\"\nasks = \"all\""), "`asks` is only for protocol `acp`"),
            (acp("asks = \"some\""), "unknown variant `some`"),
            (acp("session_mode = { auto = \"a\", other = \"b\" }"), "must be a string, or a table with `auto`, `ask` and `read_only`"),
            (acp("secret_env = { PGPASSWORD = \"x\" }"), "`PGPASSWORD` is not"),
            ("[agents.gemini]\nmode = \"one_shot\"".to_owned(), "agents.gemini: unknown built-in agent"),
            ("[agents.gemini]\nresume_args = [\"{session}\"]".to_owned(), "agents.gemini: `resume_args` is not available"),
            (jsonl("fields.token = \"x\""), "`x` is not a JSON pointer"),
            (jsonl("fields.token = { at = \"/x\", wen = {} }"), "unknown field `wen`"),
            (jsonl("fields.tokn = \"/x\""), "unknown field `tokn`"),
            (jsonl("fields.token = \"/x\"\nmodel_args = [\"--model\"]"), "`model_args` does not contain {model}"),
            (jsonl("fields.token = \"/x\"\nresume_args = [\"{session}\"]"), "needs `fields.session`"),
        ];
        for (text, expected) in wrong {
            let error = agents(&text).unwrap_err();
            assert!(error.contains(expected), "{text}\n{error}");
        }
    }

    #[test]
    fn a_settings_file_that_is_named_must_exist() {
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
