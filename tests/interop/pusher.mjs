/**
 * A client of pusher-js: `node pusher.mjs <settings as JSON>`. Reads lines
 * of `{"subscribe": name}`, `{"unsubscribe": name}`, `{"trigger": [channel, event, data]}`,
 * `{"signin": true}`; tells the states of its connection, its socket id, and every event.
 */

import { createHmac } from "node:crypto";
import { createRequire } from "node:module";
import process from "node:process";
import { createInterface } from "node:readline";

const { folder, key, secret, port, user, plugin, callsBack } = JSON.parse(process.argv[2]);
const loaded = createRequire(import.meta.url)(folder);
const Pusher = loaded.Pusher ?? loaded.default ?? loaded;

function tell(event, ...args) {
  process.stdout.write(`${JSON.stringify({ event, args })}\n`);
}

const sign = (text) => `${key}:${createHmac("sha256", secret).update(text).digest("hex")}`;

function authOf(socketId, channel) {
  if (!channel.startsWith("presence-")) return { auth: sign(`${socketId}:${channel}`) };
  const channel_data = JSON.stringify({ user_id: user, user_info: { name: `user ${user}` } });
  return { auth: sign(`${socketId}:${channel}:${channel_data}`), channel_data };
}

if (plugin !== undefined) (await import(plugin)).resume(Pusher);

const pusher = new Pusher(key, {
  cluster: "x",
  wsHost: "127.0.0.1",
  wsPort: port,
  forceTLS: false,
  encrypted: false,
  enabledTransports: ["ws"],
  disableStats: true,
  authorizer: (channel) => ({
    authorize: (socketId, done) => {
      const auth = authOf(socketId, channel.name);
      done(callsBack === "boolean" ? false : null, auth);
    },
  }),
  userAuthentication: {
    customHandler: ({ socketId }, done) => {
      const user_data = JSON.stringify({ id: user });
      done(null, { auth: sign(`${socketId}::user::${user_data}`), user_data });
    },
  },
});
pusher.connection.bind("state_change", ({ current }) => {
  tell("state", current, pusher.connection.socket_id ?? null);
});

const names = (members) => Object.keys(members.members).sort();

function subscribe(channel) {
  const subscription = pusher.subscribe(channel);
  subscription.bind_global((event, data) => {
    if (event === "pusher:subscription_succeeded" && data?.members) {
      return tell(event, channel, names(data), data.me?.id);
    }
    tell(event, channel, data ?? null);
  });
}

for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line);
  if (command.subscribe) subscribe(command.subscribe);
  if (command.unsubscribe) pusher.unsubscribe(command.unsubscribe);
  if (command.trigger) {
    const [channel, event, data] = command.trigger;
    pusher.channel(channel).trigger(event, data);
  }
  if (command.signin) {
    pusher.signin();
    pusher.user.bind_global((event, data) => tell(`user ${event}`, data));
    pusher.bind_global((event) => event === "pusher:signin_success" && tell(event));
  }
}
