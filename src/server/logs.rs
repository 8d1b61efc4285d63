//! The log: to standard error, as text or JSON, with nothing in it that could act on a terminal or a reader of logs.

use std::io::{self, Write};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::config::{LogFormat, Settings};

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
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).with_writer(Escaped(io::stderr));
    let started = match settings.log_format {
        LogFormat::Text => lines.finish().try_init(),
        LogFormat::Json => lines.json().flatten_event(true).finish().try_init(),
    };
    started.map_err(|_error| LogsError::Again)
}

/// Writers whose lines cannot be broken, coloured or turned around by what is logged.
struct Escaped<M>(M);

impl<'a, M: MakeWriter<'a>> MakeWriter<'a> for Escaped<M> {
    type Writer = EscapedWriter<M::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        EscapedWriter(self.0.make_writer())
    }
}

/// Takes one event at a time, which is how the formatter writes, and escapes all of it but its last line feed.
struct EscapedWriter<W>(W);

impl<W: Write> Write for EscapedWriter<W> {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let (line, end) = match event.strip_suffix(b"\n") {
            Some(line) => (line, "\n"),
            None => (event, ""),
        };
        let mut escaped = escape(&String::from_utf8_lossy(line));
        escaped.push_str(end);
        self.0.write_all(escaped.as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Control characters and those that turn the direction of writing, as `\u001b`: a form that stays true inside JSON as well.
fn escape(line: &str) -> String {
    use std::fmt::Write as _;

    let mut escaped = String::with_capacity(line.len() + 1);
    for char in line.chars() {
        let turns_direction = matches!(char, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}');
        if char.is_control() || turns_direction {
            let _ = write!(escaped, "\\u{:04x}", u32::from(char));
        } else {
            escaped.push(char);
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

    /// What is logged when hostile words are in the message, in a shown field and in a text field.
    fn logged(format: LogFormat) -> String {
        let kept = Kept::default();
        let writer = kept.clone();
        let lines = tracing_subscriber::fmt().with_ansi(false).with_writer(Escaped(move || writer.clone()));
        let hostile = "\u{1b}[2Jx\nERROR forged\r\u{9b}31m\u{202e}";
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
            assert!(!line.chars().any(|char| char.is_control() || char == '\u{202e}'), "{line:?}");
            assert!(line.contains("forged"));
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
