/** What runs inside the page. Each function goes there alone, as text: it may use nothing of this file. */

/** Note when a snapshot's frame reaches the page, before anything is made of it. */
export function noteSnapshots() {
  const there = /** @type {any} */ (window);
  there.WebSocket = class extends WebSocket {
    /** @param {string} url @param {string[]} protocols */
    constructor(url, protocols) {
      super(url, protocols);
      this.addEventListener("message", ({ data }) => {
        if (data.slice(0, 100).includes('"directory.snapshot"')) there.arrivedAt = performance.now();
      });
    }
  };
}

/** Wait until the page has its client. */
export async function ready() {
  const there = /** @type {any} */ (window);
  while (there.ready !== true) await new Promise((done) => setTimeout(done, 20));
}

/**
 * Open the dialog; `window.listed` becomes the milliseconds until its list is on the screen, counted from the snapshot's
 * frame if there was one, and from now if not.
 */
export async function open() {
  const there = /** @type {any} */ (window);
  const { dialog } = there;
  // What is posted while a frame is being made arrives when it has been painted.
  const posted = () =>
    new Promise((done) => {
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = () => done(performance.now());
      port2.postMessage(null);
    });
  const painted = () => new Promise((done) => requestAnimationFrame(() => done(posted())));
  const rows = () => dialog.shadowRoot.querySelectorAll("[role=option]");
  dialog.close();
  // What an earlier opening has left would be found at once.
  for (const row of rows()) row.remove();
  const began = performance.now();
  there.arrivedAt = 0;
  there.listed = new Promise((done) => {
    // Called within the frame that creates the rows; polling each frame would cost more than the rows.
    const watch = new MutationObserver(() => {
      if (rows().length === 0) return;
      watch.disconnect();
      const end = there.arrivedAt > 0 ? posted() : painted();
      done(end.then((ended) => ended - (there.arrivedAt || began)));
    });
    watch.observe(dialog.shadowRoot, { subtree: true, childList: true });
  });
  dialog.show();
  await painted();
}

/** @returns {Promise<number>} */
export function listed() {
  return /** @type {any} */ (window).listed;
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

/** @param {string} text */
export function search(text) {
  const search = /** @type {any} */ (window).dialog.shadowRoot.querySelector("#agent-search");
  search.value = text;
  search.dispatchEvent(new Event("input", { bubbles: true }));
}

export function chooseFirst() {
  const { dialog } = /** @type {any} */ (window);
  dialog.shadowRoot.querySelector("#agent-panel [role=option]").click();
}

/**
 * Watch the frames, and what the page does in each before it is painted.
 *
 * @param {{ lengthMs: number, scroll: boolean }} options `scroll`: whether to scroll by a row and a half in every frame,
 *   turning at the ends.
 */
export async function watching({ lengthMs, scroll }) {
  const { client, dialog } = /** @type {any} */ (window);
  const list = dialog.shadowRoot.querySelector("#agent-panel [role=listbox]");
  let longTasks = 0;
  const observer = new PerformanceObserver((found) => (longTasks += found.getEntries().length));
  observer.observe({ type: "longtask" });
  let patches = 0;
  const unlisten = client.on("directoryChanged", () => (patches += 1));
  const intervals = [];
  const end = performance.now() + lengthMs;
  let step = 84;
  let before = await new Promise(requestAnimationFrame);
  while (performance.now() < end) {
    if (scroll) {
      list.scrollTop += step;
      if (list.scrollTop + list.clientHeight >= list.scrollHeight || list.scrollTop <= 0) step = -step;
    }
    const now = await new Promise(requestAnimationFrame);
    intervals.push(now - before);
    before = now;
  }
  unlisten();
  observer.disconnect();
  if (scroll) list.scrollTop = 0;
  return { intervals, longTasks, patches };
}
