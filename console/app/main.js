/** The beginning. */
import { html, render } from './html.js';
import { route } from './router.js';
import { RunView } from './views/run/index.js';

function App() {
  const { parts } = route.value;
  return html`<main>${parts[0] === 'runs' && parts[1] ? html`<${RunView} id=${parts[1]} key=${parts[1]} />` : parts.join('/')}</main>`;
}

render(html`<${App} />`, /** @type {HTMLElement} */ (document.getElementById('app')));
