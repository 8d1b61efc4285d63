/** Display names of agents. */

/** @type {Record<string, string>} */
const DISPLAY_NAMES = {
  claude_code: 'Claude Code', codex: 'Codex', opencode: 'OpenCode', demo: 'Demo', amp: 'Amp', auggie: 'Auggie', cline: 'Cline', copilot: 'Copilot',
  cursor: 'Cursor', droid: 'Droid', gemini: 'Gemini', goose: 'Goose', grok: 'Grok', hermes: 'Hermes', kilo: 'Kilo', kimi: 'Kimi', qwen: 'Qwen', vibe: 'Vibe',
};

/** The display name; configured agents are shown by their `agent_type`. @param {string} agentType */
export const agentName = (agentType) => DISPLAY_NAMES[agentType] ?? agentType;
