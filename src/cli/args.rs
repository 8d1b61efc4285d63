//! Arguments that several commands share, and the parsers of their values.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::config::Flags;
use crate::types::{Clock, IsolationLevel, OnRateLimit, PermissionMode, ProjectConfig, SystemClock, Timestamp};

/// Heading of the flags that every command accepts.
const GLOBAL: &str = "Global options";

/// Which server a command talks to.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct ServerArgs {
    /// Server to use: a name given at `login`, or an address [env: `OPENRUNNER_URL`]
    #[arg(long, value_name = "NAME|URL", global = true, help_heading = GLOBAL)]
    pub(super) server: Option<String>,
}

/// What a command prints, and how.
#[derive(Clone, Copy, Debug, Default, Args)]
pub(super) struct OutputArgs {
    /// Print JSON: one document, or one event per line; errors too
    #[arg(long, global = true, help_heading = GLOBAL)]
    pub(super) json: bool,
    /// Print less: only ids in lists, no notes or confirmations
    #[arg(long, short, global = true, conflicts_with = "verbose", help_heading = GLOBAL)]
    pub(super) quiet: bool,
    /// Print more: every request to the server, or debug logs for `serve`
    #[arg(long, short, global = true, help_heading = GLOBAL)]
    pub(super) verbose: bool,
    /// When to use colors; `auto` is in a terminal, unless `NO_COLOR` is set
    #[arg(long, value_name = "WHEN", value_enum, default_value = "auto", global = true, help_heading = GLOBAL)]
    pub(super) color: Color,
}

/// When to use colors. The variants have no doc comments: clap would print one paragraph for each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Color {
    #[default]
    Auto,
    Always,
    Never,
}

impl From<Color> for anstream::ColorChoice {
    fn from(color: Color) -> Self {
        match color {
            Color::Auto => Self::Auto,
            Color::Always => Self::Always,
            Color::Never => Self::Never,
        }
    }
}

/// A data directory to work in.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct DataArgs {
    /// Data directory of the server [env: `OPENRUNNER_DATA_DIR`]
    #[arg(long, value_name = "DIR")]
    pub(super) data_dir: Option<PathBuf>,
    /// Settings file of the server [default: openrunner.toml in the data directory] [env: `OPENRUNNER_CONFIG`]
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
}

impl From<DataArgs> for Flags {
    fn from(args: DataArgs) -> Self {
        Self { config: args.config, data_dir: args.data_dir, ..Self::default() }
    }
}

/// A data directory to work in instead of on a server.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct OfflineArgs {
    /// Work on this data directory, without a server
    #[arg(long, value_name = "DIR", conflicts_with = "server")]
    pub(super) data_dir: Option<PathBuf>,
}

/// Which events of a run.
#[derive(Clone, Copy, Debug, Args)]
pub(super) struct RangeArgs {
    /// Start with event N (default: 1)
    #[arg(long, value_name = "N", conflicts_with = "tail", value_parser = number)]
    pub(super) from: Option<u64>,
    /// Start with the last N events
    #[arg(long, value_name = "N", value_parser = number)]
    pub(super) tail: Option<u64>,
}

impl RangeArgs {
    /// The sequence number after which the range starts in a log that ends with `last_seq`.
    pub(super) fn after(self, last_seq: u64) -> u64 {
        match self {
            Self { tail: Some(tail), .. } => last_seq.saturating_sub(tail),
            Self { from: Some(from), .. } => from.saturating_sub(1),
            Self { from: None, tail: None } => 0,
        }
    }
}

/// How many items to list.
#[derive(Clone, Copy, Debug, Args)]
pub(super) struct PageArgs {
    /// Maximum number of items, from 1 to 200
    #[arg(long, short = 'n', value_name = "N", default_value = "20", value_parser = limit)]
    pub(super) limit: u16,
    /// List all items
    #[arg(long, conflicts_with = "limit")]
    pub(super) all: bool,
}

impl PageArgs {
    /// The size of a page.
    pub(super) fn page_size(self) -> u16 {
        if self.all { MAX_PAGE } else { self.limit }
    }
}

/// Maximum number of items of a page of the API.
pub(super) const MAX_PAGE: u16 = 200;

fn limit(text: &str) -> Result<u16, String> {
    text.parse().ok().filter(|limit| (1..=MAX_PAGE).contains(limit)).ok_or_else(|| format!("expected a number from 1 to {MAX_PAGE}"))
}

fn number(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| "expected a whole number".to_owned())
}

/// Parses a number of days, from 1 to 3650.
pub(super) fn days(text: &str) -> Result<u32, String> {
    text.parse().ok().filter(|days| (1..=3650).contains(days)).ok_or_else(|| "expected a number of days from 1 to 3650".to_owned())
}

