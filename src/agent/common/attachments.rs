//! Attachments in the forms in which programs take them.

use std::fmt::Write;

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
    let file = |attachment: &Attachment| InputFile { name: attachment.info.name.clone(), content: attachment.content.clone() };
    files(task).map(file).collect()
}

/// The prompt of a task, followed by the paths of its files.
pub(in crate::agent) fn prompt(task: &Task) -> String {
    let mut prompt = task.spec.prompt.clone();
    for (position, file) in files(task).enumerate() {
        let path = task.input_dir.join(&file.info.name);
        add_path(&mut prompt, &path.to_string_lossy(), &file.info.media_type, position == 0);
    }
    prompt
}

/// Names a file at the end of a prompt.
pub(in crate::agent) fn add_path(prompt: &mut String, path: &str, media_type: &str, is_first: bool) {
    if is_first {
        prompt.push_str("\n\nFiles given with this task:");
    }
    // Writing to a string cannot fail.
    let _ = write!(prompt, "\n- {path} ({media_type})");
}

/// Content in Base64.
pub(in crate::agent) fn base64(content: &[u8]) -> String {
    STANDARD.encode(content)
}

fn files(task: &Task) -> impl Iterator<Item = &Attachment> {
    task.attachments.iter().filter(|attachment| attachment.info.kind == AttachmentKind::File)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::replay;

    #[test]
    fn files_are_named_in_the_prompt_and_images_are_not() {
        let mut task = replay::task("codex");
        assert_eq!(prompt(&task), task.spec.prompt);
        task.attachments = vec![replay::attachment(AttachmentKind::Image, "a.png"), replay::attachment(AttachmentKind::File, "b.txt")];
        assert_eq!(prompt(&task), "Create hello.py\n\nFiles given with this task:\n- /tmp/openrunner-input/b.txt (text/plain)");
        assert_eq!(input_files(&task).iter().map(|file| file.name.as_str()).collect::<Vec<_>>(), ["b.txt"]);
        assert_eq!(images(&task).map(|image| base64(&image.content)).collect::<Vec<_>>(), ["Y29udGVudA=="]);
    }
}
