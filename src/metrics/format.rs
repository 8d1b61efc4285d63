//! The two text formats that Prometheus reads.

use std::fmt::Write as _;

/// A text format of `/metrics`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// The Prometheus text format 0.0.4, which every collector reads.
    #[default]
    Text,
    /// OpenMetrics 1.0.0.
    OpenMetrics,
}

impl Format {
    /// The value of `Content-Type`.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// Converts OpenMetrics into the text format 0.0.4.
///
/// Samples are the same in both. The metadata differs: 0.0.4 names a counter and an info metric with the suffix of its samples, has no
/// type `info`, no `UNIT` and no `EOF`.
pub(super) fn to_text_format(open_metrics: &str) -> String {
    let mut text = String::with_capacity(open_metrics.len());
    // The help precedes the type, on which the name depends.
    let mut help = None;
    for line in open_metrics.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            help = rest.split_once(' ');
        } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
            let (suffix, kind) = match kind {
                "counter" => ("_total", "counter"),
                "info" => ("_info", "gauge"),
                "unknown" => ("", "untyped"),
                kind => ("", kind),
            };
            if let Some((_name, help)) = help.take() {
                let _ = writeln!(text, "# HELP {name}{suffix} {help}");
            }
            let _ = writeln!(text, "# TYPE {name}{suffix} {kind}");
        } else if !line.starts_with('#') {
            text.push_str(line);
            text.push('\n');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_is_converted_and_samples_are_kept() {
        let open_metrics = "# HELP app_runs Created runs.\n# TYPE app_runs counter\napp_runs_total{a=\"b\"} 3\n\
            # HELP app_wait_seconds Waiting time.\n# TYPE app_wait_seconds histogram\n# UNIT app_wait_seconds seconds\n\
            app_wait_seconds_sum 0.5\napp_wait_seconds_bucket{le=\"+Inf\"} 1\n\
            # HELP app_build Program version.\n# TYPE app_build info\napp_build_info{version=\"1\"} 1\n# EOF\n";
        insta::assert_snapshot!(to_text_format(open_metrics), @r#"
        # HELP app_runs_total Created runs.
        # TYPE app_runs_total counter
        app_runs_total{a="b"} 3
        # HELP app_wait_seconds Waiting time.
        # TYPE app_wait_seconds histogram
        app_wait_seconds_sum 0.5
        app_wait_seconds_bucket{le="+Inf"} 1
        # HELP app_build_info Program version.
        # TYPE app_build_info gauge
        app_build_info{version="1"} 1
        "#);
    }
}
