import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { test } from "node:test";

const FOLDER = new URL("../", import.meta.url);

test("the dialog imports its own modules and the client's only", async () => {
  const files = (await readdir(FOLDER)).filter((name) => name.endsWith(".js"));
  for (const file of files) {
    const code = await readFile(new URL(file, FOLDER), "utf8");
    for (const [, path] of code.matchAll(/(?:from|import|import\() ?"([^"]+)"/g)) {
      assert.match(path ?? "", /^(\.\/|\.\.\/js\/src\/)/, `${file} imports ${path}`);
    }
  }
});
