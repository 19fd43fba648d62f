// Parses Mermaid pictures with Mermaid itself: node parse_mermaid.mjs mermaid.min.js PICTURE...
// Prints what is wrong, and fails then.
import { readFileSync } from "node:fs";
import { runInThisContext } from "node:vm";

// What Mermaid asks of a browser before it draws.
const element = () => ({ style: {}, setAttribute() {}, appendChild() {}, innerHTML: "" });
globalThis.window = globalThis;
globalThis.Element = class {};
globalThis.addEventListener = () => {};
globalThis.document = {
  nodeType: 9,
  readyState: "complete",
  addEventListener() {},
  createElement: element,
  createDocumentFragment: element,
  createNodeIterator() {},
  getElementsByTagName: () => [],
  querySelectorAll: () => [],
  implementation: {}, // so that texts are taken as they are
};

const [mermaid, ...pictures] = process.argv.slice(2);
runInThisContext(readFileSync(mermaid, "utf8"));
for (const picture of pictures) {
  try {
    await globalThis.mermaid.parse(readFileSync(picture, "utf8"));
  } catch (error) {
    console.log(`${picture}: ${error.message}`);
    process.exitCode = 1;
  }
}
