/** Makes `<relevo-transfer-dialog>` known to the page. */

import { RelevoTransferDialog } from "./element.js";

export { holdDirectory } from "./hold.js";
export { RelevoTransferDialog };

if (!customElements.get("relevo-transfer-dialog")) {
  customElements.define("relevo-transfer-dialog", RelevoTransferDialog);
}
