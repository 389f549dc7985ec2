/** A conversation's history: loaded in pages, continued by pushes, without gaps. */

/** @typedef {import("../../js/src/index.js").Entry} Entry */
/** @typedef {(after: number) => Promise<{ entries: readonly Entry[], more: boolean }>} ReadPage */

/** Emits `change`. */
export class Timeline extends EventTarget {
  /** In order of `seq`, from 1 without gaps. @type {Entry[]} */
  entries = [];
  /** @type {"empty" | "loading" | "ready" | "failed" | "ended"} `ended`: this agent may read no more of it. */
  state = "empty";
  #read;
  /** The loading in progress. @type {Promise<void> | null} */
  #reading = null;
  #again = false;

  /** @param {ReadPage} read Returns the entries that follow a `seq`. */
  constructor(read) {
    super();
    this.#read = read;
  }

  /**
   * Load the missing entries.
   *
   * @returns {Promise<void>} Resolves when they are loaded, or loading has failed.
   */
  load() {
    if (this.#reading !== null) {
      this.#again = true;
      return this.#reading;
    }
    this.state = "loading";
    this.#reading = this.#readOn().finally(() => {
      this.#reading = null;
      this.dispatchEvent(new Event("change"));
    });
    this.dispatchEvent(new Event("change"));
    return this.#reading;
  }

  /**
   * Append an entry, or load the gap before it.
   *
   * @param {Entry} entry
   */
  push(entry) {
    const next = (this.entries.at(-1)?.seq ?? 0) + 1;
    if (entry.seq === next && this.state === "ready") {
      this.entries.push(entry);
      this.dispatchEvent(new Event("change"));
    } else if (entry.seq >= next) {
      void this.load();
    }
  }

  async #readOn() {
    try {
      let more = true;
      while (more || this.#again) {
        this.#again = false;
        const last = this.entries.at(-1)?.seq ?? 0;
        const page = await this.#read(last);
        const fresh = page.entries.filter(({ seq }) => seq > last);
        this.entries.push(...fresh);
        more = page.more && fresh.length > 0;
      }
      this.state = "ready";
    } catch (error) {
      const { code } = /** @type {{ code?: string }} */ (error);
      // After any other error the screen offers another attempt.
      this.state = code === "forbidden" || code === "not_found" ? "ended" : "failed";
    }
  }
}
