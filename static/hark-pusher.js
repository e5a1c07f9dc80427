/**
 * Lets the unchanged pusher-js get what it missed while it was disconnected from Hark:
 *
 *     import { resume } from "https://push.example.com/hark-pusher.js";
 *     resume(Pusher);
 *     const pusher = new Pusher("app-key", { … });
 *
 * Each channel resumes where it was: nothing is lost, nothing comes twice. If some messages are no longer
 * kept, the channel gets the event `hark:gap` first. Call it once, before the first `new Pusher()`, and have
 * only one `Pusher` for each key in a page: two would overwrite each other's positions.
 *
 * @param {{ Runtime: { createWebSocket(url: string): WebSocket } }} Pusher the class from pusher-js
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

/** Socket ids that the server accepts. A client does not get back what it triggered under one of them. */
const SOCKET_IDS_MAX = 10;

/** Notes the ids that come on a socket, and adds its last position to each subscription. */
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
