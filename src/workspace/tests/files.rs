//! Files that are listed, opened and written, in directories that an agent changes at the same time.
//!
//! Rules: S6.

use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, symlink};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::workspace::files::{self, FileEntry, FileError, FileKind, Listing, Writing};

fn path(text: &str) -> FilePath {
    FilePath::parse(text).unwrap()
}

fn list(work: &Path, directory: Option<&str>) -> Result<Listing, FileError> {
    files::list(open(work).as_fd(), directory.map(path).as_ref(), None, 1000)
}

fn names(listing: &Listing) -> Vec<String> {
    listing.entries.iter().map(|entry| String::from_utf8_lossy(&entry.name).into_owned()).collect()
}

fn read(work: &Path, file: &str) -> Result<Vec<u8>, FileError> {
    let mut content = Vec::new();
    files::open(open(work).as_fd(), &path(file))?.file.read_to_end(&mut content)?;
    Ok(content)
}

/// Writes a file in two pieces, and finishes it or not.
fn write(work: &Path, file: &str, content: &str, is_complete: bool) -> Result<(FileEntry, bool), FileError> {
    let mut writing = Writing::begin(open(work).as_fd(), &path(file))?;
    let (first, second) = content.as_bytes().split_at(content.len() / 2);
    writing.add(first)?;
    writing.add(second)?;
    if is_complete { writing.finish() } else { Err(FileError::Incomplete) }
}

#[test]
fn a_directory_is_listed_in_pages_with_kinds_sizes_and_without_repositories() {
    let fixture = Fixture::new();
    for file in ["b", "a/x", "ü", ".git/config", "a/.git/config", "c"] {
        fixture.write(file, "123");
    }
    set_mode(&fixture.work.join("c"), 0o755);
    symlink("/etc", fixture.work.join("link")).unwrap();
    rustix::fs::mkfifoat(open(&fixture.work), "pipe", rustix::fs::Mode::RUSR).unwrap();
    let all = list(&fixture.work, None).unwrap();
    let shown: Vec<_> = all.entries.iter().map(|entry| (entry.kind, entry.size, entry.executable)).collect();
    assert_eq!(names(&all), ["a", "b", "c", "link", "pipe", "ü"]);
    assert_eq!(
        shown,
        [
            (FileKind::Directory, None, false),
            (FileKind::File, Some(3), false),
            (FileKind::File, Some(3), true),
            (FileKind::Link, Some(4), false),
            (FileKind::Other, None, false),
            (FileKind::File, Some(3), false)
        ]
    );
    assert!(all.entries.iter().all(|entry| entry.modified.is_some()) && all.next.is_none());
    assert_eq!(names(&list(&fixture.work, Some("a")).unwrap()), ["x"]);

    let (mut after, mut seen): (Option<Vec<u8>>, Vec<String>) = (None, Vec::new());
    loop {
        let page = files::list(open(&fixture.work).as_fd(), None, after.as_deref(), 2).unwrap();
        assert!(page.entries.len() <= 2);
        seen.extend(names(&page));
        // A file that vanishes between two pages moves no other one.
        let _ = std::fs::remove_file(fixture.work.join("b"));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen, names(&all));
}

#[test]
fn a_large_directory_and_names_that_are_not_text_are_listed() {
    use std::os::unix::ffi::OsStringExt;

    let fixture = Fixture::new();
    for file in 0..5000 {
        fixture.write(&format!("many/{file:05}"), "");
    }
    let odd = std::ffi::OsString::from_vec(b"\xff\xfe\n".to_vec());
    std::fs::write(fixture.work.join("many").join(odd), "").unwrap();
    let last = files::list(open(&fixture.work).as_fd(), Some(&path("many")), Some(b"04998"), 10).unwrap();
    assert_eq!(last.entries.iter().map(|entry| entry.name.clone()).collect::<Vec<_>>(), [b"04999".to_vec(), b"\xff\xfe\n".to_vec()]);
    assert_eq!(last.next, None);
}

