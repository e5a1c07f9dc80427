import type { RedisTarget } from "../../core/redis_url.ts";
import type { Clock } from "../../core/clock.ts";
import type { Gap } from "../journal.ts";
import type { RedisConnection } from "./connection.ts";
import { formatGap } from "./entries.ts";
import { RESP_LIMITS } from "./resp.ts";
import { connectTo } from "./sentinel.ts";
import {
  FORMAT_VERSION,
  OFFSET_JUMP,
  OFFSET_JUMP_SPREAD,
  type RedisKeys,
  SCRIPTS,
} from "./scripts.ts";

/** The log in Redis is none that this program can write. */
export class LogVersionError extends Error {
  override readonly name = "LogVersionError";
}

/** Redis holds another log than the one that was open before. */
export class OtherLogError extends Error {
  override readonly name = "OtherLogError";
}

/** How far a node has come in a log. */
export interface Progress {
  readonly epoch: string;
  /** The highest offset that it has seen. */
  readonly seen: number;
  /** False for an epoch that was just made up, in case there is no log yet. */
  readonly isKnown: boolean;
  readonly node: string;
  /** Those that it knows of, for a server that has lost them. */
  readonly gaps: readonly Gap[];
  /** Of this link: higher than that of every earlier one of the node. */
  readonly number: number;
}

/** A publisher is answered within about this time, whatever becomes of Redis. */
const COMMAND_TIMEOUT_MS = 1000;
/** Longer than Redis waits for an entry. */
const READ_TIMEOUT_MS = 5000;

/** Two connections to the server that has the log: one for commands, one that waits for entries. */
export class RedisLink {
  readonly commands: RedisConnection;
  readonly reader: RedisConnection;
  readonly epoch: string;
  /** The server's run id: another one may have lost what this one has. */
  readonly run: string;
  /** Where the log ended when it was opened. */
  readonly offset: number;
  /** Redis takes no batches by an earlier link of the same node any more. */
  readonly number: number;

  /**
   * Connects and opens the log. Throws an `OtherLogError` or a `LogVersionError`, and what
   * `RedisConnection` throws if the server cannot be used.
   */
  static async open(
    target: RedisTarget,
    keys: RedisKeys,
    progress: Progress,
    clock: Clock,
    replyBytesMax: number = RESP_LIMITS.replyBytesMax,
  ): Promise<RedisLink> {
    const commands = await connectTo(target, { clock, timeoutMs: COMMAND_TIMEOUT_MS });
    try {
      const [epoch, run, offset] = await openLog(commands, keys, progress);
      const reader = await connectTo(target, {
        clock,
        timeoutMs: READ_TIMEOUT_MS,
        mayTrickle: true,
        replyBytesMax,
      });
      return new RedisLink(commands, reader, epoch, run, offset, progress.number);
    } catch (error) {
      commands.close();
      throw error;
    }
  }

  private constructor(
    commands: RedisConnection,
    reader: RedisConnection,
    epoch: string,
    run: string,
    offset: number,
    number: number,
  ) {
    this.commands = commands;
    this.reader = reader;
    this.epoch = epoch;
    this.run = run;
    this.offset = offset;
    this.number = number;
  }

  close(): void {
    this.commands.close();
    this.reader.close();
  }
}

async function openLog(
  commands: RedisConnection,
  keys: RedisKeys,
  { epoch, seen, isKnown, node, gaps, number }: Progress,
): Promise<[epoch: string, run: string, offset: number]> {
  const jump = OFFSET_JUMP + Math.floor(OFFSET_JUMP_SPREAD * Math.random());
  const reply = await SCRIPTS.open.run(
    commands,
    [keys.meta, keys.log, keys.gaps, keys.channels, keys.channelStart, keys.writer(node)],
    [epoch, seen, isKnown ? 1 : 0, number, jump, ...gaps.map(formatGap)],
  );
  const [first = "", second = "", third] = (reply as readonly unknown[]).map(String);
  if (third !== undefined) return [first, second, Number(third)];
  if (first === "epoch") throw new OtherLogError("Redis holds another log");
  throw new LogVersionError(
    `Cannot use the log in Redis: expected version ${FORMAT_VERSION}, got ${second}`,
  );
}
