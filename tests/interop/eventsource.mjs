/** The EventSource of a package: `node eventsource.mjs <folder>/<package> <url> <event>…`. */

import { createRequire } from "node:module";
import process from "node:process";

const [path, url, ...names] = process.argv.slice(2);
const { EventSource } = createRequire(import.meta.url)(path);

function tell(event, ...args) {
  process.stdout.write(`${JSON.stringify({ event, args })}\n`);
}

const source = new EventSource(url);
source.addEventListener("open", () => tell("open"));
source.addEventListener("error", () => tell("error"));
for (const name of names) {
  source.addEventListener(name, ({ data, lastEventId }) => {
    tell(name, JSON.parse(data), lastEventId);
  });
}