#[test]
fn only_regular_files_are_read_and_no_link_is_followed() {
    let fixture = Fixture::new();
    let outside = fixture.root.path().join("outside");
    std::fs::create_dir(&outside).unwrap();
    std::fs::write(outside.join("secret"), "secret").unwrap();
    fixture.write("a/file", "content");
    symlink(outside.join("secret"), fixture.work.join("file-link")).unwrap();
    symlink(&outside, fixture.work.join("link")).unwrap();
    symlink("a", fixture.work.join("inner")).unwrap();
    symlink("/dev/zero", fixture.work.join("zero")).unwrap();
    rustix::fs::mkfifoat(open(&fixture.work), "pipe", rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(fixture.work.join("socket")).unwrap();
    assert_eq!(read(&fixture.work, "a/file").unwrap(), b"content");
    for (file, kind) in [
        ("a", FileKind::Directory),
        ("file-link", FileKind::Link),
        ("link", FileKind::Link),
        ("zero", FileKind::Link),
        ("pipe", FileKind::Other),
        ("socket", FileKind::Other),
    ] {
        assert!(matches!(read(&fixture.work, file), Err(FileError::Kind(found)) if found == kind), "{file}");
    }
    for file in ["link/secret", "inner/file"] {
        assert!(matches!(read(&fixture.work, file), Err(FileError::Link)), "{file}: {:?}", read(&fixture.work, file));
    }
    for file in ["missing", "a/missing", "missing/x", "a/file/x"] {
        assert!(matches!(read(&fixture.work, file), Err(FileError::NotFound)), "{file}: {:?}", read(&fixture.work, file));
    }
    assert!(matches!(list(&fixture.work, Some("link")), Err(FileError::Kind(FileKind::Link))));
    assert!(matches!(list(&fixture.work, Some("link/x")), Err(FileError::Link)));
    assert!(matches!(list(&fixture.work, Some("a/file")), Err(FileError::Kind(FileKind::File))));
}

#[test]
fn a_file_is_written_as_a_whole_and_keeps_its_permissions() {
    let fixture = Fixture::new();
    set_mode(&fixture.work, 0o750);
    let (entry, is_new) = write(&fixture.work, "new/deep/file", "content", true).unwrap();
    assert_eq!((is_new, entry.size, entry.name.as_slice()), (true, Some(7), &b"file"[..]));
    let mode = |file: &str| fixture.work.join(file).metadata().unwrap().mode() & 0o7777;
    assert_eq!((mode("new"), mode("new/deep"), mode("new/deep/file")), (0o750, 0o750, 0o640));
    set_mode(&fixture.work.join("new/deep/file"), 0o700);
    let (_, is_new) = write(&fixture.work, "new/deep/file", "more content", true).unwrap();
    assert_eq!((is_new, mode("new/deep/file")), (false, 0o700));
    assert_eq!(read(&fixture.work, "new/deep/file").unwrap(), b"more content");

    assert!(matches!(write(&fixture.work, "new/deep/file", "incomplete", false), Err(FileError::Incomplete)));
    assert_eq!(read(&fixture.work, "new/deep/file").unwrap(), b"more content");
    assert_eq!(names(&list(&fixture.work, Some("new/deep")).unwrap()), ["file"], "nothing is left");
}

#[test]
fn nothing_is_written_outside_or_through_links() {
    let fixture = Fixture::new();
    let outside = fixture.root.path().join("outside");
    std::fs::create_dir(&outside).unwrap();
    std::fs::write(outside.join("secret"), "secret").unwrap();
    symlink(outside.join("secret"), fixture.work.join("file-link")).unwrap();
    symlink(&outside, fixture.work.join("link")).unwrap();
    symlink("missing", fixture.work.join("dangling")).unwrap();
    fixture.write("file", "");
    std::fs::create_dir(fixture.work.join("directory")).unwrap();
    rustix::fs::mkfifoat(open(&fixture.work), "pipe", rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR).unwrap();
    for file in ["file-link", "link", "dangling", "directory", "pipe", "link/new", "link/new/new", "file/new"] {
        let written = write(&fixture.work, file, "x", true);
        assert!(matches!(written, Err(FileError::Kind(_) | FileError::Link | FileError::NotFound)), "{file}: {written:?}");
    }
    // A hard link to a file outside is replaced, not written through.
    std::fs::hard_link(outside.join("secret"), fixture.work.join("hard")).unwrap();
    write(&fixture.work, "hard", "x", true).unwrap();
    assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 1);
    assert_eq!(std::fs::read_to_string(outside.join("secret")).unwrap(), "secret");
}

