import type { RedisTarget } from "../../core/redis_url.ts";
import type { Clock } from "../../core/clock.ts";
import type { Gap } from "../journal.ts";
import type { RedisConnection } from "./connection.ts";
import { formatGap } from "./entries.ts";
import { RedisError } from "../../core/errors.ts";
import { OtherLogError } from "./errors.ts";
import {
  FORMAT_VERSION,
  OFFSET_JUMP,
  OFFSET_JUMP_SPREAD,
  type RedisKeys,
  SCRIPTS,
} from "./scripts.ts";
import { connectTo } from "./target.ts";

/** What makes a link. */
export interface LinkOptions {
  readonly target: RedisTarget;
  readonly keys: RedisKeys;
  readonly clock: Clock;
  /** Bytes of one reply to the reader; by default those of `RESP_LIMITS`. */
  readonly replyBytesMax?: number | undefined;
}

/** How far a node has come in a log. */
export interface Progress {
  readonly epoch: string;
  /** The highest offset that the node has seen. */
  readonly seen: number;
  /** False for an epoch that was just made up, in case there is no log yet. */
  readonly isKnown: boolean;
  readonly node: string;
  /** The gaps that the node knows of, for a server that has lost them. */
  readonly gaps: readonly Gap[];
  /** The number of this link: higher than that of every earlier one of the node. */
  readonly number: number;
}

/** Two connections to the server that has the log: one for commands, one that waits for entries. */
export interface RedisLink {
  readonly commands: RedisConnection;
  readonly reader: RedisConnection;
  readonly epoch: string;
  /** The server's run id: a server with another one may have lost entries. */
  readonly run: string;
  /** Where the log ended when it was opened. */
  readonly offset: number;
  /** Redis refuses batches of links of the same node with a lower number. */
  readonly number: number;
  close(): void;
}

/** A publisher is answered within about this time, whatever happens to Redis. */
const COMMAND_TIMEOUT_MS = 1000;
/** Longer than Redis waits for an entry. */
const READ_TIMEOUT_MS = 5000;

/**
 * Connects and opens the log. Throws an `OtherLogError` if Redis holds another log than the one that is
 * known, a `RedisError` if that has another version, and what `connectTo()` throws.
 */
export async function openLink(
  { target, keys, clock, replyBytesMax }: LinkOptions,
  progress: Progress,
): Promise<RedisLink> {
  const commands = await connectTo(target, { clock, timeoutMs: COMMAND_TIMEOUT_MS });
  try {
    const opened = await openLog(commands, keys, progress);
    const reader = await connectTo(target, {
      clock,
      timeoutMs: READ_TIMEOUT_MS,
      mayTrickle: true,
      replyBytesMax,
    });
    const close = () => {
      commands.close();
      reader.close();
    };
    return { ...opened, commands, reader, number: progress.number, close };
  } catch (error) {
    commands.close();
    throw error;
  }
}

async function openLog(
  commands: RedisConnection,
  keys: RedisKeys,
  { epoch, seen, isKnown, node, gaps, number }: Progress,
): Promise<Pick<RedisLink, "epoch" | "run" | "offset">> {
  const jump = OFFSET_JUMP + Math.floor(OFFSET_JUMP_SPREAD * Math.random());
  const reply = await SCRIPTS.open(
    commands,
    [keys.meta, keys.log, keys.gaps, keys.channels, keys.channelStart, keys.writer(node)],
    [epoch, seen, isKnown ? 1 : 0, number, jump, ...gaps.map(formatGap)],
  );
  const texts = (reply as readonly unknown[]).map(String);
  const [openedEpoch = "", run = "", offset] = texts;
  if (offset !== undefined) return { epoch: openedEpoch, run, offset: Number(offset) };
  const [fault, version] = texts;
  if (fault === "epoch") throw new OtherLogError("Redis holds another log");
  throw new RedisError(
    `Cannot use the log in Redis: expected version ${FORMAT_VERSION}, got ${version}`,
  );
}
