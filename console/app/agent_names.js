/** Display names of agents. */

/** @type {Record<string, string>} */
const DISPLAY_NAMES = { claude_code: 'Claude Code', codex: 'Codex', opencode: 'OpenCode', demo: 'Demo' };

/** The display name; configured agents are shown by their `agent_type`. @param {string} agentType */
export const agentName = (agentType) => DISPLAY_NAMES[agentType] ?? agentType;
