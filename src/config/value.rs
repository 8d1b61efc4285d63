//! How the types of settings are read and shown.

use std::ffi::OsStr;
use std::fmt::Display;
use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};

use super::declare::{Format, Rejected, SettingValue};
use super::{
    AccountName, AgentsSettings, BadItem, BasePath, ControlGroup, CredentialsSettings, EventType, HostName, Isolation, LogFormat, Network,
    Origin, ProfilesSettings, RetryDelay, Secret, Switch, VariableName, WebhookDestination,
};
use crate::types::{Amount, HostPattern, IsolationLevel, Money, OnShutdown, ProfileName, RuleSpec, Tokens};

/// A number of seconds from 0 to 86400. The bound keeps arithmetic on clocks far from an overflow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Seconds(u32);

impl Seconds {
    const MAX: u32 = 86_400;

    /// The same as a duration.
    pub fn duration(self) -> Duration {
        Duration::from_secs(self.0.into())
    }
}

impl FromStr for Seconds {
    type Err = BadItem;

    fn from_str(text: &str) -> Result<Self, BadItem> {
        let seconds = text.parse().ok().filter(|seconds| *seconds <= Self::MAX);
        seconds.map(Self).ok_or_else(|| BadItem::new(text, "a whole number of seconds from 0 to 86400"))
    }
}

/// A CPU weight from 1 to 10000, as `cpu.weight` in the kernel's `admin-guide/cgroup-v2`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct CpuWeight(NonZeroU32);

impl CpuWeight {
    const MAX: u32 = 10_000;

    /// The number.
    pub fn get(self) -> u32 {
        self.0.get()
    }
}

impl FromStr for CpuWeight {
    type Err = BadItem;

    fn from_str(text: &str) -> Result<Self, BadItem> {
        let weight = text.parse().ok().filter(|weight: &NonZeroU32| weight.get() <= Self::MAX);
        weight.map(Self).ok_or_else(|| BadItem::new(text, "a weight from 1 to 10000"))
    }
}

fn utf8(text: &OsStr) -> Result<&str, Rejected> {
    text.to_str().ok_or_else(|| Rejected::Because("the value is not UTF-8".to_owned()))
}

/// Types that are read by `FromStr` and shown as they serialize.
macro_rules! parsed {
    ($($format:ident: $($type:ty),+;)+) => {$($(
        impl SettingValue for $type {
            const FORMAT: Format = Format::$format;

            fn from_text(text: &OsStr) -> Result<Self, Rejected> {
                utf8(text)?.trim().parse().map_err(|error| Problem::from(error).0)
            }

            fn to_json(&self) -> Value {
                json!(self)
            }
        }
    )+)+};
}

parsed! {
    Text: SocketAddr, ProfileName;
    Number: NonZeroU32, NonZeroUsize, usize, Tokens, Money, Amount, Seconds, CpuWeight;
}

/// An error of a parser as a rejection: only our own say more than "unexpected".
struct Problem(Rejected);

impl From<BadItem> for Problem {
    fn from(bad: BadItem) -> Self {
        Self(Rejected::Because(bad.to_string()))
    }
}

/// Errors whose text would not help the operator.
macro_rules! without_detail {
    ($($error:ty),+ $(,)?) => {$(
        impl From<$error> for Problem {
            fn from(_error: $error) -> Self {
                Self(Rejected::Unexpected)
            }
        }
    )+};
}

without_detail!(
    std::net::AddrParseError,
    <ProfileName as FromStr>::Err,
    std::num::ParseIntError,
    <Tokens as FromStr>::Err,
    <Money as FromStr>::Err,
    <Amount as FromStr>::Err
);

/// Types with a closed set of names, which are those of their serialized form.
macro_rules! names {
    ($($type:ty: $($name:literal => $value:expr),+;)+) => {$(
        impl SettingValue for $type {
            const FORMAT: Format = Format::Text;

            fn from_text(text: &OsStr) -> Result<Self, Rejected> {
                match utf8(text)?.trim() {
                    $($name => Ok($value),)+
                    _ => Err(Rejected::Unexpected),
                }
            }

            fn to_json(&self) -> Value {
                $(if *self == $value {
                    return json!($name);
                })+
                Value::Null
            }
        }
    )+};
}

