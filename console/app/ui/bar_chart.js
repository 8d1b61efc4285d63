/** A bar chart with one bar per day. */
import { html, useLayoutEffect, useRef, useState } from '../html.js';
import { shortDay } from '../format.js';
import { t } from '../i18n.js';

const HEIGHT = 132;
const TOP = 18;
const BOTTOM = 20;
/** Half the width of a day label, in pixels. */
const HALF_LABEL_WIDTH = 22;

/** Rounds up to a number suitable for an axis. @param {number} value */
export function roundUp(value) {
  if (!(value > 0)) return 1;
  const unit = 10 ** Math.floor(Math.log10(value));
  return (/** @type {number} */ ([1, 1.5, 2, 3, 4, 5, 6, 8, 10].find((step) => step * unit >= value * (1 - 1e-9)))) * unit;
}

/**
 * Screen readers get a table instead.
 * @param {{title: string, bars: {day: string, value: number}[], format: (value: number) => string}} props
 */
export function BarChart({ title, bars, format }) {
  const box = useRef(/** @type {HTMLElement | null} */ (null));
  const [width, setWidth] = useState(0);
  useLayoutEffect(() => {
    const element = box.current;
    if (!element) return undefined;
    const observer = new ResizeObserver(() => setWidth(element.clientWidth));
    observer.observe(element);
    setWidth(element.clientWidth);
    return () => observer.disconnect();
  }, []);
  const max = roundUp(Math.max(...bars.map(({ value }) => value)));
  const step = width / bars.length;
  const thickness = Math.max(1, Math.min(28, step * 0.7));
  const scale = (/** @type {number} */ value) => value / max * (HEIGHT - TOP - BOTTOM);
  // As many labels as fit.
  const labelEvery = Math.max(1, Math.ceil(68 / Math.max(1, step)));
  return html`<figure class="chart"><figcaption>${title}</figcaption><div ref=${box}>
    <svg width=${width} height=${HEIGHT} aria-hidden="true">
      <line class="grid" x1="0" x2=${width} y1=${TOP} y2=${TOP} /><line class="grid" x1="0" x2=${width} y1=${HEIGHT - BOTTOM} y2=${HEIGHT - BOTTOM} />
      <text x="0" y=${TOP - 5}>${format(max)}</text>
      ${bars.map(({ day, value }, index) => html`<g key=${day}>
        ${value > 0 && html`<rect x=${index * step + (step - thickness) / 2} y=${HEIGHT - BOTTOM - Math.max(1, scale(value))} width=${thickness} height=${Math.max(1, scale(value))} rx=${Math.min(2, thickness / 4)} />`}
        <rect class="hover" x=${index * step} y=${TOP} width=${step} height=${HEIGHT - TOP - BOTTOM}><title>${shortDay(day)}: ${format(value)}</title></rect>
        ${(bars.length - 1 - index) % labelEvery === 0 && html`<text class="day" x=${Math.max(HALF_LABEL_WIDTH, Math.min(width - HALF_LABEL_WIDTH, index * step + step / 2))} y=${HEIGHT - 5} text-anchor="middle">${shortDay(day)}</text>`}
      </g>`)}
    </svg></div>
    <table class="visually-hidden"><caption>${title}</caption><thead><tr><th>${t('usage.group.day')}</th><th>${title}</th></tr></thead>
      <tbody>${bars.filter(({ value }) => value > 0).map(({ day, value }) => html`<tr key=${day}><td>${shortDay(day)}</td><td>${format(value)}</td></tr>`)}</tbody></table>
  </figure>`;
}
