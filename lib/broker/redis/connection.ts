import { type Clock, within } from "../../core/clock.ts";
import { Deadlines } from "../../core/deadlines.ts";
import type { RedisAddress } from "../../core/redis_url.ts";
import { encodeCommand, type Reply, ReplyError, RESP_LIMITS, RespDecoder } from "./resp.ts";

/** The connection to Redis is lost: nobody knows whether it ran the commands under way. */
export class ConnectionLost extends Error {
  override readonly name: string = "ConnectionLost";
}

/** The connection was closed because a reply was over a limit. */
export class ReplyTooLarge extends ConnectionLost {
  override readonly name = "ReplyTooLarge";
}

/** How a connection is made, and the bounds it keeps. */
export interface RedisConnectionOptions {
  readonly clock: Clock;
  /** How long connecting, and each command, may take. */
  readonly timeoutMs: number;
  /** The time of a command begins anew with all bytes that come: long replies may take longer. */
  readonly mayTrickle?: boolean;
  /** Bytes of one reply; a longer one ends the connection. */
  readonly replyBytesMax?: number | undefined;
}

/** Bounds on the commands that wait for their replies, and on the text that waits to be written. */
const PENDING_MAX = 100_000;
const UNSENT_CHARS_MAX = 64 * 2 ** 20;
const READ_BYTES = 64 * 1024;

type Command = readonly (string | number)[];

interface Pending {
  readonly resolve: (reply: Reply) => void;
  readonly reject: (error: Error) => void;
}

const encoder = new TextEncoder();

/**
 * One connection to Redis. Commands of one turn are one write, and replies come in the order of the
 * commands. A command that is late ends the connection, as the replies after it could not be matched.
 */
export class RedisConnection {
  readonly #conn: Deno.Conn;
  readonly #clock: Clock;
  /** When the last bytes came. */
  #readAt = -Infinity;
  readonly #decoder: RespDecoder;
  readonly #deadlines: Deadlines<Pending>;
  #pending: Pending[] = [];
  /** How many of `#pending` are answered: `shift()` of each would cost the length of the queue. */
  #answered = 0;
  #unsent = "";
  #isWriting = false;
  readonly #ended = Promise.withResolvers<ConnectionLost>();
  #lost: ConnectionLost | undefined;

  /**
   * Connects and logs in. Throws a `ConnectionLost` if Redis cannot be reached in time, and a
   * `ReplyError` if it accepts the connection and refuses the login or the database.
   */
  static async open(
    address: RedisAddress,
    options: RedisConnectionOptions,
  ): Promise<RedisConnection> {
    const connection = new RedisConnection(await connect(address, options), options);
    try {
      await connection.#logIn(address);
      return connection;
    } catch (error) {
      connection.close();
      throw error;
    }
  }

