import { md5Of, signatureOf } from "../../lib/protocols/pusher/signatures.ts";
import { deadline } from "./deadline.ts";
import type { Answer, Reachable } from "./reachable.ts";
import { Client } from "./socket.ts";

export const APP_ID = "4711";
export const KEY = "app-key";
export const SECRET = "app-secret";
/** The app of most tests, as the option says it. */
export const APP = `${APP_ID}:${KEY}:${SECRET}`;

type Fields = Record<string, unknown>;

/** A frame of the server's, with the JSON in its `data` parsed. */
export interface Frame {
  readonly event: string;
  readonly channel?: string;
  readonly data?: unknown;
  readonly id?: string;
  readonly user_id?: string;
}

/** A client of the Pusher protocol that keeps what it receives. */
export class PusherPeer implements AsyncDisposable {
  readonly client: Client;
  readonly socketId: string;
  readonly #app: { key: string; secret: string };

  /** Connects, and waits for the first frame. */
  static async open(
    server: Reachable,
    { key = KEY, secret = SECRET }: { key?: string; secret?: string } = {},
  ): Promise<PusherPeer> {
    const client = await Client.open(server.socketUrl(`/app/${key}?protocol=7&client=js`));
    const { data } = await client.json() as { data: string };
    return new PusherPeer(client, JSON.parse(data).socket_id, { key, secret });
  }

  private constructor(client: Client, socketId: string, app: { key: string; secret: string }) {
    this.client = client;
    this.socketId = socketId;
    this.#app = app;
  }

  /** `KEY:SIGNATURE` of what follows the socket id. */
  auth(rest: string): string {
    const { key, secret } = this.#app;
    return `${key}:${signatureOf(secret, `${this.socketId}${rest}`)}`;
  }

  send(event: string, data: unknown, channel?: string): void {
    this.client.send(JSON.stringify({ event, channel, data }));
  }

  /** Asks for a subscription, signed; the answer is the next frame. */
  ask(channel: string, fields: Fields = {}): void {
    const { channel_data: data } = fields;
    const auth = this.auth(`:${channel}${data === undefined ? "" : `:${data}`}`);
    this.send("pusher:subscribe", { channel, auth, ...fields });
  }

  /** Asks for a subscription, and returns the next frame. */
  async subscribe(channel: string, fields: Fields = {}): Promise<Frame> {
    this.ask(channel, fields);
    return await this.frame();
  }

  /** Subscribes to a presence channel as a user. */
  join(channel: string, userId: unknown, userInfo?: unknown): Promise<Frame> {
    const data = JSON.stringify({ user_id: userId, user_info: userInfo });
    return this.subscribe(channel, { channel_data: data });
  }

  signIn(id: unknown): void {
    const userData = JSON.stringify({ id });
    this.send("pusher:signin", { auth: this.auth(`::user::${userData}`), user_data: userData });
  }

  /** The next frame, with `data` parsed as clients do. */
  async frame(): Promise<Frame> {
    const frame = JSON.parse(await this.client.text());
    if (typeof frame.data !== "string") return frame;
    try {
      return { ...frame, data: JSON.parse(frame.data) };
    } catch {
      return frame;
    }
  }

  /** The event and data of the next so many frames. */
  async events(count: number): Promise<[event: string, data: unknown][]> {
    const found: [string, unknown][] = [];
    while (found.length < count) {
      const { event, data } = await this.frame();
      found.push([event, data]);
    }
    return found;
  }

  /** Resolves once the server has answered a ping, and all that came before; returns what that was. */
  async settle(): Promise<Frame[]> {
    this.send("pusher:ping", {});
    const frames: Frame[] = [];
    for (;;) {
      const frame = await deadline(this.frame());
      if (frame.event === "pusher:pong") return frames;
      frames.push(frame);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.client[Symbol.asyncDispose]();
  }
}

/** How a request of a test differs from one that is right. */
export interface Asked {
  readonly method?: string;
  readonly query?: Fields;
  readonly body?: unknown;
  readonly id?: string;
  readonly key?: string;
  readonly secret?: string;
  /** Seconds since 1970. */
  readonly timestamp?: number;
}

/** The path and query of a request to the HTTP API, signed. */
export function signedPath(path: string, asked: Asked = {}): string {
  const { method = "GET", query = {}, body, id = APP_ID, key = KEY, secret = SECRET } = asked;
  const { timestamp = Math.floor(Date.now() / 1000) } = asked;
  const parameters: Fields = {
    auth_key: key,
    auth_timestamp: timestamp,
    auth_version: "1.0",
    ...(body === undefined ? {} : { body_md5: md5Of(encoder.encode(textOf(body))) }),
    ...query,
  };
  const pairs = Object.keys(parameters).sort().map((name) => `${name}=${parameters[name]}`);
  const full = `/apps/${id}${path}`;
  const signature = signatureOf(secret, `${method}\n${full}\n${pairs.join("&")}`);
  return `${full}?${pairs.join("&")}&auth_signature=${signature}`;
}

/** Makes a signed request to the HTTP API. */
export function ask(server: Reachable, path: string, asked: Asked = {}): Promise<Answer> {
  const { body } = asked;
  const method = asked.method ?? (body === undefined ? "GET" : "POST");
  const headers = { "content-type": "application/json" };
  return server.fetch(signedPath(path, { ...asked, method }), {
    method,
    ...(body === undefined ? {} : { body: textOf(body), headers }),
  });
}

/** Triggers an event, and throws if that is refused. */
export async function trigger(
  server: Reachable,
  channel: string,
  data: string,
  fields: Fields = {},
): Promise<void> {
  const { status, body } = await ask(server, "/events", {
    body: { name: "my-event", channel, data, ...fields },
  });
  if (status !== 200) throw new Error(`${status}: ${body}`);
}

function textOf(body: unknown): string {
  return typeof body === "string" ? body : JSON.stringify(body);
}

const encoder = new TextEncoder();
