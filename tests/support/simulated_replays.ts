import { covers } from "../../lib/core/channel.ts";
import { type Clock, wait } from "../../lib/core/clock.ts";
import type { HistoryPage, HistoryQuery } from "../../lib/broker/broker.ts";
import type { Position } from "../../lib/core/publication.ts";
import type { Dice } from "./dice.ts";
import type { Replay } from "./oracle.ts";
import { assertSame, type Link } from "./simulated_client.ts";
import type { SimulatedLog } from "./simulated_log.ts";

/** What the broker throws now and then. */
export const INJECTED = new Error("The broker fails because the simulation says so");

/** A replay that a client asked for, and how far it has come. */
export interface Asked extends Replay {
  readonly link: Link;
  /** What the first page said; undefined before. */
  recovered: boolean | undefined;
  /** The highest offset that was missing then. */
  lostOffset: number;
  /** Up to where the session had its other channels when it began to hold back. */
  until: number;
  /** Nothing more is to be read. */
  isRead: boolean;
}

/** The reads of history that replays make: slow, interrupted, and told to each session's oracle. */
export class SimulatedReplays {
  readonly #dice: Dice;
  readonly #clock: Clock;
  readonly #log: SimulatedLog;
  readonly #count: (event: string) => void;
  /** By a name that nobody else subscribes to, so that their reads can be told apart. */
  readonly #asked = new Map<string, Asked>();

  constructor(dice: Dice, clock: Clock, log: SimulatedLog, count: (event: string) => void) {
    this.#dice = dice;
    this.#clock = clock;
    this.#log = log;
    this.#count = count;
  }

  /** A client is about to ask for a replay. Its names have one more than those it wants. */
  ask(link: Link, wanted: readonly string[], since: Position): Asked {
    const { epoch, offset } = this.#log.position;
    const from = since.epoch === epoch && since.offset <= offset ? since.offset : 0;
    if (from > link.hub.position.offset) this.#count("ahead");
    const tag = `tag-${this.#asked.size}`;
    const names = [...wanted, tag];
    const asked = {
      link,
      names,
      from,
      recovered: undefined,
      lostOffset: 0,
      until: 0,
      isRead: false,
    };
    this.#asked.set(tag, asked);
    for (const name of names) link.wanted.add(name);
    link.observe();
    link.oracle.ask(asked);
    return asked;
  }

  /** Reads history for a session, in its own time. */
  async read(query: HistoryQuery): Promise<HistoryPage> {
    await this.#delay();
    if (this.#dice.chance(0.003)) throw INJECTED;
    const page = await this.#log.read(query, (page) => this.#note(query, page));
    await this.#delay();
    return page;
  }

  async #delay(): Promise<void> {
    if (this.#dice.chance(0.3)) return await wait(this.#clock, this.#dice.upTo(200));
    for (let ticks = this.#dice.upTo(8); ticks > 0; ticks--) await undefined;
  }

  #note({ channels, until }: HistoryQuery, page: HistoryPage): void {
    const { beginOffset } = page;
    const all = channels.flatMap((name) => this.#asked.get(name) ?? []);
    const asked = all.find(({ isRead }) => !isRead);
    const { link } = all[0]!;
    link.observe();
    if (asked === undefined) this.#count("rereads");
    else if (asked.recovered !== undefined) this.#count("laterPages");
    else {
      const { complete: recovered, lostOffset } = page;
      Object.assign(asked, { from: beginOffset, recovered, lostOffset, until });
    }
    if (asked !== undefined) asked.isRead = !page.more;
    if (page.lostOffset > Math.max(asked?.lostOffset ?? 0, beginOffset)) {
      link.mustEnd = true;
      this.#count("losses");
      return;
    }
    if (asked?.recovered !== false) this.#checkWhole(channels, beginOffset, page);
    if (asked !== undefined) link.oracle.read(asked, page, asked.until);
  }

  /** A page that is said to be whole has all that there ever was. */
  #checkWhole(channels: readonly string[], since: number, page: HistoryPage): void {
    const expected = this.#log.publications.filter(({ offset, channel }) =>
      offset > since && offset <= page.position.offset &&
      channels.some((name) => covers(name, channel))
    );
    const ids = page.publications.map(({ id }) => id);
    assertSame("a whole page", ids, expected.map(({ id }) => id));
  }
}
