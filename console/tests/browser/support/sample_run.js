/** A run with every kind of item, which waits for a permission. */
import { assistantMessage, fileEdit, printMessage, toolCall, toolResult } from './agent_script.js';

export const PROMPT = 'Login fails for names with an umlaut. Find out why, fix it, and add a test.';

/** @param {string} dir the working directory */
export function sampleScript(dir) {
  const file = (/** @type {string} */ name) => `${dir}/${name}`;
  const task = (/** @type {string} */ id, /** @type {string} */ subject) => [
    toolCall(`plan${id}`, 'TaskCreate', { subject }), toolResult(`plan${id}`, 'Task created', { details: { task: { id, subject } } })];
  const update = (/** @type {string} */ id, /** @type {string} */ status, /** @type {string} */ call) => [
    toolCall(call, 'TaskUpdate', { taskId: id, status }), toolResult(call, 'Updated', { details: { success: true, taskId: id } })];
  return [
    assistantMessage('I will look at how names are compared before anything else.', 'The report says that only names with an umlaut fail. '
      + 'That smells of **normalization**: the same letter can be written as one code point or as two.'),
    ...task('1', 'Find where names are compared'), ...task('2', 'Normalize names on both sides'), ...task('3', 'Add a test with both spellings'),
    ...update('1', 'in_progress', 'u1'),
    toolCall('grep', 'Grep', { pattern: 'user.name ==', path: 'src' }), toolResult('grep', 'src/auth/login.py:41:    if user.name == given:\nsrc/auth/names.py:12:def fold(name):'),
    toolCall('read', 'Read', { file_path: file('src/auth/login.py') }),
    toolResult('read', '38\tdef find(given):\n39\t    """The user of this name."""\n40\t    for user in users():\n41\t        if user.name == given:\n42\t            return user\n43\t    return None'),
    ...update('1', 'completed', 'u2'), ...update('2', 'in_progress', 'u3'),
    assistantMessage('Names are compared byte for byte in `login.py`, so **“Jürgen” typed on a Mac is another name** than the stored one:\n\n'
      + '| spelling | code points | equal |\n| --- | --- | --- |\n| stored (NFC) | `U+00FC` | yes |\n| typed (NFD) | `U+0075 U+0308` | **no** |\n\n'
      + 'I will fold both sides the same way:\n\n```python\nfrom unicodedata import normalize\n\ndef fold(name: str) -> str:\n    """One spelling for what looks the same."""\n'
      + '    return normalize("NFC", name).casefold()\n```\n\n1. `names.fold` becomes the one place that knows how\n2. `login.find` uses it on *both* sides\n\nSee [UAX #15](https://unicode.org/reports/tr15/) for the forms.'),
    fileEdit('edit', file('src/auth/login.py'), [
      ' from .store import users', '+from .names import fold', ' ', ' ', ' def find(given):', '     """The user of this name."""',
      '+    wanted = fold(given)', '     for user in users():', '-        if user.name == given:', '+        if fold(user.name) == wanted:', '             return user', '     return None',
    ], 34),
    ...update('2', 'completed', 'u4'), ...update('3', 'in_progress', 'u5'),
    toolCall('agent', 'Task', { description: 'Look for other comparisons of names', prompt: 'Find them', subagent_type: 'general-purpose' }),
    toolCall('sub1', 'Grep', { pattern: '\\.name ==' }, 'agent'), toolResult('sub1', 'No matches found', { parent: 'agent' }),
    toolResult('agent', 'There are no other places that compare names.'),
    toolCall('bash', 'Bash', { command: 'python3 -m pytest tests/test_login.py -q', description: 'Run the tests' }),
    toolResult('bash', '\u001b[31mF\u001b[0m\u001b[32m...\u001b[0m                                                            [100%]\n=================== FAILURES ===================\n'
      + '\u001b[1m\u001b[31mE   ModuleNotFoundError: No module named \'auth\'\u001b[0m\n1 failed, 3 passed in 0.12s', { isError: true }),
    'stderr warning: the project has no pyproject.toml',
    printMessage({ type: 'brand_new', answer: 42 }),
    assistantMessage('The test needs the package on its path. I will run it from the project directory.'),
    `permission Bash ${JSON.stringify({ command: 'cd src && python3 -m pytest ../tests/test_login.py -q && rm -rf .pytest_cache', description: 'Run the tests from src' })}`,
    assistantMessage('All four tests pass. Names that look the same are now the same:\n\n- [x] compare folded names\n- [x] test with both spellings\n- [ ] migrate stored names, which you may want to do at night'),
    'result All four tests pass.',
  ].flat().join('\n');
}
