import type { Clock } from "../../core/clock.ts";
import type { PeerListener, PeerMessage, Peers } from "../peers.ts";
import { ConnectionLost } from "./connection.ts";
import { readMessages, type SkipForeign, type StreamEntry } from "./entries.ts";
import type { LinkKeeper } from "./keeper.ts";
import type { RedisLink } from "./link.ts";
import type { RedisKeys } from "./scripts.ts";

/** What `RedisPeers` needs. */
export interface RedisPeersOptions {
  readonly clock: Clock;
  readonly keeper: LinkKeeper;
  readonly keys: RedisKeys;
  readonly node: string;
  readonly skipForeign: SkipForeign;
}

/** Entries that the stream of messages keeps: a node that is further behind misses some. */
const MESSAGES_MAX = 10_000;
/** A feed that has not brought back this node's own messages after so long is silent. */
const SILENCE_MS = 10_000;

/** Messages of one node, in order. */
interface Outgoing {
  readonly node: string;
  readonly messages: PeerMessage[];
}

/** The way to the other nodes: a stream that each of them follows on the connection of the log's feed. */
export class RedisPeers implements Peers {
  readonly node: string;
  readonly #options: RedisPeersOptions;
  #listener: PeerListener | undefined;
  #unsent: Outgoing[] = [];
  /** When the oldest message that has not come back was sent; undefined if all have. */
  #unheardSince: number | undefined;
  #lagMs = 0;

  constructor(options: RedisPeersOptions) {
    this.#options = options;
    this.node = options.node;
  }

  get lagMs(): number {
    const since = this.#unheardSince;
    const waitingMs = since === undefined ? 0 : this.#options.clock.monotonic() - since;
    return Math.max(this.#lagMs, waitingMs);
  }

  listen(listener: PeerListener): void {
    this.#listener = listener;
  }

  tell(message: PeerMessage): void {
    this.relay(this.node, [message]);
  }

  relay(node: string, messages: readonly PeerMessage[]): void {
    if (this.#unsent.length === 0) queueMicrotask(() => this.#send());
    const last = this.#unsent.at(-1);
    if (last?.node === node) last.messages.push(...messages);
    else this.#unsent.push({ node, messages: [...messages] });
  }

  /** Takes the entries that the feed has brought. */
  receive(entries: readonly StreamEntry[]): void {
    const { clock, skipForeign, keys } = this.#options;
    for (const entry of entries) {
      const { fields } = entry;
      const messages = readMessages(entry);
      const [node = "", sentAt] = [fields.get("n"), Number(fields.get("a"))];
      if (messages === undefined || node === "" || !Number.isFinite(sentAt)) {
        skipForeign(keys.peers, entry);
      } else if ((fields.get("v") ?? node) === this.node) {
        this.#unheardSince = undefined;
        this.#lagMs = Math.max(0, clock.monotonic() - sentAt);
      } else {
        for (const message of messages) this.#listener?.onMessage(node, message);
      }
    }
  }

  #send(): void {
    const { clock, keeper } = this.#options;
    const unsent = this.#unsent.splice(0);
    const { link } = keeper;
    if (link === undefined) {
      // These messages are lost, which is not the fault of the next link.
      this.#unheardSince = undefined;
      return;
    }
    const now = clock.monotonic();
    if (now - (this.#unheardSince ?? now) > SILENCE_MS) {
      this.#unheardSince = undefined;
      return keeper.drop(link, new ConnectionLost("the feed is silent"));
    }
    this.#unheardSince ??= now;
    for (const each of unsent) this.#add(link, each, now);
  }

  /** Adds an entry: the node that sent the messages, this one if it relays them, the time, and the messages. */
  #add(link: RedisLink, { node, messages }: Outgoing, now: number): void {
    const { keeper, keys } = this.#options;
    link.commands.send(
      ...["XADD", keys.peers, "MAXLEN", "~", MESSAGES_MAX, "*"],
      ...(node === this.node ? [] : ["v", this.node]),
      ...["n", node, "a", now, "m", JSON.stringify(messages)],
    ).catch((error) => {
      // The message is lost, which is not the fault of the feed.
      this.#unheardSince = undefined;
      keeper.failed(link, error);
    });
  }
}
