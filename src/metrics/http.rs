//! What is counted of requests.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

/// The methods that are told apart: whoever asks can make up others.
const METHODS: [&str; 6] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByRequest {
    method: &'static str,
    route: String,
    status: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByRoute {
    method: &'static str,
    route: String,
}

/// Meters of the API. Cloning gives another handle to the same ones.
#[derive(Clone, Debug)]
pub struct HttpMeters {
    requests: Family<ByRequest, Counter>,
    times: Family<ByRoute, Histogram, fn() -> Histogram>,
}

impl Default for HttpMeters {
    fn default() -> Self {
        // 1 ms to 16 s, and what waits for a run's end above.
        let times: fn() -> Histogram = || Histogram::new(exponential_buckets(0.001, 4.0, 8));
        Self { requests: Family::default(), times: Family::new_with_constructor(times) }
    }
}

impl HttpMeters {
    /// A request was answered in that time. `route` is the router's own word for where it went, and `None` if it has none.
    pub fn answered(&self, method: &str, route: Option<&str>, status: u16, took: Duration) {
        let method = METHODS.into_iter().find(|known| *known == method).unwrap_or("other");
        let status = match status {
            ..200 => "1xx",
            200..300 => "2xx",
            300..400 => "3xx",
            400..500 => "4xx",
            500.. => "5xx",
        };
        let route = route.unwrap_or("none").to_owned();
        self.times.get_or_create(&ByRoute { method, route: route.clone() }).observe(took.as_secs_f64());
        self.requests.get_or_create(&ByRequest { method, route, status }).inc();
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register("http_requests", "Requests that were answered", self.requests.clone());
        let help = "Time until the head of an answer was ready; for a stream until it began";
        registry.register_with_unit("http_request", help, Unit::Seconds, self.times.clone());
    }
}
