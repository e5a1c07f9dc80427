import { Refusal } from "../../core/errors.ts";
import type { Position } from "../../core/publication.ts";
import { randomId } from "../../core/random.ts";
import type { Receipt } from "../broker.ts";
import { type Entry, type Feed, isGap, type Journal, type JournalBatch } from "../journal.ts";
import type { Kept, Logged } from "../journal.ts";
import type { PeerListener, PeerMessage, Peers } from "../peers.ts";
import { Calls } from "./calls.ts";
import type { Message } from "./codec.ts";
import { LinkConnection, type LinkEnded } from "./connection.ts";
import { LinkRecords } from "./records.ts";
import { decodeEntry, encodeDraft, type WireEntry } from "./entries.ts";

const RETRY_AFTER_S = 1;

/** The log as it comes, page by page, when it is opened. */
interface Opening {
  readonly publications: Logged[];
  readonly resolve: (kept: Kept) => void;
  readonly reject: (error: Error) => void;
}

/**
 * A log that another process of this machine keeps, a `LogKeeper`, which is reached by a Unix socket. It
 * checks quotas and keys for all that follow it, and hands on what one says to the others.
 */
export class LinkJournal implements Journal, Peers {
  /** This follower's id: random, and new with each start. */
  readonly node: string = randomId();
  readonly records: LinkRecords = new LinkRecords((changes) => this.call("records", changes));
  readonly #path: string;
  readonly #calls = new Calls();
  #connection: LinkConnection | undefined;
  #epoch = "";
  #opening: Opening | undefined;
  #feed: Feed | undefined;
  /** What comes after what the log kept when it was opened, until it is followed. */
  #early: Entry[] = [];
  #listener: PeerListener | undefined;
  #unsent: PeerMessage[] = [];
  readonly #answerers = new Map<string, () => unknown>();

  /** The log of the process that listens on the Unix socket `path`. */
  constructor(path: string) {
    this.#path = path;
  }

  /** The way to the others that follow. */
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
   * Has the process that keeps the log answer a call. Rejects with the `Refusal` that it answers, or
   * with `unavailable` if it does not.
   */
  async call(name: string, ...args: readonly unknown[]): Promise<unknown> {
    const connection = this.#connection;
    if (!connection?.isOpen) throw away("is away");
    return await this.#calls.call(connection, name, args);
  }

  /** Answers what the process that keeps the log calls under this name, with a value of JSON. */
  answer(name: string, answerer: () => unknown): void {
    this.#answerers.set(name, answerer);
  }

  async close(): Promise<void> {
    // What is fed comes before the answer to whoever appended it.
    await this.#calls.settled();
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
    const connection = new LinkConnection(conn, (message) => this.#receive(message));
    this.#connection = connection;
    connection.ended.then((why) => this.#lose(why));
    connection.send(["hello", this.node]);
    return connection;
  }

  #receive(message: Message): void {
    const [name, ...fields] = message;
    switch (name) {
      case "entries":
        return this.#take(this.#decode(fields[0]));
      case "done":
      case "refused":
        return this.#calls.receive(message);
      case "call":
        return this.#answer(fields);
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

  #answer([id, name]: readonly unknown[]): void {
    const answerer = this.#answerers.get(String(name));
    const answer = answerer === undefined
      ? ["refused", id, "unavailable", "This process cannot answer yet"] as const
      : ["done", id, answerer()] as const;
    this.#connection?.send(answer);
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
    if (this.#feed === undefined) this.#early.push(...entries);
    else this.#feed.onEntries(entries);
  }

  #hear(node: string, messages: readonly PeerMessage[]): void {
    for (const message of messages) this.#listener?.onMessage(node, message);
  }

  /** The connection is over. Whether what was appended is kept is not known. */
  #lose(why: LinkEnded): void {
    this.#calls.fail(away("has not answered, and may have kept it"));
    this.#loseFeed(why);
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
