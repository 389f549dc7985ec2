/** Gives Node 20 the WebSocket that later versions have. */

import { WebSocket } from "ws";

globalThis.WebSocket ??= /** @type {any} */ (WebSocket);
