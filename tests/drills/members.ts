import { pause } from "./publishers.ts";

const RETURN_MS = 50;

/** A client that is on `room`, and comes to the next node whenever its connection ends. */
export class Member {
  /** Where it is, 0 for nowhere. */
  port = 0;
  /** Its id there. */
  client = "";
  /** The clients that it knows to be there; undefined if it does not watch, or has no list yet. */
  seen: Set<string> | undefined;
  /** Events that came before the list: it may have been made before them. */
  #early: PresenceEvent[] = [];
  readonly #ports: readonly number[];
  readonly #watches: boolean;
  readonly #welcomed = Promise.withResolvers<void>();
  readonly #running: Promise<void>;
  #socket: WebSocket | undefined;
  #isOver = false;

  constructor(first: number, ports: readonly number[], watches: boolean) {
    this.#ports = ports;
    this.#watches = watches;
    this.#running = this.#run(first);
  }

  /** Resolves once it was welcome for the first time. */
  get welcomed(): Promise<void> {
    return this.#welcomed.promise;
  }

  /** Leaves for good. */
  async leave(): Promise<void> {
    this.#isOver = true;
    this.#socket?.close();
    await this.#running;
  }

  async #run(first: number): Promise<void> {
    for (let next = this.#ports.indexOf(first); !this.#isOver; next++) {
      await this.#visit(this.#ports[next % this.#ports.length]!);
      this.port = 0;
      this.seen = undefined;
      this.#early = [];
      await pause(RETURN_MS);
    }
  }

  /** Stays at a node until the connection is over. */
  #visit(port: number): Promise<void> {
    return new Promise((resolve) => {
      const query = `channel=room${this.#watches ? "&presence=1" : ""}`;
      const socket = this.#socket = new WebSocket(`ws://127.0.0.1:${port}/ws?${query}`, "hark.v1");
      socket.onmessage = ({ data }) => {
        for (const event of JSON.parse(data)) this.#take(event, port);
      };
      socket.onclose = () => resolve();
    });
  }

  #take(event: Record<string, unknown>, port: number): void {
    switch (event.type) {
      case "welcome":
        this.port = port;
        this.client = String(event.client);
        this.#welcomed.resolve();
        if (!this.#watches) return;
        return this.#socket!.send(
          JSON.stringify({ type: "presence", channel: "room", ref: 1 }),
        );
      case "ok":
        this.seen = new Set(clientsOf(event.entries));
        return this.#early.forEach((early) => this.#apply(early));
      case "presence":
        if (this.seen === undefined) this.#early.push(event);
        else this.#apply(event);
    }
  }

  #apply({ joined, left }: PresenceEvent): void {
    for (const client of clientsOf(joined)) this.seen!.add(client);
    for (const client of clientsOf(left)) this.seen!.delete(client);
  }
}

interface PresenceEvent {
  readonly joined?: unknown;
  readonly left?: unknown;
}

function clientsOf(entries: unknown): string[] {
  return (entries as readonly { readonly client: string }[]).map(({ client }) => client);
}
