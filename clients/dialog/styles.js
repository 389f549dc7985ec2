/** How the dialog looks: a sheet of its own, which a strict Content-Security-Policy lets through. */

const CSS = `
:host {
  color-scheme: light dark;
  --accent: var(--relevo-accent, light-dark(#1d4ed8, #8ab4ff));
  --on-accent: var(--relevo-on-accent, light-dark(#ffffff, #0b1730));
  --surface: var(--relevo-surface, light-dark(#ffffff, #16191f));
  --raised: var(--relevo-surface-raised, light-dark(#f4f6f9, #1f242c));
  --text: var(--relevo-text, light-dark(#171b22, #eceff4));
  --soft: var(--relevo-text-soft, light-dark(#565f6e, #a3adbb));
  --line: var(--relevo-line, light-dark(#dde2e9, #323945));
  --edge: light-dark(#858f9f, #717c8d);
  --good: var(--relevo-good, light-dark(#12703a, #5fd391));
  --busy: var(--relevo-busy, light-dark(#9a4b00, #ffb066));
  --away: var(--relevo-away, light-dark(#7a5b00, #e8c95a));
  --off: var(--relevo-off, light-dark(#5c6573, #97a1af));
  --bad: var(--relevo-bad, light-dark(#b3261e, #ff9188));
  --radius: var(--relevo-radius, 12px);
  --font: var(--relevo-font, system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif);
}
:host([theme="light"]) { color-scheme: light; }
:host([theme="dark"]) { color-scheme: dark; }
* { box-sizing: border-box; }
[hidden] { display: none !important; }
h2, h3, p, blockquote { margin: 0; }
button, input, textarea { font: inherit; color: inherit; }
button { cursor: pointer; }
.visually-hidden {
  position: absolute; width: 1px; height: 1px; margin: -1px; overflow: hidden;
  clip-path: inset(50%); white-space: nowrap;
}
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }

.dialog {
  width: min(var(--relevo-width, 34rem), calc(100vw - 2rem));
  height: min(var(--relevo-height, 44rem), calc(100dvh - 2rem));
  max-width: none; max-height: none; padding: 0; border: 1px solid var(--line);
  border-radius: var(--radius); overflow: hidden;
  background: var(--surface); color: var(--text);
  font: 15px/1.4 var(--font); text-align: start;
  box-shadow: 0 24px 64px rgb(8 12 24 / 0.28), 0 2px 8px rgb(8 12 24 / 0.12);
}
.dialog[open] { display: flex; flex-direction: column; }
.dialog.has-outcome { height: min(26rem, calc(100dvh - 2rem)); }
.dialog::backdrop { background: rgb(8 12 24 / 0.5); }

.header { display: flex; align-items: flex-start; gap: 1rem; padding: 1rem 0.75rem 0.5rem 1.25rem; }
.header > div { flex: 1; min-width: 0; }
.title { font-size: 1.2rem; line-height: 1.3; font-weight: 650; }
.customer {
  color: var(--soft); overflow-wrap: anywhere; overflow: hidden;
  display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: 2;
}
.close, .clear {
  flex: none; border: 0; border-radius: 8px; background: none; color: var(--soft);
  width: 2.5rem; height: 2.5rem; font-size: 1.5rem; line-height: 1;
}
.close:hover, .clear:hover { background: var(--raised); color: var(--text); }

.banner {
  margin: 0.25rem 1.25rem; padding: 0.5rem 0.75rem; border-radius: 8px; font-size: 0.875rem;
  border: 1px solid var(--bad); border-inline-start-width: 4px; color: var(--bad);
}

.compose { flex: 1; min-height: 0; display: flex; flex-direction: column; }
.tabs { display: flex; gap: 0.25rem; padding: 0 1.25rem; border-bottom: 1px solid var(--line); }
.tab {
  flex: 0 1 auto; min-height: 44px; padding: 0 0.75rem; border: 0; background: none; color: var(--soft);
  font-weight: 550; border-bottom: 3px solid transparent; margin-bottom: -1px; border-radius: 6px 6px 0 0;
}
.tab:hover { color: var(--text); }
.tab:focus-visible { outline-offset: -3px; }
.tab[aria-selected="true"] { color: var(--accent); border-bottom-color: var(--accent); }
.count { font-weight: 450; font-size: 0.8125rem; color: var(--soft); font-variant-numeric: tabular-nums; }

.panel { flex: 1; min-height: 7rem; display: flex; flex-direction: column; position: relative; }
.search-field { position: relative; padding: 0.75rem 1.25rem 0.625rem; }
.search, .reason {
  width: 100%; border: 1px solid var(--edge); border-radius: 8px; background: var(--surface); padding: 0.5rem 0.75rem;
}
.search { min-height: 44px; padding-inline-end: 2.75rem; appearance: none; }
.search::-webkit-search-cancel-button { display: none; }
::placeholder { color: var(--soft); opacity: 1; }
.search:focus-visible, .reason:focus-visible { outline-offset: 0; border-color: var(--accent); }
.clear { position: absolute; inset-inline-end: 1.375rem; top: 0.875rem; }
.matches { padding: 0 1.25rem 0.375rem; font-size: 0.8125rem; color: var(--soft); }
.matches:empty { display: none; }
.empty { flex: 1; display: grid; place-items: center; padding: 1.5rem; color: var(--soft); text-align: center; overflow-wrap: anywhere; }

.list {
  flex: 1; min-height: 0; overflow-y: auto; overflow-x: hidden; overscroll-behavior: contain;
  border-top: 1px solid var(--line); contain: strict; overflow-anchor: none; scrollbar-width: thin;
}
.list:focus-visible { outline-offset: -2px; }
.sizer { position: relative; }
.row {
  position: absolute; inset: 0 0 auto 0; contain: strict; cursor: pointer; user-select: none;
  display: grid; grid-template-columns: auto minmax(0, 1fr) auto; align-items: center; column-gap: 0.75rem;
  padding: 0 1.25rem; border-bottom: 1px solid var(--line); background: var(--surface);
}
.row.animated { transition: transform 0.16s ease-out; }
.row:hover { background: var(--raised); }
.row[aria-selected="true"] {
  background: color-mix(in srgb, var(--accent) 11%, var(--surface)); box-shadow: inset 4px 0 0 var(--accent);
}
.list:focus-visible .row.focused { outline: 2px solid var(--accent); outline-offset: -4px; border-radius: 8px; }
.dot { width: 0.625rem; height: 0.625rem; border-radius: 50%; background: currentColor; }
.row[data-state="available"] :is(.dot, .status) { color: var(--good); }
.row[data-state="at_capacity"] :is(.dot, .status) { color: var(--busy); }
.row[data-state="pre_pause"] :is(.dot, .status) { color: var(--away); }
.row[data-state="pause"] :is(.dot, .status) { color: var(--away); }
.row[data-state="disconnected"] :is(.dot, .status) { color: var(--off); }
.row[data-state="pre_pause"] .dot { background: linear-gradient(90deg, currentColor 50%, transparent 50%); border: 2px solid; }
.row[data-state="pause"] .dot {
  border-radius: 2px; background: linear-gradient(90deg, currentColor 36%, transparent 36% 64%, currentColor 64%);
}
.row[data-state="disconnected"] .dot { background: none; border: 2px solid; }
.confirmed .row[aria-selected="true"] .dot { border: 0; background: none; color: var(--accent); }
.confirmed .row[aria-selected="true"] .dot::before { content: "✓"; display: block; margin: -0.3125rem 0 0 -0.0625rem; font-weight: 700; line-height: 1.2; }
.identity, .figures { display: flex; flex-direction: column; min-width: 0; }
.identity { gap: 0.0625rem; }
.figures { align-items: flex-end; gap: 0.125rem; white-space: nowrap; }
.line { display: flex; align-items: center; gap: 0.5rem; min-width: 0; }
.name { font-weight: 600; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.badge {
  flex: none; padding: 0 0.375rem; border: 1px solid var(--edge); border-radius: 999px;
  font-size: 0.6875rem; font-weight: 600; line-height: 1.45; color: var(--soft);
}
.detail { font-size: 0.8125rem; color: var(--soft); overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.status { font-size: 0.8125rem; font-weight: 600; }
.waiting.some { color: var(--text); }
.load { font-size: 0.8125rem; color: var(--soft); font-variant-numeric: tabular-nums; }
.bar { width: 3.5rem; height: 6px; border-radius: 3px; overflow: hidden; background: var(--line); }
.filled { display: block; height: 100%; background: var(--good); transform-origin: left; }
.row[data-state="at_capacity"] .filled { background: var(--busy); }
.row:is([data-state="pause"], [data-state="pre_pause"]) .filled { background: var(--away); }
.row[data-state="disconnected"] .filled { background: var(--off); }
.stale .row :is(.dot, .bar) { opacity: 0.45; }

.footer { flex: none; padding: 0.75rem 1.25rem 1.25rem; background: var(--raised); border-top: 1px solid var(--line); }
.selection { min-height: 1.5rem; margin-bottom: 0.5rem; }
.row.forbidden > * { opacity: 0.45; }
.prediction { overflow-wrap: anywhere; font-weight: 550; }
.prediction[data-tone="neutral"] { color: var(--soft); font-weight: 450; }
.prediction[data-tone="good"] { color: var(--good); }
.prediction[data-tone="waiting"] { color: var(--busy); }
.prediction[data-tone="bad"] { color: var(--bad); }
.alternatives { display: flex; flex-wrap: wrap; align-items: center; gap: 0.375rem 0.5rem; margin-top: 0.375rem; font-size: 0.8125rem; color: var(--soft); }
.alternatives-list { display: flex; flex-wrap: wrap; gap: 0.375rem; min-width: 0; }
.chip {
  display: inline-flex; gap: 0.375rem; align-items: center; min-height: 32px; max-width: 100%; padding: 0.125rem 0.75rem; border: 1px solid var(--edge); border-radius: 999px;
  background: var(--surface); color: var(--text); font-size: 0.8125rem; font-variant-numeric: tabular-nums;
  white-space: nowrap;
}
.chip-name { min-width: 0; overflow: hidden; text-overflow: ellipsis; }
.chip-load { flex: none; color: var(--soft); }
.chip:hover { border-color: var(--accent); color: var(--accent); }
.reason-head { display: flex; justify-content: space-between; align-items: baseline; gap: 1rem; margin-bottom: 0.25rem; font-size: 0.8125rem; }
.strong { font-weight: 600; }
.soft, .length { color: var(--soft); }
.length { font-variant-numeric: tabular-nums; }
.length.over { color: var(--bad); font-weight: 600; }
.reason { display: block; resize: none; min-height: 4rem; max-height: min(7.5rem, 30vh); field-sizing: content; }
.reason[aria-invalid="true"] { border-color: var(--bad); }
.reason[readonly] { color: var(--soft); }
.buttons { display: flex; justify-content: flex-end; flex-wrap: wrap; gap: 0.625rem; margin-top: 0.875rem; }
.button {
  min-height: 44px; padding: 0 1.125rem; border: 1px solid var(--edge); border-radius: 8px;
  background: var(--surface); font-weight: 600;
}
.button:hover { background: color-mix(in srgb, var(--text) 6%, var(--surface)); }
.button.primary { background: var(--accent); border-color: var(--accent); color: var(--on-accent); }
.button.primary:hover { background: color-mix(in srgb, var(--accent) 88%, var(--text)); }
.button[aria-disabled="true"] { background: var(--line); border-color: var(--line); color: var(--soft); cursor: not-allowed; }

.outcome { flex: 1; min-height: 0; display: flex; flex-direction: column; padding: 0 1.25rem 1.25rem; }
.outcome-body {
  flex: 1; min-height: 0; overflow-y: auto; display: flex; flex-direction: column; align-items: center;
  justify-content: safe center; text-align: center; gap: 0.5rem; padding: 1rem 0.5rem;
}
.icon { flex: none; width: 56px; height: 56px; border-radius: 50%; margin-bottom: 0.5rem; display: grid; place-items: center; font-size: 1.75rem; font-weight: 700; }
.icon { color: var(--tone); background: color-mix(in srgb, var(--tone) 14%, var(--surface)); }
.outcome { --tone: var(--soft); }
.outcome[data-tone="good"] { --tone: var(--good); }
.outcome[data-tone="waiting"] { --tone: var(--busy); }
.outcome[data-tone="bad"] { --tone: var(--bad); }
.outcome[data-tone="good"] .icon::before { content: "✓"; }
.outcome[data-tone="waiting"] .icon::before { content: "…"; transform: translateY(-0.3em); }
.outcome[data-tone="bad"] .icon::before { content: "!"; }
.outcome[data-tone="neutral"] .icon::before { content: "↺"; }
.outcome-title { font-size: 1.25rem; line-height: 1.3; font-weight: 650; overflow-wrap: anywhere; max-width: 100%; border-radius: 4px; }
.outcome-details { color: var(--soft); overflow-wrap: anywhere; max-width: 26rem; }
.quote {
  max-width: min(100%, 26rem); max-height: 9rem; overflow-y: auto; margin-top: 0.75rem; padding: 0.5rem 0.875rem;
  border-inline-start: 3px solid var(--line); background: var(--raised); border-radius: 0 8px 8px 0;
  text-align: start; white-space: pre-wrap; overflow-wrap: anywhere; font-size: 0.875rem;
}

@media (max-width: 34rem), (max-height: 34rem) {
  .dialog, .dialog.has-outcome { width: 100vw; height: 100dvh; border: 0; border-radius: 0; }
  .header { padding: 0.625rem 0.5rem 0.25rem 1rem; }
  .tabs, .search-field, .row, .footer, .matches { padding-inline: 1rem; }
  .banner { margin-inline: 1rem; }
  .clear { inset-inline-end: 1.125rem; }
  .tabs { gap: 0; }
  .tab { flex: 1; }
  .search, .reason { font-size: 16px; }
  .reason { min-height: 2.75rem; }
  .footer { padding-bottom: max(0.875rem, env(safe-area-inset-bottom)); }
  .outcome { padding: 0 1rem max(0.875rem, env(safe-area-inset-bottom)); }
  .buttons .button { flex: 1 0 auto; }
}
@media (max-height: 34rem) {
  .selection { margin-bottom: 0.25rem; }
  .search-field { padding-block: 0.375rem; }
  .clear { top: 0.5rem; }
}
@media (prefers-reduced-motion: reduce) {
  .row.animated { transition: none; }
}
@media (forced-colors: active) {
  .row[aria-selected="true"] { outline: 3px solid Highlight; outline-offset: -3px; }
  .tab[aria-selected="true"] { border-bottom-color: Highlight; }
}
`;

/** @type {CSSStyleSheet | null} */
let made = null;

/** Return the sheet, the same for every dialog of the page. */
export function sheet() {
  if (made === null) {
    made = new CSSStyleSheet();
    made.replaceSync(CSS);
  }
  return made;
}
