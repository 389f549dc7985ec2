// Print, as JSON, what the official AsyncAPI parser says of the document named on the command line.
const { readFileSync } = require("node:fs");
const { Parser } = require("@asyncapi/parser");

new Parser().parse(readFileSync(process.argv[2], "utf8")).then(({ document, diagnostics }) => {
  const operations = document === undefined ? [] : document.operations().all();
  console.log(JSON.stringify({ diagnostics, operations: operations.map((operation) => operation.id()) }));
});
