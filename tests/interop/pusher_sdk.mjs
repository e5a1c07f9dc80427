/**
 * The npm package pusher: `node pusher_sdk.mjs <folder> <port>` makes each call once, and tells its answer.
 * Reads lines that are webhooks as JSON, `{"headers", "rawBody"}`, and tells what it makes of them.
 */

import { createRequire } from "node:module";
import process from "node:process";
import { createInterface } from "node:readline";

const [folder, port] = process.argv.slice(2);
const Pusher = createRequire(import.meta.url)(folder);
const pusher = new Pusher({
  appId: "4711",
  key: "app-key",
  secret: "app-secret",
  host: "127.0.0.1",
  port,
  useTLS: false,
});

async function tell(event, call) {
  const response = await call;
  const body = await response.text();
  process.stdout.write(`${JSON.stringify({ event, args: [response.status, JSON.parse(body)] })}\n`);
}

await tell("trigger", pusher.trigger(["ci", "private-a"], "App\\Events\\A", { n: 1 }));
await tell(
  "info",
  pusher.trigger("presence-a", "e", "text", { info: "user_count,subscription_count" }),
);
await tell(
  "batch",
  pusher.triggerBatch([{ channel: "ci", name: "e", data: 42 }, {
    channel: "ci",
    name: "e",
    data: null,
  }]),
);
await tell("channels", pusher.get({ path: "/channels", params: { filter_by_prefix: "pre" } }));
await tell("channel", pusher.get({ path: "/channels/presence-a", params: { info: "user_count" } }));
await tell("users", pusher.get({ path: "/channels/presence-a/users" }));
await tell("user", pusher.sendToUser("7", "e", {}));
await tell("terminate", pusher.terminateUserConnections("7"));

for await (const line of createInterface({ input: process.stdin })) {
  const webhook = pusher.webhook(JSON.parse(line));
  const args = webhook.isValid() ? [webhook.getEvents()] : ["invalid"];
  process.stdout.write(`${JSON.stringify({ event: "webhook", args })}\n`);
}
