import type { RedisConnection } from "./connection.ts";
import { type Reply, ReplyError } from "./resp.ts";

/** The version of the log's format: a node does not use a log of another version. */
export const FORMAT_VERSION = 1;

/** After so long without a sign of the node its link has to open the log again. */
const WRITER_AGE_S = 3600;

/**
 * When entries may be lost, offsets jump by this much at least, and over a number made of the time: so no
 * jump leads back behind an earlier one that is lost with all that came after it. The number is milliseconds
 * since 1970 times a hundred: a log grows more slowly, and it has 15 digits.
 */
export const OFFSET_JUMP = 100_000;
/** Jumps differ by up to so much, so that two at the same time lead to different offsets. */
export const OFFSET_JUMP_SPREAD = 1000;

// Lua writes a number over 1e14 as 1e+14, so offsets are formatted by hand. Keys in Redis:
//   meta      hash: e epoch, r run id of the server, o highest offset, v version
//   log       stream that nodes follow, ids <offset>-1
//   gaps      list of "after until seen": a node has seen lost entries up to `seen`, 0 if no node has
//   channels  sorted set of channels by their last offset
//   c:<name>  stream of each channel's newest publications
//   w:<node>  number of the node's newest connection that appends

/**
 * Opens the log: makes it if there is none, and takes it over from a server that may have lost its end.
 * Keys: meta, log, gaps, channels, the beginning of a channel's key, the node's writer. Arguments: epoch,
 * highest offset seen, "1" if the epoch is that of a log that was opened before, number of the node's
 * connection, how far to jump, then the gaps that the node knows of: a server with no log has none.
 * Returns `{epoch, run id, offset}`, or `{"epoch", other epoch}`, or `{"version", version}`.
 */
const OPEN = `
local function text(n) return string.format('%.0f', n) end
local run = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)')
local m = redis.call('HMGET', KEYS[1], 'e', 'r', 'o', 'v')
local seen = tonumber(ARGV[2])
local function jump(offset, after, last)
  local o = text(offset)
  redis.call('XADD', KEYS[2], o .. '-1', 'g', text(after), 's', text(last))
  redis.call('RPUSH', KEYS[3], text(after) .. ' ' .. o .. ' ' .. text(last))
  redis.call('LTRIM', KEYS[3], -100, -1)
  redis.call('HSET', KEYS[1], 'r', run, 'o', o)
  return o
end
local function ahead(offset)
  local now = redis.call('TIME')
  return math.max(offset, now[1] * 100000 + math.floor(now[2] / 10)) + tonumber(ARGV[5])
end
if tonumber(redis.call('GET', KEYS[6]) or 0) < tonumber(ARGV[4]) then
  redis.call('SET', KEYS[6], ARGV[4], 'EX', ${WRITER_AGE_S})
end
if not m[1] then
  for _, channel in ipairs(redis.call('ZRANGE', KEYS[4], 0, -1)) do
    redis.call('UNLINK', KEYS[5] .. channel)
  end
  redis.call('UNLINK', KEYS[2], KEYS[3], KEYS[4])
  redis.call('HSET', KEYS[1], 'e', ARGV[1], 'r', run, 'o', '0', 'v', '${FORMAT_VERSION}')
  if ARGV[3] ~= '1' then return {ARGV[1], run, '0'} end
  for at = 6, #ARGV do redis.call('RPUSH', KEYS[3], ARGV[at]) end
  return {ARGV[1], run, jump(ahead(seen), seen, 0)}
end
if m[4] ~= '${FORMAT_VERSION}' then return {'version', m[4] or ''} end
if ARGV[3] == '1' and m[1] ~= ARGV[1] then return {'epoch', m[1]} end
local o = tonumber(m[3])
local lost = seen > o and seen or 0
for index, gap in ipairs(redis.call('LRANGE', KEYS[3], 0, -1)) do
  local after, till, last = string.match(gap, '(%d+) (%d+) (%d+)')
  if after and seen > tonumber(after) and seen < tonumber(till) and seen > tonumber(last) then
    redis.call('LSET', KEYS[3], index - 1, after .. ' ' .. till .. ' ' .. text(seen))
    lost = seen
    break
  end
end
if m[2] ~= run or o < seen then
  return {m[1], run, jump(ahead(math.max(o, seen)), o, lost)}
end
if lost > 0 then return {m[1], run, jump(o + 1, o, lost)} end
return {m[1], run, m[3]}
`;

/**
 * Appends batches, each all or nothing, unless the log is not the one that was opened, or the node has
 * opened it again since: a batch that comes late by a lost connection may have been sent again.
 * Keys: meta, log, channels, the beginning of a channel's key, the node's writer, and that of each
 * idempotency key. Arguments: epoch, run id, highest offset seen, number of the node's connection,
 * publications a channel keeps, seconds that they are kept, entries of the log, seconds of an
 * idempotency key; then of each batch number of drafts, caller, reference, "1" for an idempotency key,
 * its fingerprint; and of each of its drafts channel, event, "1" for bytes, data, began by, optional
 * fields. Returns of each batch `{"ok", first offset, time}`, `{"again", epoch, first offset, count,
 * time}` for a key that was taken, or `{"conflict"}`; or `{}` to have the log opened again.
 */
