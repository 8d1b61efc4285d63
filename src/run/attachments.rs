//! The images and files of runs: what a request may contain, and how they are read again.

use std::collections::BTreeSet;

use super::store::RunStore;
use crate::agent::Capabilities;
use crate::types::{Attachment, AttachmentInfo, AttachmentKind, Cause, Failure, RunId, RunSpec};

/// Maximum number of attachments of a prompt or a message.
pub(super) const MAX_ATTACHMENTS: usize = 32;
/// Maximum size of all images of a prompt or a message, and of the files within the request, together, in bytes.
pub const MAX_ATTACHMENT_BYTES: usize = 5 * 1024 * 1024;
/// The same with the files that were uploaded before.
const MAX_TOTAL_BYTES: usize = 20 * 1024 * 1024;
/// Maximum length of a name, in bytes.
const MAX_NAME: usize = 128;
/// Maximum length of a media type, in bytes.
const MAX_MEDIA_TYPE: usize = 128;
/// Beginning of the names of the server's own files.
const RESERVED: &str = "openrunner-";
/// The types of images that every model with vision takes.
const IMAGES: [&str; 4] = ["image/png", "image/jpeg", "image/gif", "image/webp"];

/// An attachment as requested, with its position in the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewAttachment {
    /// Position among the parts of the request, from 0.
    pub index: usize,
    /// The attachment.
    pub attachment: Attachment,
    /// Whether it was uploaded before, and so is not part of the request.
    pub is_uploaded: bool,
}

/// Why an attachment is invalid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadAttachment {
    /// There are too many.
    #[error("too many images and files; the maximum is {MAX_ATTACHMENTS}")]
    TooMany,
    /// They are too large together.
    #[error(
        "all images and files together must have at most {} MiB, and with files that were uploaded before {} MiB",
        MAX_ATTACHMENT_BYTES / 1024 / 1024,
        MAX_TOTAL_BYTES / 1024 / 1024
    )]
    TooLarge,
    /// It has no content.
    #[error("is empty")]
    Empty,
    /// The agent does not take this kind.
    #[error("agent {agent} takes no {kind}s")]
    Unsupported {
        /// The agent.
        agent: String,
        /// The kind.
        kind: &'static str,
    },
    /// The name is not a file name.
    #[error(
        "must be a file name of 1 to {MAX_NAME} bytes without `/` and control characters, and must not start with `.`, `-` or `{RESERVED}`"
    )]
    Name,
    /// The name is used twice.
    #[error("is the name of another image or file of this request")]
    NameUsed,
    /// The media type of a file is invalid.
    #[error("must be a media type such as text/plain")]
    MediaType,
    /// The media type is not that of an image which models take.
    #[error("must be one of {}", IMAGES.join(", "))]
    ImageType,
}

impl BadAttachment {
    /// The field of the part that is at fault; `None` for the part as a whole.
    pub fn field(&self) -> Option<&'static str> {
        match self {
            Self::Empty => Some("data"),
            Self::Name | Self::NameUsed => Some("name"),
            Self::MediaType | Self::ImageType => Some("media_type"),
            Self::Unsupported { .. } => Some("type"),
            Self::TooMany | Self::TooLarge => None,
        }
    }
}

/// All faults of the attachments of a request, with their positions. `capabilities` are those of `agent`, `None` if it is unknown.
pub(super) fn check(new: &[NewAttachment], agent: &str, capabilities: Option<Capabilities>) -> Vec<(usize, BadAttachment)> {
    let (mut faults, mut names, mut total, mut limited) = (Vec::new(), BTreeSet::new(), 0_usize, 0_usize);
    for (position, NewAttachment { index, attachment: Attachment { info, content }, is_uploaded }) in new.iter().enumerate() {
        total = total.saturating_add(content.len());
        if !is_uploaded || info.kind == AttachmentKind::Image {
            limited = limited.saturating_add(content.len());
        }
        let taken = capabilities.is_none_or(|capabilities| match info.kind {
            AttachmentKind::Image => capabilities.images,
            AttachmentKind::File => capabilities.files,
        });
        let fault = match info {
            _ if position >= MAX_ATTACHMENTS => Some(BadAttachment::TooMany),
            _ if limited > MAX_ATTACHMENT_BYTES || total > MAX_TOTAL_BYTES => Some(BadAttachment::TooLarge),
            info if !taken => Some(BadAttachment::Unsupported { agent: agent.to_owned(), kind: info.kind.as_str() }),
            AttachmentInfo { name, .. } if !is_file_name(name) => Some(BadAttachment::Name),
            AttachmentInfo { name, .. } if !names.insert(name) => Some(BadAttachment::NameUsed),
            AttachmentInfo { kind: AttachmentKind::Image, media_type, .. } if !IMAGES.contains(&media_type.as_str()) => {
                Some(BadAttachment::ImageType)
            }
            AttachmentInfo { media_type, .. } if !is_media_type(media_type) => Some(BadAttachment::MediaType),
            _ if content.is_empty() => Some(BadAttachment::Empty),
            _ => None,
        };
        let is_last = matches!(fault, Some(BadAttachment::TooMany | BadAttachment::TooLarge));
        faults.extend(fault.map(|fault| (*index, fault)));
        if is_last {
            break;
        }
    }
    faults
}

