/**
 * Laravel Echo over pusher-js: `node echo.mjs <settings as JSON>`. Listens as Laravel's documentation
 * shows, and tells each event.
 */

import { createHmac } from "node:crypto";
import { createRequire } from "node:module";
import process from "node:process";

const { echoFolder, folder, key, secret, port, user } = JSON.parse(process.argv[2]);
const require = createRequire(import.meta.url);
const { default: Echo } = await import(`${echoFolder}/dist/echo.js`);
const Pusher = require(folder).Pusher ?? require(folder);

function tell(event, ...args) {
  process.stdout.write(`${JSON.stringify({ event, args })}\n`);
}

const sign = (text) => `${key}:${createHmac("sha256", secret).update(text).digest("hex")}`;

const echo = new Echo({
  broadcaster: "pusher",
  Pusher,
  key,
  cluster: "x",
  wsHost: "127.0.0.1",
  wsPort: port,
  forceTLS: false,
  enabledTransports: ["ws", "wss"],
  authorizer: ({ name }) => ({
    authorize(socketId, done) {
      if (!name.startsWith("presence-")) return done(null, { auth: sign(`${socketId}:${name}`) });
      const channel_data = JSON.stringify({ user_id: user, user_info: { name: `user ${user}` } });
      done(null, { auth: sign(`${socketId}:${name}:${channel_data}`), channel_data });
    },
  }),
});

echo.channel("ci").listen("OrderShipped", (data) => tell("shipped", data)).listen(
  ".plain",
  (data) => tell("plain", data),
).subscribed(() => tell("subscribed", "ci"));
echo.private("orders").listen(".plain", (data) => tell("private", data))
  .subscribed(() => tell("subscribed", "private-orders"));
echo.join("room")
  .here((users) => tell("here", users))
  .joining((joined) => tell("joining", joined))
  .leaving((left) => tell("leaving", left))
  .listenForWhisper("typing", (data) => tell("whisper", data));

process.stdin.on("data", () => echo.join("room").whisper("typing", { by: user }));
