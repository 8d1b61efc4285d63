//! The table of presets: agents that speak the Agent Client Protocol, by name.
//!
//! The facts were determined by driving each program; its recordings are in `tests/transcripts/acp`. Untested presets are taken from the
//! programs' documentation.

use super::{EndpointVariables, ModeSupport, Preset};
use crate::agent::acp::{Dialect, dialects};
use crate::types::AuthScheme;

use ModeSupport::{Leave, No, Set};

const GEMINI_ENV: &[&str] = &[
    "GEMINI_API_KEY",
    "GEMINI_CLI_TRUST_WORKSPACE",
    "GOOGLE_API_KEY",
    "GOOGLE_APPLICATION_CREDENTIALS",
    "GOOGLE_CLOUD_LOCATION",
    "GOOGLE_CLOUD_PROJECT",
    "GOOGLE_GEMINI_BASE_URL",
    "GOOGLE_GENAI_USE_VERTEXAI",
];

/// An agent that sends its key as a bearer token.
const fn bearer(key: &'static str, url: &'static str, default_url: Option<&'static str>) -> EndpointVariables {
    EndpointVariables::Named { key, url, default_url, scheme: AuthScheme::Bearer }
}

const GEMINI_ENDPOINT: EndpointVariables = EndpointVariables::Named {
    key: "GEMINI_API_KEY",
    url: "GOOGLE_GEMINI_BASE_URL",
    default_url: Some("https://generativelanguage.googleapis.com"),
    scheme: AuthScheme::GoogleApiKey,
};

