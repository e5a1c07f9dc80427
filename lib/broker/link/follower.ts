import type { Kept, Logged } from "../journal.ts";
import { encodeMessage, type Message } from "./codec.ts";
import type { LinkConnection } from "./connection.ts";
import { encodeEntry } from "./entries.ts";

/** How many publications or records are in one message when a log is opened. */
const PAGE = 500;

function* pagesOf(
  publications: readonly Logged[],
  records: readonly string[],
): Iterable<Message> {
  for (let at = 0; at < publications.length; at += PAGE) {
    yield ["kept", publications.slice(at, at + PAGE).map(encodeEntry)];
  }
  for (let at = 0; at < records.length; at += PAGE) {
    yield ["stored", records.slice(at, at + PAGE)];
  }
}

/** A process that follows the log of a keeper. */
export class Follower {
  readonly connection: LinkConnection;
  /** Its id; empty until it has sent it. */
  node = "";
  /** Undefined while it is not fed; the messages that wait while it gets what is kept. */
  #feed: "live" | string[] | undefined;

  constructor(connection: LinkConnection) {
    this.connection = connection;
  }

  /** Sends what is kept and the stored records, and from then on the feed. */
  async open({ publications, ...rest }: Kept, records: readonly string[]): Promise<void> {
    const { connection } = this;
    const waiting: string[] = this.#feed = [];
    connection.send(["log", rest.position.epoch]);
    for (const page of pagesOf(publications, records)) {
      connection.send(page);
      await connection.flushed();
      if (this.#feed !== waiting) return;
    }
    connection.send(["opened", rest]);
    for (const text of waiting) connection.sendText(text);
    this.#feed = "live";
  }

  /** Sends the text of a message of the feed, if this one is fed. */
  feed(text: string): void {
    if (this.#feed === "live") this.connection.sendText(text);
    else this.#feed?.push(text);
  }

  /** Stops the feed: the follower has to open the log again. */
  lose(why: string): void {
    this.#feed = undefined;
    this.connection.sendText(encodeMessage(["lost", why]));
  }
}
