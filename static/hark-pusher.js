/**
 * Lets pusher-js, as it is, resume what it missed while it was disconnected from Hark:
 *
 *     import { resume } from "https://push.example.com/hark-pusher.js";
 *     resume(Pusher);
 *     const pusher = new Pusher("app-key", { … });
 *
 * Each channel goes on where it was: nothing is lost, nothing comes twice. If some of it is not kept any
 * more, the channel gets the event `hark:gap` first. Call it once, before the first `new Pusher()`, and
 * have one `Pusher` for each key in a page: two of them would take each other's places.
 *
 * @param {{ Runtime: { createWebSocket(url: string): WebSocket } }} Pusher the class of pusher-js
 */
export function resume({ Runtime }) {
  const create = Runtime.createWebSocket;
  const states = new Map();
  Runtime.createWebSocket = function (url) {
    const state = states.get(url) ?? { positions: new Map(), socketIds: [] };
    states.set(url, state);
    return follow(create.call(this, url), state);
  };
}

/** Socket ids that the server takes: of what a client triggered itself, it gets nothing back. */
const SOCKET_IDS_MAX = 10;

/** Notes what comes on a socket, and adds to each subscription where its channel was before. */
function follow(socket, { positions, socketIds }) {
  socket.addEventListener("message", ({ data: text }) => {
    const { event, channel, data, id } = JSON.parse(text);
    if (channel && id) positions.set(channel, id);
    if (event === "pusher:connection_established") {
      socketIds.push(JSON.parse(data).socket_id);
      socketIds.splice(0, socketIds.length - SOCKET_IDS_MAX);
    }
  });
  const send = socket.send.bind(socket);
  socket.send = (text) => {
    const message = JSON.parse(text);
    const { event, data } = message;
    if (event === "pusher:unsubscribe") positions.delete(data.channel);
    const since = positions.get(data?.channel);
    if (event !== "pusher:subscribe" || since === undefined) return send(text);
    return send(JSON.stringify({ ...message, data: { ...data, since, socket_ids: socketIds } }));
  };
  return socket;
}
