//! Logging to standard error as text or JSON, with control characters escaped and secrets masked.

use std::fmt::Write as _;
use std::io::{self, Write};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::util::SubscriberInitExt as _;

use super::secrets::known_secrets;
use crate::config::{LogFormat, Settings};
use crate::redact::Secrets;
use crate::types::is_unsafe_to_display;

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum LogsError {
    /// The filter cannot be parsed.
    #[error("OPENRUNNER_LOG: invalid log filter `{filter}`; expected a filter such as `info` or `warn,openrunner=debug`")]
    Filter {
        /// The filter as given.
        filter: String,
    },
    /// The process has a global logger already.
    #[error("logging is already set up")]
    AlreadySet,
}

/// Sets up logging for the whole process.
///
/// # Errors
/// [`LogsError`], by cause.
pub fn init_logging(settings: &Settings) -> Result<(), LogsError> {
    // The MCP library writes several lines for each request; a filter that names it counts.
    let filter =
        EnvFilter::try_new(format!("rmcp=warn,{}", settings.log)).map_err(|_error| LogsError::Filter { filter: settings.log.clone() })?;
    // Without ANSI colors, every control character in a line comes from logged data, so the writer can escape all of them.
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(false)
        .with_writer(SanitizingMaker { inner: io::stderr, secrets: known_secrets(settings) });
    let started = match settings.log_format {
        LogFormat::Text => lines.finish().try_init(),
        LogFormat::Json => lines.json().flatten_event(true).finish().try_init(),
    };
    started.map_err(|_error| LogsError::AlreadySet)
}

/// Makes [`SanitizingWriter`]s.
struct SanitizingMaker<M> {
    inner: M,
    secrets: Secrets,
}

impl<'a, M: MakeWriter<'a>> MakeWriter<'a> for SanitizingMaker<M> {
    type Writer = SanitizingWriter<'a, M::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        SanitizingWriter { inner: self.inner.make_writer(), secrets: &self.secrets }
    }
}

/// Escapes control characters and masks the server's secrets. Expects one event per `write`, which is how the formatter writes, and keeps
/// only the line feed at its end.
struct SanitizingWriter<'a, W> {
    inner: W,
    secrets: &'a Secrets,
}

impl<W: Write> Write for SanitizingWriter<'_, W> {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let (line, end) = match event.strip_suffix(b"\n") {
            Some(line) => (line, "\n"),
            None => (event, ""),
        };
        let mut line = String::from_utf8_lossy(line).into_owned();
        self.secrets.redact(&mut line);
        let mut escaped = escape(&line);
        escaped.push_str(end);
        self.inner.write_all(escaped.as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Writes control and formatting characters as `\u001b`, which is valid inside JSON strings, too.
fn escape(line: &str) -> String {
    let mut escaped = String::with_capacity(line.len() + 1);
    for char in line.chars() {
        if !is_unsafe_to_display(char) {
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
    //! Rules: W7.

    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Buffer(Arc<Mutex<Vec<u8>>>);

    impl Write for Buffer {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// The log output for a message, a `Display` field and a string field that contain control characters and a secret.
    fn log_hostile_event(format: LogFormat) -> String {
        let buffer = Buffer::default();
        let writer = buffer.clone();
        let clean = SanitizingMaker { inner: move || writer.clone(), secrets: Secrets::new(["s3cret\"value"]) };
        let lines = tracing_subscriber::fmt().with_ansi(false).with_writer(clean);
        let hostile = "\u{1b}[2Jx\nERROR forged\r\u{9b}31m\u{202e}\u{e0041} s3cret\"value";
        let log = || tracing::info!(shown = %hostile, text = hostile, "{hostile}");
        match format {
            LogFormat::Text => tracing::subscriber::with_default(lines.finish(), log),
            LogFormat::Json => tracing::subscriber::with_default(lines.json().finish(), log),
        }
        let bytes = buffer.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn control_characters_in_logged_data_are_escaped() {
        for format in [LogFormat::Text, LogFormat::Json] {
            let output = log_hostile_event(format);
            assert_eq!(output.matches('\n').count(), 1, "{output:?}");
            let line = output.strip_suffix('\n').unwrap();
            assert!(!line.chars().any(is_unsafe_to_display), "{line:?}");
            assert_eq!(line.matches("forged").count(), 3, "{line}");
        }
    }

    #[test]
    fn secrets_known_to_the_server_are_masked() {
        for format in [LogFormat::Text, LogFormat::Json] {
            let output = log_hostile_event(format);
            assert!(!output.contains("s3cret") && output.matches("[masked]").count() == 3, "{output}");
        }
    }

    #[test]
    fn an_invalid_filter_is_reported_with_its_setting() {
        let get = |name: &str| {
            [("HOME", "/h"), ("OPENRUNNER_LOG", "openrunner=loud")].into_iter().find_map(|(key, value)| (key == name).then(|| value.into()))
        };
        let settings = crate::config::load(crate::config::Flags::default(), &get).unwrap();
        let error = init_logging(&settings).unwrap_err().to_string();
        assert!(error.contains("OPENRUNNER_LOG") && error.contains("openrunner=loud"), "{error}");
    }

    #[test]
    fn escaped_json_lines_are_valid_json() {
        let line = log_hostile_event(LogFormat::Json);
        let json: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert!(json["fields"]["message"].as_str().unwrap().contains("forged"), "{line}");
    }
}