names! {
    Isolation: "none" => Isolation { level: IsolationLevel::None, is_required: false },
        "files" => Isolation { level: IsolationLevel::Files, is_required: false },
        "guard" => Isolation { level: IsolationLevel::Guard, is_required: false },
        "sandbox" => Isolation { level: IsolationLevel::Sandbox, is_required: false },
        "require:files" => Isolation { level: IsolationLevel::Files, is_required: true },
        "require:guard" => Isolation { level: IsolationLevel::Guard, is_required: true },
        "require:sandbox" => Isolation { level: IsolationLevel::Sandbox, is_required: true };
    LogFormat: "text" => LogFormat::Text, "json" => LogFormat::Json;
    Switch: "on" => Switch::On, "off" => Switch::Off;
    OnShutdown: "detach" => OnShutdown::Detach, "stop" => OnShutdown::Stop;
}

impl SettingValue for BasePath {
    const FORMAT: Format = Format::Text;

    fn from_text(text: &OsStr) -> Result<Self, Rejected> {
        utf8(text)?.trim().parse().map_err(|error| Problem::from(error).0)
    }

    fn to_json(&self) -> Value {
        json!(self.as_str())
    }
}

impl SettingValue for String {
    const FORMAT: Format = Format::Text;

    fn from_text(text: &OsStr) -> Result<Self, Rejected> {
        utf8(text).map(str::to_owned)
    }

    fn to_json(&self) -> Value {
        json!(self)
    }
}

impl SettingValue for Secret {
    const FORMAT: Format = Format::Text;

    fn from_text(text: &OsStr) -> Result<Self, Rejected> {
        utf8(text).map(|text| Self::new(text.to_owned()))
    }

    fn to_json(&self) -> Value {
        json!("***")
    }

    fn has_secret(&self) -> bool {
        true
    }
}

impl SettingValue for PathBuf {
    const FORMAT: Format = Format::Text;

    fn from_text(text: &OsStr) -> Result<Self, Rejected> {
        Ok(text.into())
    }

    fn to_json(&self) -> Value {
        json!(self.display().to_string())
    }
}

impl SettingValue for ControlGroup {
    const FORMAT: Format = Format::Text;

    fn from_text(text: &OsStr) -> Result<Self, Rejected> {
        match utf8(text)?.trim() {
            "auto" => Ok(Self::Auto),
            "off" => Ok(Self::Off),
            path if path.starts_with('/') => Ok(Self::At(path.into())),
            _ => Err(Rejected::Unexpected),
        }
    }

    fn to_json(&self) -> Value {
        match self {
            Self::Auto => json!("auto"),
            Self::Off => json!("off"),
            Self::At(path) => path.to_json(),
        }
    }
}

/// Directories, each absolute.
impl SettingValue for Vec<PathBuf> {
    const FORMAT: Format = Format::PathList;

    fn from_text(text: &OsStr) -> Result<Self, Rejected> {
        std::env::split_paths(text).filter(|path| !path.as_os_str().is_empty()).map(absolute).collect()
    }

    fn from_toml(value: toml::Value) -> Result<Self, Rejected> {
        let toml::Value::Array(items) = value else { return Err(Rejected::Unexpected) };
        let paths = items.into_iter().map(|item| match item {
            toml::Value::String(path) => absolute(path.into()),
            _ => Err(Rejected::Unexpected),
        });
        paths.collect()
    }

    fn to_json(&self) -> Value {
        self.iter().map(SettingValue::to_json).collect()
    }
}

fn absolute(path: PathBuf) -> Result<PathBuf, Rejected> {
    if path.is_absolute() {
        return Ok(path);
    }
    Err(Rejected::Because(format!("`{}` is not an absolute path", path.display())))
}

