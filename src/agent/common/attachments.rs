//! Attachments in the forms in which programs take them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::agent::{InputFile, Task};
use crate::types::{Attachment, AttachmentKind};

/// The images of a task.
pub(in crate::agent) fn images(task: &Task) -> impl Iterator<Item = &Attachment> {
    task.attachments.iter().filter(|attachment| attachment.info.kind == AttachmentKind::Image)
}

/// The files of a task, to be written before the program starts.
pub(in crate::agent) fn input_files(task: &Task) -> Vec<InputFile> {
    files(&task.attachments)
}

/// The files among attachments.
pub(in crate::agent) fn files(attached: &[Attachment]) -> Vec<InputFile> {
    let file = |attachment: &Attachment| InputFile { name: attachment.info.name.clone(), content: attachment.content.clone() };
    attached.iter().filter(|attachment| attachment.info.kind == AttachmentKind::File).map(file).collect()
}

/// Content in Base64.
pub(in crate::agent) fn base64(content: &[u8]) -> String {
    STANDARD.encode(content)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::replay;

    #[test]
    fn images_and_files_are_told_apart() {
        let mut task = replay::task("codex");
        task.attachments = vec![replay::attachment(AttachmentKind::Image, "a.png"), replay::attachment(AttachmentKind::File, "b.txt")];
        assert_eq!(input_files(&task).iter().map(|file| file.name.as_str()).collect::<Vec<_>>(), ["b.txt"]);
        assert_eq!(images(&task).map(|image| base64(&image.content)).collect::<Vec<_>>(), ["Y29udGVudA=="]);
    }
}
