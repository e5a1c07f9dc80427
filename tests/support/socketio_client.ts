import { assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import { eventually } from "./deadline.ts";
import type { Reachable } from "./reachable.ts";
import { Client } from "./socket.ts";

export const PATH = "/socket.io/";

/** Waits until the server knows of so many clients. */
export async function untilCount(server: Reachable, count: number): Promise<void> {
  await eventually(
    async () => (await server.fetch("/count")).body,
    (body) => body === `{"count":${count}}`,
  );
}

/** Opens a WebSocket and takes its open packet. */
export async function open(server: Reachable, query = "EIO=4"): Promise<Client> {
  const client = await Client.open(server.socketUrl(`${PATH}?${query}&transport=websocket`));
  assertMatch(await client.text(), /^0\{/);
  return client;
}

/** The answer to a client that joins. */
export interface Joined {
  readonly sid: string;
  readonly pid: string;
}

/** Joins a namespace of protocol 5 and takes the answer. */
export async function join(client: Client, namespace = "", auth = {}): Promise<Joined> {
  client.send(`40${namespace}${JSON.stringify(auth)}`);
  const answer = await client.text();
  assertEquals(answer.startsWith(`40${namespace}{`), true, answer);
  return JSON.parse(answer.slice(`40${namespace}`.length));
}

/** Opens a WebSocket and joins `/`; what came first is taken. */
export async function connect(
  server: Reachable,
  auth: Record<string, unknown> = {},
  query = "EIO=4",
): Promise<Client & Joined> {
  const client = await open(server, query);
  return Object.assign(client, await join(client, "", auth));
}

/** An event's name, first argument and offset. */
export function parse(packet: string): unknown[] {
  const [, json] = /^42(?:\/[^,]*,)?(\[.*\])$/.exec(packet) ?? [];
  assertNotEquals(json, undefined, packet);
  return JSON.parse(json!);
}

/** Publishes, and returns the id. */
export async function publish(
  server: Reachable,
  channel: string,
  body: BodyInit,
  contentType = "text/plain",
): Promise<string> {
  const init = { method: "POST", body, headers: { "content-type": contentType } };
  const answer = await server.fetch(`/channels/${channel}`, init);
  assertEquals(answer.status, 200, answer.body);
  return JSON.parse(answer.body).id;
}
