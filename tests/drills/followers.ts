import type { Got, Ledger } from "./ledger.ts";

/** The wire formats that drills try. */
export type Kind = "hark" | "sse" | "plain" | "socketio4" | "socketio2";

/** Those whose clients say where they were, and get what they missed. */
export const RESUMING: readonly Kind[] = ["hark", "sse"];

const RETURN_MS = 50;
const PING_MS = 10_000;

/** A client that comes back on the next node whenever its connection ends. */
export abstract class Follower {
  readonly got: Got[] = [];
  /**
   * For each notice that some messages are gone, up to which offset. They may be older than what came
   * last: that another node has seen more than was kept shows only when it is back.
   */
  readonly notices: number[] = [];
  /** How often it had to come back. */
  returns = 0;
  position = "";
  readonly #ledger: Ledger;
  readonly #ports: () => readonly number[];
  #next: number;
  #isOver = false;
  #running: Promise<void> | undefined;
  readonly #welcomed = Promise.withResolvers<void>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #wake = () => {};

  constructor(ledger: Ledger, ports: () => readonly number[], first: number) {
    this.#ledger = ledger;
    this.#ports = ports;
    this.#next = first;
  }

  abstract readonly kind: Kind;

  /** Follows one node; resolves when the connection is over. */
  protected abstract follow(port: number): Promise<void>;

  /** Ends the connection that is there. */
  abstract disconnect(): void;

  /** Connects, and resolves once it is welcome. */
  async start(): Promise<void> {
    this.#running = this.#run();
    await this.#welcomed.promise;
  }

  /** Leaves for good. */
  async stop(): Promise<void> {
    this.#isOver = true;
    this.#wake();
    this.disconnect();
    await this.#running;
  }

  /** Whether it has got one of these. */
  hasAny(texts: ReadonlySet<string>): boolean {
    return this.got.some(({ text }) => texts.has(text));
  }

  protected welcome(recovered = true): void {
    if (!recovered) this.notices.push(this.#ledger.highest);
    this.#welcomed.resolve();
  }

  protected receive(data: unknown, id = ""): void {
    const { n: text } = data as { n: string };
    if (id !== "") this.position = id;
    this.got.push({ text, id });
  }

  async #run(): Promise<void> {
    while (!this.#isOver) {
      const ports = this.#ports();
      await this.follow(ports[this.#next++ % ports.length]!);
      if (this.#isOver) return;
      this.returns++;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        this.#timer = setTimeout(resolve, RETURN_MS * (1 + Math.random()));
      });
      clearTimeout(this.#timer);
    }
  }
}

/** A follower by WebSocket. */
abstract class SocketFollower extends Follower {
  protected socket: WebSocket | undefined;

  protected abstract open(port: number): WebSocket;

  protected abstract frame(text: string): void;

  protected override follow(port: number): Promise<void> {
    const socket = this.socket = this.open(port);
    socket.onmessage = ({ data }) => this.frame(data);
    return new Promise((resolve) => socket.onclose = () => resolve());
  }

  override disconnect(): void {
    this.socket?.close();
  }
}

class HarkFollower extends SocketFollower {
  override readonly kind = "hark";

  protected override open(port: number): WebSocket {
    const since = this.position === "" ? "" : `?since=${this.position}`;
    return new WebSocket(`ws://127.0.0.1:${port}/ws${since}`, "hark.v1");
  }

  protected override frame(text: string): void {
    for (const event of JSON.parse(text)) {
      if (event.type === "message") this.receive(event.data, event.id);
      if (event.type !== "welcome") continue;
      this.welcome(event.recovered);
      this.position = event.position;
    }
  }
}

class PlainFollower extends SocketFollower {
  override readonly kind = "plain";

  protected override open(port: number): WebSocket {
    return new WebSocket(`ws://127.0.0.1:${port}/ws`);
  }

  protected override frame(text: string): void {
    const data = JSON.parse(text);
    if ("n" in data) this.receive(data);
    else this.welcome();
  }
}

class SocketIoFollower extends SocketFollower {
  override readonly kind: "socketio4" | "socketio2";
  #pinging: ReturnType<typeof setInterval> | undefined;

  constructor(kind: "socketio4" | "socketio2", ...rest: ConstructorParameters<typeof Follower>) {
    super(...rest);
    this.kind = kind;
  }

  protected override open(port: number): WebSocket {
    const version = this.kind === "socketio4" ? 4 : 3;
    const path = `/socket.io/?EIO=${version}&transport=websocket`;
    return new WebSocket(`ws://127.0.0.1:${port}${path}`);
  }

  protected override async follow(port: number): Promise<void> {
    const following = super.follow(port);
    this.#pinging = setInterval(() => this.#ping(), PING_MS);
    await following;
    clearInterval(this.#pinging);
  }

  protected override frame(text: string): void {
    if (text.startsWith("0")) {
      if (this.kind === "socketio4") this.socket!.send("40");
    } else if (text === "2") this.socket!.send("3");
    else if (text.startsWith("40")) this.welcome();
    else if (text.startsWith("42")) {
      const [event, data] = JSON.parse(text.slice(2));
      if (event === "message" && "n" in data) this.receive(data);
    }
  }

  /** In the second version it is the client that pings. */
  #ping(): void {
    if (this.kind === "socketio2" && this.socket!.readyState === WebSocket.OPEN) {
      this.socket!.send("2");
    }
  }
}

class SseFollower extends Follower {
  override readonly kind = "sse";
  #reader: ReadableStreamDefaultReader<string> | undefined;

  protected override async follow(port: number): Promise<void> {
    const headers = new Headers(this.position === "" ? {} : { "last-event-id": this.position });
    try {
      const { body } = await fetch(`http://127.0.0.1:${port}/events`, { headers });
      this.#reader = body!.pipeThrough(new TextDecoderStream()).getReader();
      let rest = "";
      for (;;) {
        const { done, value } = await this.#reader.read();
        if (done) break;
        const blocks = (rest + value).split("\n\n");
        rest = blocks.pop()!;
        blocks.forEach((block) => this.#block(block));
      }
    } catch (error) {
      if (!(error instanceof TypeError)) throw error; // The node is gone.
    }
    this.#reader = undefined;
  }

  override disconnect(): void {
    this.#reader?.cancel();
  }

  #block(block: string): void {
    const id = /^id: (.*)$/m.exec(block)?.[1];
    if (id === undefined) return;
    const event = /^event: (.*)$/m.exec(block)?.[1];
    if (event === "message") return this.receive(JSON.parse(/^data: (.*)$/m.exec(block)![1]!), id);
    this.welcome(event !== "gap");
    this.position = id;
  }
}

/** Makes a follower that comes to the nodes by turns, beginning with the `first`. */
export function makeFollower(
  kind: Kind,
  ...rest: ConstructorParameters<typeof Follower>
): Follower {
  switch (kind) {
    case "hark":
      return new HarkFollower(...rest);
    case "sse":
      return new SseFollower(...rest);
    case "plain":
      return new PlainFollower(...rest);
    default:
      return new SocketIoFollower(kind, ...rest);
  }
}
