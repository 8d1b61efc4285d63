//! Metrics for Prometheus.

use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::IntoResponse;

use super::super::negotiation::weight;
use super::super::{ApiError, AppState};
use crate::metrics::{Format, Gauges};
use crate::types::{Clock, SystemClock};

/// Returns the server's metrics for Prometheus.
///
/// The format is the Prometheus text format 0.0.4, or OpenMetrics if the `Accept` header prefers it. Requests from the server's own machine
/// need no token, unless they come through a proxy. All others need an admin's token or an API key with the scope `metrics`.
#[utoipa::path(get, path = "/metrics", operation_id = "metrics", tag = "server",
    responses((status = 200, description = "The metrics.",
        content((String = "text/plain"), (String = "application/openmetrics-text")))))]
pub(in crate::api) async fn metrics(State(app): State<AppState>, headers: HeaderMap) -> Result<impl IntoResponse, ApiError> {
    let format = negotiate(&headers);
    let (followers, is_healthy) = (app.limits.open_streams(), app.health.is_healthy().await);
    let gauges = Gauges { followers, is_healthy, ..app.runs.gauges().await };
    let encoding = tokio::task::spawn_blocking(move || app.metrics.encode(&gauges, SystemClock.now(), format));
    let text = encoding.await.map_err(|panic| ApiError::internal(&panic))?.map_err(|error| ApiError::internal(&error))?;
    Ok(([(header::CONTENT_TYPE, format.content_type()), (header::VARY, "accept")], text))
}

/// OpenMetrics if the `Accept` header lists it with at least the weight of `text/plain`.
fn negotiate(headers: &HeaderMap) -> Format {
    let of = |name| weight(headers, header::ACCEPT, name);
    let text = of("text/plain").or(of("text/*")).or(of("*/*")).unwrap_or_default();
    match of("application/openmetrics-text") {
        Some(open_metrics) if open_metrics > 0.0 && open_metrics >= text => Format::OpenMetrics,
        _ => Format::Text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn openmetrics_is_used_only_if_the_client_prefers_it() {
        for (accept, expected) in [
            ("", Format::Text),
            ("*/*", Format::Text),
            ("text/plain;version=0.0.4", Format::Text),
            ("application/openmetrics-text", Format::OpenMetrics),
            ("application/openmetrics-text;q=0", Format::Text),
            ("application/openmetrics-text;q=0.2,text/plain;q=0.5", Format::Text),
            // As sent by Prometheus 3.
            (
                "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,\
                 text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1",
                Format::OpenMetrics,
            ),
        ] {
            let headers = HeaderMap::from_iter([(header::ACCEPT, accept.parse().unwrap())]);
            assert_eq!(negotiate(&headers), expected, "{accept}");
        }
        assert_eq!(negotiate(&HeaderMap::new()), Format::Text);
    }
}