/// An item of a list that is separated by commas in a variable.
trait ListItem: FromStr<Err: Display> + Display {}

impl ListItem for HostName {}
impl ListItem for Origin {}
impl ListItem for Network {}
impl ListItem for AccountName {}
impl ListItem for VariableName {}
impl ListItem for EventType {}
impl ListItem for WebhookDestination {}
impl ListItem for RetryDelay {}
impl ListItem for HostPattern {}

impl<T: ListItem> SettingValue for Vec<T> {
    const FORMAT: Format = Format::CommaList;

    fn from_text(text: &OsStr) -> Result<Self, Rejected> {
        let items = utf8(text)?.split(',').map(str::trim).filter(|item| !item.is_empty());
        items.map(item).collect()
    }

    fn from_toml(value: toml::Value) -> Result<Self, Rejected> {
        let toml::Value::Array(items) = value else { return Err(Rejected::Unexpected) };
        let items = items.into_iter().map(|value| match value {
            toml::Value::String(text) => item(&text),
            toml::Value::Integer(number) => item(&number.to_string()),
            _ => Err(Rejected::Unexpected),
        });
        items.collect()
    }

    fn to_json(&self) -> Value {
        self.iter().map(ToString::to_string).collect()
    }
}

fn item<T: ListItem>(text: &str) -> Result<T, Rejected> {
    text.parse().map_err(|bad: T::Err| Rejected::Because(bad.to_string()))
}

/// Tables of the settings file, which have fields of their own.
macro_rules! tables {
    ($($format:ident: $type:ty => $show:expr;)+) => {$(
        impl SettingValue for $type {
            const FORMAT: Format = Format::$format;

            fn from_text(_text: &OsStr) -> Result<Self, Rejected> {
                Err(Rejected::Because("this can only be set in the settings file".to_owned()))
            }

            fn from_toml(value: toml::Value) -> Result<Self, Rejected> {
                value.try_into().map_err(|error: toml::de::Error| Rejected::Because(error.message().to_owned()))
            }

            fn to_json(&self) -> Value {
                let show: fn(&Self) -> Value = $show;
                show(self)
            }
        }
    )+};
}

impl SettingValue for CredentialsSettings {
    const FORMAT: Format = Format::Table;

    fn from_text(_text: &OsStr) -> Result<Self, Rejected> {
        Err(Rejected::Because("this can only be set in the settings file".to_owned()))
    }

    fn from_toml(value: toml::Value) -> Result<Self, Rejected> {
        Self::from_toml(value).map_err(Rejected::Because)
    }

    fn to_json(&self) -> Value {
        self.summary()
    }

    fn has_secret(&self) -> bool {
        self.has_inline_key()
    }
}

tables! {
    ArrayOfTables: Vec<RuleSpec> => |rules| json!(rules);
}

impl SettingValue for ProfilesSettings {
    const FORMAT: Format = Format::Table;

    fn from_text(_text: &OsStr) -> Result<Self, Rejected> {
        Err(Rejected::Because("this can only be set in the settings file".to_owned()))
    }

    fn from_toml(value: toml::Value) -> Result<Self, Rejected> {
        value.try_into().map_err(|error: toml::de::Error| Rejected::Because(error.message().to_owned()))
    }

    fn to_json(&self) -> Value {
        self.summary()
    }

    fn has_secret(&self) -> bool {
        Self::has_secret(self)
    }
}

impl SettingValue for AgentsSettings {
    const FORMAT: Format = Format::Table;

    fn from_text(_text: &OsStr) -> Result<Self, Rejected> {
        Err(Rejected::Because("this can only be set in the settings file".to_owned()))
    }

    fn from_toml(value: toml::Value) -> Result<Self, Rejected> {
        value.try_into().map_err(|error: toml::de::Error| Rejected::Because(error.message().to_owned()))
    }

    fn to_json(&self) -> Value {
        self.summary()
    }

    fn has_secret(&self) -> bool {
        self.configured.iter().any(|agent| !agent.secret_env.is_empty())
    }
}
