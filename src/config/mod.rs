//! Settings: what the operator may choose, where each choice comes from, and what holds when nothing is said.
//!
//! The file `openrunner.toml` is overruled by environment variables `OPENRUNNER_*`, and those by flags. A key that nobody knows stops the
//! start, since a mistyped setting that is silently ignored is worse than none.

mod agents;
mod environment;
mod explain;
mod lists;
mod load;
mod memory;
mod network;
mod secret;
mod settings;
mod webhooks;

pub use agents::{AgentSettings, AgentsSettings, BadAgent};
pub use explain::{Origin as SettingOrigin, Origins, ResolvedSetting, explain, load_and_explain};
pub use lists::{BadItem, HostName, Origin, VariableName};
pub use load::{Flags, SettingsError, load};
pub use network::Network;
pub use secret::Secret;
pub use settings::{ControlGroup, LogFormat, Settings};
pub use webhooks::{EventType, RetryWait, WebhookPlace};