  private constructor(conn: Deno.Conn, options: RedisConnectionOptions) {
    const { clock, timeoutMs, mayTrickle = false } = options;
    const { replyBytesMax = RESP_LIMITS.replyBytesMax } = options;
    this.#decoder = new RespDecoder({ ...RESP_LIMITS, replyBytesMax });
    this.#conn = conn;
    this.#clock = clock;
    this.#deadlines = new Deadlines(clock, timeoutMs, (pending) => {
      const isTrickling = mayTrickle && clock.monotonic() - this.#readAt < timeoutMs;
      if (isTrickling) return this.#deadlines.start(pending);
      this.#end(new ConnectionLost(`Redis gave no reply within ${timeoutMs} ms`));
    });
    this.#read();
  }

  /** Resolves when the connection is over, with the reason. */
  get ended(): Promise<ConnectionLost> {
    return this.#ended.promise;
  }

  /** False once the connection is over. */
  get isOpen(): boolean {
    return this.#lost === undefined;
  }

  /**
   * Sends a command and resolves to its reply. Rejects with a `ReplyError` if Redis answers with an
   * error, and with a `ConnectionLost` if the connection ends first.
   */
  send(...command: Command): Promise<Reply> {
    return new Promise((resolve, reject) => {
      if (this.#lost !== undefined) return reject(this.#lost);
      const text = encodeCommand(command);
      const waiting = this.#pending.length - this.#answered;
      // A command that is larger by itself is sent when nothing else waits.
      const isTooMuch = this.#unsent !== "" &&
        this.#unsent.length + text.length > UNSENT_CHARS_MAX;
      if (waiting >= PENDING_MAX || isTooMuch) {
        return reject(new ConnectionLost("Redis takes commands too slowly: too many wait"));
      }
      const pending = { resolve, reject };
      this.#pending.push(pending);
      this.#deadlines.start(pending);
      if (this.#unsent === "" && !this.#isWriting) queueMicrotask(() => this.#write());
      this.#unsent += text;
    });
  }

  /** Ends the connection, and rejects the commands that wait. Idempotent. */
  close(): void {
    this.#end(new ConnectionLost("the connection to Redis was closed"));
  }

  async #logIn({ username, password, database }: RedisAddress): Promise<void> {
    if (password !== "") {
      await this.send("AUTH", ...(username === "" ? [] : [username]), password);
    }
    if (database !== 0) await this.send("SELECT", database);
  }

  async #write(): Promise<void> {
    this.#isWriting = true;
    try {
      while (this.#unsent !== "" && this.isOpen) {
        let bytes = encoder.encode(this.#unsent);
        this.#unsent = "";
        while (bytes.length > 0) bytes = bytes.subarray(await this.#conn.write(bytes));
      }
    } catch (error) {
      this.#end(lost(error));
    }
    this.#isWriting = false;
  }

  async #read(): Promise<void> {
    const buffer = new Uint8Array(READ_BYTES);
    try {
      for (;;) {
        const length = await this.#conn.read(buffer);
        if (length === null) throw new ConnectionLost("Redis closed the connection");
        this.#readAt = this.#clock.monotonic();
        for (const reply of this.#decoder.push(buffer.subarray(0, length))) this.#answer(reply);
      }
    } catch (error) {
      this.#end(lost(error));
    }
  }

  #answer(reply: Reply): void {
    const pending = this.#pending[this.#answered];
    if (pending === undefined) {
      throw new ConnectionLost("Redis sent a reply that was not asked for");
    }
    this.#answered++;
    if (this.#answered * 2 > this.#pending.length) {
      this.#pending = this.#pending.slice(this.#answered);
      this.#answered = 0;
    }
    this.#deadlines.cancel(pending);
    if (reply instanceof ReplyError) pending.reject(reply);
    else pending.resolve(reply);
  }

  #end(reason: ConnectionLost): void {
    if (this.#lost !== undefined) return;
    this.#lost = reason;
    this.#conn.close();
    for (const pending of this.#pending.slice(this.#answered)) {
      this.#deadlines.cancel(pending);
      pending.reject(reason);
    }
    this.#pending = [];
    this.#ended.resolve(reason);
  }
}

async function connect(
  address: RedisAddress,
  { clock, timeoutMs }: RedisConnectionOptions,
): Promise<Deno.Conn> {
  const connecting = dial(address);
  try {
    const conn = await within(clock, timeoutMs, connecting);
    if (conn !== undefined) return conn;
  } catch (error) {
    throw lost(error);
  }
  // It may still connect: nobody wants it then.
  connecting.then((conn) => conn.close(), () => {});
  throw new ConnectionLost(`Redis did not accept a connection within ${timeoutMs} ms`);
}

async function dial({ hostname, port, path, tls, caCerts }: RedisAddress): Promise<Deno.Conn> {
  if (path !== "") return await Deno.connect({ transport: "unix", path });
  if (tls) {
    const conn = await Deno.connectTls({ hostname, port, caCerts: [...caCerts] });
    try {
      await conn.handshake();
      return conn;
    } catch (error) {
      conn.close();
      throw error;
    }
  }
  const conn = await Deno.connect({ hostname, port });
  conn.setNoDelay(true);
  return conn;
}

function lost(error: unknown): ConnectionLost {
  if (error instanceof ConnectionLost) return error;
  if (error instanceof RangeError) return new ReplyTooLarge(error.message);
  return new ConnectionLost(`the connection to Redis failed: ${(error as Error).message}`);
}
