//! Uploads: files that users send before the prompts and messages that refer to them.
//!
//! An upload is kept for a day. A run or message that uses it gets a copy, which is kept with the run. Each upload is two files in a directory
//! of the server: its content, and a description, which is written last and makes it one. What else a crash leaves there is removed at the
//! next start.

use std::collections::BTreeMap;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

use super::attachments::is_file_name;
use super::store::StoreError;
use crate::process::is_resource_exhausted;
use crate::types::{Timestamp, UploadId, UserId};
use crate::workspace::files::Piece;

/// Maximum size of an upload, in bytes.
pub const MAX_UPLOAD_BYTES: u64 = 20 * 1024 * 1024;

/// How long an upload is kept.
const LIFETIME: Duration = Duration::from_hours(24);

/// Maximum number of uploads per user.
const MAX_FILES: usize = 100;

/// Maximum size of all uploads of a user, in bytes.
const MAX_BYTES: u64 = 256 * 1024 * 1024;

/// Maximum number of uploads of all users.
const MAX_TOTAL: usize = 10_000;

/// Number of bytes from the beginning that decide the media type.
const SAMPLE: usize = 8 * 1024;

/// What is known about an upload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upload {
    owner: UserId,
    /// Its file name.
    pub name: String,
    /// Its media type, according to its content.
    pub media_type: String,
    /// Its size in bytes.
    pub size: u64,
    created_at: Timestamp,
}

impl Upload {
    /// When it is removed.
    pub fn expires_at(&self) -> Timestamp {
        Timestamp::from_millis(self.created_at.as_millis().saturating_add(lifetime()))
    }

    /// Whether its content is an image of a type that models take.
    pub fn is_image(&self) -> bool {
        self.media_type.starts_with("image/")
    }
}

/// Why an upload was not stored, or not found.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// The name is not a file name.
    #[error("must be a file name without `/` and control characters that does not start with `.`, `-` or `openrunner-`")]
    Name,
    /// It has no content.
    #[error("the file is empty")]
    Empty,
    /// The user has too many.
    #[error(
        "you may have at most {MAX_FILES} uploads of {} MiB together; they expire after a day, and DELETE /api/files/{{id}} removes one",
        MAX_BYTES / 1024 / 1024
    )]
    Full,
    /// All users together have too many.
    #[error("the server has too many uploads; they expire after a day")]
    ServerFull,
    /// There is no such upload, or it has expired.
    #[error("upload {0} not found; uploads expire after a day")]
    NotFound(UploadId),
    /// The user may not store more.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Not all of the content has arrived.
    #[error("the content is incomplete")]
    Incomplete,
    /// The machine has no space or no file descriptors left.
    #[error("the upload could not be written: {0}")]
    Exhausted(io::Error),
    /// The directory cannot be used.
    #[error("the upload could not be used: {0}")]
    Io(io::Error),
}

impl From<io::Error> for UploadError {
    fn from(error: io::Error) -> Self {
        if is_resource_exhausted(&error) { Self::Exhausted(error) } else { Self::Io(error) }
    }
}

/// The uploads of all users. Clones are handles to the same.
#[derive(Clone, Debug)]
pub(super) struct Uploads(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    directory: PathBuf,
    known: Mutex<BTreeMap<UploadId, Known>>,
}

/// An upload, or the place of one that is being received.
#[derive(Clone, Debug)]
struct Known {
    owner: UserId,
    /// `None` while it is being received.
    upload: Option<Upload>,
}

impl Known {
    /// Its size in bytes, or what it may become.
    fn size(&self) -> u64 {
        self.upload.as_ref().map_or(MAX_UPLOAD_BYTES, |upload| upload.size)
    }
}

/// An upload that is being received. Dropping it removes what has arrived.
struct Receiving {
    uploads: Uploads,
    id: UploadId,
    content: File,
    sample: Vec<u8>,
    size: u64,
    is_complete: bool,
}

