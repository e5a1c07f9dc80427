import { type Got, type Ledger, type Notice, readId } from "./ledger.ts";

/** The wire formats that drills try. */
export type Kind =
  | "hark"
  | "sse"
  | "recovering"
  | "plain"
  | "socketio4"
  | "socketio2"
  | "polling"
  | "pusher";

/** Those whose clients say where they were, and get what they missed. */
export const RESUMING: readonly Kind[] = ["hark", "sse", "recovering"];

const RETURN_MS = 50;

/** A client that comes back on the next node whenever its connection ends. */
export abstract class Follower {
  readonly got: Got[] = [];
  readonly notices: Notice[] = [];
  /** How often it had to come back. */
  returns = 0;
  /** How often it was taken for a new client then, though it got what it had missed. */
  unrecovered = 0;
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

  /** Reports whether it has come to one of these, which are published last. */
  isAt(texts: ReadonlySet<string>): boolean {
    return texts.has(this.got.at(-1)?.text ?? "");
  }

  /** It is in, and goes on behind `position`, if it knows one. */
  protected welcome(recovered = true, position = ""): void {
    if (!recovered) {
      const since = this.position === "" ? 0 : readId(this.position).offset;
      this.notices.push({ since, until: this.#ledger.highest });
    }
    if (position !== "") this.position = position;
    this.#welcomed.resolve();
  }

  protected receive(data: unknown, id = ""): void {
    const { n: text } = data as { n: string };
    if (id !== "") this.position = id;
    this.got.push(this.#ledger.share(text, id));
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
export abstract class SocketFollower extends Follower {
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
