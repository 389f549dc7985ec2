/** A static server for pages that embed parts of `clients/`, under the router's Content-Security-Policy. */

import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
/** @type {readonly [string, string][]} */
const FOLDERS = [
  ["/tests/", join(ROOT, "tests/browser/")],
  ["/", join(ROOT, "clients/")],
];
/** @type {Readonly<Record<string, string>>} */
const KINDS = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml" };
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self' ws://127.0.0.1:*",
  "base-uri 'none'",
  "form-action 'none'",
  "require-trusted-types-for 'script'",
].join("; ");

/**
 * Serve `clients/` at the root, and `tests/browser/` below `/tests/`.
 *
 * @returns {Promise<{ origin: string, close: () => Promise<void> }>}
 */
export async function servePages() {
  const server = createServer(async (request, response) => {
    const path = normalize(decodeURIComponent(new URL(request.url ?? "/", "http://host").pathname));
    const [prefix, folder] = FOLDERS.find(([start]) => path.startsWith(start)) ?? ["/", ROOT];
    try {
      const body = await readFile(join(folder, path.slice(prefix.length)));
      const type = KINDS[extname(path)] ?? "application/octet-stream";
      response.writeHead(200, {
        "content-type": `${type}; charset=utf-8`,
        "content-security-policy": POLICY,
      });
      response.end(body);
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", () => done(null)));
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  const close = async () => {
    server.closeAllConnections();
    await new Promise((done) => server.close(done));
  };
  return { origin: `http://127.0.0.1:${port}`, close };
}