impl Uploads {
    /// The uploads in `directory`, which is created with the first of them.
    pub(super) fn new(directory: PathBuf) -> Self {
        Self(Arc::new(Inner { directory, known: Mutex::default() }))
    }

    /// Finds the uploads that an earlier server stored, and removes what is none. Blocking, and to be called before other operations.
    ///
    /// # Errors
    /// If the directory cannot be read.
    pub(super) fn load(&self) -> io::Result<()> {
        let entries = match std::fs::read_dir(&self.0.directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            entries => entries?,
        };
        let mut known = BTreeMap::new();
        let names = entries.map(|entry| entry.map(|entry| entry.file_name())).collect::<io::Result<Vec<_>>>()?;
        for name in names.iter().filter_map(|name| name.to_str()) {
            let Some(id) = name.strip_suffix(".json").and_then(|id| id.parse::<UploadId>().ok()) else { continue };
            let upload = std::fs::read(self.0.directory.join(name)).ok().and_then(|text| serde_json::from_slice::<Upload>(&text).ok());
            let size = std::fs::symlink_metadata(self.content(id)).ok().filter(std::fs::Metadata::is_file).map(|content| content.len());
            if let Some(upload) = upload.filter(|upload| Some(upload.size) == size) {
                known.insert(id, Known { owner: upload.owner, upload: Some(upload) });
            }
        }
        for name in &names {
            let id = name.to_str().and_then(|name| name.strip_suffix(".json").unwrap_or(name).parse::<UploadId>().ok());
            if id.is_none_or(|id| !known.contains_key(&id)) {
                std::fs::remove_file(self.0.directory.join(name))?;
            }
        }
        *self.known() = known;
        Ok(())
    }

    /// Stores an upload, whose content is received. Dropping the sender before the end leaves nothing.
    ///
    /// # Errors
    /// [`UploadError`], by cause. Nothing is left then.
    pub(super) async fn store(
        &self,
        owner: UserId,
        name: String,
        mut content: mpsc::Receiver<Piece>,
        now: Timestamp,
    ) -> Result<(UploadId, Upload), UploadError> {
        if !is_file_name(&name) {
            return Err(UploadError::Name);
        }
        let uploads = self.clone();
        let mut receiving = blocking(move || uploads.begin(owner, now)).await?;
        loop {
            match content.recv().await {
                Some(Piece::Data(bytes)) => receiving = blocking(move || receiving.add(&bytes)).await?,
                Some(Piece::End) => return blocking(move || receiving.finish(owner, name, now)).await,
                None => return Err(UploadError::Incomplete),
            }
        }
    }

    /// What is known about an upload of this owner, or of any for `None`.
    ///
    /// # Errors
    /// [`UploadError::NotFound`].
    pub(super) fn find(&self, owner: Option<UserId>, id: UploadId, now: Timestamp) -> Result<Upload, UploadError> {
        let known = self.known();
        let upload = known.get(&id).filter(|known| owner.is_none_or(|owner| known.owner == owner)).and_then(|known| known.upload.clone());
        upload.filter(|upload| !is_expired(upload, now)).ok_or(UploadError::NotFound(id))
    }

    /// Reads the content of an upload.
    ///
    /// # Errors
    /// [`UploadError`]; [`UploadError::NotFound`] if it was removed meanwhile.
    pub(super) async fn read(&self, id: UploadId, upload: &Upload) -> Result<Bytes, UploadError> {
        let (path, size) = (self.content(id), upload.size);
        blocking(move || {
            let file = match File::open(path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(UploadError::NotFound(id)),
                file => file?,
            };
            let mut content = Vec::new();
            file.take(MAX_UPLOAD_BYTES).read_to_end(&mut content)?;
            if content.len() as u64 == size { Ok(content.into()) } else { Err(io::Error::other("the stored upload is damaged").into()) }
        })
        .await
    }

