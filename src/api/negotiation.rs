//! Content negotiation by weighted lists such as `Accept` and `Accept-Encoding` (RFC 9110, section 12.4.2).

use axum::http::{HeaderMap, HeaderName};

/// The weight, from 0 to 1, that a header gives to `name`; `None` if the header does not list it. Parameters other than the weight are
/// ignored. An invalid weight counts as 0. Of several weights the highest counts.
pub(super) fn weight(headers: &HeaderMap, header: HeaderName, name: &str) -> Option<f32> {
    let values = headers.get_all(header).iter().filter_map(|value| value.to_str().ok());
    let weights = values.flat_map(|value| value.split(',')).filter_map(|entry| {
        let mut parts = entry.split(';').map(str::trim);
        parts.next().filter(|listed| listed.eq_ignore_ascii_case(name))?;
        let weight = parts.find_map(|parameter| parameter.strip_prefix("q=").or(parameter.strip_prefix("Q=")));
        Some(weight.map_or(1.0, |weight| weight.parse().unwrap_or(0.0)))
    });
    weights.reduce(f32::max)
}

/// Whether a header lists `name` with a weight above 0.
pub(super) fn accepts(headers: &HeaderMap, header: HeaderName, name: &str) -> bool {
    weight(headers, header, name).is_some_and(|weight| weight > 0.0)
}

#[cfg(test)]
mod tests {
    use axum::http::header;

    use super::*;

    #[test]
    fn an_encoding_is_accepted_only_if_listed_with_a_weight() {
        for (value, expected) in [
            ("gzip", true),
            ("br, GZIP;q=0.5", true),
            ("gzip;q=0", false),
            ("gzip; q=0.0", false),
            ("gzip;q=high", false),
            ("identity", false),
            ("", false),
            ("*", false),
        ] {
            let headers = HeaderMap::from_iter([(header::ACCEPT_ENCODING, value.parse().unwrap())]);
            assert_eq!(accepts(&headers, header::ACCEPT_ENCODING, "gzip"), expected, "{value}");
        }
        assert!(!accepts(&HeaderMap::new(), header::ACCEPT_ENCODING, "gzip"));
    }

    #[test]
    fn of_several_weights_the_highest_counts() {
        let value = "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,*/*;q=0.1";
        let headers = HeaderMap::from_iter([(header::ACCEPT, value.parse().unwrap())]);
        assert_eq!(weight(&headers, header::ACCEPT, "application/openmetrics-text"), Some(0.5));
        assert_eq!(weight(&headers, header::ACCEPT, "text/plain"), None);
    }
}
