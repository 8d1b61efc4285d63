//! The log: to standard error, as text or JSON, with nothing in it that could act on a terminal or a reader of logs.

use std::fmt::Write as _;
use std::io::{self, Write};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::util::SubscriberInitExt as _;

use super::secrets::known_secrets;
use crate::config::{LogFormat, Settings};
use crate::redact::Secrets;
use crate::types::acts_on_a_reader;

/// Why there is no log.
#[derive(Debug, thiserror::Error)]
pub enum LogsError {
    /// The filter cannot be understood.
    #[error("OPENRUNNER_LOG: `{filter}` is not a log filter such as `info` or `warn,openrunner=debug`: {problem}")]
    Filter {
        /// The filter as given.
        filter: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The process logs already.
    #[error("the log was set up before")]
    Again,
}

/// Starts logging as the settings say, for the whole process.
///
/// # Errors
/// [`LogsError`]
pub fn init(settings: &Settings) -> Result<(), LogsError> {
    let filter = EnvFilter::try_new(&settings.log)
        .map_err(|error| LogsError::Filter { filter: settings.log.clone(), problem: error.to_string() })?;
    // Without colours every control character in a line comes from outside, so the writer can make all of them harmless.
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(false)
        .with_writer(Clean { to: io::stderr, secrets: known_secrets(settings) });
    let started = match settings.log_format {
        LogFormat::Text => lines.finish().try_init(),
        LogFormat::Json => lines.json().flatten_event(true).finish().try_init(),
    };
    started.map_err(|_error| LogsError::Again)
}

/// Writers whose lines cannot be broken, coloured or turned around by what is logged, and tell no secret that the server knows.
struct Clean<M> {
    to: M,
    secrets: Secrets,
}

impl<'a, M: MakeWriter<'a>> MakeWriter<'a> for Clean<M> {
    type Writer = CleanWriter<'a, M::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        CleanWriter { to: self.to.make_writer(), secrets: &self.secrets }
    }
}

/// Takes one event at a time, which is how the formatter writes, and cleans all of it but its last line feed.
struct CleanWriter<'a, W> {
    to: W,
    secrets: &'a Secrets,
}

impl<W: Write> Write for CleanWriter<'_, W> {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let (line, end) = match event.strip_suffix(b"\n") {
            Some(line) => (line, "\n"),
            None => (event, ""),
        };
        let mut line = String::from_utf8_lossy(line).into_owned();
        self.secrets.redact(&mut line);
        let mut escaped = escape(&line);
        escaped.push_str(end);
        self.to.write_all(escaped.as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// Every character that does more than stand there, as `\u001b`: a form that stays true inside JSON as well.
fn escape(line: &str) -> String {
    let mut escaped = String::with_capacity(line.len() + 1);
    for char in line.chars() {
        if !acts_on_a_reader(char) {
            escaped.push(char);
            continue;
        }
        for unit in char.encode_utf16(&mut [0; 2]) {
            let _ = write!(escaped, "\\u{unit:04x}");
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What is logged when hostile words and a secret are in the message, in a shown field and in a text field.
    fn logged(format: LogFormat) -> String {
        let kept = Kept::default();
        let writer = kept.clone();
        let clean = Clean { to: move || writer.clone(), secrets: Secrets::new(["tell\"nobody"]) };
        let lines = tracing_subscriber::fmt().with_ansi(false).with_writer(clean);
        let hostile = "\u{1b}[2Jx\nERROR forged\r\u{9b}31m\u{202e}\u{e0041} tell\"nobody";
        let log = || tracing::info!(shown = %hostile, text = hostile, "{hostile}");
        match format {
            LogFormat::Text => tracing::subscriber::with_default(lines.finish(), log),
            LogFormat::Json => tracing::subscriber::with_default(lines.json().finish(), log),
        }
        let bytes = kept.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn w7_nothing_that_is_logged_can_break_a_line_or_reach_the_terminal() {
        for format in [LogFormat::Text, LogFormat::Json] {
            let logged = logged(format);
            assert_eq!(logged.matches('\n').count(), 1, "{logged:?}");
            let line = logged.strip_suffix('\n').unwrap();
            assert!(!line.chars().any(acts_on_a_reader), "{line:?}");
            assert_eq!(line.matches("forged").count(), 3, "{line}");
        }
    }

    #[test]
    fn w7_no_secret_that_the_server_knows_is_logged() {
        for format in [LogFormat::Text, LogFormat::Json] {
            let logged = logged(format);
            assert!(!logged.contains("nobody") && logged.matches("[masked]").count() == 3, "{logged}");
        }
    }

    #[test]
    fn a_filter_that_is_none_is_named_with_its_setting() {
        let get = |name: &str| {
            [("HOME", "/h"), ("OPENRUNNER_LOG", "openrunner=loud")].into_iter().find_map(|(key, value)| (key == name).then(|| value.into()))
        };
        let settings = crate::config::load(crate::config::Flags::default(), &get).unwrap();
        let error = init(&settings).unwrap_err().to_string();
        assert!(error.contains("OPENRUNNER_LOG") && error.contains("openrunner=loud"), "{error}");
    }

    #[test]
    fn w7_an_escaped_line_of_json_is_still_json() {
        let line = logged(LogFormat::Json);
        let json: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert!(json["fields"]["message"].as_str().unwrap().contains("forged"), "{line}");
    }
}
