//! Random edits: the patch between two snapshots, applied to a copy of the first state, yields the second one.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::symlink;

use super::*;

/// A fixed sequence of numbers for each seed (splitmix64).
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % limit as u64).unwrap()
    }

    pub(super) fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.below(from.len())]
    }
}

const NAMES: [&[u8]; 16] = [
    b"a",
    b"b.txt",
    b"README.md",
    b"\xc3\xbcber",
    b"new\nline",
    b"tab\t",
    b"\"quoted\"",
    b"back\\slash",
    b" space ",
    b"-dash",
    b":(top)x",
    b"*",
    b"\xff\xfe",
    b"a:b",
    b"cr\r",
    b"~x",
];
const DIRECTORIES: [&[u8]; 5] = [b"", b"src", b"src/in\nner", b"a", b"d\xc3\xb6c/-x"];

fn path(random: &mut Random) -> PathBuf {
    PathBuf::from(OsString::from_vec(random.pick(&DIRECTORIES).to_vec())).join(OsString::from_vec(random.pick(&NAMES).to_vec()))
}

fn content(random: &mut Random) -> Vec<u8> {
    match random.below(7) {
        0 => Vec::new(),
        1 => (0..random.below(3000)).map(|_| u8::try_from(random.below(256)).unwrap()).collect(),
        2 => b"no newline at its end".to_vec(),
        3 => b"one\r\ntwo\r\n\r\nmixed\nthree\r".to_vec(),
        4 => b"trailing   \n\t\nspace \n".to_vec(),
        _ => (0..random.below(60)).flat_map(|line| format!("line {line} {}\n", random.below(20)).into_bytes()).collect(),
    }
}

fn remove(path: &Path) {
    let Ok(metadata) = path.symlink_metadata() else { return };
    if metadata.is_dir() { std::fs::remove_dir_all(path).unwrap() } else { std::fs::remove_file(path).unwrap() }
}

/// Makes room for a file: what is there, and files in place of its directories, are removed.
fn make_room(root: &Path, path: &Path) -> PathBuf {
    let mut parent = root.to_owned();
    for component in path.parent().unwrap().components() {
        parent.push(component);
        if parent.symlink_metadata().is_ok_and(|metadata| !metadata.is_dir()) {
            remove(&parent);
        }
    }
    std::fs::create_dir_all(&parent).unwrap();
    let path = root.join(path);
    remove(&path);
    path
}

fn files(root: &Path) -> Vec<PathBuf> {
    let (mut files, mut directories) = (Vec::new(), vec![root.to_owned()]);
    while let Some(directory) = directories.pop() {
        let mut entries: Vec<_> = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
        entries.sort();
        for entry in entries {
            if entry.symlink_metadata().unwrap().is_dir() { directories.push(entry) } else { files.push(entry) }
        }
    }
    files
}

pub(super) fn edit(root: &Path, random: &mut Random) {
    let existing = files(root);
    let chosen = if existing.is_empty() { None } else { Some(existing[random.below(existing.len())].clone()) };
    match (random.below(8), chosen) {
        (0 | 1, _) | (_, None) => {
            let path = make_room(root, &path(random));
            std::fs::write(path, content(random)).unwrap();
        }
        (2, _) => {
            let path = make_room(root, &path(random));
            symlink(random.pick(&["target", "../outside", "/etc/passwd", "new\nline"]), path).unwrap();
        }
        (3, Some(chosen)) => remove(&chosen),
        (4, Some(chosen)) if !chosen.is_symlink() => set_mode(&chosen, if random.below(2) == 0 { 0o644 } else { 0o755 }),
        (5, Some(chosen)) => {
            let moved = root.join(".moved");
            std::fs::rename(&chosen, &moved).unwrap();
            std::fs::rename(&moved, make_room(root, &path(random))).unwrap();
        }
        (_, Some(chosen)) if !chosen.is_symlink() => {
            // A small change, which leaves it similar to what it was.
            let mut content = std::fs::read(&chosen).unwrap();
            let at = random.below(content.len() + 1);
            content.splice(at..at, b"changed\n".iter().copied());
            std::fs::write(&chosen, content).unwrap();
        }
        (_, Some(chosen)) => remove(&chosen),
    }
}

/// All files with what git stores of them.
pub(super) fn state(root: &Path) -> BTreeMap<PathBuf, (bool, Vec<u8>)> {
    let entry = |path: PathBuf| {
        let relative = path.strip_prefix(root).unwrap().to_owned();
        let metadata = path.symlink_metadata().unwrap();
        let content = match std::fs::read_link(&path) {
            Ok(target) => [b"-> ", target.as_os_str().as_bytes()].concat(),
            Err(_) => std::fs::read(&path).unwrap(),
        };
        (relative, (!metadata.is_symlink() && metadata.permissions().mode() & 0o100 != 0, content))
    };
    files(root).into_iter().map(entry).collect()
}

#[tokio::test]
async fn a_patch_applied_to_the_start_yields_the_end() {
    for seed in 0..100 {
        let (fixture, mut random) = (Fixture::new(), Random(seed));
        for _ in 0..random.below(25) {
            edit(&fixture.work, &mut random);
        }
        let start = fixture.start().await;
        let copy = fixture.root.path().join("copy");
        output(Command::new("cp").arg("-a").arg(&fixture.work).arg(&copy));
        for _ in 0..=random.below(20) {
            edit(&fixture.work, &mut random);
        }
        let end = fixture.later().await;
        let patch = fixture.store.patch(start.tree, end.tree, None).await.unwrap();
        let changes = fixture.store.changes(start.tree, end.tree).await.unwrap();
        assert_eq!(changes.files.is_empty(), state(&copy) == state(&fixture.work), "seed {seed}");

        let file = fixture.root.path().join("patch");
        std::fs::write(&file, &patch).unwrap();
        if !patch.is_empty() {
            output(
                Command::new("git")
                    .args(["apply", "--whitespace=nowarn"])
                    .arg(&file)
                    .current_dir(&copy)
                    .env("GIT_CEILING_DIRECTORIES", "/"),
            );
        }
        assert_eq!(state(&copy), state(&fixture.work), "seed {seed}");
        let applied = fixture.store.snapshot(&open(&copy), "copy", SnapshotKind::Start).await.unwrap();
        assert_eq!(applied.tree, end.tree, "seed {seed}");

        // The parts for single files are the whole.
        let mut parts = 0;
        for change in &changes.files {
            parts += fixture.store.patch(start.tree, end.tree, Some(change)).await.unwrap().len();
        }
        assert!(parts >= patch.len(), "seed {seed}: {parts} {}", patch.len());
    }
}
