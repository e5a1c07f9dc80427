/**
 * Many Socket.IO clients of one version in one process:
 *
 *     node crowd.mjs <folder>/<package> '{"url":…,"options":[…]}'
 *
 * There is a client for each of the options. Each line on stdout is one `{event, args}`, of which the
 * first argument is the client's number.
 */

import { createRequire } from "node:module";
import process from "node:process";

const [path, settings] = process.argv.slice(2);
const { url, options } = JSON.parse(settings);
const library = createRequire(import.meta.url)(path);
const connect = library.io ?? library;

options.forEach((each, at) => {
  const tell = (event, ...args) => {
    process.stdout.write(`${JSON.stringify({ event, args: [at, ...args] })}\n`);
  };
  const socket = connect(url, { ...each, forceNew: true });
  socket.on("connect", () => tell("connect", socket.id));
  socket.on("connect_error", (error) => tell("failed", String(error?.description ?? error)));
  socket.on("message", ({ message }) => tell("message", message));
});
