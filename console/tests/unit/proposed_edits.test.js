import assert from 'node:assert/strict';
import { test } from 'node:test';
import { editsOf } from '../../app/views/run/proposed_edits.js';

test('the forms of all agents give edits', () => {
  const expected = [{ path: 'a.py', before: 'old', after: 'new' }];
  assert.deepEqual(editsOf({ file_path: 'a.py', old_string: 'old', new_string: 'new' }), expected);
  assert.deepEqual(editsOf({ filePath: 'a.py', oldString: 'old', newString: 'new' }), expected);
  assert.deepEqual(editsOf({ changes: [{ path: 'a.py', old_text: 'old', new_text: 'new' }] }), expected);
  assert.deepEqual(editsOf({ tool: 'patch', arguments: { path: 'a.py', old_string: 'old', new_string: 'new' } }), expected);
  assert.deepEqual(editsOf({ path: 'a.py', edits: [{ old_string: 'old', new_string: 'new' }] }), expected);
  assert.deepEqual(editsOf({ changes: [{ path: 'a.py', kind: { type: 'delete' }, diff: 'old' }] }), [{ path: 'a.py', before: 'old', after: '' }]);
  assert.deepEqual(editsOf({ file_path: 'a.py', content: 'new' }), [{ path: 'a.py', before: '', after: 'new' }]);
  assert.deepEqual(editsOf({ filepath: 'a.py', diff: '@@ -1 +1 @@\n-old\n+new' }), [{ path: 'a.py', diff: '@@ -1 +1 @@\n-old\n+new' }]);
});

test('an input that is understood only in part gives no edits', () => {
  assert.deepEqual(editsOf({ changes: [{ path: 'a.py', old_text: 'old', new_text: 'new' }, { path: 'b.py', kind: 'chmod' }] }), []);
  assert.deepEqual(editsOf({ file_path: 'a.py', edits: [{ old_string: 'x', new_string: 'y' }, {}] }), []);
});

test('other inputs give no edits', () => {
  for (const input of [undefined, null, 1, 'text', [], {}, { path: 'a.py' }, { command: 'ls' }, { path: 1, content: 'x' }, { changes: [null] }, { filepath: 'a.py', diff: 'no hunk' }]) {
    assert.deepEqual(editsOf(input), [], JSON.stringify(input));
  }
});
