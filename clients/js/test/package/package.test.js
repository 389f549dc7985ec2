/** The package of `npm pack`, installed in an empty folder, works in JavaScript and in TypeScript. */

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { copyFile, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import { promisify } from "node:util";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const run = promisify(execFile);
let folder = "";

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "relevo-package-"));
  await run("npm", ["pack", "--pack-destination", folder], { cwd: ROOT });
  const [tarball] = await readdir(folder);
  await writeFile(join(folder, "package.json"), '{ "private": true, "type": "module" }');
  await run("npm", ["install", "--offline", "--no-audit", "--no-fund", `./${tarball}`], { cwd: folder });
});
after(() => rm(folder, { recursive: true, force: true }));

test("the package has sources, types, README and LICENSE only", async () => {
  const installed = join(folder, "node_modules", "relevo-client");

  assert.deepEqual((await readdir(installed)).sort(), [
    "CHANGELOG.md",
    "LICENSE",
    "README.md",
    "package.json",
    "src",
    "types",
  ]);
  const names = (await readdir(join(installed, "src"))).map((name) => name.replace(/\.js$/, ""));
  const types = (await readdir(join(installed, "types"))).map((name) => name.replace(/\.d\.ts$/, ""));
  assert.deepEqual(names.sort(), types.sort());
  const { dependencies, license } = JSON.parse(await readFile(join(installed, "package.json"), "utf8"));
  assert.equal(dependencies, undefined);
  assert.equal(license, "Apache-2.0");
});

test("the package is imported by its name in Node", async () => {
  const code = `
    import { Client, HttpClient, Target } from "relevo-client";
    const client = new Client("ws://127.0.0.1:9/ws", "jwt", { WebSocket: class {} });
    console.log(client.state, Target.agent("ana").kind, typeof HttpClient);`;
  const { stdout, stderr } = await run(process.execPath, ["--input-type=module", "-e", code], {
    cwd: folder,
  });

  assert.deepEqual([stdout, stderr], ["connecting agent function\n", ""]);
});

test("the package is imported without the globals of a DOM or of Node", async () => {
  const code = `
    for (const name of Object.getOwnPropertyNames(globalThis)) {
      if (/^(window|document|navigator|WebSocket|fetch|performance|crypto|process|Buffer|EventTarget)$/.test(name)) {
        Object.defineProperty(globalThis, name, { get() { throw new Error("used " + name); } });
      }
    }
    await import("relevo-client");`;
  await run(process.execPath, ["--input-type=module", "-e", code], { cwd: folder });
});

// The Babel plugin of React Native stops at this name: it reserves it for codegenNativeCommands.
test("the package exports nothing named Commands", async () => {
  const installed = join(folder, "node_modules", "relevo-client", "src");
  for (const name of await readdir(installed)) {
    const module = await import(pathToFileURL(join(installed, name)).href);
    assert.ok(!("Commands" in module), name);
  }
});

test("the package compiles in a strict TypeScript program", async () => {
  await copyFile(new URL("consumer.ts", import.meta.url), join(folder, "consumer.ts"));
  const tsc = join(ROOT, "node_modules", "typescript", "bin", "tsc");
  const options = "--strict --noEmit --target es2022 --module nodenext --lib es2022,dom,dom.iterable --types";
  const compiling = run(process.execPath, [tsc, ...options.split(" "), "", "consumer.ts"], { cwd: folder });
  await compiling.catch(({ stdout }) => assert.fail(stdout));
});
