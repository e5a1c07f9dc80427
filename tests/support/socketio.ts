import { assertEquals } from "@std/assert";
import {
  type EventPacket,
  type SocketPacket,
  toEngineText,
} from "../../lib/protocols/socketio/codec.ts";
import { SocketServer, type SocketServerOptions } from "../../lib/protocols/socketio/server.ts";
import type { ServerSocket } from "../../lib/protocols/socketio/socket.ts";
import { EngineHost, type EngineHostOptions, SocketClock } from "./engineio.ts";
import { Inbox } from "./inbox.ts";
import type { Client } from "./socket.ts";
import { messagesOf } from "./socketio_packets.ts";

const NAMESPACES = ["/", "/custom", "/other"];

/**
 * A Socket.IO server on a free port, whose clock stands still until a test turns it. It knows the
 * namespaces `/`, `/custom` and `/other`, and those that a test adds.
 */
export class SocketHost extends EngineHost {
  /** The admission of the namespaces that a test adds. */
  readonly guards: Map<string, SocketServerOptions["admit"]>;
  /** The sockets in `/`, `/custom` and `/other`, as they are let in. */
  readonly sockets: Inbox<ServerSocket>;
  /** Errors of the server's own handlers. */
  readonly thrown: unknown[];
  /** Refusals: type, why, and the address of the client. */
  readonly refusals: string[][];

  constructor(options: Partial<SocketServerOptions> & EngineHostOptions = {}) {
    const clock = new SocketClock();
    const thrown: unknown[] = [];
    const refusals: string[][] = [];
    const sockets = new Inbox<ServerSocket>();
    const guards = new Map<string, SocketServerOptions["admit"]>();
    for (const namespace of NAMESPACES) {
      guards.set(namespace, (socket) => {
        socket.connect();
        sockets.push(socket);
      });
    }
    const io = new SocketServer({
      clock,
      connectTimeoutMs: 45_000,
      namespacesMax: 10,
      attachmentBytesMax: 1000,
      jsonCharsMax: Infinity,
      accepts: (namespace) => guards.has(namespace),
      admit: (socket) => guards.get(socket.namespace)!(socket),
      onError: (error) => thrown.push(error),
      onRefused: (...refusal) => refusals.push(refusal),
      ...options,
    });
    super({ ...options, clock, onConnection: (session) => io.attach(session) });
    this.guards = guards;
    this.sockets = sockets;
    this.thrown = thrown;
    this.refusals = refusals;
  }

  /** Opens a WebSocket and joins a namespace of protocol 5. */
  async join(namespace = "", auth = ""): Promise<Client> {
    const client = await this.connect();
    await client.text();
    await join(client, namespace, auth);
    return client;
  }
}

/** Joins a namespace of protocol 5, `""` or such as `/news,`, and returns the socket's id. */
export async function join(client: Client, namespace = "", auth = ""): Promise<string> {
  client.send(`40${namespace}${auth}`);
  const answer = await client.text();
  const [, joined, sid] = /^40(.*){"sid":"([^"]+)"}$/.exec(answer) ?? [];
  assertEquals(joined, namespace, answer);
  return sid!;
}

/** Sends an event; its arguments are JSON values, and bytes anywhere among them. */
export function emit(socket: ServerSocket, event: string, ...args: unknown[]): void {
  send(socket, { type: "event", namespace: socket.namespace, data: [event, ...args] });
}

/** Answers the event with this id; arguments are as those of `emit()`. */
export function acknowledge(socket: ServerSocket, id: number, ...args: unknown[]): void {
  send(socket, { type: "ack", namespace: socket.namespace, id, data: args });
}

function send(socket: ServerSocket, packet: SocketPacket): void {
  const [text, ...attachments] = messagesOf(packet);
  for (const part of [toEngineText(text, socket.protocol), ...attachments]) socket.send(part);
}

/** Takes an event's arguments, and its id if the client wants an ack. */
export type Listener = (args: readonly unknown[], id: number | undefined) => void;

/** Handles the events that have a listener. */
export function listen(socket: ServerSocket, listeners: Readonly<Record<string, Listener>>): void {
  const known = new Map(Object.entries(listeners));
  socket.onEvent(async ({ id, data: [event, ...args] }: EventPacket) => {
    await known.get(event)?.(args, id);
  });
}

/** A client in `/`, and the server's socket of it. */
export interface Pair extends AsyncDisposable {
  readonly host: SocketHost;
  readonly client: Client;
  readonly socket: ServerSocket;
}

/** Connects by protocol 4 or 5. */
export async function connectPair(protocol: 4 | 5 = 5): Promise<Pair> {
  const host = new SocketHost();
  const client = await host.connect(protocol === 5 ? "EIO=4" : "EIO=3");
  await client.text();
  if (protocol === 5) await join(client);
  else await client.text();
  return {
    host,
    client,
    socket: await host.sockets.next(),
    async [Symbol.asyncDispose]() {
      await client[Symbol.asyncDispose]();
      await host[Symbol.asyncDispose]();
    },
  };
}