    /// Removes an upload.
    ///
    /// # Errors
    /// [`UploadError`] if it cannot be removed. The next start removes it then.
    pub(super) async fn remove(&self, id: UploadId) -> Result<(), UploadError> {
        let uploads = self.clone();
        blocking(move || Ok(uploads.delete(id)?)).await
    }

    /// Removes the uploads that have expired. Blocking. Returns their number.
    ///
    /// # Errors
    /// If one of them cannot be removed.
    pub(super) fn remove_expired(&self, now: Timestamp) -> io::Result<usize> {
        let is_old = |known: &Known| known.upload.as_ref().is_some_and(|upload| is_expired(upload, now));
        let expired: Vec<UploadId> = self.known().iter().filter(|(_id, known)| is_old(known)).map(|(id, _known)| *id).collect();
        for id in &expired {
            self.delete(*id)?;
        }
        Ok(expired.len())
    }

    /// Reserves a place within the limits.
    fn begin(&self, owner: UserId, now: Timestamp) -> Result<Receiving, UploadError> {
        self.remove_expired(now)?;
        let id = UploadId::new();
        {
            let mut known = self.known();
            let own = || known.values().filter(|known| known.owner == owner);
            if own().count() >= MAX_FILES || own().map(Known::size).sum::<u64>() + MAX_UPLOAD_BYTES > MAX_BYTES {
                return Err(UploadError::Full);
            }
            if known.len() >= MAX_TOTAL {
                return Err(UploadError::ServerFull);
            }
            known.insert(id, Known { owner, upload: None });
        }
        let created = DirBuilder::new().recursive(true).mode(0o700).create(&self.0.directory).and_then(|()| create(&self.content(id)));
        match created {
            Ok(content) => Ok(Receiving { uploads: self.clone(), id, content, sample: Vec::new(), size: 0, is_complete: false }),
            Err(error) => {
                self.known().remove(&id);
                Err(error.into())
            }
        }
    }

