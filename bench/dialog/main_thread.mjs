/** What a page's main thread has worked, in processor time: others on the same machine do not count in. */

/** @typedef {import("./tab.mjs").Tab} Tab */
/** @typedef {{ all: number, script: number, style: number, layout: number }} Work In milliseconds. */

export class MainThread {
  #tab;

  /** @param {Tab} tab */
  constructor(tab) {
    this.#tab = tab;
  }

  /** @param {Tab} tab */
  static async of(tab) {
    await tab.send("Performance.enable", { timeDomain: "threadTicks" });
    return new MainThread(tab);
  }

  /**
   * Return what it works while something runs.
   *
   * @template T
   * @param {() => Promise<T>} run
   * @returns {Promise<[T, Work]>}
   */
  async during(run) {
    const before = await this.#worked();
    const result = await run();
    const after = await this.#worked();
    const work = { all: 0, script: 0, style: 0, layout: 0 };
    for (const part of /** @type {(keyof Work)[]} */ (Object.keys(work)))
      work[part] = after[part] - before[part];
    return [result, work];
  }

  /** @returns {Promise<Work>} */
  async #worked() {
    /** @type {{ metrics: { name: string, value: number }[] }} */
    const { metrics } = await this.#tab.send("Performance.getMetrics");
    const of = (/** @type {string} */ name) => 1000 * (metrics.find((one) => one.name === name)?.value ?? 0);
    return {
      all: of("TaskDuration"),
      script: of("ScriptDuration"),
      style: of("RecalcStyleDuration"),
      layout: of("LayoutDuration"),
    };
  }
}
