import { Refusal } from "../../core/errors.ts";
import type { Position } from "../../core/publication.ts";
import type { Batch, BrokerStats, Sink } from "../broker.ts";
import { type Feed, RETRY_AFTER_S, type StoredRecords } from "../journal.ts";
import type { PeerMessage } from "../peers.ts";
import { type BrokerOptions, LogBroker } from "../log_broker.ts";
import { encodeMessage, type Message } from "./codec.ts";
import { LinkConnection } from "./connection.ts";
import { decodeDraft, encodeEntry, type WireDraft } from "./entries.ts";
import { Follower } from "./follower.ts";
import { changeRecords, MemoryRecords, type WireChanges } from "./records.ts";

/** What a keeper needs. */
export interface KeeperOptions extends BrokerOptions {
  /** The Unix socket to listen on; every process that can reach it is trusted. */
  readonly path: string;
  /** Counts publications of a caller, of all followers. Throws a `Refusal` if they are too many. */
  readonly admit?: (caller: string, count: number) => void;
  /** Called with an error that no follower caused. */
  readonly onError: (error: unknown) => void;
}

/** Answers a call of a follower with a value of JSON. Throws the `Refusal` that the follower gets. */
export type FollowerAnswerer = (node: string, args: readonly unknown[]) => unknown;

/**
 * Keeps a log for other processes of this machine, its followers, in any journal. It follows the
 * journal as a broker does: a process that starts, or has missed something, gets all that is kept
 * from memory. Messages go between all followers, and the nodes of other machines that share the
 * log.
 */
export class LogKeeper {
  /** Called with the id of a follower that is gone. */
  onLeave: (node: string) => void = () => {};
  readonly #options: KeeperOptions;
  readonly #broker: LogBroker;
  /** They outlive a follower, and this process too if the journal stores them. */
  readonly #records: StoredRecords;
  readonly #followers = new Set<Follower>();
  readonly #answerers = new Map<string, FollowerAnswerer>();
  #listener: Deno.Listener | undefined;

  constructor(options: KeeperOptions) {
    this.#options = options;
    this.#records = options.journal.records ?? new MemoryRecords();
    const tap: Feed = {
      onEntries: (entries) => this.#feed(["entries", entries.map(encodeEntry)]),
      onHealth: (isUp, why) => this.#feed(["health", isUp, why]),
      onLost: (why) => this.#followers.forEach((follower) => follower.lose(why)),
    };
    this.#broker = new LogBroker({ ...options, tap });
    this.answer("append", (_node, args) => this.#append(args));
    this.answer("records", (_, [changes]) => changeRecords(this.#records, changes as WireChanges));
  }

  /** Opens the log and listens. Throws what `Journal.open()` and `Deno.listen()` throw. */
  async start(sink: Sink): Promise<Position> {
    const position = await this.#broker.start(sink);
    this.#options.journal.peers?.listen({
      onMessage: (node, message) => this.#tell(node, [message]),
    });
    const listener = Deno.listen({ transport: "unix", path: this.#options.path });
    this.#listener = listener;
    this.#acceptAll(listener);
    return position;
  }

  /** Sets what answers calls of this name. */
  answer(name: string, answerer: FollowerAnswerer): void {
    this.#answerers.set(name, answerer);
  }

  /** `Peers.lagMs` of the journal; 0 if no other machine shares the log. */
  get lagMs(): number {
    return this.#options.journal.peers?.lagMs ?? 0;
  }

  /** How much is kept, for all followers. */
  stats(): BrokerStats {
    return this.#broker.stats();
  }

  /** Calls all followers. `onAnswer` gets each answer. Resolves when all have answered, or are gone. */
  async ask(name: string, onAnswer: (node: string, answer: unknown) => void): Promise<void> {
    const followers = [...this.#followers].filter(({ node }) => node !== "");
    await Promise.all(
      followers.map(({ connection, node }) =>
        connection.call(name).then((answer) => {
          if (connection.isOpen) onAnswer(node, answer);
        }, () => {}) // A follower reports by itself why it has not answered.
      ),
    );
  }

  /** Stops listening, closes the log, and disconnects all followers. Idempotent. */
  async close(): Promise<void> {
    this.#listener?.close();
    this.#listener = undefined;
    await this.#broker.close();
    for (const { connection } of this.#followers) {
      await connection.flushed();
      connection.close();
    }
  }

  async #acceptAll(listener: Deno.Listener): Promise<void> {
    try {
      for await (const conn of listener) this.#accept(conn);
    } catch (error) {
      if (this.#listener === listener) this.#options.onError(error);
    }
  }

  #accept(conn: Deno.Conn): void {
    const connection = new LinkConnection(conn, {
      onMessage: (message) => this.#receive(follower, message),
      onCall: (name, args) => this.#answer(follower, name, args),
    });
    const follower: Follower = new Follower(connection);
    this.#followers.add(follower);
    connection.ended.then(() => {
      this.#followers.delete(follower);
      this.onLeave(follower.node);
      // If it died, it has not said so.
      this.#pass(follower, [{ type: "bye" }]);
    });
  }

  #receive(follower: Follower, message: Message): void {
    const [name, ...fields] = message;
    switch (name) {
      case "hello":
        follower.node = String(fields[0]);
        return;
      case "open":
        return this.#open(follower);
      case "tell":
        return this.#pass(follower, fields[0] as readonly PeerMessage[]);
    }
  }

  #open(follower: Follower): void {
    const kept = this.#broker.kept();
    if (kept === undefined) follower.lose("the log is not open");
    else follower.open(kept, this.#records.read());
  }

  async #answer(
    { node }: Follower,
    name: string,
    args: readonly unknown[],
  ): Promise<unknown> {
    const answerer = this.#answerers.get(name);
    if (answerer === undefined) throw new TypeError(`Cannot call ${name}: there is no such name`);
    try {
      return await answerer(node, args);
    } catch (error) {
      if (error instanceof Refusal) throw error;
      this.#options.onError(error);
      const why = "The process that keeps the log has failed: try again later";
      throw new Refusal("unavailable", why, RETRY_AFTER_S);
    }
  }

  async #append([wire, batch]: readonly unknown[]): Promise<unknown> {
    const { ratedBy, caller, once } = batch as Omit<Batch, "drafts">;
    const drafts = (wire as readonly WireDraft[]).map(decodeDraft);
    return await this.#broker.publish({ drafts, caller, once }, () => {
      if (ratedBy !== undefined) this.#options.admit?.(ratedBy, drafts.length);
    });
  }

  /** Passes messages of a follower on to all others, and to the nodes of other machines. */
  #pass(from: Follower, messages: readonly PeerMessage[]): void {
    if (from.node === "") return;
    this.#tell(from.node, messages, from);
    this.#options.journal.peers?.relay?.(from.node, messages);
  }

  /** Sends messages of a node to all followers except `from`. */
  #tell(node: string, messages: readonly PeerMessage[], from?: Follower): void {
    const text = encodeMessage(["messages", node, messages]);
    for (const follower of this.#followers) {
      if (follower !== from) follower.connection.sendText(text);
    }
  }

  /** Encodes a message once for all followers. */
  #feed(message: Message): void {
    if (this.#followers.size === 0) return;
    const text = encodeMessage(message);
    for (const follower of this.#followers) follower.feed(text);
  }
}
