//! Where a caller's own trace stands.

use std::fmt;
use std::num::{NonZeroU64, NonZeroU128};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The header `traceparent` of W3C Trace Context, which says to which span of a caller's trace a run belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceParent {
    /// The trace.
    pub trace_id: NonZeroU128,
    /// The span in it.
    pub span_id: NonZeroU64,
    /// Whether the caller records its trace.
    pub sampled: bool,
}

impl TraceParent {
    /// Reads the header. `None` for whatever is none: by the standard it is passed over then. A later version may hold more behind the
    /// four parts of this one.
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

/// The header as it is sent.
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
    fn a_header_is_read_and_written_alike() {
        let read = TraceParent::parse(GOOD).unwrap();
        assert_eq!((read.to_string().as_str(), read.sampled), (GOOD, true));
        assert_eq!(serde_json::from_str::<TraceParent>(&serde_json::to_string(&read).unwrap()).unwrap(), read);
        assert!(!TraceParent::parse(&GOOD.replace("-01", "-00")).unwrap().sampled);
        assert_eq!(TraceParent::parse(&format!("{}-more", GOOD.replacen("00", "cc", 1))), Some(read), "a later version");
    }

    #[test]
    fn what_is_none_is_passed_over() {
        let (zero_trace, zero_span) = ("0".repeat(32), "0".repeat(16));
        for bad in [
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
            assert_eq!(TraceParent::parse(&bad), None, "{bad}");
        }
    }
}
