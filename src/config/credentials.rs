//! The tables `[credentials.AGENT]` and `[credentials.git."HOST"]`: keys that the server keeps for agents.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Value, json};

use crate::agent::presets::{EndpointVariables, Preset};
use crate::egress::{Credentials, GitCredential, ModelCredential, PerUser};
use crate::ownership::{self, Protection};
use crate::types::{AuthScheme, HostPort, Secret, UserName};

/// Maximum size of a file with a key, in bytes.
const MAX_KEY: usize = 16 * 1024;

/// Keys that the server keeps for agents, by agent and git host. `Debug` prints no key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CredentialsSettings {
    models: Vec<Model>,
    git: Vec<Git>,
}

/// A key for a model. Where it comes from is checked; what a file holds is not known yet.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Model {
    agent: &'static str,
    user: Option<String>,
    provider: String,
    base_url: String,
    key: Source,
    scheme: AuthScheme,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Git {
    host: HostPort,
    user: Option<String>,
    username: String,
    base_url: String,
    token: Source,
}

/// Where a key comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Source {
    Inline(Secret),
    File(PathBuf),
}

/// Why a key cannot be used. The message contains no part of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("credentials.{place}: {problem}")]
pub struct BadCredential {
    place: String,
    problem: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Tables {
    claude_code: Option<ModelTable>,
    cline: Option<ModelTable>,
    codex: Option<ModelTable>,
    copilot: Option<ModelTable>,
    gemini: Option<ModelTable>,
    kilo: Option<ModelTable>,
    kimi: Option<ModelTable>,
    opencode: Option<ModelTable>,
    qwen: Option<ModelTable>,
    #[serde(default)]
    git: BTreeMap<String, GitTable>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ModelTable {
    api_key: Option<Secret>,
    api_key_file: Option<PathBuf>,
    auth_token: Option<Secret>,
    auth_token_file: Option<PathBuf>,
    oauth_token: Option<Secret>,
    oauth_token_file: Option<PathBuf>,
    base_url: Option<String>,
    provider: Option<String>,
    #[serde(default)]
    users: BTreeMap<String, ModelTable>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct GitTable {
    token: Option<Secret>,
    token_file: Option<PathBuf>,
    username: Option<String>,
    base_url: Option<String>,
    #[serde(default)]
    users: BTreeMap<String, GitTable>,
}

/// The API of an agent's provider.
struct Api {
    provider: &'static str,
    base_url: Option<&'static str>,
    scheme: AuthScheme,
}

/// The API that an agent uses with a provider.
fn api(agent: &str, provider: Option<&str>) -> Api {
    if let Some(EndpointVariables::Named { default_url, scheme, .. }) = endpoint_of_preset(agent) {
        return Api { provider: "", base_url: default_url, scheme };
    }
    match (agent, provider) {
        ("claude_code", _) => Api { provider: "anthropic", base_url: Some("https://api.anthropic.com"), scheme: AuthScheme::ApiKey },
        // Its client adds no version to the path.
        (_, None | Some("anthropic")) if has_providers(agent) => {
            Api { provider: "anthropic", base_url: Some("https://api.anthropic.com/v1"), scheme: AuthScheme::ApiKey }
        }
        (_, None | Some("openai")) => Api { provider: "openai", base_url: Some("https://api.openai.com/v1"), scheme: AuthScheme::Bearer },
        (_, Some(_)) => Api { provider: "", base_url: None, scheme: AuthScheme::Bearer },
    }
}

/// How a preset is directed to its model. `None` for other agents.
fn endpoint_of_preset(agent: &str) -> Option<EndpointVariables> {
    Preset::find(agent)?.endpoint
}

/// Whether the agent works with several providers, which have names in its configuration.
fn has_providers(agent: &str) -> bool {
    agent == "opencode" || endpoint_of_preset(agent) == Some(EndpointVariables::InConfig)
}

impl CredentialsSettings {
    /// Reads the tables.
    ///
    /// # Errors
    /// What is wrong, without any value: it could be a key in the wrong place.
    pub(super) fn from_toml(value: toml::Value) -> Result<Self, String> {
        let tables: Tables = value.try_into().map_err(|error: toml::de::Error| {
            let message = error.message();
            if message.starts_with("unknown field") { message.to_owned() } else { "a value has the wrong type".to_owned() }
        })?;
        let mut settings = Self::default();
        let models = [
            ("claude_code", tables.claude_code),
            ("cline", tables.cline),
            ("codex", tables.codex),
            ("copilot", tables.copilot),
            ("gemini", tables.gemini),
            ("kilo", tables.kilo),
            ("kimi", tables.kimi),
            ("opencode", tables.opencode),
            ("qwen", tables.qwen),
        ];
        for (agent, table) in models.into_iter().filter_map(|(agent, table)| Some((agent, table?))) {
            settings.add_models(agent, table).map_err(|bad| bad.to_string())?;
        }
        for (host, table) in tables.git {
            settings.add_git(&host, table).map_err(|bad| bad.to_string())?;
        }
        Ok(settings)
    }

    fn add_models(&mut self, agent: &'static str, mut table: ModelTable) -> Result<(), BadCredential> {
        let users = std::mem::take(&mut table.users);
        let (base_url, provider) = (table.base_url.clone(), table.provider.clone());
        let has_users = !users.is_empty();
        let of_users = users.into_iter().map(|(user, of_user)| {
            let table = ModelTable {
                base_url: of_user.base_url.or_else(|| base_url.clone()),
                provider: of_user.provider.or_else(|| provider.clone()),
                ..of_user
            };
            (Some(user), table)
        });
        for (user, table) in std::iter::once((None, table)).chain(of_users) {
            let place = user.as_ref().map_or_else(|| agent.to_owned(), |user| format!("{agent}.users.{user}"));
            let bad = |problem: &str| BadCredential { place: place.clone(), problem: problem.to_owned() };
            if user.as_ref().is_some_and(|user| user.parse::<UserName>().is_err()) || !table.users.is_empty() {
                return Err(bad("not the name of a user"));
            }
            if table.provider.is_some() && !has_providers(agent) {
                return Err(bad("`provider` is only for opencode and kilo"));
            }
            if (table.oauth_token.is_some() || table.oauth_token_file.is_some()) && agent != "claude_code" {
                return Err(bad("`oauth_token` is only for claude_code"));
            }
            let api = api(agent, table.provider.as_deref());
            let given = [
                (table.api_key.map(Source::Inline), api.scheme),
                (table.api_key_file.map(Source::File), api.scheme),
                (table.auth_token.map(Source::Inline), AuthScheme::Bearer),
                (table.auth_token_file.map(Source::File), AuthScheme::Bearer),
                (table.oauth_token.map(Source::Inline), AuthScheme::OAuthToken),
                (table.oauth_token_file.map(Source::File), AuthScheme::OAuthToken),
            ];
            let mut given = given.into_iter().filter_map(|(source, scheme)| Some((source?, scheme)));
            let (key, scheme) = match (given.next(), given.next()) {
                (Some(one), None) => one,
                (None, _) if user.is_none() && has_users => continue,
                _ => return Err(bad("needs one of `api_key`, `auth_token` and `oauth_token`, or of the same with `_file`")),
            };
            let base_url = table.base_url.or_else(|| api.base_url.map(str::to_owned));
            let base_url = base_url.ok_or_else(|| bad("`base_url` is missing; it is not known for this agent or provider"))?;
            let provider = table.provider.unwrap_or_else(|| api.provider.to_owned());
            let base_url = checked_url(&base_url).ok_or_else(|| bad(BAD_URL))?;
            self.models.push(Model { agent, user, provider, base_url, key: checked_source(key).map_err(bad)?, scheme });
        }
        Ok(())
    }

    fn add_git(&mut self, name: &str, mut table: GitTable) -> Result<(), BadCredential> {
        let users = std::mem::take(&mut table.users);
        let (base_url, username, has_users) = (table.base_url.clone(), table.username.clone(), !users.is_empty());
        let of_users = users.into_iter().map(|(user, of_user)| {
            let table = GitTable {
                base_url: of_user.base_url.or_else(|| base_url.clone()),
                username: of_user.username.or_else(|| username.clone()),
                ..of_user
            };
            (Some(user), table)
        });
        for (user, table) in std::iter::once((None, table)).chain(of_users) {
            let place = user.as_ref().map_or_else(|| format!("git.{name:?}"), |user| format!("git.{name:?}.users.{user}"));
            let bad = |problem: &str| BadCredential { place: place.clone(), problem: problem.to_owned() };
            let host = HostPort::parse(name, Some(443)).map_err(|_| bad("not a host, such as `github.com`"))?;
            if user.as_ref().is_some_and(|user| user.parse::<UserName>().is_err()) || !table.users.is_empty() {
                return Err(bad("not the name of a user"));
            }
            let token = match (table.token.map(Source::Inline), table.token_file.map(Source::File)) {
                (Some(token), None) | (None, Some(token)) => token,
                (None, None) if user.is_none() && has_users => continue,
                _ => return Err(bad("needs one of `token` and `token_file`")),
            };
            let username = table.username.unwrap_or_else(|| "x-access-token".to_owned());
            if username.is_empty() || !username.bytes().all(|byte| byte.is_ascii_graphic() && byte != b':') {
                return Err(bad("`username` is not a name"));
            }
            let name = if host.port() == 443 { host.host().to_owned() } else { host.to_string() };
            let base_url = table.base_url.unwrap_or_else(|| format!("https://{name}"));
            let base_url = checked_url(&base_url).ok_or_else(|| bad(BAD_URL))?;
            self.git.push(Git { host, user, username, base_url, token: checked_source(token).map_err(bad)? });
        }
        Ok(())
    }

    /// For whom there are keys. The keys and the files are left out.
    pub(super) fn summary(&self) -> Value {
        let mut summary = serde_json::Map::new();
        let mut add = |name: String, user: Option<&String>| {
            let entry = summary.entry(name).or_insert_with(|| json!([]));
            if let Some(users) = entry.as_array_mut() {
                users.push(json!(user.map_or("*", String::as_str)));
            }
        };
        for model in &self.models {
            add(model.agent.to_owned(), model.user.as_ref());
        }
        for git in &self.git {
            add(format!("git.{}", git.host), git.user.as_ref());
        }
        Value::Object(summary)
    }

    /// Whether a key stands in the settings themselves.
    pub(super) fn has_inline_key(&self) -> bool {
        let mut sources = self.models.iter().map(|model| &model.key).chain(self.git.iter().map(|git| &git.token));
        sources.any(|source| matches!(source, Source::Inline(_)))
    }

    /// The files with keys.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        let sources = self.models.iter().map(|model| &model.key).chain(self.git.iter().map(|git| &git.token));
        sources.filter_map(|source| match source {
            Source::File(path) => Some(path.as_path()),
            Source::Inline(_) => None,
        })
    }

    /// The credentials. Reads the files.
    ///
    /// # Errors
    /// [`BadCredential`] if a file cannot be read or holds no key.
    pub fn read(&self) -> Result<Credentials, BadCredential> {
        let mut credentials = Credentials::default();
        for Model { agent, user, provider, base_url, key, scheme } in &self.models {
            let key = key.read(agent)?;
            let credential = ModelCredential { provider: provider.clone(), base_url: base_url.clone(), key, scheme: *scheme };
            credentials.models.entry((*agent).to_owned()).or_default().add(user.clone(), credential);
        }
        for Git { host, user, username, base_url, token } in &self.git {
            let token = token.read(&format!("git.{host}"))?;
            let credential = GitCredential { username: username.clone(), token, base_url: base_url.clone() };
            if let Some((_, per_user)) = credentials.git.iter_mut().find(|(known, _)| known == host) {
                per_user.add(user.clone(), credential);
            } else {
                let mut per_user = PerUser::default();
                per_user.add(user.clone(), credential);
                credentials.git.push((host.clone(), per_user));
            }
        }
        Ok(credentials)
    }
}

/// The keys in the server's environment, by which agents work without a setting. `get` reads a variable. What is not a key is ignored.
pub fn inherited_credentials(get: impl Fn(&str) -> Option<OsString>) -> Credentials {
    let text = |name: &str| get(name)?.into_string().ok().filter(|text| !text.is_empty());
    let key = |name: &str| text(name).map(Secret::new).filter(is_key);
    let model = |agent: &str, provider: &str, key: Secret, scheme: Option<AuthScheme>, url: Option<String>| {
        let api = api(agent, Some(provider));
        let base_url = url.or_else(|| api.base_url.map(str::to_owned)).and_then(|url| checked_url(&url))?;
        Some(ModelCredential { provider: provider.to_owned(), base_url, key, scheme: scheme.unwrap_or(api.scheme) })
    };
    let anthropic_url = || text("ANTHROPIC_BASE_URL");
    let claude_code = key("ANTHROPIC_API_KEY")
        .and_then(|key| model("claude_code", "anthropic", key, None, anthropic_url()))
        .or_else(|| model("claude_code", "anthropic", key("ANTHROPIC_AUTH_TOKEN")?, Some(AuthScheme::Bearer), anthropic_url()))
        .or_else(|| model("claude_code", "anthropic", key("CLAUDE_CODE_OAUTH_TOKEN")?, Some(AuthScheme::OAuthToken), anthropic_url()));
    let openai_key = key("CODEX_API_KEY").or_else(|| key("OPENAI_API_KEY"));
    let codex = openai_key.and_then(|key| model("codex", "openai", key, None, text("OPENAI_BASE_URL")));
    let opencode = key("ANTHROPIC_API_KEY")
        .and_then(|key| model("opencode", "anthropic", key, None, None))
        .or_else(|| model("opencode", "openai", key("OPENAI_API_KEY")?, None, None));
    let models = [("claude_code", claude_code), ("codex", codex), ("opencode", opencode)].into_iter();
    let of_presets = Preset::all().iter().filter_map(|preset| match preset.endpoint? {
        // Where another way to log in was chosen, the key is not the one that counts.
        _ if preset.auth_method(text).is_some() => None,
        EndpointVariables::Named { key: variable, url, .. } => Some((preset.name, model(preset.name, "", key(variable)?, None, text(url)))),
        EndpointVariables::InConfig => Some((preset.name, model(preset.name, "anthropic", key("ANTHROPIC_API_KEY")?, None, None))),
    });
    let models = models
        .chain(of_presets)
        .filter_map(|(agent, model)| Some((agent.to_owned(), PerUser { default: Some(model?), users: BTreeMap::new() })));
    Credentials { models: models.collect(), git: Vec::new() }
}

const BAD_URL: &str = "`base_url` is not a URL such as `https://api.example.org/v1`, without user, query and fragment";
const BAD_KEY: &str = "the key is empty, or contains spaces, line breaks or other characters than ASCII";

impl Source {
    fn read(&self, place: &str) -> Result<Secret, BadCredential> {
        let bad = |problem: String| BadCredential { place: place.to_owned(), problem };
        let path = match self {
            Self::Inline(key) => return Ok(key.clone()),
            Self::File(path) => path,
        };
        let unreadable = |error: std::io::Error| bad(format!("cannot read {}: {error}", path.display()));
        let mut file = std::fs::File::open(path).map_err(unreadable)?;
        let checked = ownership::check_above(path).and_then(|()| ownership::check_open(&file, path, Protection::ReadAndWrite));
        checked.map_err(|insecure| bad(insecure.to_string()))?;
        let mut text = String::new();
        file.read_to_string(&mut text).map_err(unreadable)?;
        let key = Secret::new(text.trim().to_owned());
        if is_key(&key) { Ok(key) } else { Err(bad(format!("{}: {BAD_KEY}", path.display()))) }
    }
}

fn checked_source(source: Source) -> Result<Source, &'static str> {
    match &source {
        Source::Inline(key) if !is_key(key) => Err(BAD_KEY),
        Source::File(path) if !path.is_absolute() => Err("the path of a file with a key must be absolute"),
        Source::Inline(_) | Source::File(_) => Ok(source),
    }
}

/// Whether it can be the value of a header.
fn is_key(key: &Secret) -> bool {
    (1..=MAX_KEY).contains(&key.expose().len()) && key.expose().bytes().all(|byte| byte.is_ascii_graphic())
}

/// A base URL without its trailing slash.
fn checked_url(text: &str) -> Option<String> {
    let url = reqwest::Url::parse(text).ok()?;
    let is_plain = url.username().is_empty() && url.password().is_none() && url.query().is_none() && url.fragment().is_none();
    (is_plain && matches!(url.scheme(), "http" | "https") && url.has_host()).then(|| text.trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests {
    //! Rules: G5.

    use super::*;

    fn read(text: &str) -> Result<CredentialsSettings, String> {
        CredentialsSettings::from_toml(toml::Value::Table(text.parse().unwrap()))
    }

    #[test]
    fn keys_are_configured_by_agent_and_user_and_can_stand_in_files() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("key");
        std::fs::write(&file, "key-of-alice\n").unwrap();
        std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        let text = format!(
            r#"
            [claude_code]
            api_key = "key-of-all"
            base_url = "https://gateway.example/anthropic/"
            [claude_code.users.alice]
            auth_token_file = {file:?}
            [codex.users.bob]
            api_key = "key-of-bob"
            [opencode]
            provider = "mine"
            base_url = "http://model.internal:8080/v1"
            api_key = "key-of-mine"
            [gemini]
            api_key = "key-of-gemini"
            [kilo]
            provider = "openai"
            api_key = "key-of-kilo"
            [claude_code.users.carol]
            oauth_token = "key-of-carol"
            [git."github.com"]
            token = "token-of-all"
            [git."git.example:8443".users.alice]
            username = "oauth2"
            token = "token-of-alice"
            "#
        );
        let settings = read(&text).unwrap();
        let credentials = settings.read().unwrap();
        let model = |agent: &str, user: &str| {
            let model = credentials.models[agent].of(user)?;
            Some((model.key.expose().to_owned(), model.base_url.clone(), model.scheme))
        };
        let gateway = "https://gateway.example/anthropic".to_owned();
        assert_eq!(model("claude_code", "bob"), Some(("key-of-all".into(), gateway.clone(), AuthScheme::ApiKey)));
        assert_eq!(model("claude_code", "alice"), Some(("key-of-alice".into(), gateway, AuthScheme::Bearer)));
        assert_eq!(model("codex", "bob"), Some(("key-of-bob".into(), "https://api.openai.com/v1".into(), AuthScheme::Bearer)));
        assert_eq!(model("codex", "alice"), None);
        assert_eq!(model("opencode", "alice").unwrap().1, "http://model.internal:8080/v1");
        let git: Vec<_> = credentials.git.iter().map(|(host, git)| (host.to_string(), git.of("alice").cloned().unwrap())).collect();
        assert_eq!(
            (git[0].0.as_str(), git[0].1.username.as_str(), git[0].1.base_url.as_str()),
            ("git.example:8443", "oauth2", "https://git.example:8443")
        );
        assert_eq!((git[1].0.as_str(), git[1].1.base_url.as_str()), ("github.com:443", "https://github.com"));
        assert_eq!(model("gemini", "alice").unwrap().2, AuthScheme::GoogleApiKey);
        assert_eq!(model("kilo", "alice").unwrap().1, "https://api.openai.com/v1");
        assert_eq!(model("claude_code", "carol").unwrap().2, AuthScheme::OAuthToken);
        assert_eq!(credentials.values().count(), 9);
        assert_eq!(settings.files().collect::<Vec<_>>(), [file.as_path()]);
        let shown = format!("{settings:?} {credentials:?} {}", settings.summary());
        assert!(!shown.contains("key-of") && !shown.contains("token-of"), "{shown}");
        assert_eq!(settings.summary()["claude_code"], json!(["*", "alice", "carol"]));
    }

    #[test]
    fn wrong_tables_are_rejected_without_showing_a_value() {
        for (text, expected) in [
            ("claude_code = \"sk-secret\"", "wrong type"),
            ("[claude_code]\napi_key = [\"sk-secret\"]", "wrong type"),
            ("[claude_code]\nkey = \"sk-secret\"", "unknown field `key`"),
            ("[grok]\napi_key = \"sk-secret\"", "unknown field `grok`"),
            ("[claude_code]", "credentials.claude_code: needs one of"),
            ("[claude_code]\napi_key = \"sk-secret\"\nauth_token = \"sk-secret\"", "needs one of"),
            ("[claude_code]\napi_key = \"sk-secret\\r\\nX: y\"", "line breaks"),
            ("[claude_code]\napi_key = \"\"", "empty"),
            ("[claude_code]\napi_key_file = \"relative\"", "must be absolute"),
            ("[claude_code]\napi_key = \"sk-secret\"\nbase_url = \"https://u:sk-secret@a.example\"", "`base_url` is not"),
            ("[claude_code]\napi_key = \"sk-secret\"\nbase_url = \"ftp://a.example\"", "`base_url` is not"),
            ("[claude_code]\napi_key = \"sk-secret\"\nprovider = \"x\"", "`provider` is only for opencode and kilo"),
            ("[codex]\noauth_token = \"sk-secret\"", "`oauth_token` is only for claude_code"),
            ("[copilot]\napi_key = \"sk-secret\"", "`base_url` is missing"),
            ("[opencode]\napi_key = \"sk-secret\"\nprovider = \"x\"", "`base_url` is missing"),
            ("[claude_code.users.\"a b\"]\napi_key = \"sk-secret\"", "not the name of a user"),
            ("[git.\"https://github.com\"]\ntoken = \"sk-secret\"", "not a host"),
            ("[git.\"github.com\"]\nusername = \"a:b\"\ntoken = \"sk-secret\"", "`username`"),
            ("[git.\"github.com\"]", "needs one of `token`"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(expected) && !error.contains("sk-secret"), "{text}\n{error}");
        }
        let missing = read("[claude_code]\napi_key_file = \"/nowhere/key\"").unwrap().read().unwrap_err().to_string();
        assert!(missing.contains("credentials.claude_code: cannot read /nowhere/key"), "{missing}");
    }

    #[test]
    fn keys_in_the_environment_are_used_with_their_base_urls() {
        let get = |variables: &'static [(&str, &str)]| {
            move |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value))
        };
        let anthropic = inherited_credentials(get(&[("ANTHROPIC_API_KEY", "one"), ("ANTHROPIC_BASE_URL", "https://a.example/")]));
        let claude_code = anthropic.models["claude_code"].of("alice").unwrap();
        assert_eq!(
            (claude_code.base_url.as_str(), claude_code.key.expose(), claude_code.scheme),
            ("https://a.example", "one", AuthScheme::ApiKey)
        );
        assert!(anthropic.models.contains_key("opencode") && !anthropic.models.contains_key("codex"));
        let token = inherited_credentials(get(&[("ANTHROPIC_AUTH_TOKEN", "two"), ("OPENAI_API_KEY", "three")]));
        assert_eq!(token.models["claude_code"].of("alice").unwrap().scheme, AuthScheme::Bearer);
        assert_eq!(token.models["opencode"].of("alice").unwrap().provider, "openai");
        assert_eq!(token.models["codex"].of("alice").unwrap().base_url, "https://api.openai.com/v1");
        let presets = inherited_credentials(get(&[
            ("CLAUDE_CODE_OAUTH_TOKEN", "four"),
            ("GEMINI_API_KEY", "five"),
            ("COPILOT_PROVIDER_API_KEY", "six"),
            ("OPENAI_API_KEY", "seven"),
            ("OPENAI_BASE_URL", "https://b.example/v1"),
        ]));
        let of = |agent: &str| {
            let model = presets.models.get(agent)?.of("alice")?;
            Some((model.base_url.as_str(), model.key.expose(), model.scheme))
        };
        assert_eq!(of("claude_code"), Some(("https://api.anthropic.com", "four", AuthScheme::OAuthToken)));
        assert_eq!(of("gemini"), Some(("https://generativelanguage.googleapis.com", "five", AuthScheme::GoogleApiKey)));
        assert_eq!(of("qwen"), Some(("https://b.example/v1", "seven", AuthScheme::Bearer)));
        assert_eq!(of("copilot"), None, "where its key belongs is not known");
        let vertex = inherited_credentials(get(&[("GEMINI_API_KEY", "five"), ("GOOGLE_GENAI_USE_VERTEXAI", "true")]));
        assert_eq!(vertex, Credentials::default(), "another login is used");
        assert_eq!(inherited_credentials(get(&[("ANTHROPIC_API_KEY", "a b"), ("OPENAI_API_KEY", "")])), Credentials::default());
    }
}
