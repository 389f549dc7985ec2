/** Opens the transfer dialog, and adds its transfers to the workspace. */

import "../../dialog/index.js";

/** @typedef {import("../../js/src/index.js").Session} Session */

export class TransferOpener {
  element = /** @type {any} */ (document.createElement("relevo-transfer-dialog"));
  #workspace;

  /**
   * @param {import("../model/connection.js").Connection} connection
   * @param {import("../model/workspace.js").Workspace} workspace
   */
  constructor(connection, workspace) {
    this.#workspace = workspace;
    this.element.client = connection.client;
    this.element.addEventListener("relevo-transfer", (/** @type {CustomEvent} */ { detail }) => {
      this.#workspace.addSent(detail.session, detail.transfer);
    });
    this.element.addEventListener("relevo-recall", (/** @type {CustomEvent} */ { detail }) => {
      this.#workspace.removeSent(detail.session.id);
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
