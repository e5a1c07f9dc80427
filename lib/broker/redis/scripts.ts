import type { RedisConnection } from "./connection.ts";
import { type Reply, ReplyError } from "./resp.ts";

/** The version of what is written: a node writes into no log of another one. */
export const FORMAT_VERSION = 1;

/** By how much offsets jump where some that were given may be lost. */
export const OFFSET_JUMP = 1_000_000_000;

// Lua writes a number over 1e14 as 1e+14, so offsets are formatted by hand. What Redis keeps of the log:
//   meta      hash: e epoch, r run id of the server, o highest offset, v version, k and h and s the last
//             takeover: kept up to k, goes on after h, seen by a node up to s
//   log       stream of what nodes follow, ids <offset>-1
//   gaps      list of "after until seen"
//   channels  sorted set of channels by their last offset
//   c:<name>  stream of each channel's newest publications

/**
 * Opens the log: makes it if there is none, and takes it over from a server that may have lost its end.
 * Keys: meta, log, gaps. Arguments: epoch, highest offset seen, "1" if the epoch is that of a log that
 * was opened before. Returns `{epoch, run id, offset}`, or `{other epoch}`, or `{version}`.
 */
const OPEN = `
local function text(n) return string.format('%.0f', n) end
local run = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)')
local m = redis.call('HMGET', KEYS[1], 'e', 'r', 'o', 'v', 'k', 'h', 's')
local seen = tonumber(ARGV[2])
local function jump(offset, after, last)
  local o = text(offset)
  redis.call('XADD', KEYS[2], o .. '-1', 'g', text(after), 's', text(last))
  redis.call('RPUSH', KEYS[3], text(after) .. ' ' .. o .. ' ' .. text(last))
  redis.call('LTRIM', KEYS[3], -100, -1)
  redis.call('HSET', KEYS[1], 'r', run, 'o', o)
  return o
end
if not m[1] then
  redis.call('DEL', KEYS[2], KEYS[3])
  redis.call('HSET', KEYS[1], 'e', ARGV[1], 'r', run, 'o', '0', 'v', '${FORMAT_VERSION}')
  if ARGV[3] ~= '1' then return {ARGV[1], run, '0'} end
  redis.call('HSET', KEYS[1], 'k', text(seen), 'h', text(seen + ${OFFSET_JUMP}), 's', '0')
  return {ARGV[1], run, jump(seen + ${OFFSET_JUMP}, seen, 0)}
end
if m[4] ~= '${FORMAT_VERSION}' then return {'version', m[4] or ''} end
if ARGV[3] == '1' and m[1] ~= ARGV[1] then return {'epoch', m[1]} end
local o = tonumber(m[3])
if m[2] ~= run or o < seen then
  local lost = seen > o and seen or 0
  local offset = math.max(o, seen) + ${OFFSET_JUMP}
  redis.call('HSET', KEYS[1], 'k', text(o), 'h', text(offset), 's', text(lost))
  return {m[1], run, jump(offset, o, lost)}
end
if m[5] and seen > tonumber(m[5]) and seen < tonumber(m[6]) and seen > tonumber(m[7]) then
  redis.call('HSET', KEYS[1], 's', text(seen))
  return {m[1], run, jump(o + 1, o, seen)}
end
return {m[1], run, m[3]}
`;

/**
 * Appends one batch, all or nothing, unless the log is not the one that was opened.
 * Keys: meta, log, channels, the beginning of a channel's key, and that of the idempotency key if there
 * is one. Arguments: epoch, run id, highest offset seen, publications a channel keeps, seconds that they
 * are kept, entries of the log, caller, the batch's reference, fingerprint and seconds of the
 * idempotency key, then of each draft channel, event, "1" for bytes, data, began by.
 * Returns `{"ok", first offset, time}`, `{"again", epoch, first offset, count, time}` for a key that was
 * taken, `{"conflict"}` or `{"reopen"}`.
 */
