//! The macro behind [`super::settings`]: one declaration per setting, from which everything else is derived.

use std::ffi::OsStr;

use serde_json::Value;

/// One setting as it is declared in the source: what the loader, `config show`, the template and `docs/settings.md` know about it.
#[derive(Clone, Copy, Debug)]
pub struct Declaration {
    /// Name in the settings file.
    pub name: &'static str,
    /// Environment variable; `None` for a setting that only the file can hold.
    pub variable: Option<&'static str>,
    /// Heading under which it is documented.
    pub section: &'static str,
    /// What it does, in Markdown.
    pub help: &'static str,
    /// Unit and bounds; empty where the value has neither.
    pub unit: &'static str,
    /// Completes the error "`x` is not …".
    pub expects: &'static str,
    /// Value when no source sets it.
    pub default: DefaultValue,
    /// Shape of the value in the file and in the variable.
    pub format: Format,
}

/// Value of a setting that no source sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DefaultValue {
    /// This value, written as in an environment variable.
    Literal(&'static str),
    /// No value. The text says what that means.
    Unset(&'static str),
    /// Computed at start. The text says how.
    Computed(&'static str),
}

/// Shape of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A string.
    Text,
    /// A number.
    Number,
    /// An array of strings or numbers; separated by commas in a variable.
    CommaList,
    /// An array of paths; separated by colons in a variable.
    PathList,
    /// A table; only in the file.
    Table,
    /// An array of tables; only in the file.
    ArrayOfTables,
}

impl Format {
    /// The empty value of a list or a table.
    pub(super) fn empty(self) -> toml::Value {
        match self {
            Self::Text | Self::Number => toml::Value::String(String::new()),
            Self::CommaList | Self::PathList | Self::ArrayOfTables => toml::Value::Array(Vec::new()),
            Self::Table => toml::Value::Table(toml::Table::new()),
        }
    }
}

/// Why a value was rejected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Rejected {
    /// It is not what the declaration expects.
    Unexpected,
    /// This problem, in words that complete the message.
    Because(String),
}

/// A type that a setting can have.
pub(super) trait SettingValue: Sized {
    /// Shape in the file and in the variable.
    const FORMAT: Format;

    /// Reads the value of an environment variable.
    ///
    /// # Errors
    /// [`Rejected`] if the text is not such a value.
    fn from_text(text: &OsStr) -> Result<Self, Rejected>;

    /// Reads a value of the settings file.
    ///
    /// # Errors
    /// [`Rejected`] if it has another TOML type, or is not such a value.
    fn from_toml(value: toml::Value) -> Result<Self, Rejected> {
        match (Self::FORMAT, value) {
            (Format::Text, toml::Value::String(text)) => Self::from_text(OsStr::new(&text)),
            (Format::Number, toml::Value::Integer(number)) => Self::from_text(OsStr::new(&number.to_string())),
            (Format::Number, toml::Value::Float(number)) => Self::from_text(OsStr::new(&number.to_string())),
            _ => Err(Rejected::Unexpected),
        }
    }

    /// The value for people and programs. A secret is replaced by `***`.
    fn to_json(&self) -> Value;

    /// Whether it is a secret or contains one.
    fn has_secret(&self) -> bool {
        false
    }
}

/// Declares [`Settings`](super::Settings), the layer that one source fills, and the list of declarations.
///
/// A setting has either `default "…"` (a value in the syntax of its variable), `unset "…"` (its type becomes an `Option`; the text says
/// what no value means) or `computed "…"` (the loader fills it in).
macro_rules! settings {
    ($($section:literal {$(
        $(#[doc = $help:literal])+
        $name:ident: $type:ty $(=> $variable:literal)?, $kind:ident $default:literal, expects $expects:literal $(, unit $unit:literal)?;
    )+})+) => {
        /// The configuration of a server.
        ///
        /// Every value has been checked; sources and precedence are described in [`crate::config`].
        #[derive(Clone, Debug)]
        pub struct Settings {
            $($(
                $(#[doc = $help])+
                pub $name: settings!(@field $kind $type),
            )+)+
        }

        /// The values that one source sets.
        #[derive(Debug, Default)]
        pub(super) struct Layer {
            $($(pub(super) $name: Option<$type>,)+)+
        }

        impl Settings {
            /// Every setting, in the order of the documentation.
            pub const DECLARATIONS: &'static [Declaration] = &[$($(
                Declaration {
                    name: stringify!($name),
                    variable: settings!(@optional $($variable)?),
                    section: $section,
                    help: concat!($($help),+),
                    unit: settings!(@text $($unit)?),
                    expects: $expects,
                    default: settings!(@default $kind $default),
                    format: <$type as SettingValue>::FORMAT,
                },
            )+)+];

            /// Name and value of every setting, in the order of the declarations. Secrets are `***`.
            pub(super) fn values(&self) -> Vec<(&'static str, serde_json::Value)> {
                vec![$($((stringify!($name), settings!(@json $kind &self.$name)),)+)+]
            }
        }

        impl Layer {
            /// Sets one value from the text of an environment variable.
            pub(super) fn set_text(&mut self, name: &str, text: &std::ffi::OsStr) -> Result<(), Rejected> {
                match name {
                    $($(stringify!($name) => self.$name = Some(<$type as SettingValue>::from_text(text)?),)+)+
                    _ => unreachable!("only declared names are set"),
                }
                Ok(())
            }

            /// Sets one value from the settings file.
            pub(super) fn set_toml(&mut self, name: &str, value: toml::Value) -> Result<(), Rejected> {
                match name {
                    $($(stringify!($name) => self.$name = Some(<$type as SettingValue>::from_toml(value)?),)+)+
                    _ => unreachable!("only declared names are set"),
                }
                Ok(())
            }

            /// Whether this source sets the value of that name.
            pub(super) fn sets(&self, name: &str) -> bool {
                match name {
                    $($(stringify!($name) => self.$name.is_some(),)+)+
                    _ => false,
                }
            }

            /// Whether a value is a secret or contains one.
            pub(super) fn has_secret(&self) -> bool {
                $($(self.$name.as_ref().is_some_and(SettingValue::has_secret))||+)||+
            }

            /// These values, and those of `lower` where this source sets none.
            pub(super) fn or(self, lower: Self) -> Self {
                Self { $($($name: self.$name.or(lower.$name),)+)+ }
            }

            /// The settings, if every value without `unset` is there; else the name of the first one that is missing.
            pub(super) fn finish(self) -> Result<Settings, &'static str> {
                Ok(Settings { $($($name: settings!(@finish $kind self.$name, stringify!($name)),)+)+ })
            }
        }
    };
    (@field unset $type:ty) => { Option<$type> };
    (@field $kind:ident $type:ty) => { $type };
    (@default default $text:literal) => { DefaultValue::Literal($text) };
    (@default unset $text:literal) => { DefaultValue::Unset($text) };
    (@default computed $text:literal) => { DefaultValue::Computed($text) };
    (@finish unset $value:expr, $name:expr) => { $value };
    (@finish $kind:ident $value:expr, $name:expr) => { $value.ok_or($name)? };
    (@json unset $value:expr) => { $value.as_ref().map_or(serde_json::Value::Null, SettingValue::to_json) };
    (@json $kind:ident $value:expr) => { SettingValue::to_json($value) };
    (@optional) => { None };
    (@optional $text:literal) => { Some($text) };
    (@text) => { "" };
    (@text $text:literal) => { $text };
}
pub(super) use settings;
