/** Builds scripts for the scripted agent: messages in the format of Claude Code. */

/** A script line that prints a message. @param {unknown} message */
export const printMessage = (message) => `raw ${JSON.stringify(message)}`;

/** @param {unknown} event */
const streamEvent = (event) => printMessage({ type: 'stream_event', event, parent_tool_use_id: null });

let messageCount = 0;

/** An assistant message with thinking and text, streamed in deltas. @param {string} text @param {string} [thinking] */
export function assistantMessage(text, thinking) {
  const id = `msg_${++messageCount}x`;
  const content = [...(thinking ? [{ type: 'thinking', thinking, signature: '' }] : []), { type: 'text', text }];
  const deltas = (/** @type {string} */ whole) => whole.match(/[\s\S]{1,12}/gu) ?? [];
  return [
    streamEvent({ type: 'message_start', message: { id, content: [] } }),
    ...(thinking ? deltas(thinking).map((piece) => streamEvent({ type: 'content_block_delta', index: 0, delta: { type: 'thinking_delta', thinking: piece } })) : []),
    ...deltas(text).map((piece) => streamEvent({ type: 'content_block_delta', index: 1, delta: { type: 'text_delta', text: piece } })),
    ...content.map((block) => printMessage({ type: 'assistant', message: { id, content: [block] }, parent_tool_use_id: null })),
  ].join('\n');
}

/** A tool call. @param {string} id @param {string} name @param {unknown} input @param {string | null} [parent] */
export const toolCall = (id, name, input, parent = null) => (
  printMessage({ type: 'assistant', message: { id: `m${id}`, content: [{ type: 'tool_use', id, name, input }] }, parent_tool_use_id: parent })
);

/** A tool result. @param {string} id @param {string} content @param {{ isError?: boolean, details?: unknown, parent?: string | null }} [more] */
export const toolResult = (id, content, { isError = false, details, parent = null } = {}) => printMessage({
  type: 'user', parent_tool_use_id: parent, ...(details !== undefined && { tool_use_result: details }),
  message: { content: [{ type: 'tool_result', tool_use_id: id, content, is_error: isError }] },
});

/** An edit of a file: call and result.
 * @param {string} id @param {string} path @param {string[]} lines of a unified diff @param {number} [first] number of the first line */
export function fileEdit(id, path, lines, first = 1) {
  const countLines = (/** @type {string} */ without) => lines.filter((line) => line[0] !== without).length;
  const version = (/** @type {string} */ without) => lines.filter((line) => line[0] !== without).map((line) => line.slice(1)).join('\n');
  const [oldString, newString] = [version('+'), version('-')];
  const structuredPatch = [{ oldStart: first, oldLines: countLines('+'), newStart: first, newLines: countLines('-'), lines }];
  return [
    toolCall(id, 'Edit', { file_path: path, old_string: oldString, new_string: newString }),
    toolResult(id, 'The file has been updated.', { details: { type: 'update', filePath: path, oldString, newString, structuredPatch } }),
  ].join('\n');
}