const APPEND = `
local m = redis.call('HMGET', KEYS[1], 'e', 'r', 'o')
if m[1] ~= ARGV[1] or m[2] ~= ARGV[2] then return {'reopen'} end
local o = tonumber(m[3])
if o < tonumber(ARGV[3]) then return {'reopen'} end
if KEYS[5] then
  local kept = redis.call('HMGET', KEYS[5], 'f', 'e', 'o', 'n', 't')
  if kept[1] == ARGV[9] then return {'again', kept[2], kept[3], kept[4], kept[5]} end
  if kept[1] then return {'conflict'} end
end
local now = redis.call('TIME')
local time = string.format('%.0f', now[1] * 1000 + math.floor(now[2] / 1000))
local first = string.format('%.0f', o + 1)
local count = 0
for i = 11, #ARGV, 5 do
  o = o + 1
  count = count + 1
  local channel, offset = ARGV[i], string.format('%.0f', o)
  local id = offset .. '-1'
  local fields = {'c', channel, 'e', ARGV[i + 1], 'd', ARGV[i + 3], 't', time}
  if ARGV[i + 2] ~= '' then fields[#fields + 1] = 'b' fields[#fields + 1] = '1' end
  if ARGV[7] ~= '' then fields[#fields + 1] = 'k' fields[#fields + 1] = ARGV[7] end
  if ARGV[i + 4] ~= '=' then fields[#fields + 1] = 'w' fields[#fields + 1] = ARGV[i + 4] end
  local key = KEYS[4] .. channel
  redis.call('XADD', key, 'MAXLEN', ARGV[4], id, unpack(fields))
  redis.call('EXPIRE', key, ARGV[5])
  redis.call('ZADD', KEYS[3], offset, channel)
  fields[#fields + 1] = 'r'
  fields[#fields + 1] = ARGV[8]
  redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[6], id, unpack(fields))
end
redis.call('HSET', KEYS[1], 'o', string.format('%.0f', o))
if KEYS[5] then
  redis.call('HSET', KEYS[5], 'f', ARGV[9], 'e', ARGV[1], 'o', first, 'n', count, 't', time)
  redis.call('EXPIRE', KEYS[5], ARGV[10])
end
return {'ok', first, time}
`;

/**
 * Removes channels of which nothing is kept any more, the least used first.
 * Keys: channels, the beginning of a channel's key. Argument: how many to look at.
 */
const SWEEP = `
for _, channel in ipairs(redis.call('ZRANGE', KEYS[1], 0, ARGV[1] - 1)) do
  if redis.call('EXISTS', KEYS[2] .. channel) == 0 then redis.call('ZREM', KEYS[1], channel) end
end
return 0
`;

/** A Lua script that runs in Redis as one step. */
export class Script {
  readonly #source: string;
  readonly #hash: Promise<string>;

  constructor(source: string) {
    this.#source = source;
    this.#hash = sha1(source);
  }

  /** Runs it, by its hash if Redis has it already. Rejects as `RedisConnection.send()` does. */
  async run(
    connection: RedisConnection,
    keys: readonly string[],
    args: readonly (string | number)[],
  ): Promise<Reply> {
    const hash = await this.#hash;
    try {
      return await connection.send("EVALSHA", hash, keys.length, ...keys, ...args);
    } catch (error) {
      // A restart or a failover, or SCRIPT FLUSH, has dropped it.
      if (!(error instanceof ReplyError) || error.code !== "NOSCRIPT") throw error;
      return await connection.send("EVAL", this.#source, keys.length, ...keys, ...args);
    }
  }
}

/** The steps that have to be one. */
export const SCRIPTS = {
  open: new Script(OPEN),
  append: new Script(APPEND),
  sweep: new Script(SWEEP),
} as const;

/** The keys of one log, all in one slot of a Redis Cluster. */
export class RedisKeys {
  readonly meta: string;
  readonly log: string;
  readonly gaps: string;
  readonly channels: string;
  /** What nodes say to each other. */
  readonly peers: string;
  /** What stands before a channel's name. */
  readonly channelStart: string;
  readonly #start: string;

  constructor(name: string) {
    const start = this.#start = `{${name}}:`;
    this.meta = `${start}meta`;
    this.log = `${start}log`;
    this.gaps = `${start}gaps`;
    this.channels = `${start}channels`;
    this.peers = `${start}peers`;
    this.channelStart = `${start}c:`;
  }

  /** Of an idempotency key, by the hash of its caller and itself. */
  idempotency(hash: string): string {
    return `${this.#start}i:${hash}`;
  }
}

async function sha1(text: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-1", new TextEncoder().encode(text));
  return new Uint8Array(digest).toHex();
}
