//! HTTP metrics.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

/// Methods with a label value of their own. Clients can make up others, which are counted as `other`.
const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResponseLabels {
    method: &'static str,
    route: String,
    status: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
    method: &'static str,
    route: String,
}

/// Metrics of the HTTP API. A clone is another handle on the same metrics.
#[derive(Clone, Debug)]
pub struct HttpMetrics {
    requests: Family<ResponseLabels, Counter>,
    durations: Family<RouteLabels, Histogram, fn() -> Histogram>,
}

impl Default for HttpMetrics {
    fn default() -> Self {
        // 1 ms to 16 s. Requests with `?wait=` can take longer.
        let durations: fn() -> Histogram = || Histogram::new(exponential_buckets(0.001, 4.0, 8));
        Self { requests: Family::default(), durations: Family::new_with_constructor(durations) }
    }
}

impl HttpMetrics {
    /// Records a response. `route` is the router's pattern, or `None` for an unknown route. `duration` ends with the response headers.
    pub fn record_response(&self, method: &str, route: Option<&str>, status: u16, duration: Duration) {
        let method = METHODS.into_iter().find(|known| *known == method).unwrap_or("other");
        let status = match status {
            ..200 => "1xx",
            200..300 => "2xx",
            300..400 => "3xx",
            400..500 => "4xx",
            500.. => "5xx",
        };
        let route = route.unwrap_or("none").to_owned();
        self.durations.get_or_create(&RouteLabels { method, route: route.clone() }).observe(duration.as_secs_f64());
        self.requests.get_or_create(&ResponseLabels { method, route, status }).inc();
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register("http_requests", "Answered requests", self.requests.clone());
        let help = "Time until the response headers were ready; for a stream until it began";
        registry.register_with_unit("http_request_duration", help, Unit::Seconds, self.durations.clone());
    }
}
