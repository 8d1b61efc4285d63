/** What agents are called by people. */

/** @type {Record<string, string>} */
const NAMES = { claude_code: 'Claude Code', codex: 'Codex', opencode: 'OpenCode', demo: 'Demo' };

/** @param {string} agentType */
export const agentName = (agentType) => NAMES[agentType] ?? agentType;
