/** React Native's own tools on the client: Metro with its Babel preset bundles it, Hermes compiles it. */

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import Metro from "metro";

const HERE = fileURLToPath(new URL("../react_native", import.meta.url));
const CLIENT = fileURLToPath(new URL("../../clients/js", import.meta.url));
const HERMES = { linux: "linux64-bin", darwin: "osx-bin", win32: "win64-bin" }[process.platform] ?? "";

const APP_MODULES = ["react-native", "@react-native-community/netinfo"];
const run = promisify(execFile);
const compiler = createRequire(import.meta.url).resolve("hermes-compiler/package.json");
let folder = "";
let bundle = "";

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "relevo-react-native-"));
  bundle = join(folder, "app.js");
  const readme = await readFile(join(CLIENT, "README.md"), "utf8");
  const example = /^## React Native\n[\s\S]*?^```jsx\n([\s\S]*?)^```/m.exec(readme)?.[1] ?? "";
  assert.match(example, /signals/);
  await mkdir(join(HERE, "build"), { recursive: true });
  await writeFile(join(HERE, "build", "readme.js"), example);
  const config = await Metro.loadConfig(
    { cwd: HERE },
    {
      projectRoot: HERE,
      watchFolders: [CLIENT],
      resolver: {
        extraNodeModules: { "relevo-client": CLIENT },
        nodeModulesPaths: [join(HERE, "node_modules")],
        platforms: ["android", "ios"],
        // What an app has, and this folder has not.
        resolveRequest: (context, name, platform) =>
          APP_MODULES.includes(name) ? { type: "empty" } : context.resolveRequest(context, name, platform),
      },
      cacheStores: [],
      maxWorkers: 1,
      reporter: { update() {} },
    },
  );
  await Metro.runBuild(config, {
    entry: "app.js",
    out: bundle,
    platform: "android",
    dev: false,
    minify: false,
  });
});
after(() => rm(folder, { recursive: true, force: true }));

test("Metro bundles the client with React Native's preset", async () => {
  const code = await readFile(bundle, "utf8");

  assert.match(code, /relevo-client-js\//);
  assert.match(code, /addEventListener\("change"/, "the README's example");
  assert.match(code, /is no websocket address/);
});

test("Hermes compiles the bundle", async () => {
  const compiled = join(folder, "app.hbc");
  await run(join(compiler, "..", "hermesc", HERMES, "hermesc"), [
    "-emit-binary",
    "-O",
    "-w",
    "-out",
    compiled,
    bundle,
  ]);

  // The magic number of Hermes bytecode.
  assert.equal((await readFile(compiled)).subarray(0, 8).toString("hex"), "c61fbc03c103191f");
});
