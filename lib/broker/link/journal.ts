import { Refusal } from "../../core/errors.ts";
import type { Position } from "../../core/publication.ts";
import { randomId } from "../../core/random.ts";
import type { Receipt } from "../broker.ts";
import {
  type Entry,
  type Feed,
  isGap,
  type Journal,
  type JournalBatch,
  type Kept,
  type Logged,
  RETRY_AFTER_S,
} from "../journal.ts";
import type { PeerListener, PeerMessage, Peers } from "../peers.ts";
import type { Message } from "./codec.ts";
import { LinkConnection, LinkEnded } from "./connection.ts";
import { LinkRecords } from "./records.ts";
import { decodeEntry, encodeDraft, type WireEntry } from "./entries.ts";

/** A log that is being opened: its publications come page by page. */
interface Opening {
  readonly publications: Logged[];
  readonly resolve: (kept: Kept) => void;
  readonly reject: (error: Error) => void;
}

/**
 * A log that another process of this machine keeps: a `LogKeeper`, behind a Unix socket. It checks
 * quotas and keys for all its followers, and passes the messages of each on to the others.
 */
export class LinkJournal implements Journal, Peers {
  /** This follower's id: random, and new with each start. */
  readonly node: string = randomId();
  readonly records: LinkRecords = new LinkRecords((changes) => this.call("records", changes));
  readonly #path: string;
  #connection: LinkConnection | undefined;
  #epoch = "";
  #opening: Opening | undefined;
  #feed: Feed | undefined;
  /** Entries that come after the log was opened and before it is followed. */
  #early: Entry[] = [];
  #listener: PeerListener | undefined;
  #unsent: PeerMessage[] = [];
  readonly #answerers = new Map<string, () => unknown>();

  /** The log of the process that listens on the Unix socket `path`. */
  constructor(path: string) {
    this.#path = path;
  }

  /** The other followers, and the nodes of other machines. */
  get peers(): Peers {
    return this;
  }

  async open(): Promise<Kept> {
    this.#feed = undefined;
    const connection = this.#connection?.isOpen ? this.#connection : await this.#connect();
    this.#early = [];
    return await new Promise((resolve, reject) => {
      this.#opening = { publications: [], resolve, reject };
      connection.send(["open"]);
    });
  }

  follow(_after: Position, feed: Feed): void {
    this.#feed = feed;
    const early = this.#early.splice(0);
    if (early.length > 0) feed.onEntries(early);
  }

  async append({ drafts, ...batch }: JournalBatch): Promise<Receipt> {
    return await this.call("append", drafts.map(encodeDraft), batch) as Receipt;
  }

  /**
   * Has the process that keeps the log answer a call. Rejects with its `Refusal`, or with
   * `unavailable` if it does not answer.
   */
  async call(name: string, ...args: readonly unknown[]): Promise<unknown> {
    const connection = this.#connection;
    if (!connection?.isOpen) throw away("is away");
    try {
      return await connection.call(name, args);
    } catch (error) {
      if (!(error instanceof LinkEnded)) throw error;
      throw away("has not answered, and may have kept it");
    }
  }

  /** Sets what answers calls of this name by the process that keeps the log, with a value of JSON. */
  answer(name: string, answerer: () => unknown): void {
    this.#answerers.set(name, answerer);
  }

  async close(): Promise<void> {
    // The feed brings each batch before the answer that it is appended.
    await this.#connection?.answered();
    this.#feed = undefined;
    await this.#connection?.flushed();
    this.#connection?.close();
  }

  listen(listener: PeerListener): void {
    this.#listener = listener;
  }

  tell(message: PeerMessage): void {
    if (this.#unsent.length === 0) {
      queueMicrotask(() => this.#connection?.send(["tell", this.#unsent.splice(0)]));
    }
    this.#unsent.push(message);
  }

  async #connect(): Promise<LinkConnection> {
    const conn = await Deno.connect({ transport: "unix", path: this.#path });
    const connection = new LinkConnection(conn, {
      onMessage: (message) => this.#receive(message),
      onCall: (name) => this.#answer(name),
    });
    this.#connection = connection;
    connection.ended.then((why) => this.#loseFeed(why));
    connection.send(["hello", this.node]);
    return connection;
  }

  #receive(message: Message): void {
    const [name, ...fields] = message;
    switch (name) {
      case "entries":
        return this.#take(this.#decode(fields[0]));
      case "messages":
        return this.#hear(String(fields[0]), fields[1] as readonly PeerMessage[]);
      case "health":
        return this.#feed?.onHealth(fields[0] === true, String(fields[1]));
      case "log":
        this.#epoch = String(fields[0]);
        return;
      case "kept":
        return this.#load(this.#decode(fields[0]));
      case "stored":
        return this.records.load(fields[0] as readonly string[]);
      case "opened":
        return this.#opened(fields[0] as Omit<Kept, "publications">);
      case "lost":
        return this.#loseFeed(new Error(String(fields[0])));
    }
  }

  #answer(name: string): unknown {
    const answerer = this.#answerers.get(name);
    if (answerer === undefined) throw new Refusal("unavailable", "This process cannot answer yet");
    return answerer();
  }

  #decode(entries: unknown): Entry[] {
    return (entries as readonly WireEntry[]).map((entry) => decodeEntry(entry, this.#epoch));
  }

  #load(entries: readonly Entry[]): void {
    for (const entry of entries) if (!isGap(entry)) this.#opening?.publications.push(entry);
  }

  #opened(kept: Omit<Kept, "publications">): void {
    const opening = this.#opening;
    this.#opening = undefined;
    opening?.resolve({ ...kept, publications: opening.publications });
  }

  #take(entries: readonly Entry[]): void {
    if (this.#feed === undefined) this.#early = this.#early.concat(entries);
    else this.#feed.onEntries(entries);
  }

  #hear(node: string, messages: readonly PeerMessage[]): void {
    for (const message of messages) this.#listener?.onMessage(node, message);
  }

  #loseFeed(why: Error): void {
    const opening = this.#opening;
    this.#opening = undefined;
    opening?.reject(why);
    const feed = this.#feed;
    this.#feed = undefined;
    feed?.onLost(why.message);
  }
}

function away(why: string): Refusal {
  return new Refusal(
    "unavailable",
    `The process that keeps the log ${why}: retry later`,
    RETRY_AFTER_S,
  );
}
