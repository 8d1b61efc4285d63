//! Text as a part of a URL or of a header.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// All but the unreserved characters of RFC 3986.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
const PATH: &AsciiSet = &SEGMENT.remove(b'/');

/// Percent-encodes a segment of a path, a value of a query, or a parameter of a header (RFC 8187). Only letters, digits and `-._~` stay.
pub fn encode_segment(text: &str) -> String {
    utf8_percent_encode(text, SEGMENT).to_string()
}

/// The same for a whole path, whose slashes stay.
pub fn encode_path(path: &str) -> String {
    utf8_percent_encode(path, PATH).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_means_something_in_a_url_is_encoded() {
        assert_eq!(encode_segment("a b/..&é~"), "a%20b%2F..%26%C3%A9~");
        assert_eq!(encode_path("src/a b?#%ü.txt"), "src/a%20b%3F%23%25%C3%BC.txt");
    }
}
