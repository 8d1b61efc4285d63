//! The `traceparent` header of W3C Trace Context.

use std::fmt;
use std::num::{NonZeroU64, NonZeroU128};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A parsed `traceparent` header: the caller's span, of which a run becomes a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceParent {
    /// ID of the trace.
    pub trace_id: NonZeroU128,
    /// ID of the caller's span.
    pub span_id: NonZeroU64,
    /// Whether the caller samples the trace.
    pub sampled: bool,
}

impl TraceParent {
    /// Parses the header. Returns `None` if it is invalid; the standard requires that it is then ignored. Versions after `00` may have more
    /// than four fields.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(5, '-');
        let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let hex = |part: &str, digits: usize| part.len() == digits && part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let has_more = parts.next().is_some();
        if !hex(version, 2) || version == "ff" || (version == "00" && has_more) || !hex(trace, 32) || !hex(span, 16) || !hex(flags, 2) {
            return None;
        }
        Some(Self {
            trace_id: NonZeroU128::new(u128::from_str_radix(trace, 16).ok()?)?,
            span_id: NonZeroU64::new(u64::from_str_radix(span, 16).ok()?)?,
            sampled: u8::from_str_radix(flags, 16).ok()? & 1 == 1,
        })
    }
}

/// The header's value, in version `00`.
impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{:032x}-{:016x}-{:02x}", self.trace_id, self.span_id, u8::from(self.sampled))
    }
}

impl Serialize for TraceParent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for TraceParent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("not a traceparent"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_header_round_trips() {
        let parsed = TraceParent::parse(GOOD).unwrap();
        assert_eq!((parsed.to_string().as_str(), parsed.sampled), (GOOD, true));
        assert_eq!(serde_json::from_str::<TraceParent>(&serde_json::to_string(&parsed).unwrap()).unwrap(), parsed);
        assert!(!TraceParent::parse(&GOOD.replace("-01", "-00")).unwrap().sampled);
        assert_eq!(TraceParent::parse(&format!("{}-more", GOOD.replacen("00", "cc", 1))), Some(parsed), "a later version");
    }

    #[test]
    fn an_invalid_header_is_ignored() {
        let (zero_trace, zero_span) = ("0".repeat(32), "0".repeat(16));
        for invalid in [
            String::new(),
            "00".to_owned(),
            GOOD.to_uppercase(),
            format!("{GOOD}-more"),
            GOOD.replacen("00", "ff", 1),
            GOOD.replace("4bf92f3577b34da6a3ce929d0e0e4736", &zero_trace),
            GOOD.replace("00f067aa0ba902b7", &zero_span),
            GOOD.replace("4bf92f", "+bf92f"),
            GOOD[1..].to_owned(),
        ] {
            assert_eq!(TraceParent::parse(&invalid), None, "{invalid}");
        }
    }
}
