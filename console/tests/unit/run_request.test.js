import assert from 'node:assert/strict';
import { test } from 'node:test';
import { metadataForAgent, metadataOf, missingInput } from '../../app/data/run_request.js';

const RUN = {
  run_id: 'run_1', session_id: 'ses_1', prompt: 'fix it', agent_type: 'codex', model: 'gpt-5', status: 'failed', working_dir: '/srv', permission_mode: 'ask',
  instructions: 'be brief', timeout_secs: 60, max_cost_usd: 2, labels: { team: 'web' }, extra_args: ['--x'], widened: [], created_at: '2026-11-30T12:00:00.000Z',
};

test('the metadata of a run is repeated, without its results', () => {
  assert.deepEqual(metadataOf(RUN, false), {
    agent_type: 'codex', model: 'gpt-5', working_dir: '/srv', permission_mode: 'ask', instructions: 'be brief', timeout_secs: 60, max_cost_usd: 2, labels: { team: 'web' }, extra_args: ['--x'],
  });
});

test('a continued conversation is continued again, in its own directory', () => {
  const metadata = metadataOf(RUN, true);
  assert.deepEqual([metadata.session_id, metadata.working_dir], ['ses_1', undefined]);
});

test('a directory that was created for the run is not reused', () => {
  assert.equal(metadataOf({ ...RUN, working_dir: '/data/workspaces/run_1' }, false).working_dir, undefined);
});

test('a run in a worktree is repeated in a worktree of its own', () => {
  const workspace = { kind: 'worktree', repository: '/srv/project', git_dir: '/srv/project/.git', ref: 'main', base: '0'.repeat(40), branch: 'openrunner/ses_1' };
  const run = { ...RUN, working_dir: '/data/workspaces/run_0', workspace };
  for (const metadata of [metadataOf(run, false), metadataForAgent(run, 'opencode')]) {
    assert.deepEqual([metadata.workspace, metadata.working_dir], [{ kind: 'worktree', repository: '/srv/project', ref: 'main' }, undefined]);
  }
  assert.equal(metadataOf(run, true).workspace, undefined);
});

test('another agent gets the task without the model and the arguments of the first', () => {
  const metadata = metadataForAgent(RUN, 'opencode');
  assert.deepEqual([metadata.agent_type, metadata.model, metadata.extra_args, metadata.working_dir, metadata.labels], ['opencode', undefined, undefined, '/srv', { team: 'web' }]);
});

test('inputs that the server does not return are named', () => {
  assert.equal(missingInput(RUN), null);
  assert.equal(missingInput({ ...RUN, env: ['TOKEN'] }), 'env');
  assert.equal(missingInput({ ...RUN, attachments: [{}] }), 'attachments');
  assert.equal(missingInput({ ...RUN, mcp_servers: ['files'] }), 'mcp_servers');
  assert.equal(missingInput({ ...RUN, mcp_servers: ['files'], profile: 'review' }), null);
  assert.equal(missingInput({ ...RUN, mcp_servers: ['files'], profile: 'review', widened: ['mcp_servers'] }), 'mcp_servers');
});
