// A list of runs judges what comes by the feed as the server judges what is listed.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { matches, place } from '../../app/data/run_filter.js';

const RUN = { run_id: 'run_5', status: 'running', agent_type: 'codex', owner: 'carol', session_id: 'ses_1', prompt: 'Fix the Flaky test', labels: { team: 'web', urgent: '' } };

test('a run fits a filter when it fits each of its parts', () => {
  for (const [filter, expected] of /** @type {[object, boolean][]} */ ([
    [{}, true],
    [{ statuses: ['running', 'waiting'] }, true],
    [{ statuses: ['completed'] }, false],
    [{ agent: 'codex', owner: 'carol', session: 'ses_1' }, true],
    [{ agent: 'codex', owner: 'dan' }, false],
    [{ session: 'ses_2' }, false],
    [{ label: 'team=web' }, true],
    [{ label: 'team=core' }, false],
    [{ label: 'team' }, true],
    [{ label: 'urgent=' }, true],
    [{ text: 'flaky' }, true],
    [{ text: 'RUN_5' }, true],
    [{ text: 'WEB' }, true],
    [{ text: 'straw' }, false],
  ])) assert.equal(matches(RUN, filter), expected, JSON.stringify(filter));
});

test('a run without labels has none', () => {
  assert.equal(matches({ ...RUN, labels: undefined }, { label: 'team' }), false);
});

test('a run has one place among others, newest first', () => {
  const items = [{ run_id: 'run_8' }, { run_id: 'run_5' }, { run_id: 'run_2' }];
  assert.deepEqual(place(items, 'run_9'), { index: 0, found: false });
  assert.deepEqual(place(items, 'run_8'), { index: 0, found: true });
  assert.deepEqual(place(items, 'run_6'), { index: 1, found: false });
  assert.deepEqual(place(items, 'run_2'), { index: 2, found: true });
  assert.deepEqual(place(items, 'run_1'), { index: 3, found: false });
  assert.deepEqual(place([], 'run_1'), { index: 0, found: false });
});
