import { assertEquals } from "@std/assert";
import type { Reachable } from "./reachable.ts";

/** A client of a server's Socket.IO that polls; knows text payloads without bytes. */
export class Polling {
  readonly sid: string;
  readonly #server: Reachable;
  readonly #query: string;
  #packets: string[];

  /** Shakes hands: the packets of the first answer, but for the open packet, are the first. */
  static async open(server: Reachable, query = "EIO=4"): Promise<Polling> {
    const { status, body } = await server.fetch(`/socket.io/?${query}&transport=polling`);
    assertEquals(status, 200, body);
    const [open = "", ...packets] = split(query, body);
    return new Polling(server, query, JSON.parse(open.slice(1)).sid, packets);
  }

  private constructor(server: Reachable, query: string, sid: string, packets: string[]) {
    this.#server = server;
    this.#query = query;
    this.sid = sid;
    this.#packets = packets;
  }

  /** The same session by way of another server. */
  at(server: Reachable): Polling {
    return new Polling(server, this.#query, this.sid, []);
  }

  /** The path and query that the session is reached by. */
  path(transport = "polling"): string {
    return `/socket.io/?${this.#query}&transport=${transport}&sid=${this.sid}`;
  }

  /** The next packet; polls if none is left of the last answer. */
  async packet(): Promise<string> {
    while (this.#packets.length === 0) await this.poll();
    return this.#packets.shift()!;
  }

  /** Polls once, whatever comes. */
  async poll(init: RequestInit = {}): Promise<void> {
    const { status, body } = await this.#server.fetch(this.path(), init);
    assertEquals(status, 200, body);
    this.#packets.push(...split(this.#query, body));
  }

  /** Takes the packets that were polled and not taken. */
  takeAll(): string[] {
    return this.#packets.splice(0);
  }

  async post(...packets: string[]): Promise<void> {
    const isVersion4 = this.#query.startsWith("EIO=4");
    const body = isVersion4
      ? packets.join("\x1e")
      : packets.map((packet) => `${packet.length}:${packet}`).join("");
    const answer = await this.#server.fetch(this.path(), { method: "POST", body });
    assertEquals([answer.status, answer.body], [200, "ok"]);
  }
}

/** The packets of a payload. */
function split(query: string, body: string): string[] {
  if (query.startsWith("EIO=4")) return body.split("\x1e");
  const packets: string[] = [];
  for (let rest = body; rest !== "";) {
    const colon = rest.indexOf(":");
    const end = colon + 1 + Number(rest.slice(0, colon));
    packets.push(rest.slice(colon + 1, end));
    rest = rest.slice(end);
  }
  return packets;
}
