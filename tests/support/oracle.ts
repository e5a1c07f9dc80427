import { covers } from "../../lib/core/channel.ts";
import type { HistoryPage } from "../../lib/broker/broker.ts";
import type { Publication } from "../../lib/core/publication.ts";

/** A replay that a session is told to make. */
export interface Replay {
  readonly names: readonly string[];
  /** After which offset of this log it begins. */
  readonly from: number;
}

/** A publication that a session is to send. */
interface Due {
  readonly id: string;
  /** Its offset if it is broadcast; 0 if it is replayed. */
  readonly liveOffset: number;
  /** Which replay it comes after, if it would not come without. */
  readonly after?: Replay;
}

/** What one session is to send, in order, said without any of the machinery that does it. */
export class Oracle {
  /** After which offset the session sends all of each of its subscriptions. */
  readonly starts = new Map<string, number>();
  #due: Due[] = [];
  /** Replays of which nothing has been read yet. */
  readonly #asked = new Set<Replay>();
  /** What the session had of its other channels when a replay began. */
  readonly #before = new Map<Replay, ReadonlyMap<string, number>>();
  /** How far the client has been on any node. */
  #ahead = 0;

  /** Ids of what is to be sent. */
  get due(): string[] {
    return this.#due.filter(({ after }) => after === undefined || !this.#asked.has(after))
      .map(({ id }) => id);
  }

  ask(replay: Replay): void {
    this.#asked.add(replay);
  }

  /** Takes note of what the session is subscribed to, on a node that has come to `offset`. */
  observe(names: ReadonlySet<string>, offset: number): void {
    for (const name of this.starts.keys()) if (!names.has(name)) this.starts.delete(name);
    const asked = [...this.#asked].flatMap((replay) => replay.names);
    for (const name of names) {
      if (this.starts.has(name) || asked.includes(name)) continue;
      this.starts.set(name, Math.max(offset, this.#ahead));
    }
  }

  /** A publication is broadcast while the session is subscribed to `names`. */
  broadcast(names: ReadonlySet<string>, publication: Publication): void {
    const { id, offset: liveOffset } = publication;
    const after = [...this.#asked].find((replay) =>
      publication.offset > replay.from &&
      replay.names.some((name) => names.has(name) && covers(name, publication.channel))
    );
    if (takesIn(this.starts, publication)) this.#due.push({ id, liveOffset });
    else if (after !== undefined) this.#due.push({ id, liveOffset, after });
  }

  /** A page of a replay is read, of a session that had all its channels up to `until` then. */
  read(replay: Replay, page: HistoryPage, until: number): void {
    if (this.#asked.delete(replay)) this.#begin(replay, until);
    const before = this.#before.get(replay)!;
    const missed = page.publications.filter((publication) => !takesIn(before, publication));
    const next = this.#due.findIndex(({ liveOffset }) => liveOffset > until);
    const at = next === -1 ? this.#due.length : next;
    this.#due.splice(at, 0, ...missed.map(({ id }) => ({ id, liveOffset: 0 })));
  }

  #begin(replay: Replay, until: number): void {
    this.#before.set(replay, new Map(this.starts));
    for (const name of replay.names) {
      this.starts.set(name, Math.min(this.starts.get(name) ?? replay.from, replay.from));
    }
    this.#ahead = Math.max(this.#ahead, replay.from);
    const begin = Math.max(until, replay.from);
    this.#due = this.#due.filter(({ after, liveOffset }) => after !== replay || liveOffset > begin);
  }
}

/** Whether a publication is of one of the subscriptions, and after its start. */
export function takesIn(starts: ReadonlyMap<string, number>, publication: Publication): boolean {
  return [...starts].some(([name, start]) =>
    covers(name, publication.channel) && publication.offset > start
  );
}
