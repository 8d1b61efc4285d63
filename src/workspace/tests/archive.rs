//! Archives, as tar extracts them.

use std::io::Write;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::symlink;

use super::apply::{Random, edit, state};
use super::*;
use crate::workspace::archive::{Archive, Limits, Selection};

/// Makes the whole archive, and returns its pieces.
fn pieces(mut archive: Archive) -> std::io::Result<Vec<bytes::Bytes>> {
    std::iter::from_fn(|| archive.next_piece().transpose()).collect()
}

fn extracted(fixture: &Fixture, archive: Archive) -> PathBuf {
    let to = fixture.root.path().join("extracted");
    let _ = std::fs::remove_dir_all(&to);
    std::fs::create_dir(&to).unwrap();
    let file = fixture.root.path().join("archive.tar.gz");
    let mut writer = std::fs::File::create(&file).unwrap();
    for piece in pieces(archive).unwrap() {
        writer.write_all(&piece).unwrap();
    }
    output(Command::new("tar").arg("-xzf").arg(&file).arg("-C").arg(&to));
    to
}

fn all(fixture: &Fixture) -> Archive {
    Archive::new(open(&fixture.work), Selection::Directory(None)).unwrap()
}

#[test]
fn an_extracted_archive_equals_the_directory() {
    for seed in 0..10 {
        let (fixture, mut random) = (Fixture::new(), Random(seed));
        for _ in 0..40 {
            edit(&fixture.work, &mut random);
        }
        let long = "long/".repeat(40) + &"x".repeat(200);
        fixture.write(&long, "deep");
        symlink("y".repeat(300), fixture.work.join("long-link")).unwrap();
        std::fs::create_dir(fixture.work.join("empty")).unwrap();
        let to = extracted(&fixture, all(&fixture));
        assert_eq!(state(&to), state(&fixture.work), "seed {seed}");
        assert!(to.join("empty").is_dir());
    }
}

#[test]
fn links_are_stored_as_links_and_repositories_and_special_files_are_left_out() {
    let fixture = Fixture::new();
    let outside = fixture.root.path().join("outside");
    std::fs::create_dir(&outside).unwrap();
    std::fs::write(outside.join("secret"), "secret").unwrap();
    symlink(&outside, fixture.work.join("directory")).unwrap();
    symlink(outside.join("secret"), fixture.work.join("file")).unwrap();
    fixture.write(".git/config", "secret");
    rustix::fs::mkfifoat(open(&fixture.work), "pipe", rustix::fs::Mode::RUSR).unwrap();
    let to = extracted(&fixture, all(&fixture));
    let names: std::collections::BTreeSet<_> = std::fs::read_dir(&to).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["directory", "file"].map(Into::into).into());
    assert_eq!(std::fs::read_link(to.join("directory")).unwrap(), outside);
    assert!(Archive::new(open(&fixture.work), Selection::Directory(Some(FilePath::parse("directory").unwrap()))).is_err());
}

#[test]
fn a_directory_or_a_list_of_files_is_archived_alone() {
    let fixture = Fixture::new();
    for file in ["a/1", "a/b/2", "c/3"] {
        fixture.write(file, file);
    }
    let odd = std::ffi::OsString::from_vec(b"\xff".to_vec());
    std::fs::write(fixture.work.join("a").join(odd), "odd").unwrap();
    let directory = Archive::new(open(&fixture.work), Selection::Directory(Some(FilePath::parse("a").unwrap()))).unwrap();
    let to = extracted(&fixture, directory);
    assert_eq!(state(&to).len(), 3);
    assert_eq!(std::fs::read_to_string(to.join("a/b/2")).unwrap(), "a/b/2");
    let paths = [&b"c/3"[..], b"missing", b"a", b"a/\xff"].map(|path| FilePath::from_bytes(path).unwrap());
    let to = extracted(&fixture, Archive::new(open(&fixture.work), Selection::Files(paths.to_vec())).unwrap());
    assert_eq!(state(&to).len(), 2);
}

#[test]
fn an_archive_is_bounded_and_its_pieces_are_small() {
    let fixture = Fixture::new();
    let mut random = Random(1);
    let noise: Vec<u8> = (0..1_000_000).map(|_| u8::try_from(random.below(256)).unwrap()).collect();
    fixture.write("noise", &noise);
    // Almost nothing when it is compressed.
    std::fs::File::create(fixture.work.join("sparse")).unwrap().set_len(20 * 1024 * 1024).unwrap();
    let made = pieces(all(&fixture)).unwrap();
    assert!(
        made.len() > 10 && made.iter().all(|piece| piece.len() < 512 * 1024),
        "{:?}",
        made.iter().map(bytes::Bytes::len).collect::<Vec<_>>()
    );
    for limits in [Limits { bytes: 1_000_000, ..Limits::default() }, Limits { entries: 1, ..Limits::default() }] {
        assert!(pieces(all(&fixture).with_limits(limits)).is_err());
    }
}

#[test]
fn a_file_that_changes_while_it_is_archived_damages_nothing_else() {
    let fixture = Fixture::new();
    fixture.write("a", vec![b'x'; 3 * 1024 * 1024]);
    fixture.write("b", "after");
    let mut archive = all(&fixture);
    let mut made = Vec::new();
    while !matches!(archive.current_left(), Some(left) if left < 3 * 1024 * 1024) {
        archive.step();
    }
    std::fs::File::options().write(true).open(fixture.work.join("a")).unwrap().set_len(10).unwrap();
    while let Some(piece) = archive.next_piece().unwrap() {
        made.push(piece);
    }
    let file = fixture.root.path().join("changed.tar.gz");
    std::fs::write(&file, made.concat()).unwrap();
    let list = output(Command::new("tar").arg("-tzf").arg(&file));
    assert_eq!(String::from_utf8(list).unwrap(), "a\nb\n");
}