/// All presets, by name.
pub(super) static PRESETS: &[Preset] = &[
    Preset {
        name: "amp",
        program: "amp-acp",
        login: "run `amp login`, or set AMP_API_KEY for the server",
        env: &["AMP_API_KEY", "AMP_URL"],
        keys: &["AMP_API_KEY"],
        ..Preset::UNTESTED
    },
    Preset {
        name: "auggie",
        program: "auggie",
        args: &["--acp"],
        login: "run `auggie login`, or set AUGMENT_SESSION_AUTH for the server",
        env: &["AUGMENT_API_TOKEN", "AUGMENT_API_URL", "AUGMENT_SESSION_AUTH"],
        keys: &["AUGMENT_SESSION_AUTH"],
        ..Preset::UNTESTED
    },
    Preset {
        name: "cline",
        program: "cline",
        args: &["--acp"],
        auto: Set("act"),
        ask: Set("act"),
        read_only: Set("plan"),
        login: "run `cline auth`, or set CLINE_API_KEY for the server",
        env: &["CLINE_API_BASE_URL", "CLINE_API_KEY"],
        keys: &["CLINE_API_KEY"],
        endpoint: Some(bearer("CLINE_API_KEY", "CLINE_API_BASE_URL", None)),
        dialect: dialects::CLINE,
        quirks: "no diffs and no token usage; only Cline's own provider works",
        ..Preset::TESTED
    },
    Preset {
        name: "copilot",
        program: "copilot",
        args: &["--acp"],
        read_only: Set("#plan"),
        login: "run `copilot login`, or set GH_TOKEN for the server",
        env: &[
            "COPILOT_GITHUB_TOKEN",
            "COPILOT_MODEL",
            "COPILOT_OFFLINE",
            "COPILOT_PROVIDER_API_KEY",
            "COPILOT_PROVIDER_BASE_URL",
            "GH_TOKEN",
            "GITHUB_TOKEN",
        ],
        keys: &["COPILOT_GITHUB_TOKEN", "COPILOT_PROVIDER_API_KEY", "GH_TOKEN", "GITHUB_TOKEN"],
        endpoint: Some(bearer("COPILOT_PROVIDER_API_KEY", "COPILOT_PROVIDER_BASE_URL", None)),
        dialect: dialects::COPILOT,
        quirks: "with a provider of your own, the model is `COPILOT_MODEL` and cannot be chosen per run",
        ..Preset::TESTED
    },
    Preset {
        name: "cursor",
        program: "cursor-agent",
        args: &["acp"],
        login: "run `cursor-agent login`, or set CURSOR_API_KEY for the server",
        env: &["CURSOR_API_KEY"],
        keys: &["CURSOR_API_KEY"],
        ..Preset::UNTESTED
    },
    Preset {
        name: "droid",
        program: "droid",
        args: &["exec", "--output-format", "acp"],
        login: "set FACTORY_API_KEY for the server",
        env: &["FACTORY_API_KEY"],
        keys: &["FACTORY_API_KEY"],
        ..Preset::UNTESTED
    },
    Preset {
        name: "gemini",
        program: "gemini",
        args: &["--acp"],
        auto: Set("default"),
        ask: Set("default"),
        read_only: Set("plan"),
        login: "run `gemini` once, or set GEMINI_API_KEY for the server",
        env: GEMINI_ENV,
        keys: &["GEMINI_API_KEY", "GOOGLE_API_KEY"],
        endpoint: Some(GEMINI_ENDPOINT),
        auth_methods: &[("GOOGLE_GENAI_USE_VERTEXAI", "true", "vertex-ai")],
        resumes: false,
        dialect: dialects::GEMINI,
        quirks: "ignores `mcp_servers` in a directory that it does not trust, unless GEMINI_CLI_TRUST_WORKSPACE is `true`; retries a failing \
                 model for over a minute without a word",
        ..Preset::TESTED
    },
    Preset {
        name: "goose",
        program: "goose",
        args: &["acp"],
        login: "run `goose configure`, or set GOOSE_PROVIDER, GOOSE_MODEL and the provider's key for the server",
        env: &["ANTHROPIC_API_KEY", "GOOGLE_API_KEY", "GOOSE_MODE", "GOOSE_MODEL", "GOOSE_PROVIDER", "OPENAI_API_KEY", "OPENAI_HOST"],
        ..Preset::UNTESTED
    },
    Preset {
        name: "grok",
        program: "grok",
        args: &["agent", "--no-leader", "stdio"],
        read_only: No("it runs commands that it considers harmless, such as `touch`, without asking"),
        login: "run `grok login`, or set XAI_API_KEY for the server",
        env: &["XAI_API_KEY"],
        keys: &["XAI_API_KEY"],
        dialect: dialects::GROK,
        quirks: "runs commands that it considers harmless, such as `touch`, without asking; a notice reports each in mode `ask`",
        ..Preset::TESTED
    },
    Preset {
        name: "hermes",
        program: "hermes-acp",
        auto: Set("default"),
        ask: No("it runs commands without asking"),
        read_only: No("it runs commands without asking"),
        login: "run `hermes setup` and `hermes model`",
        env: &["ANTHROPIC_API_KEY", "OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENROUTER_API_KEY"],
        dialect: dialects::HERMES,
        quirks: "asks about edits only, so rules about commands have no effect; reports no results of edits",
        ..Preset::TESTED
    },
    Preset {
        name: "kilo",
        program: "kilo",
        args: &["acp"],
        login: "run `kilo auth login`, or set a provider's key for the server",
        env: &["ANTHROPIC_API_KEY", "KILO_API_KEY", "OPENAI_API_KEY", "OPENROUTER_API_KEY"],
        keys: &["KILO_API_KEY"],
        endpoint: Some(EndpointVariables::InConfig),
        config_variable: Some("KILO_CONFIG_CONTENT"),
        dialect: dialects::KILO,
        quirks: "asks about nothing by itself; it is configured to ask about edits, commands and the network",
        ..Preset::TESTED
    },
    Preset {
        name: "kimi",
        program: "kimi",
        args: &["acp"],
        login: "run `kimi` and `/setup`, or set KIMI_API_KEY for the server",
        env: &["KIMI_API_KEY", "KIMI_BASE_URL", "KIMI_MODEL_NAME"],
        keys: &["KIMI_API_KEY"],
        endpoint: Some(bearer("KIMI_API_KEY", "KIMI_BASE_URL", None)),
        ..Preset::UNTESTED
    },
    Preset {
        name: "pi",
        program: "pi-acp",
        ask: No("it never asks"),
        read_only: No("it never asks"),
        asks: false,
        login: "run `pi`, or set a provider's key for the server",
        env: &["ANTHROPIC_API_KEY", "OPENAI_API_KEY", "PI_ACP_PI_COMMAND"],
        mcp_servers: false,
        dialect: dialects::PI,
        quirks: "never asks, reports no token usage, and ends a turn in silence if the model cannot be called, which counts as a failure",
        ..Preset::TESTED
    },
    Preset {
        name: "qwen",
        program: "qwen",
        args: &["--acp"],
        auto: Set("default"),
        ask: Set("default"),
        read_only: Set("plan"),
        login: "run `qwen`, or set OPENAI_API_KEY, OPENAI_BASE_URL and OPENAI_MODEL for the server",
        env: &["DASHSCOPE_API_KEY", "OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_MODEL"],
        keys: &["DASHSCOPE_API_KEY", "OPENAI_API_KEY"],
        endpoint: Some(bearer("OPENAI_API_KEY", "OPENAI_BASE_URL", Some("https://api.openai.com/v1"))),
        dialect: dialects::QWEN,
        quirks: "retries a failing model for over a minute without a word",
        ..Preset::TESTED
    },
    Preset {
        name: "vibe",
        program: "vibe-acp",
        login: "run `vibe --setup`, or set MISTRAL_API_KEY for the server",
        env: &["MISTRAL_API_KEY"],
        keys: &["MISTRAL_API_KEY"],
        ..Preset::UNTESTED
    },
];

impl Preset {
    /// What most tested agents have in common.
    const TESTED: Self = Self {
        name: "",
        program: "",
        args: &[],
        tested: true,
        auto: Leave,
        ask: Leave,
        read_only: Leave,
        asks: true,
        login: "",
        env: &[],
        keys: &[],
        endpoint: None,
        auth_methods: &[],
        config_variable: None,
        resumes: true,
        mcp_servers: true,
        dialect: Dialect::UNKNOWN,
        quirks: "",
    };
    /// What is assumed of an agent that was not tested: that it asks is not known, so the modes that depend on it are refused.
    const UNTESTED: Self = Self { tested: false, ask: No(NOT_KNOWN), read_only: No(NOT_KNOWN), ..Self::TESTED };
}

const NOT_KNOWN: &str = "whether it asks for permission was not tested";
