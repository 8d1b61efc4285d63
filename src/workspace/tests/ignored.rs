//! Random ignore files: the files of a snapshot are those that git would add.

use super::apply::Random;
use super::*;

const PATTERNS: [&str; 26] = [
    "*.o",
    "/a",
    "a/b",
    "b/",
    "!a",
    "!*.o",
    "**/c",
    "c/**",
    "a/**/b",
    "/*",
    "!/a/",
    "[ab]",
    "[!a]*",
    "a*b",
    "?",
    "\\!x",
    "\\#y",
    "# comment",
    "",
    "x ",
    "y\\ ",
    "{a,b}",
    "a/*",
    "!b/a",
    "*",
    "!*/",
];
const NAMES: [&str; 12] = ["a", "b", "c", "ab", "x.o", "aXb", "!x", "#y", "x", "y ", "{a,b}", "o"];

#[tokio::test]
async fn the_files_of_a_snapshot_are_those_that_git_would_add() {
    for seed in 0..60 {
        let (fixture, mut random) = (Fixture::new(), Random(seed));
        for _ in 0..40 {
            let depth = random.below(4);
            let directories: Vec<&str> = (0..depth).map(|_| random.pick(&["a", "b", "c", "d"])).collect();
            let path = fixture.work.join(directories.join("/")).join(random.pick(&NAMES));
            if std::fs::create_dir_all(path.parent().unwrap()).is_ok() {
                // It may be a directory.
                let _ = std::fs::write(path, "");
            }
        }
        for directory in ["", "a", "b", "a/b"] {
            if random.below(2) == 0 && fixture.work.join(directory).is_dir() {
                let patterns: Vec<&str> = (0..random.below(5)).map(|_| random.pick(&PATTERNS)).collect();
                std::fs::write(fixture.work.join(directory).join(".gitignore"), patterns.join("\n")).unwrap();
            }
        }
        let mut ours = fixture.paths(&fixture.start().await);
        git_in(&fixture.work, &["init", "--quiet"]);
        let mut list = Command::new("git");
        let list = output(list.arg("-C").arg(&fixture.work).args(["ls-files", "-z", "--others", "--exclude-standard"]));
        let mut of_git: Vec<String> =
            String::from_utf8(list).unwrap().split('\0').filter(|path| !path.is_empty()).map(Into::into).collect();
        ours.sort();
        of_git.sort();
        assert_eq!(ours, of_git, "seed {seed}");
    }
}
