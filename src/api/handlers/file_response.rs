//! The response with the content of a file: type, conditions and ranges.
//!
//! An agent, or a stranger's repository, wrote the file. So a browser shows it only if it is an image or text, never as a page, and runs
//! nothing in it (rule W7).

use std::ops::Range;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::super::ApiError;
use super::static_files::is_cached;
use crate::types::encode_segment;

/// Number of bytes at the beginning of a file that decide whether it is text.
pub(super) const SAMPLE: usize = 8 * 1024;

/// The types of images that browsers show, by extension. Without SVG, which is a document with scripts.
const IMAGES: [(&str, &str); 9] = [
    ("png", "image/png"),
    ("jpg", "image/jpeg"),
    ("jpeg", "image/jpeg"),
    ("gif", "image/gif"),
    ("webp", "image/webp"),
    ("avif", "image/avif"),
    ("bmp", "image/bmp"),
    ("ico", "image/x-icon"),
    ("apng", "image/apng"),
];

/// What a file is served as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Image(&'static str),
    Text,
    Other,
}

/// A file to be served.
#[derive(Debug)]
pub(super) struct FileResponse<'a> {
    /// Its name.
    pub(super) name: String,
    /// Its size in bytes.
    pub(super) size: u64,
    /// Differs for each content.
    pub(super) version: &'a str,
    /// Its first bytes, at most [`SAMPLE`].
    pub(super) sample: &'a [u8],
}

/// What is sent of a file.
#[derive(Debug, PartialEq, Eq)]
enum Part {
    Whole,
    Range(Range<u64>),
    Unsatisfiable,
}

impl FileResponse<'_> {
    /// The response to a request with these headers. `body` returns the bytes of a range of the file.
    ///
    /// # Errors
    /// 416 if the requested range is beyond the end.
    pub(super) fn respond(&self, request: &HeaderMap, body: impl FnOnce(Range<u64>) -> Body) -> Result<Response, ApiError> {
        let etag = format!("\"{}\"", self.version);
        let mut headers = HeaderMap::new();
        // The content changes, and belongs to one user.
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
        headers.extend(HeaderValue::from_str(&etag).ok().map(|etag| (header::ETAG, etag)));
        if is_cached(request, &etag) {
            return Ok((StatusCode::NOT_MODIFIED, headers).into_response());
        }
        let kind = kind_of(&self.name, self.sample);
        let content_type = match kind {
            Kind::Image(media_type) => media_type,
            Kind::Text => "text/plain; charset=utf-8",
            Kind::Other => "application/octet-stream",
        };
        let fixed: [(HeaderName, HeaderValue); 3] = [
            (header::CONTENT_TYPE, HeaderValue::from_static(content_type)),
            (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; sandbox")),
            (header::ACCEPT_RANGES, HeaderValue::from_static("bytes")),
        ];
        headers.extend(fixed);
        let disposition = if kind == Kind::Other { "attachment" } else { "inline" };
        let disposition = format!("{disposition}; filename*=UTF-8''{}", encode_segment(&self.name));
        headers.extend(HeaderValue::try_from(disposition).ok().map(|value| (header::CONTENT_DISPOSITION, value)));
        let (status, range) = match self.part(request, &etag) {
            Part::Whole => (StatusCode::OK, 0..self.size),
            Part::Range(range) => {
                let content_range = format!("bytes {}-{}/{}", range.start, range.end - 1, self.size);
                headers.extend(HeaderValue::try_from(content_range).ok().map(|value| (header::CONTENT_RANGE, value)));
                (StatusCode::PARTIAL_CONTENT, range)
            }
            Part::Unsatisfiable => {
                let detail = format!("the file has {} bytes; the requested range begins after its end", self.size);
                return Err(ApiError::new(StatusCode::RANGE_NOT_SATISFIABLE, "range_not_satisfiable", detail)
                    .with_header(header::CONTENT_RANGE, format!("bytes */{}", self.size)));
            }
        };
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(range.end - range.start));
        Ok((status, headers, body(range)).into_response())
    }

    /// Which part is requested (RFC 9110). Several ranges at once are answered with the whole, as is permitted.
    fn part(&self, request: &HeaderMap, etag: &str) -> Part {
        // The range is of another content: the client has an older part.
        if request.get(header::IF_RANGE).is_some_and(|tag| tag.as_bytes() != etag.as_bytes()) {
            return Part::Whole;
        }
        let mut ranges = request.get_all(header::RANGE).iter();
        let (Some(range), None) = (ranges.next().and_then(|range| range.to_str().ok()), ranges.next()) else { return Part::Whole };
        let Some((first, last)) = range.strip_prefix("bytes=").and_then(|range| range.trim().split_once('-')) else { return Part::Whole };
        let number = |text: &str| if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse::<u64>().ok() } else { None };
        let range = match (first.is_empty(), last.is_empty()) {
            (true, true) => return Part::Whole,
            (true, false) => number(last).map(|length| self.size.saturating_sub(length)..self.size),
            (false, true) => number(first).map(|first| first..self.size),
            (false, false) => number(first)
                .zip(number(last))
                .filter(|(first, last)| first <= last)
                .map(|(first, last)| first..last.saturating_add(1).min(self.size)),
        };
        match range {
            None => Part::Whole,
            Some(range) if range.start >= range.end => Part::Unsatisfiable,
            Some(range) => Part::Range(range),
        }
    }
}

