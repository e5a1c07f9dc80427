import type { Batch, BrokerStats, Sink } from "../broker.ts";
import type { Position } from "../../core/publication.ts";
import type { Feed, StoredRecords } from "../journal.ts";
import type { PeerMessage } from "../peers.ts";
import { type BrokerOptions, LogBroker } from "../log_broker.ts";
import { answerCall } from "./calls.ts";
import { encodeMessage, type Message } from "./codec.ts";
import { decodeDraft, encodeEntry, type WireDraft } from "./entries.ts";
import { Follower } from "./follower.ts";
import { changeRecords, MemoryRecords, type WireChanges } from "./records.ts";

/** What keeping a log for other processes needs. */
export interface KeeperOptions extends BrokerOptions {
  /** The Unix socket to listen on; whoever can reach it is trusted. */
  readonly path: string;
  /** Counts what `caller` publishes by whatever follower. Throws a `Refusal` if it is too much. */
  readonly admit?: (caller: string, count: number) => void;
  /** Something failed that is no follower's fault. */
  readonly onError: (error: unknown) => void;
}

/** Answers what followers call: with a value of JSON, or by throwing a `Refusal`. */
export type FollowerAnswerer = (node: string, args: readonly unknown[]) => unknown;

/**
 * Keeps a log for other processes of this machine, by any journal. It follows that as a broker does, so
 * that a process that starts, or has missed something, finds all that is kept in memory. Where nodes of
 * other machines share the log, followers and those hear each other too.
 */
export class LogKeeper {
  /** Called with the id of a follower that is gone. */
  onLeave: (node: string) => void = () => {};
  readonly #options: KeeperOptions;
  readonly #broker: LogBroker;
  /** They outlive a follower; and this process, where the journal has a place for them. */
  readonly #records: StoredRecords;
  readonly #followers = new Set<Follower>();
  readonly #answerers = new Map<string, FollowerAnswerer>();
  #listener: Deno.Listener | undefined;

  constructor(options: KeeperOptions) {
    this.#options = options;
    this.#records = options.journal.records ?? new MemoryRecords();
    const onFeed: Feed = {
      onEntries: (entries) => this.#feed(["entries", entries.map(encodeEntry)]),
      onHealth: (isUp, why) => this.#feed(["health", isUp, why]),
      onLost: (why) => this.#followers.forEach((follower) => follower.lose(why)),
    };
    this.#broker = new LogBroker({ ...options, follower: onFeed });
    this.answer("append", (_node, args) => this.#append(args));
    this.answer("records", (_, [changes]) => changeRecords(this.#records, changes as WireChanges));
  }

  /** Opens the log, and listens. Throws what `Journal.open()` and `Deno.listen()` throw. */
  async start(sink: Sink): Promise<Position> {
    const position = await this.#broker.start(sink);
    this.#options.journal.peers?.listen({
      onMessage: (node, message) => this.#say(node, [message]),
    });
    const listener = Deno.listen({ transport: "unix", path: this.#options.path });
    this.#listener = listener;
    this.#acceptAll(listener);
    return position;
  }

  /** Answers what followers call under this name. */
  answer(name: string, answerer: FollowerAnswerer): void {
    this.#answerers.set(name, answerer);
  }

  /** How long what this machine says takes to come back to it by the others; 0 if it is alone. */
  get lagMs(): number {
    return this.#options.journal.peers?.lagMs ?? 0;
  }

  /** What it holds, for all that follow it. */
  stats(): BrokerStats {
    return this.#broker.stats();
  }

  /** Calls all followers; `onAnswer` gets what each answers. Resolves when all have, or are gone. */
  async ask(name: string, onAnswer: (node: string, answer: unknown) => void): Promise<void> {
    const followers = [...this.#followers].filter(({ node }) => node !== "");
    // What cannot be answered is reported where it failed.
    await Promise.all(followers.map((follower) =>
      follower.call(name).then((answer) => {
        if (follower.connection.isOpen) onAnswer(follower.node, answer);
      }, () => {})
    ));
  }

  /** Listens no more, and closes the log; followers that are left lose it. Idempotent. */
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
    const follower = new Follower(conn, (message) => this.#receive(follower, message));
    this.#followers.add(follower);
    follower.connection.ended.then(() => {
      this.#followers.delete(follower);
      this.onLeave(follower.node);
      // It need not have had the time to say so.
      this.#hand(follower, [{ type: "bye" }]);
    });
  }

  #receive(follower: Follower, message: Message): void {
    const [name, ...fields] = message;
    switch (name) {
      case "done":
      case "refused":
        return follower.answered(message);
      case "hello":
        follower.node = String(fields[0]);
        return;
      case "open":
        return this.#open(follower);
      case "tell":
        return this.#hand(follower, fields[0] as readonly PeerMessage[]);
      case "call":
        return this.#call(follower, fields);
    }
  }

  #open(follower: Follower): void {
    const kept = this.#broker.kept();
    if (kept === undefined) follower.lose("the log is not open");
    else follower.open(kept, this.#records.read());
  }

  #call({ connection, node }: Follower, [id, name, ...args]: readonly unknown[]): void {
    const answerer = this.#answerers.get(String(name));
    if (answerer === undefined) throw new TypeError(`Cannot call ${name}: there is no such name`);
    answerCall(connection, id, () => answerer(node, args), this.#options.onError);
  }

  async #append([wire, batch]: readonly unknown[]): Promise<unknown> {
    const { ratedBy, caller, once } = batch as Omit<Batch, "drafts">;
    const drafts = (wire as readonly WireDraft[]).map(decodeDraft);
    return await this.#broker.publish({ drafts, caller, once }, () => {
      if (ratedBy !== undefined) this.#options.admit?.(ratedBy, drafts.length);
    });
  }

  /** Hands on what a follower says: to all others, and to the nodes of other machines. */
  #hand(from: Follower, messages: readonly PeerMessage[]): void {
    if (from.node === "") return;
    this.#say(from.node, messages, from);
    this.#options.journal.peers?.relay?.(from.node, messages);
  }

  /** Says to all followers, but to `from`, what a node says. */
  #say(node: string, messages: readonly PeerMessage[], from?: Follower): void {
    const text = encodeMessage(["messages", node, messages]);
    for (const follower of this.#followers) {
      if (follower !== from) follower.connection.sendText(text);
    }
  }

  /** A message is encoded once for all that are fed. */
  #feed(message: Message): void {
    if (this.#followers.size === 0) return;
    const text = encodeMessage(message);
    for (const follower of this.#followers) follower.feed(text);
  }
}