const APPEND = `
local m = redis.call('HMGET', KEYS[1], 'e', 'r', 'o')
if m[1] ~= ARGV[1] or m[2] ~= ARGV[2] then return {} end
local o = tonumber(m[3])
if o < tonumber(ARGV[3]) or redis.call('GET', KEYS[5]) ~= ARGV[4] then return {} end
local now = redis.call('TIME')
local time = string.format('%.0f', now[1] * 1000 + math.floor(now[2] / 1000))
local function add(i, caller, reference)
  o = o + 1
  local channel, id = ARGV[i], string.format('%.0f-1', o)
  local fields = {'c', channel, 'e', ARGV[i + 1], 'd', ARGV[i + 3], 't', time}
  if ARGV[i + 2] ~= '' then fields[#fields + 1] = 'b' fields[#fields + 1] = '1' end
  if caller ~= '' then fields[#fields + 1] = 'k' fields[#fields + 1] = caller end
  if ARGV[i + 4] ~= '=' then fields[#fields + 1] = 'w' fields[#fields + 1] = ARGV[i + 4] end
  if ARGV[i + 5] ~= '' then fields[#fields + 1] = 'x' fields[#fields + 1] = ARGV[i + 5] end
  local key = KEYS[4] .. channel
  if type(redis.pcall('XADD', key, 'MAXLEN', ARGV[5], id, unpack(fields))) == 'table' then
    redis.call('DEL', key)
    redis.call('XADD', key, id, unpack(fields))
  end
  redis.call('EXPIRE', key, ARGV[6])
  redis.call('ZADD', KEYS[3], string.format('%.0f', o), channel)
  fields[#fields + 1] = 'r'
  fields[#fields + 1] = reference
  redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[7], id, unpack(fields))
end
local answers, i, k = {}, 9, 5
while i <= #ARGV do
  local drafts, fingerprint = i + 5, ARGV[i + 4]
  local after = drafts + 6 * ARGV[i]
  local key, taken = nil, {}
  if ARGV[i + 3] == '1' then
    k = k + 1
    key = KEYS[k]
    taken = redis.call('HMGET', key, 'f', 'e', 'o', 'n', 't')
  end
  if taken[1] == fingerprint then
    answers[#answers + 1] = {'again', taken[2], taken[3], taken[4], taken[5]}
  elseif taken[1] then
    answers[#answers + 1] = {'conflict'}
  else
    local first = string.format('%.0f', o + 1)
    for draft = drafts, after - 1, 6 do add(draft, ARGV[i + 1], ARGV[i + 2]) end
    if key then
      redis.call('HSET', key, 'f', fingerprint, 'e', ARGV[1], 'o', first, 'n', ARGV[i], 't', time)
      redis.call('EXPIRE', key, ARGV[8])
    end
    answers[#answers + 1] = {'ok', first, time}
  end
  i = after
end
redis.call('HSET', KEYS[1], 'o', string.format('%.0f', o))
return answers
`;

/**
 * Removes channels that have expired, the least used first, and renews the node's writer. Keys: channels,
 * the beginning of a channel's key, the node's writer. Argument: how many channels to look at.
 */
const SWEEP = `
redis.call('EXPIRE', KEYS[3], ${WRITER_AGE_S})
for _, channel in ipairs(redis.call('ZRANGE', KEYS[1], 0, ARGV[1] - 1)) do
  if redis.call('EXISTS', KEYS[2] .. channel) == 0 then redis.call('ZREM', KEYS[1], channel) end
end
return 0
`;

/** Runs a Lua script in Redis, as one step. Rejects as `RedisConnection.send()` does. */
export type Script = (
  connection: RedisConnection,
  keys: readonly string[],
  args: readonly (string | number)[],
) => Promise<Reply>;

/** The scripts of a log. */
export const SCRIPTS: Readonly<Record<"open" | "append" | "sweep", Script>> = {
  open: scriptOf(OPEN),
  append: scriptOf(APPEND),
  sweep: scriptOf(SWEEP),
};

/** Runs by its hash what Redis has already. */
function scriptOf(source: string): Script {
  // Made for the first call: most servers have no Redis.
  let hash: Promise<string> | undefined;
  return async (connection, keys, args) => {
    hash ??= sha1(source);
    try {
      return await connection.send("EVALSHA", await hash, keys.length, ...keys, ...args);
    } catch (error) {
      // A restart, a failover or SCRIPT FLUSH has dropped it.
      if (!(error instanceof ReplyError) || error.code !== "NOSCRIPT") throw error;
      return await connection.send("EVAL", source, keys.length, ...keys, ...args);
    }
  };
}

/** The keys of one log, all in one slot of a Redis Cluster. */
export class RedisKeys {
  readonly meta: string;
  readonly log: string;
  readonly gaps: string;
  readonly channels: string;
  /** The messages of nodes to each other. */
  readonly peers: string;
  /** The beginning of a channel's key, before its name. */
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

  /** The number of a node's newest connection that appends. */
  writer(node: string): string {
    return `${this.#start}w:${node}`;
  }

  /** The key of an idempotency key, by the hash of it and its caller. */
  idempotency(hash: string): string {
    return `${this.#start}i:${hash}`;
  }
}

async function sha1(text: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-1", new TextEncoder().encode(text));
  return new Uint8Array(digest).toHex();
}
