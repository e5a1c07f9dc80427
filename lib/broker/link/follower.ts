import type { Kept, Logged } from "../journal.ts";
import { encodeMessage, type Message } from "./codec.ts";
import { Calls } from "./calls.ts";
import { LinkConnection } from "./connection.ts";
import { encodeEntry } from "./entries.ts";

/** Publications or records that travel in one message when a log is opened. */
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

/** A process that follows a log, as the keeper of the log has it. */
export class Follower {
  readonly connection: LinkConnection;
  readonly #calls = new Calls();
  /** Its id; empty until it has said it. */
  node = "";
  /** Undefined while it is not fed; a list of what waits while it gets what is kept. */
  #feed: "live" | string[] | undefined;

  constructor(conn: Deno.Conn, onMessage: (message: Message) => void) {
    this.connection = new LinkConnection(conn, onMessage);
    this.connection.ended.then((why) => this.#calls.fail(why));
  }

  /** Calls it. Rejects with the `Refusal` that it answers, or if it is gone. */
  call(name: string): Promise<unknown> {
    return this.#calls.call(this.connection, name, []);
  }

  /** Takes the answer to a call. */
  answered(message: Message): void {
    this.#calls.receive(message);
  }

  /** Sends what is kept, with stored records, and from now on what comes. */
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

  /** Sends the text of a message that is part of the feed, if this one is fed. */
  feed(text: string): void {
    if (this.#feed === "live") this.connection.sendText(text);
    else this.#feed?.push(text);
  }

  /** Feeds it no more: it has to open the log again. */
  lose(why: string): void {
    this.#feed = undefined;
    this.connection.sendText(encodeMessage(["lost", why]));
  }
}