fn kind_of(name: &str, sample: &[u8]) -> Kind {
    let extension = name.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase()).unwrap_or_default();
    let image = IMAGES.iter().find(|(image, _)| *image == extension);
    match image {
        Some((_, media_type)) => Kind::Image(media_type),
        None if is_text(sample) => Kind::Text,
        None => Kind::Other,
    }
}

/// Whether the beginning of a file is UTF-8 text. A character may be cut at its end.
fn is_text(sample: &[u8]) -> bool {
    let is_utf8 = match std::str::from_utf8(sample) {
        Ok(_) => true,
        Err(error) => error.error_len().is_none() && sample.len() == SAMPLE,
    };
    is_utf8 && !sample.contains(&0)
}

#[cfg(test)]
mod tests {
    //! Rules: W7.

    use super::*;

    fn file(size: u64) -> FileResponse<'static> {
        FileResponse { name: "x".into(), size, version: "v", sample: b"" }
    }

    fn part(size: u64, headers: &[(HeaderName, &str)]) -> Part {
        let headers = headers.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect();
        file(size).part(&headers, "\"v\"")
    }

    #[test]
    fn one_range_is_served_and_every_other_form_is_answered_with_the_whole() {
        for (range, expected) in [
            ("bytes=0-0", Part::Range(0..1)),
            ("bytes=2-5", Part::Range(2..6)),
            ("bytes=2-", Part::Range(2..10)),
            ("bytes=-3", Part::Range(7..10)),
            ("bytes=-30", Part::Range(0..10)),
            ("bytes=9-18446744073709551615", Part::Range(9..10)),
            ("bytes=10-", Part::Unsatisfiable),
            ("bytes=-0", Part::Unsatisfiable),
            ("bytes=0-1,3-4", Part::Whole),
            ("bytes=5-2", Part::Whole),
            ("bytes=-", Part::Whole),
            ("bytes=+1-2", Part::Whole),
            ("bytes=99999999999999999999-", Part::Whole),
            ("lines=1-2", Part::Whole),
        ] {
            assert_eq!(part(10, &[(header::RANGE, range)]), expected, "{range}");
        }
        assert_eq!(part(0, &[(header::RANGE, "bytes=0-")]), Part::Unsatisfiable);
        assert_eq!(part(10, &[(header::RANGE, "bytes=2-5"), (header::IF_RANGE, "\"v\"")]), Part::Range(2..6));
        assert_eq!(part(10, &[(header::RANGE, "bytes=2-5"), (header::IF_RANGE, "\"old\"")]), Part::Whole);
    }

    #[test]
    fn only_images_and_text_are_shown_and_nothing_is_a_page() {
        for (name, sample, expected) in [
            ("a.png", &b"\x89PNG"[..], Kind::Image("image/png")),
            ("A.JPG", b"", Kind::Image("image/jpeg")),
            ("a.svg", b"<svg onload=alert(1)>", Kind::Text),
            ("a.html", b"<script>", Kind::Text),
            ("a.js", "ü".as_bytes(), Kind::Text),
            ("Makefile", b"all:", Kind::Text),
            ("a.pdf", b"%PDF\0", Kind::Other),
            ("a.txt", b"\xff\xfe", Kind::Other),
            ("cut", b"\xc3", Kind::Other),
        ] {
            assert_eq!(kind_of(name, sample), expected, "{name}");
        }
        let long = [vec![b'x'; SAMPLE - 1], vec![0xc3]].concat();
        assert_eq!(kind_of("long", &long), Kind::Text, "a character is cut by the sample");
    }

    #[test]
    fn a_name_cannot_leave_its_header() {
        assert_eq!(encode_segment("a\"b\r\nX: y/ü.txt"), "a%22b%0D%0AX%3A%20y%2F%C3%BC.txt");
    }
}
