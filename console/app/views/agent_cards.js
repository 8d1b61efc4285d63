/** Cards to choose an agent from, with its availability. */
import { html } from '../html.js';
import { agentName } from '../agent_names.js';
import { t } from '../i18n.js';
import { Badge } from '../ui/badge.js';
import { CopyButton } from '../ui/button.js';

/** @param {{agents: any[], chosen: string, onChoose: (agentType: string) => void, error: string | null}} props */
export function AgentCards({ agents, chosen, onChoose, error }) {
  const current = agents.find((agent) => agent.agent_type === chosen);
  return html`<fieldset class="cards"><legend>${t('new_run.agent')}</legend>
    <div class="card-row card-row-small">${agents.map((agent) => html`
      <label key=${agent.agent_type} class="card ${agent.agent_type === chosen ? 'card-chosen' : ''}">
        <input type="radio" name="agent" value=${agent.agent_type} checked=${agent.agent_type === chosen} onChange=${() => onChoose(agent.agent_type)} />
        <span class="card-title">${agentName(agent.agent_type)}</span>
        <span class="card-foot"><${AgentAvailability} agent=${agent} />${agent.version && html`<span class="faint mono">${agent.version}</span>`}</span>
      </label>`)}</div>
    ${current && html`<${AgentHelp} agent=${current} />`}
    ${error && html`<p class="error" role="alert">${error}</p>`}
  </fieldset>`;
}

/** @param {{agent: any}} props */
export function AgentAvailability({ agent }) {
  if (!agent.available) return html`<${Badge} tone="err">${t(agent.path ? 'agent.broken' : 'agent.missing')}<//>`;
  if (agent.authenticated === 'no') return html`<${Badge} tone="warn">${t('agent.no_login')}<//>`;
  return html`<${Badge} tone="ok">${t('agent.ready')}<//>`;
}

/** How to make an agent usable; nothing if it is. @param {{agent: any}} props */
export function AgentHelp({ agent }) {
  const command = !agent.available ? agent.install : agent.authenticated === 'no' ? agent.login : null;
  if (agent.available && !command) return null;
  return html`<div class="agent-help">
    ${agent.error && (agent.path || !command) && html`<p>${agent.error}</p>`}
    ${command && html`<p>${t(agent.available ? 'agent.login' : 'agent.install')}</p>
      <div class="command"><code>${command}</code><${CopyButton} text=${command} /></div>`}
  </div>`;
}