/// Parses a duration: seconds, or a number with the unit `s`, `m`, `h` or `d`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let units = [("s", 1), ("m", 60), ("h", 60 * 60), ("d", 24 * 60 * 60)];
    let (number, seconds) =
        units.iter().find_map(|(unit, seconds)| text.strip_suffix(unit).map(|number| (number, *seconds))).unwrap_or((text, 1));
    let total = number.parse::<u64>().ok().and_then(|number| number.checked_mul(seconds)).filter(|seconds| *seconds > 0);
    total.map(Duration::from_secs).ok_or_else(|| "expected a duration such as 90, 90s, 15m, 2h or 1d".to_owned())
}

/// Parses a point in time: a duration before now, a day, or a timestamp.
pub(super) fn since(text: &str) -> Result<Timestamp, String> {
    since_at(text, SystemClock.now())
}

fn since_at(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    if text.ends_with(['s', 'm', 'h', 'd'])
        && let Ok(ago) = duration(text)
        && let Ok(millis) = i64::try_from(ago.as_millis())
    {
        return Ok(Timestamp::from_millis(now.as_millis().saturating_sub(millis).max(0)));
    }
    let is_day = text.parse::<crate::types::Day>().is_ok();
    let parsed = if is_day { Timestamp::parse(&format!("{text}T00:00:00Z")) } else { Timestamp::parse(text) };
    parsed.ok_or_else(|| {
        "expected a duration such as 30m, 1h or 7d, a day such as 2026-11-22, or a time such as 2026-11-22T13:05:00Z".to_owned()
    })
}

/// Parses `NAME=VALUE`.
pub(super) fn label(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').filter(|(name, _)| !name.is_empty()).ok_or("expected NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

/// Parses a permission mode by its name in the API.
pub(super) fn permission_mode(text: &str) -> Result<PermissionMode, String> {
    match text {
        "auto" => Ok(PermissionMode::Auto),
        "ask" => Ok(PermissionMode::Ask),
        "read_only" => Ok(PermissionMode::ReadOnly),
        _ => Err("expected auto, ask or read_only".to_owned()),
    }
}

/// Parses what to do at a usage limit, by its name in the API.
pub(super) fn on_rate_limit(text: &str) -> Result<OnRateLimit, String> {
    match text {
        "fail" => Ok(OnRateLimit::Fail),
        "wait" => Ok(OnRateLimit::Wait),
        _ => Err("expected fail or wait".to_owned()),
    }
}

/// Parses an isolation level by its name in the API.
pub(super) fn isolation_level(text: &str) -> Result<IsolationLevel, String> {
    let names = IsolationLevel::ALL.map(IsolationLevel::as_str).join(", ");
    IsolationLevel::from_name(text).ok_or(format!("expected one of {names}"))
}

/// Parses whether to trust the configuration of a directory, by its name in the API.
pub(super) fn project_config(text: &str) -> Result<ProjectConfig, String> {
    let names = ProjectConfig::ALL.map(ProjectConfig::as_str).join(" or ");
    ProjectConfig::from_name(text).ok_or(format!("expected {names}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_take_a_unit() {
        let seconds = |text: &str| duration(text).map(|time| time.as_secs());
        assert_eq!([seconds("90"), seconds("90s"), seconds("15m"), seconds("2h"), seconds("1d")], [90, 90, 900, 7200, 86_400].map(Ok));
        for wrong in ["", "m", "0", "-1", "1w", "99999999999999999999", "18446744073709551615h"] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn since_takes_a_duration_a_day_or_a_time() {
        let now = Timestamp::parse("2026-11-22T13:05:00Z").unwrap();
        let at = |text: &str| since_at(text, now).map(|time| time.to_string());
        assert_eq!(at("1h").unwrap(), Timestamp::parse("2026-11-22T12:05:00Z").unwrap().to_string());
        assert_eq!(at("2026-11-22").unwrap(), Timestamp::parse("2026-11-22T00:00:00Z").unwrap().to_string());
        assert_eq!(at("2026-11-22T13:00:00Z").unwrap(), Timestamp::parse("2026-11-22T13:00:00Z").unwrap().to_string());
        for wrong in ["", "yesterday", "1w", "5"] {
            assert!(at(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_range_is_resolved_to_a_cursor() {
        let after = |from, tail| RangeArgs { from, tail }.after(10);
        assert_eq!(
            [after(None, None), after(Some(1), None), after(Some(4), None), after(None, Some(3)), after(None, Some(99))],
            [0, 0, 3, 7, 0]
        );
    }

    #[test]
    fn a_label_has_a_name() {
        assert_eq!(label("a=b=c").unwrap(), ("a".to_owned(), "b=c".to_owned()));
        assert!(label("=b").is_err() && label("a").is_err());
    }
}
