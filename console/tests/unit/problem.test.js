import './browser_globals.js';
import assert from 'node:assert/strict';
import { test } from 'node:test';

const { ApiProblem, readProblem } = await import('../../app/api.js');
const { fieldErrorText, hasOtherErrors, problemText } = await import('../../app/ui/problem.js');

/** @param {string} code @param {import('../../app/api.js').FieldError[]} [errors] */
const problem = (code, errors = []) => new ApiProblem({ status: 422, code, detail: 'the detail', errors });

test('a known code is translated, and an unknown one is shown in the server’s words', () => {
  assert.equal(problemText(problem('wrong_password')), 'The current password is incorrect.');
  assert.equal(problemText(problem('code_of_a_later_release')), 'the detail');
  assert.equal(problemText(problem('origin_not_allowed')).includes('OPENRUNNER_ALLOWED_ORIGINS=http://there'), true);
  assert.equal(problemText(new Error('anything')), 'anything');
});

test('a short Retry-After is shown', () => {
  const limited = (/** @type {number} */ retryAfter) => new ApiProblem({ status: 429, code: 'queue_full', detail: '', retryAfter });
  assert.equal(problemText(limited(1)), 'The queue is full. Try again in 1 second.');
  assert.equal(problemText(limited(30)), 'The queue is full. Try again in 30 seconds.');
  assert.equal(problemText(limited(7_200)), 'The queue is full.');
});

test('each invalid field gets its own message', () => {
  const invalid = problem('invalid_field', [
    { field: 'metadata.labels.team', code: 'too_long', detail: 'at most 64 characters' }, { field: 'input.text', code: 'required', detail: 'missing' },
  ]);
  assert.equal(fieldErrorText(invalid, 'metadata.labels'), 'Too long: at most 64 characters');
  assert.equal(fieldErrorText(invalid, 'input.text'), 'This field is required.');
  assert.equal(fieldErrorText(invalid, 'metadata.label'), null);
  assert.equal(hasOtherErrors(invalid, ['input.text']), true);
  assert.equal(hasOtherErrors(invalid, ['input.text', 'metadata.labels']), false);
});

test('a specific code describes its only invalid field', () => {
  const invalid = problem('wrong_password', [{ field: 'current_password', code: 'invalid', detail: 'the detail' }]);
  assert.equal(fieldErrorText(invalid, 'current_password'), 'The current password is incorrect.');
});

test('a problem without field errors belongs to the whole form', () => {
  assert.equal(hasOtherErrors(problem('queue_full'), ['input.text']), true);
  assert.equal(hasOtherErrors(new Error('offline'), []), true);
  assert.equal(hasOtherErrors(null, []), false);
});

test('a response that is not problem+json is still a problem', async () => {
  const { status, code, errors, retryAfter } = await readProblem(new Response('<h1>', { status: 502, headers: { 'Retry-After': '3' } }));
  assert.deepEqual({ status, code, errors, retryAfter }, { status: 502, code: 'http_502', errors: [], retryAfter: 3 });
});
