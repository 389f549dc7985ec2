/** What runs inside the page. Each function goes there alone, as text: it may use nothing of this file. */

/**
 * Open the dialog; return the milliseconds until its list is on the screen.
 *
 * @param {string} from `snapshot` or `again`: Whether they count from the snapshot's arrival, or from the call.
 */
export async function opening(from) {
  const { client, dialog } = /** @type {any} */ (window);
  const afterPaint = () =>
    new Promise((done) =>
      requestAnimationFrame(() => {
        const { port1, port2 } = new MessageChannel();
        port1.onmessage = () => done(performance.now());
        port2.postMessage(null);
      }),
    );
  dialog.close();
  // What an earlier opening has left would be found at once.
  for (const row of dialog.shadowRoot.querySelectorAll("[role=option]")) row.remove();
  let began = 0;
  const unlisten = client.on("directoryChanged", () => (began ||= performance.now()));
  if (from === "again") began = performance.now();
  dialog.show();
  let ended = 0;
  do ended = await afterPaint();
  while (dialog.shadowRoot.querySelector("[role=option]") === null);
  unlisten();
  return ended - began;
}

/**
 * Scroll by a row and a half in every frame, turning at the ends.
 *
 * @param {number} lengthMs
 */
export async function scrolling(lengthMs) {
  const { dialog } = /** @type {any} */ (window);
  const list = dialog.shadowRoot.querySelector("#agent-panel [role=listbox]");
  let longTasks = 0;
  const observer = new PerformanceObserver((found) => (longTasks += found.getEntries().length));
  observer.observe({ type: "longtask" });
  const intervals = [];
  const end = performance.now() + lengthMs;
  let step = 84;
  let before = await new Promise(requestAnimationFrame);
  while (performance.now() < end) {
    list.scrollTop += step;
    if (list.scrollTop + list.clientHeight >= list.scrollHeight || list.scrollTop <= 0) step = -step;
    const now = await new Promise(requestAnimationFrame);
    intervals.push(now - before);
    before = now;
  }
  observer.disconnect();
  list.scrollTop = 0;
  return { intervals, longTasks, renderMs: [] };
}

/** Type names letter by letter; return the milliseconds from each letter to its matches on the screen. */
export async function searching() {
  const { dialog } = /** @type {any} */ (window);
  const search = dialog.shadowRoot.querySelector("#agent-search");
  const found = [];
  for (const name of ["fabio conceicao 77", "department 12", "zoe"]) {
    for (let length = 1; length <= name.length; length += 1) {
      const began = performance.now();
      search.value = name.slice(0, length);
      search.dispatchEvent(new Event("input", { bubbles: true }));
      await new Promise((done) =>
        requestAnimationFrame(() => {
          const { port1, port2 } = new MessageChannel();
          port1.onmessage = done;
          port2.postMessage(null);
        }),
      );
      found.push(performance.now() - began);
    }
  }
  search.value = "";
  search.dispatchEvent(new Event("input", { bubbles: true }));
  return found;
}

export function chooseFirst() {
  const { dialog } = /** @type {any} */ (window);
  dialog.shadowRoot.querySelector("#agent-panel [role=option]").click();
}

/**
 * Watch the frames, and what the page does in each before it is painted.
 *
 * @param {number} lengthMs
 */
export async function watching(lengthMs) {
  let longTasks = 0;
  const observer = new PerformanceObserver((found) => (longTasks += found.getEntries().length));
  observer.observe({ type: "longtask" });
  const intervals = [];
  const renderMs = [];
  const end = performance.now() + lengthMs;
  let before = await new Promise(requestAnimationFrame);
  while (performance.now() < end) {
    const now = await new Promise(requestAnimationFrame);
    intervals.push(now - before);
    before = now;
    // This one was asked for last in the frame before: whatever the dialog does in this frame lies ahead or behind it.
    const { port1, port2 } = new MessageChannel();
    const painted = new Promise((done) => (port1.onmessage = () => done(performance.now())));
    port2.postMessage(null);
    renderMs.push((await painted) - now);
  }
  observer.disconnect();
  return { intervals, longTasks, renderMs };
}
