// Scripts for the scripted agent: lines as Claude Code prints them.

/** A line of the script by which the agent prints this message. @param {unknown} message */
export const prints = (message) => `raw ${JSON.stringify(message)}`;

/** @param {unknown} event */
const streams = (event) => prints({ type: 'stream_event', event, parent_tool_use_id: null });

let messages = 0;

/** A message of the agent's with thinking and text, piece by piece. @param {string} text @param {string} [thinking] */
export function speaks(text, thinking) {
  const id = `msg_${++messages}x`;
  const content = [...(thinking ? [{ type: 'thinking', thinking, signature: '' }] : []), { type: 'text', text }];
  const pieces = (/** @type {string} */ whole) => whole.match(/[\s\S]{1,12}/gu) ?? [];
  return [
    streams({ type: 'message_start', message: { id, content: [] } }),
    ...(thinking ? pieces(thinking).map((piece) => streams({ type: 'content_block_delta', index: 0, delta: { type: 'thinking_delta', thinking: piece } })) : []),
    ...pieces(text).map((piece) => streams({ type: 'content_block_delta', index: 1, delta: { type: 'text_delta', text: piece } })),
    ...content.map((block) => prints({ type: 'assistant', message: { id, content: [block] }, parent_tool_use_id: null })),
  ].join('\n');
}

/** A tool call. @param {string} id @param {string} name @param {unknown} input @param {string | null} [parent] */
export const calls = (id, name, input, parent = null) => (
  prints({ type: 'assistant', message: { id: `m${id}`, content: [{ type: 'tool_use', id, name, input }] }, parent_tool_use_id: parent })
);

/** What came of it. @param {string} id @param {string} content @param {{ isError?: boolean, details?: unknown, parent?: string | null }} [more] */
export const gives = (id, content, { isError = false, details, parent = null } = {}) => prints({
  type: 'user', parent_tool_use_id: parent, ...(details !== undefined && { tool_use_result: details }),
  message: { content: [{ type: 'tool_result', tool_use_id: id, content, is_error: isError }] },
});

/** A file that was edited: call and result, with the lines that changed.
 * @param {string} id @param {string} path @param {string[]} lines of a unified diff, from `first` on @param {number} [first] */
export function edits(id, path, lines, first = 1) {
  const count = (/** @type {string} */ without) => lines.filter((line) => line[0] !== without).length;
  const side = (/** @type {string} */ without) => lines.filter((line) => line[0] !== without).map((line) => line.slice(1)).join('\n');
  const [oldString, newString] = [side('+'), side('-')];
  const structuredPatch = [{ oldStart: first, oldLines: count('+'), newStart: first, newLines: count('-'), lines }];
  return [
    calls(id, 'Edit', { file_path: path, old_string: oldString, new_string: newString }),
    gives(id, 'The file has been updated.', { details: { type: 'update', filePath: path, oldString, newString, structuredPatch } }),
  ].join('\n');
}
