import assert from 'node:assert/strict';
import { test } from 'node:test';

import { findPosition, matchesFilter } from '../../app/data/run_filter.js';

const RUN = { run_id: 'run_5', status: 'running', agent_type: 'codex', owner: 'carol', session_id: 'ses_1', prompt: 'Fix the Flaky test', labels: { team: 'web', urgent: '' } };

test('a run matches if it matches every part of the filter', () => {
  for (const [filter, expected] of /** @type {[object, boolean][]} */ ([
    [{}, true],
    [{ statuses: ['running', 'waiting'] }, true],
    [{ statuses: ['completed'] }, false],
    [{ agentType: 'codex', owner: 'carol', sessionId: 'ses_1' }, true],
    [{ agentType: 'codex', owner: 'dan' }, false],
    [{ sessionId: 'ses_2' }, false],
    [{ label: 'team=web' }, true],
    [{ label: 'team=core' }, false],
    [{ label: 'team' }, true],
    [{ label: 'urgent=' }, true],
    [{ text: 'flaky' }, true],
    [{ text: 'RUN_5' }, true],
    [{ text: 'WEB' }, true],
    [{ text: 'straw' }, false],
  ])) assert.equal(matchesFilter(RUN, filter), expected, JSON.stringify(filter));
});

test('a run without labels matches no label', () => {
  assert.equal(matchesFilter({ ...RUN, labels: undefined }, { label: 'team' }), false);
});

test('a run’s position in a list is found or computed, newest first', () => {
  const items = [{ run_id: 'run_8' }, { run_id: 'run_5' }, { run_id: 'run_2' }];
  assert.deepEqual(findPosition(items, 'run_9'), { index: 0, found: false });
  assert.deepEqual(findPosition(items, 'run_8'), { index: 0, found: true });
  assert.deepEqual(findPosition(items, 'run_6'), { index: 1, found: false });
  assert.deepEqual(findPosition(items, 'run_2'), { index: 2, found: true });
  assert.deepEqual(findPosition(items, 'run_1'), { index: 3, found: false });
  assert.deepEqual(findPosition([], 'run_1'), { index: 0, found: false });
});
