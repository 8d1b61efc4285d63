//! The agent's own memory of a conversation, by which a later run of the session continues it.
//!
//! A conversation is a small file below the home directory, as with other agents.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Maximum number of conversations that are kept. The oldest are removed.
const MAX_CONVERSATIONS: usize = 200;
/// Maximum number of texts of each kind in a conversation. The oldest are forgotten.
const MAX_TEXTS: usize = 50;
/// Maximum length of a text in characters. The rest is forgotten.
const MAX_TEXT: usize = 500;
/// Maximum size of a conversation's file in bytes.
const MAX_FILE: u64 = 1024 * 1024;

/// The directory of all conversations.
#[derive(Clone, Debug)]
pub(super) struct Conversations {
    dir: PathBuf,
}

/// A conversation.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Conversation {
    /// The user's messages.
    pub(super) messages: Vec<String>,
    /// What the agent was asked to remember.
    pub(super) notes: Vec<String>,
    /// The files that it has written, each once, the last one at the end.
    pub(super) files: Vec<String>,
}

impl Conversations {
    /// The conversations of this process's account. `None` without a home directory.
    pub(super) fn of_this_account() -> Option<Self> {
        let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let state = absolute("XDG_STATE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".local/state")))?;
        Some(Self::in_dir(state.join("openrunner-demo")))
    }

    pub(super) fn in_dir(dir: PathBuf) -> Self {
        Self { dir }
    }

    /// A new ID. Sorts after all earlier ones.
    pub(super) fn new_id() -> String {
        Uuid::now_v7().to_string()
    }

    /// Reads the conversation `id`.
    ///
    /// # Errors
    /// If there is none, or if its file cannot be read.
    pub(super) fn load(&self, id: &str) -> io::Result<Conversation> {
        let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
        let file = OpenOptions::new().read(true).custom_flags(flags).open(self.path(id)?)?;
        let mut text = Vec::new();
        file.take(MAX_FILE).read_to_end(&mut text)?;
        Ok(serde_json::from_slice(&text)?)
    }

    /// Stores the conversation, and removes the oldest ones beyond the maximum.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub(super) fn save(&self, id: &str, conversation: &Conversation) -> io::Result<()> {
        let path = self.path(id)?;
        DirBuilder::new().recursive(true).mode(0o700).create(&self.dir)?;
        // Under another name first, so that no run reads a part of it.
        let temporary = self.dir.join(format!("{}.new", Self::new_id()));
        let written = write_new(&temporary, &serde_json::to_vec(conversation)?).and_then(|()| fs::rename(&temporary, path));
        if written.is_err() {
            // The first error counts.
            let _ = fs::remove_file(&temporary);
        }
        written.and_then(|()| self.remove_oldest())
    }

    fn remove_oldest(&self) -> io::Result<()> {
        let entries = fs::read_dir(&self.dir)?.collect::<io::Result<Vec<_>>>()?;
        let mut names: Vec<_> = entries.iter().map(fs::DirEntry::file_name).collect();
        names.sort_unstable();
        let surplus = names.len().saturating_sub(MAX_CONVERSATIONS);
        for name in &names[..surplus] {
            match fs::remove_file(self.dir.join(name)) {
                // Another run may have removed it.
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    fn path(&self, id: &str) -> io::Result<PathBuf> {
        let id = Uuid::parse_str(id).map_err(|_| io::Error::new(io::ErrorKind::NotFound, "is not an ID of a conversation"))?;
        Ok(self.dir.join(format!("{id}.json")))
    }
}

impl Conversation {
    pub(super) fn add_message(&mut self, text: &str) {
        add(&mut self.messages, text);
    }

    pub(super) fn add_note(&mut self, text: &str) {
        add(&mut self.notes, text);
    }

    pub(super) fn add_file(&mut self, name: &str) {
        self.files.retain(|file| file != name);
        add(&mut self.files, name);
    }
}

fn add(texts: &mut Vec<String>, text: &str) {
    texts.push(text.chars().take(MAX_TEXT).collect());
    let surplus = texts.len().saturating_sub(MAX_TEXTS);
    texts.drain(..surplus);
}

fn write_new(path: &Path, content: &[u8]) -> io::Result<()> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?.write_all(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conversation_is_read_as_it_was_stored_and_the_oldest_are_removed() {
        let home = tempfile::tempdir().unwrap();
        let conversations = Conversations::in_dir(home.path().join("state/demo"));
        let ids: Vec<_> = (0..MAX_CONVERSATIONS + 2).map(|_| Conversations::new_id()).collect();
        for (number, id) in ids.iter().enumerate() {
            let mut conversation = Conversation::default();
            conversation.add_message(&format!("message {number}"));
            conversations.save(id, &conversation).unwrap();
        }
        assert_eq!(fs::read_dir(&conversations.dir).unwrap().count(), MAX_CONVERSATIONS);
        assert_eq!(conversations.load(&ids[0]).unwrap_err().kind(), io::ErrorKind::NotFound);
        assert_eq!(conversations.load(ids.last().unwrap()).unwrap().messages, [format!("message {}", MAX_CONVERSATIONS + 1)]);
    }

    #[test]
    fn an_id_from_outside_names_no_other_file() {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("secret.json"), r#"{"messages":["secret"],"notes":[],"files":[]}"#).unwrap();
        let conversations = Conversations::in_dir(home.path().to_owned());
        for id in ["secret", "../secret", "", "/etc/passwd"] {
            assert_eq!(conversations.load(id).unwrap_err().kind(), io::ErrorKind::NotFound, "{id}");
        }
    }

    #[test]
    fn a_conversation_does_not_grow_without_bound() {
        let mut conversation = Conversation::default();
        for number in 0..=MAX_TEXTS {
            conversation.add_message(&format!("{number} {}", "é".repeat(2 * MAX_TEXT)));
            conversation.add_file("same.txt");
        }
        assert_eq!((conversation.messages.len(), conversation.files.len()), (MAX_TEXTS, 1));
        assert!(conversation.messages[0].starts_with("1 ") && conversation.messages[0].chars().count() == MAX_TEXT);
    }
}