/// Directories and files are replaced by links outward, all the time.
#[test]
fn a_race_with_links_leads_nowhere() {
    let fixture = Fixture::new();
    let outside = fixture.root.path().join("outside");
    std::fs::create_dir(&outside).unwrap();
    std::fs::write(outside.join("file"), "secret").unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let swapping = {
        let (work, outside, stop) = (fixture.work.clone(), outside.clone(), Arc::clone(&stop));
        std::thread::spawn(move || {
            let (directory, kept, link) = (work.join("directory"), work.join("kept"), work.join("link"));
            // Any of these may fail: the directory is created again when a file is written in it.
            while !stop.load(Ordering::Relaxed) {
                let _ = std::fs::create_dir(&directory);
                let _ = std::fs::remove_dir_all(&kept);
                let _ = std::fs::rename(&directory, &kept);
                let _ = symlink(&outside, &link);
                let _ = std::fs::rename(&link, &directory);
                let _ = std::fs::remove_file(&directory);
            }
        })
    };
    let (mut written, mut read_back) = (0, 0);
    for round in 0..20_000 {
        written += usize::from(write(&fixture.work, "directory/file", "plain", true).is_ok());
        match read(&fixture.work, "directory/file") {
            Ok(content) => {
                assert_eq!(content, b"plain");
                read_back += 1;
            }
            Err(_) => {
                let _ = list(&fixture.work, Some("directory")).map(|listing| assert!(names(&listing).len() <= 1));
            }
        }
        // Enough of both, on a slow machine too.
        if round >= 300 && written > 0 && read_back > 0 {
            break;
        }
    }
    stop.store(true, Ordering::Relaxed);
    swapping.join().unwrap();
    assert_eq!(std::fs::read_to_string(outside.join("file")).unwrap(), "secret");
    assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 1);
}

#[tokio::test]
async fn files_of_a_snapshot_are_listed_and_read() {
    let fixture = Fixture::new();
    for file in ["a/x", "a.b", "a/y/z", "new\nline"] {
        fixture.write(file, file);
    }
    symlink("a.b", fixture.work.join("link")).unwrap();
    let start = fixture.start().await;
    std::fs::remove_dir_all(&fixture.work).unwrap();
    let (store, tree) = (&fixture.store, start.tree);
    let all = store.list(tree, None, None, 100).await.unwrap();
    assert_eq!(names(&all), ["a", "a.b", "link", "new\nline"]);
    let kinds: Vec<_> = all.entries.iter().map(|entry| entry.kind).collect();
    assert_eq!(kinds, [FileKind::Directory, FileKind::File, FileKind::Link, FileKind::File]);
    assert_eq!(names(&store.list(tree, Some(&path("a")), None, 100).await.unwrap()), ["x", "y"]);
    let page = store.list(tree, None, Some(b"a"), 2).await.unwrap();
    assert_eq!((names(&page), page.next), (vec!["a.b".to_owned(), "link".to_owned()], Some(b"link".to_vec())));
    let file = store.find(tree, &path("a/y/z")).await.unwrap().unwrap();
    assert_eq!((file.size, store.read(file).await.unwrap()), (5, b"a/y/z".to_vec()));
    assert!(matches!(store.find(tree, &path("a/y")).await.unwrap(), Err(FileError::Kind(FileKind::Directory))));
    assert!(matches!(store.find(tree, &path("link")).await.unwrap(), Err(FileError::Kind(FileKind::Link))));
    assert!(matches!(store.find(tree, &path("link/x")).await.unwrap(), Err(FileError::NotFound)));
    assert!(matches!(store.find(tree, &path("*")).await.unwrap(), Err(FileError::NotFound)), "a name is not a pattern");
}