    /// The description first: without it, the content is none.
    fn delete(&self, id: UploadId) -> io::Result<()> {
        for path in [self.description(id), self.content(id)] {
            match std::fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _removed => {}
            }
        }
        self.known().remove(&id);
        Ok(())
    }

    fn content(&self, id: UploadId) -> PathBuf {
        self.0.directory.join(id.to_string())
    }

    fn description(&self, id: UploadId) -> PathBuf {
        self.0.directory.join(format!("{id}.json"))
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<UploadId, Known>> {
        self.0.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Receiving {
    fn add(mut self, bytes: &[u8]) -> Result<Self, UploadError> {
        let missing = SAMPLE.saturating_sub(self.sample.len());
        self.sample.extend_from_slice(&bytes[..bytes.len().min(missing)]);
        self.size += bytes.len() as u64;
        self.content.write_all(bytes)?;
        Ok(self)
    }

    fn finish(mut self, owner: UserId, name: String, now: Timestamp) -> Result<(UploadId, Upload), UploadError> {
        if self.size == 0 {
            return Err(UploadError::Empty);
        }
        self.content.sync_all()?;
        let is_whole = self.size == self.sample.len() as u64;
        let upload = Upload { owner, name, media_type: media_type(&self.sample, is_whole).to_owned(), size: self.size, created_at: now };
        let text = serde_json::to_vec(&upload).map_err(io::Error::other)?;
        let mut description = create(&self.uploads.description(self.id))?;
        description.write_all(&text)?;
        description.sync_all()?;
        File::open(&self.uploads.0.directory)?.sync_all()?;
        self.is_complete = true;
        self.uploads.known().insert(self.id, Known { owner, upload: Some(upload.clone()) });
        Ok((self.id, upload))
    }
}

impl Drop for Receiving {
    fn drop(&mut self) {
        if !self.is_complete
            && let Err(error) = self.uploads.delete(self.id)
        {
            tracing::warn!(file.id = %self.id, %error, "could not remove an incomplete upload");
        }
    }
}

/// The media type of content that begins with `sample`: of images that models take, of PDF, of text in UTF-8, or that of any bytes. What the
/// client declares does not count.
fn media_type(sample: &[u8], is_whole: bool) -> &'static str {
    let is_text = || match std::str::from_utf8(sample) {
        Ok(text) => !text.contains('\0'),
        // The end of the sample may cut a character.
        Err(error) => !is_whole && error.error_len().is_none() && !sample.contains(&0),
    };
    match sample {
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => "image/png",
        [0xff, 0xd8, 0xff, ..] => "image/jpeg",
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => "image/gif",
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => "image/webp",
        [b'%', b'P', b'D', b'F', b'-', ..] => "application/pdf",
        _ if is_text() => "text/plain",
        _ => "application/octet-stream",
    }
}

fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

fn is_expired(upload: &Upload, now: Timestamp) -> bool {
    upload.expires_at() <= now
}

fn lifetime() -> i64 {
    i64::try_from(LIFETIME.as_millis()).unwrap_or(i64::MAX)
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, UploadError> + Send + 'static) -> Result<T, UploadError> {
    spawn_blocking(work).await.unwrap_or_else(|died| Err(UploadError::Io(io::Error::other(died))))
}

#[cfg(test)]
mod tests {
    //! Rules: C6.

    use super::*;

    const NOW: i64 = 1_000;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    struct Fixture {
        root: tempfile::TempDir,
        uploads: Uploads,
    }

    impl Fixture {
        fn new() -> Self {
            let root = tempfile::tempdir().unwrap();
            let uploads = Uploads::new(root.path().join("uploads"));
            Self { root, uploads }
        }

        async fn store(&self, owner: UserId, name: &str, content: &'static [u8]) -> Result<(UploadId, Upload), UploadError> {
            let (sender, receiver) = mpsc::channel(2);
            sender.send(Piece::Data(Bytes::from_static(content))).await.unwrap();
            sender.send(Piece::End).await.unwrap();
            self.uploads.store(owner, name.to_owned(), receiver, at(NOW)).await
        }

        /// Files on the disk.
        fn files(&self) -> usize {
            std::fs::read_dir(self.root.path().join("uploads")).map_or(0, Iterator::count)
        }
    }

    #[tokio::test]
    async fn an_upload_is_found_by_its_owner_until_it_expires_also_after_a_restart() {
        let mut fixture = Fixture::new();
        let (owner, other) = (UserId::new(), UserId::new());
        let (id, upload) = fixture.store(owner, "a.txt", b"text").await.unwrap();
        assert_eq!((upload.name.as_str(), upload.media_type.as_str(), upload.size), ("a.txt", "text/plain", 4));
        for _ in 0..2 {
            assert_eq!(fixture.uploads.find(Some(owner), id, at(NOW)).unwrap(), upload);
            assert_eq!(fixture.uploads.read(id, &upload).await.unwrap(), "text");
            assert!(matches!(fixture.uploads.find(Some(other), id, at(NOW)), Err(UploadError::NotFound(_))));
            assert!(fixture.uploads.find(None, id, at(NOW)).is_ok());
            fixture.uploads = Uploads::new(fixture.root.path().join("uploads"));
            fixture.uploads.load().unwrap();
        }
        let end = upload.expires_at();
        assert_eq!(end, at(NOW + 24 * 60 * 60 * 1000));
        assert!(matches!(fixture.uploads.find(Some(owner), id, end), Err(UploadError::NotFound(_))));
        assert_eq!(fixture.uploads.remove_expired(at(end.as_millis() - 1)).unwrap(), 0);
        assert_eq!((fixture.uploads.remove_expired(end).unwrap(), fixture.files()), (1, 0));
        assert!(matches!(fixture.uploads.read(id, &upload).await, Err(UploadError::NotFound(_))));
    }

    #[tokio::test]
    async fn nothing_is_left_of_an_upload_that_is_incomplete_empty_or_badly_named() {
        let fixture = Fixture::new();
        let owner = UserId::new();
        let (sender, receiver) = mpsc::channel(2);
        sender.send(Piece::Data(Bytes::from_static(b"x"))).await.unwrap();
        drop(sender);
        assert!(matches!(fixture.uploads.store(owner, "a".into(), receiver, at(NOW)).await, Err(UploadError::Incomplete)));
        assert!(matches!(fixture.store(owner, "a", b"").await, Err(UploadError::Empty)));
        for name in ["", "../a", "/etc/passwd", "a\0", "-rf", ".ssh", "a\nb"] {
            assert!(matches!(fixture.store(owner, name, b"x").await, Err(UploadError::Name)), "{name}");
        }
        assert_eq!((fixture.files(), fixture.uploads.known().len()), (0, 0));
    }

    #[tokio::test]
    async fn the_next_start_removes_what_a_crash_has_left() {
        let fixture = Fixture::new();
        let owner = UserId::new();
        let [kept, damaged, cut, received] = {
            let mut ids = Vec::new();
            for _ in 0..4 {
                ids.push(fixture.store(owner, "a", b"x").await.unwrap().0);
            }
            ids.try_into().unwrap()
        };
        std::fs::write(fixture.uploads.description(damaged), "{").unwrap();
        std::fs::write(fixture.uploads.content(cut), "").unwrap();
        std::fs::remove_file(fixture.uploads.description(received)).unwrap();
        std::fs::write(fixture.root.path().join("uploads/other"), "").unwrap();
        fixture.uploads.load().unwrap();
        assert_eq!(fixture.uploads.known().keys().copied().collect::<Vec<_>>(), [kept]);
        assert_eq!(fixture.files(), 2);
    }

    #[tokio::test]
    async fn number_and_size_are_bounded_per_user_also_of_uploads_that_are_being_received() {
        let fixture = Fixture::new();
        let (owner, other) = (UserId::new(), UserId::new());
        let places = usize::try_from(MAX_BYTES / MAX_UPLOAD_BYTES).unwrap();
        let receiving: Vec<_> = (0..places).map(|_| fixture.uploads.begin(owner, at(NOW)).unwrap()).collect();
        assert!(matches!(fixture.store(owner, "a", b"x").await, Err(UploadError::Full)));
        assert!(fixture.store(other, "a", b"x").await.is_ok());
        drop(receiving);
        for _ in 0..MAX_FILES {
            fixture.store(owner, "a", b"x").await.unwrap();
        }
        assert!(matches!(fixture.store(owner, "a", b"x").await, Err(UploadError::Full)));
        let own = fixture.uploads.known().iter().find(|(_id, known)| known.owner == owner).map(|(id, _known)| *id).unwrap();
        fixture.uploads.remove(own).await.unwrap();
        fixture.store(owner, "a", b"x").await.unwrap();
    }

    #[test]
    fn the_content_decides_the_media_type() {
        for (content, expected) in [
            (&b"\x89PNG\r\n\x1a\nrest"[..], "image/png"),
            (b"\xff\xd8\xff\xe0", "image/jpeg"),
            (b"GIF89a", "image/gif"),
            (b"RIFF\x04\0\0\0WEBPVP8 ", "image/webp"),
            (b"%PDF-1.7", "application/pdf"),
            (b"<svg onload='alert(1)'/>", "text/plain"),
            ("größe".as_bytes(), "text/plain"),
            (b"a\0b", "application/octet-stream"),
            (b"\x89PNG", "application/octet-stream"),
            (b"\xc3", "application/octet-stream"),
        ] {
            assert_eq!(media_type(content, true), expected, "{content:?}");
        }
        assert_eq!(media_type(b"gr\xc3", false), "text/plain");
    }
}
