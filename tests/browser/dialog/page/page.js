/** Put the dialog into a page of an application: what any embedder writes. */

import { Client } from "/js/src/index.js";
import "/dialog/index.js";

const { url, token, lang, theme, sessionId, tab } = JSON.parse(decodeURIComponent(location.hash.slice(1)));
const dialog = document.querySelector("relevo-transfer-dialog");
if (lang) document.documentElement.lang = lang;
if (theme) dialog.theme = theme;
if (tab) dialog.tab = tab;

const emitted = [];
for (const name of ["transfer", "update", "recall", "error", "close"]) {
  dialog.addEventListener(`relevo-${name}`, ({ detail }) => emitted.push({ name, detail }));
}

const client = new Client(url, token);
await client.start();
dialog.client = client;
dialog.sessionId = sessionId;
document.querySelector("#open").addEventListener("click", () => dialog.show());
// For the test to look at.
Object.assign(window, { client, dialog, emitted, ready: true });
