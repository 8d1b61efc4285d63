//! Determines from files and variables whether a provider is configured. Running the program would take 2.4 s and 360 MB, and its exit
//! code is always 0 (recordings `opencode/auth_probe_*`).

use serde_json::Value;

use super::variant;
use crate::agent::Authenticated;
use crate::agent::probe::Prober;

/// Providers' keys that either program reads from its environment. Keys that give access to more than a model (`GITHUB_TOKEN`, cloud
/// accounts) are not included; the operator can pass them by name.
pub(super) const KEYS: &[&str] = &[
    "ANTHROPIC_API_KEY",
    "OPENAI_API_KEY",
    "GEMINI_API_KEY",
    "GOOGLE_API_KEY",
    "GOOGLE_GENERATIVE_AI_API_KEY",
    "GROQ_API_KEY",
    "OPENROUTER_API_KEY",
    "XAI_API_KEY",
    "DEEPSEEK_API_KEY",
    "MISTRAL_API_KEY",
    "CEREBRAS_API_KEY",
    "TOGETHER_API_KEY",
    "FIREWORKS_API_KEY",
    "MOONSHOT_API_KEY",
    "DASHSCOPE_API_KEY",
    "ZHIPU_API_KEY",
    "AZURE_API_KEY",
    "AZURE_OPENAI_API_KEY",
    "AWS_BEARER_TOKEN_BEDROCK",
];

/// Variables that accompany a key: endpoint, project, region.
pub(super) const SETTINGS: &[&str] = &[
    "ANTHROPIC_BASE_URL",
    "OPENAI_BASE_URL",
    "AZURE_RESOURCE_NAME",
    "AZURE_OPENAI_ENDPOINT",
    "AZURE_OPENAI_API_VERSION",
    "AWS_REGION",
    "GOOGLE_CLOUD_PROJECT",
    "VERTEXAI_PROJECT",
    "VERTEXAI_LOCATION",
    "LOCAL_ENDPOINT",
];

/// Whether a login or key is configured for `variant`.
pub(super) async fn authenticated(variant: &str, prober: &Prober) -> Authenticated {
    let configured = KEYS.iter().any(|name| prober.var(name).is_some());
    if configured || prober.var("LOCAL_ENDPOINT").is_some() && variant == variant::GO {
        return Authenticated::Yes;
    }
    if variant == variant::GO {
        return if config_has_key(GO_CONFIGS, prober).await { Authenticated::Yes } else { Authenticated::No };
    }
    if stored_login(prober).await || config_has_key(NPM_CONFIGS, prober).await || inline_config_has_key(prober) {
        return Authenticated::Yes;
    }
    // Some of its models need no login, so it may work without any configuration.
    Authenticated::Unknown
}

/// Relative to the configuration directory.
const NPM_CONFIGS: &[&str] = &["opencode/opencode.json", "opencode/opencode.jsonc", "opencode/config.json"];
const GO_CONFIGS: &[&str] = &["opencode/.opencode.json", "../.opencode.json"];

/// Whether `opencode auth login` has stored a login. Its file is an object with one entry per provider.
async fn stored_login(prober: &Prober) -> bool {
    let data = prober.var("XDG_DATA_HOME").map_or_else(|| prober.home().join(".local/share"), Into::into);
    let stored = prober.read(&data.join("opencode/auth.json")).await;
    let stored = stored.and_then(|text| serde_json::from_str::<Value>(&text).ok());
    stored.and_then(|value| value.as_object().map(|entries| !entries.is_empty())).unwrap_or(false)
}

async fn config_has_key(files: &[&str], prober: &Prober) -> bool {
    let config = prober.var("XDG_CONFIG_HOME").map_or_else(|| prober.home().join(".config"), Into::into);
    for file in files {
        if prober.read(&config.join(file)).await.is_some_and(|text| text.contains("\"apiKey\"")) {
            return true;
        }
    }
    match prober.var("OPENCODE_CONFIG") {
        Some(file) => prober.read(file.as_ref()).await.is_some_and(|text| text.contains("\"apiKey\"")),
        None => false,
    }
}

fn inline_config_has_key(prober: &Prober) -> bool {
    prober.var("OPENCODE_CONFIG_CONTENT").is_some_and(|text| text.contains("\"apiKey\""))
}
