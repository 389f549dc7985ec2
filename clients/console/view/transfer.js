/** Opens the transfer dialog, and tells the desk what it did. */

import "../../dialog/index.js";

/** @typedef {import("../../js/src/index.js").Session} Session */

export class TransferOpener {
  element = /** @type {any} */ (document.createElement("relevo-transfer-dialog"));
  #desk;

  /**
   * @param {import("../model/connection.js").Connection} connection
   * @param {import("../model/desk.js").Desk} desk
   */
  constructor(connection, desk) {
    this.#desk = desk;
    this.element.client = connection.client;
    this.element.addEventListener("relevo-transfer", (/** @type {CustomEvent} */ { detail }) => {
      this.#desk.noteSent(detail.session, detail.transfer);
    });
    this.element.addEventListener("relevo-recall", (/** @type {CustomEvent} */ { detail }) => {
      this.#desk.forgetSent(detail.session.id);
    });
  }

  /** @param {Session} session */
  open(session) {
    this.element.theme = document.documentElement.dataset.theme ?? null;
    this.element.session = session;
    this.element.sessionId = session.id;
    this.element.show();
  }
}