/// The attachments of the prompt of a stored run.
///
/// # Errors
/// A [`Failure`] if they cannot be read.
pub(super) async fn attachments_of(store: &dyn RunStore, run: RunId, spec: &RunSpec) -> Result<Vec<Attachment>, Failure> {
    read(store, run, 0, &spec.attachments).await
}

/// The attachments of the prompt of a stored run (`message` 0), or of a further message to it.
///
/// # Errors
/// A [`Failure`] if they cannot be read.
pub(super) async fn read(store: &dyn RunStore, run: RunId, message: u64, infos: &[AttachmentInfo]) -> Result<Vec<Attachment>, Failure> {
    if infos.is_empty() {
        return Ok(Vec::new());
    }
    let contents = store.attachments(run, message).await.map_err(|error| Failure::new(Cause::Storage, error.to_string()))?;
    let sizes = || contents.iter().map(|content| content.len() as u64);
    if !sizes().eq(infos.iter().map(|info| info.size)) {
        return Err(Failure::new(Cause::Storage, "the images and files are missing or damaged in the store"));
    }
    Ok(infos.iter().cloned().zip(contents).map(|(info, content)| Attachment { info, content }).collect())
}

/// Rule S2: a name is one component of a path, and cannot be taken for a flag.
pub(super) fn is_file_name(name: &str) -> bool {
    let starts_valid = !name.starts_with(['.', '-']) && !name.starts_with(RESERVED);
    (1..=MAX_NAME).contains(&name.len()) && starts_valid && !name.chars().any(|char| char == '/' || char.is_control())
}

fn is_media_type(text: &str) -> bool {
    let is_token = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$&^_.+-".contains(&byte));
    text.len() <= MAX_MEDIA_TYPE && text.split_once('/').is_some_and(|(kind, subtype)| is_token(kind) && is_token(subtype))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(kind: AttachmentKind, media_type: &str, name: &str, size: usize) -> NewAttachment {
        let info = AttachmentInfo { kind, media_type: media_type.to_owned(), name: name.to_owned(), size: size as u64 };
        NewAttachment { index: 7, attachment: Attachment { info, content: vec![b'x'; size].into() }, is_uploaded: false }
    }

    fn faults(parts: &[NewAttachment]) -> Vec<BadAttachment> {
        check(parts, "agent", None).into_iter().map(|(index, fault)| (index == 7).then_some(fault).unwrap()).collect()
    }

    #[test]
    fn names_are_single_components_that_no_program_takes_for_something_else() {
        for good in ["a", "a b.txt", "日本語.md", "a..b", "CON", "~", "a-b", &"x".repeat(128)] {
            assert!(is_file_name(good), "{good}");
        }
        for bad in ["", ".", "..", ".bashrc", "-rf", "a/b", "/etc", "a\0", "a\nb", "openrunner-instructions.md", &"x".repeat(129)] {
            assert!(!is_file_name(bad), "{bad}");
        }
    }

    #[test]
    fn every_fault_is_found_at_its_part() {
        let (image, file) = (AttachmentKind::Image, AttachmentKind::File);
        assert_eq!(faults(&[part(image, "image/png", "a", 1), part(file, "text/plain", "b", 1)]), []);
        assert_eq!(
            faults(&[
                part(image, "image/svg+xml", "a", 1),
                part(file, "text", "b", 1),
                part(file, "text/plain; charset=x", "c", 1),
                part(file, "text/plain", "d/e", 1),
                part(file, "text/plain", "f", 0),
                part(file, "text/plain", "a", 1),
            ]),
            [
                BadAttachment::ImageType,
                BadAttachment::MediaType,
                BadAttachment::MediaType,
                BadAttachment::Name,
                BadAttachment::Empty,
                BadAttachment::NameUsed
            ]
        );
        let none = check(&[part(image, "image/png", "a", 1), part(file, "text/plain", "b", 1)], "x", Some(Capabilities::NONE));
        assert!(none.iter().all(|(_, fault)| matches!(fault, BadAttachment::Unsupported { .. })) && none.len() == 2, "{none:?}");
    }

    #[test]
    fn number_and_total_size_are_bounded() {
        let many: Vec<_> = (0..100).map(|number| part(AttachmentKind::File, "a/b", &number.to_string(), 1)).collect();
        assert_eq!(faults(&many), [BadAttachment::TooMany]);
        let half = MAX_ATTACHMENT_BYTES / 2;
        let large = [part(AttachmentKind::File, "a/b", "1", half), part(AttachmentKind::File, "a/b", "2", half)];
        assert_eq!(faults(&large), []);
        let larger = [part(AttachmentKind::File, "a/b", "1", half), part(AttachmentKind::File, "a/b", "2", half + 1)];
        assert_eq!(faults(&larger), [BadAttachment::TooLarge]);
        let uploaded = |kind, media_type, size| NewAttachment { is_uploaded: true, ..part(kind, media_type, "u", size) };
        let file = uploaded(AttachmentKind::File, "a/b", MAX_TOTAL_BYTES);
        assert_eq!(faults(std::slice::from_ref(&file)), []);
        assert_eq!(faults(&[file, part(AttachmentKind::File, "a/b", "1", 1)]), [BadAttachment::TooLarge]);
        assert_eq!(faults(&[uploaded(AttachmentKind::Image, "image/png", MAX_ATTACHMENT_BYTES + 1)]), [BadAttachment::TooLarge]);
    }
}
