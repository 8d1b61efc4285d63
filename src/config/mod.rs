//! The configuration of a server: what can be set, where values come from, and their defaults.
//!
//! Sources in order of precedence: the command line, environment variables `OPENRUNNER_*`, the file `openrunner.toml`, defaults. An unknown
//! key in the file stops the start, and an unknown variable is reported: a misspelled setting must not be ignored silently.
//!
//! Each setting is declared once, in `settings.rs`; the loader, `config show`, the template and the reference are derived from the declarations.

mod agents;
mod choices;
mod credentials;
mod declare;
mod lists;
mod load;
mod memory;
mod network;
mod profiles;
mod reference;
mod resolved;
mod settings;
mod unknown;
mod value;
mod webhooks;

pub use agents::{AgentSettings, AgentsSettings, BadAgent};
pub use choices::{ControlGroup, Isolation, LogFormat, Switch};
pub use credentials::{BadCredential, CredentialsSettings, inherited_credentials};
pub use declare::{Declaration, DefaultValue, Format};
pub use lists::{AccountName, BadItem, BasePath, HostName, Origin, VariableName};
pub use load::{Flags, SettingsError, Variables, load, load_with_origins, resolve};
pub use network::Network;
pub use profiles::ProfilesSettings;
pub use reference::template;
pub use resolved::{Origins, ResolvedSetting, SettingSource};
pub use settings::Settings;
pub use unknown::{OTHER_VARIABLES, UnknownVariable, unknown_variables};
pub use value::{CpuWeight, Seconds};
pub use webhooks::{EventType, RetryDelay, WebhookDestination};

pub use crate::types::Secret;
