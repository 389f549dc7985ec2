/** Defines the custom element `<relevo-transfer-dialog>`. */

import { RelevoTransferDialog } from "./element.js";

export { holdDirectory } from "./shared-subscription.js";
export { RelevoTransferDialog };

if (!customElements.get("relevo-transfer-dialog")) {
  customElements.define("relevo-transfer-dialog", RelevoTransferDialog);
}
