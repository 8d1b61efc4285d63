import './browser_globals.js';
import assert from 'node:assert/strict';
import { test } from 'node:test';

const { splitPatch } = await import('../../app/data/changes.js');
const { pathsOf, revertTargets } = await import('../../app/data/revert.js');

const PARTS = {
  'src/a.js': 'diff --git a/src/a.js b/src/a.js\nindex 1..2 100644\n--- a/src/a.js\n+++ b/src/a.js\n@@ -1,2 +1,2 @@\n-diff --git a/x b/x\n+++ b/other.js\n same\n',
  'new name.txt': 'diff --git a/old name.txt b/new name.txt\nsimilarity index 90%\nrename from old name.txt\nrename to new name.txt\n--- a/old name.txt\t\n+++ b/new name.txt\t\n@@ -1 +1 @@\n-x\n+y\n',
  'gone.txt': 'diff --git a/gone.txt b/gone.txt\ndeleted file mode 100644\n--- a/gone.txt\n+++ /dev/null\n@@ -1 +0,0 @@\n-x\n',
  '名 "x"\t.py': 'diff --git "a/\\345\\220\\215 \\"x\\"\\t.py" "b/\\345\\220\\215 \\"x\\"\\t.py"\nnew file mode 100644\n--- /dev/null\n+++ "b/\\345\\220\\215 \\"x\\"\\t.py"\n@@ -0,0 +1 @@\n+x\n',
  'empty b/c': 'diff --git a/empty b/c b/empty b/c\nnew file mode 100644\nindex 0000000..e69de29\n',
  'image.bin': 'diff --git a/image.bin b/image.bin\nnew file mode 100644\nindex 0..1\nGIT binary patch\nliteral 4\nLcmZQzWMXFk\n\nliteral 0\nHcmV?d00001\n\n',
};

test('a patch is split into its files', () => {
  assert.deepEqual(Object.fromEntries(splitPatch(Object.values(PARTS).join(''))), PARTS);
});

test('an empty patch has no files', () => {
  assert.equal(splitPatch('').size, 0);
});

test('a directory is reverted to the state before the run or after a turn, except the present state', () => {
  assert.deepEqual(revertTargets(1, false), [0]);
  assert.deepEqual(revertTargets(3, false), [2, 1, 0]);
  assert.deepEqual(revertTargets(2, true), [2, 1, 0]);
});

test('the files that a revert concerns are named once, with the earlier paths of renamed ones', () => {
  assert.deepEqual(pathsOf([{ path: 'b', old_path: 'a' }, { path: 'c' }, { path: 'b' }]), ['a', 'b', 'c']);
});
