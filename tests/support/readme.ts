import { FORWARDED_MAX, SIGNATURE_AGE_MS } from "../../lib/forwarding.ts";
import { RESP_LIMITS } from "../../lib/broker/redis/resp.ts";
import { NODES_MAX, SILENCE_MS } from "../../lib/cluster/membership.ts";
import { UNANSWERED_MAX } from "../../lib/workers/metrics.ts";
import { ANSWER_TIMEOUT_MS } from "../../lib/cluster/questions.ts";
import { REMOTE_ENTRIES_MAX } from "../../lib/cluster/remote_presence.ts";
import { PATTERNS_MAX, USER_CHARS_MAX } from "../../lib/auth/claims.ts";
import { KEYS_MAX } from "../../lib/auth/jwk.ts";
import { JWKS_BYTES_MAX, JWKS_TIMEOUT_MS } from "../../lib/auth/jwks.ts";
import { TOKEN_CHARS_MAX } from "../../lib/auth/jwt.ts";
import { BOUNDS } from "../../lib/bounds.ts";
import { FIELDS_MAX } from "../../lib/http/form.ts";
import { ATTACHMENTS_MAX } from "../../lib/protocols/socketio/attachments.ts";
import { DEPTH_MAX } from "../../lib/core/json.ts";
import { CONNECT_CHARS_MAX } from "../../lib/protocols/socketio/decoder.ts";
import { type Disconnect, DISCONNECTS } from "../../lib/core/errors.ts";
import { CLOCK_SKEW_MS, REFRESH_GRACE_MS } from "../../lib/core/grant.ts";
import { GAPS_MAX } from "../../lib/broker/journal.ts";
import { APPLY_TIMEOUT_MS } from "../../lib/broker/log_broker.ts";
import { CALLERS_MAX } from "../../lib/core/rate_limiter.ts";
import { CONNECTS_PER_SLOT, REFILL_S, SLOTS_MIN } from "../../lib/hub/admission.ts";
import { ENTRIES_MAX, SEND_INTERVAL_MS } from "../../lib/hub/presence.ts";
import { SILENT_BEATS_MAX } from "../../lib/protocols/websocket/endpoint.ts";
import { STALLED_MS } from "../../lib/hub/replay.ts";
import { BODIES_BYTES_MAX, BODY_BYTES_MAX } from "../../lib/protocols/pusher/api.ts";
import {
  USER_ID_CHARS_MAX,
  USER_INFO_BYTES_MAX,
} from "../../lib/protocols/pusher/authorization.ts";
import { CLIENT_EVENTS_PER_SECOND_MAX } from "../../lib/protocols/pusher/client.ts";
import {
  DATA_BYTES_MAX,
  EVENT_CHARS_MAX,
  SOCKET_IDS_MAX,
} from "../../lib/protocols/pusher/codec.ts";
import { REFUSED_MAX } from "../../lib/protocols/pusher/endpoint.ts";
import { MEMBERS_MAX } from "../../lib/protocols/pusher/members.ts";
import {
  BATCH_MAX,
  CHANNELS_MAX,
  PARAMETERS_MAX,
  SIGNATURE_AGE_MAX_S,
} from "../../lib/protocols/pusher/requests.ts";
import { ACTIVITY_TIMEOUT_S, PONG_TIMEOUT_MS } from "../../lib/protocols/pusher/silence.ts";
import {
  RETRIES_MS,
  WAITING_CHARS_MAX,
  WAITING_MAX,
} from "../../lib/protocols/pusher/webhook_queue.ts";
import { DRAIN_MS } from "../../lib/protocols/pusher/webhooks.ts";
import { usage } from "../../lib/config/help.ts";
import { LIMIT_MAX } from "../../lib/api/pages.ts";
import { LARGEST_BATCHES, LARGEST_PER_BATCH, LARGEST_PER_FORM } from "../../lib/api/publish.ts";
import { NAMES_MAX } from "../../lib/api/sessions.ts";
import { LARGEST_POSTS } from "../../lib/protocols/socketio/endpoint.ts";
import { LINES_PER_PEER_MAX, PEERS_MAX } from "../../lib/observe/log.ts";
import { OPTION_ROWS, variableName } from "../../lib/config/options.ts";
import { HarkMetrics } from "../../lib/observe/hark_metrics.ts";
import { GOODBYE_MS } from "../../lib/protocols/engineio/goodbyes.ts";
import { FIRST_REQUEST_CHARS_MAX } from "../../lib/protocols/engineio/first_request.ts";

/** The parts of reference.md that are made of the code, by the name in their `<!-- name -->` marks. */
export function readmeParts(): ReadonlyMap<string, string> {
  return new Map([
    ["options", optionsTable()],
    ["bounds", boundsTable()],
    ["codes", codesTable()],
    ["metrics", metricsTable()],
  ]);
}

/** The text between `<!-- name -->` and `<!-- /name -->`; undefined if there are no such marks. */
export function partOf(page: string, name: string): string | undefined {
  return between(name).exec(page)?.[2];
}

/** The text with that part replaced. */
export function withPart(page: string, name: string, part: string): string {
  return page.replace(between(name), (_, start, _old, end) => start + part + end);
}

function between(name: string): RegExp {
  return new RegExp(`(<!-- ${name} -->\n\n)(.*?)(\n\n<!-- /${name} -->)`, "s");
}

/** Every option. */
export function optionsTable(): string {
  const code = (text: string) => text === "" ? "" : `\`${text}\``;
  const rows = OPTION_ROWS.map(([key, { default: value, help }]) => [
    code(usage(key)),
    code(variableName(key)),
    code(Array.isArray(value) ? value.join(",") : String(value)),
    help,
  ]);
  return markdownTable([["Flag", "Variable", "Default", "Meaning"], ...rows]);
}

/** Bounds that are no options. */
function boundsTable(): string {
  const seconds = (ms: number) => `${ms / 1000} s`;
  const rejected = (why: string) => `\`hark_rejected_total{reason="${why}"}\``;
  const disconnected = (why: string) => `\`hark_disconnects_total{reason="${why}"}\``;
  const dropped = '`hark_webhook_events_total{outcome="dropped"}`';
  const rows = [
    ["levels of arrays and objects in JSON", DEPTH_MAX, rejected("bad-request")],
    [
      "bytes of the body of a form",
      `${LARGEST_PER_FORM} × \`publish-bytes-max\``,
      rejected("too-large"),
    ],
    ["fields of a form", FIELDS_MAX, rejected("too-large")],
    [
      "bytes of a body of several messages",
      `${LARGEST_PER_BATCH} × \`publish-bytes-max\``,
      rejected("too-large"),
    ],
    ["bytes of all such bodies at a time", `${LARGEST_BATCHES} × that`, rejected("over-limit")],
    [
      "bytes of all long-polling posts at a time",
      LARGEST_POSTS * BOUNDS.pollingBytesMax,
      rejected("protocol"),
    ],
    ["bytes of one long-polling request", BOUNDS.pollingBytesMax, rejected("limit")],
    ["time for the body of a request", seconds(BOUNDS.bodyTimeoutMs), rejected("timeout")],
    [
      "time for a handshake of WebSocket or TLS",
      seconds(BOUNDS.handshakeTimeoutMs),
      rejected("handshake-timeout"),
    ],
    [
      "time for a WebSocket to be silent",
      `${SILENT_BEATS_MAX} × \`heartbeat-s\``,
      disconnected("idle"),
    ],
    [
      "time to answer a ping of Socket.IO",
      seconds(BOUNDS.pingTimeoutMs),
      disconnected("ping_timeout"),
    ],
    [
      "time for polling to become WebSocket",
      seconds(BOUNDS.upgradeTimeoutMs),
      rejected("upgrade-timeout"),
    ],
    [
      "time to join a first namespace",
      seconds(BOUNDS.connectTimeoutMs),
      rejected("over-limit"),
    ],
    [
      "namespaces that one client is in, each a session",
      BOUNDS.namespacesMax,
      rejected("over-limit"),
    ],
    [
      "polling sessions to come back; an address gets half of what others leave",
      BOUNDS.newcomersMax,
      rejected("limit"),
    ],
    ["bytes of the data of one Pusher event", DATA_BYTES_MAX, rejected("too-large")],
    ["channels of one Pusher trigger", CHANNELS_MAX, rejected("bad-request")],
    ["events of one Pusher batch", BATCH_MAX, rejected("bad-request")],
    ["bytes of one request to Pusher's HTTP API", BODY_BYTES_MAX, rejected("too-large")],
    ["parameters of one request to Pusher's HTTP API", PARAMETERS_MAX, rejected("unauthorized")],
    ["bytes of all such requests at a time", BODIES_BYTES_MAX, rejected("over-limit")],
    [
      "age of the signature of such a request",
      `${SIGNATURE_AGE_MAX_S} s`,
      rejected("unauthorized"),
    ],
    [
      "frames a second from one Pusher client",
      "`inbound-per-second-max` + `channels-per-session-max`",
      rejected("limit"),
    ],
    ["users on a presence channel of Pusher", MEMBERS_MAX, "`pusher:subscription_error`"],
    ["characters of such a user's id", USER_ID_CHARS_MAX, "`pusher:subscription_error`"],
    ["bytes of such a user's `user_info`", USER_INFO_BYTES_MAX, "`pusher:subscription_error`"],
    [
      "events a second that one Pusher client sends to others",
      CLIENT_EVENTS_PER_SECOND_MAX,
      "`pusher:error` 4301",
    ],
    ["characters of the name of such an event", EVENT_CHARS_MAX, "`pusher:error`"],
    ["former socket ids that a Pusher client names", SOCKET_IDS_MAX, "`pusher:error`"],
    [
      "time for a Pusher client to be silent, and to answer a ping",
      `${ACTIVITY_TIMEOUT_S} s + ${seconds(PONG_TIMEOUT_MS)}`,
      disconnected("idle"),
    ],
    ["events of webhooks that wait; of more the oldest are dropped", WAITING_MAX, dropped],
    ["characters of those together", WAITING_CHARS_MAX, dropped],
    ["time in which a webhook is repeated", seconds(RETRIES_MS), dropped],
    ["time in which a server that stops sends its webhooks", seconds(DRAIN_MS), dropped],
    [
      "Pusher connections that are accepted to get the reason why they are refused",
      REFUSED_MAX,
      "503",
    ],
    ["entries in one page (`limit`)", LIMIT_MAX, rejected("bad-request")],
    ["channels in one page of `/sessions`", NAMES_MAX, "`more` is true"],
    [
      "connects of one address at once",
      `${CONNECTS_PER_SLOT} × \`connections-per-address-max\``,
      rejected("connect-rate"),
    ],
    [
      "connects of all clients at once",
      `${CONNECTS_PER_SLOT} × \`connections-max\``,
      rejected("connect-rate"),
    ],
    ["connects a second after that", `1/${REFILL_S} of either`, rejected("connect-rate")],
    [
      "connects at once that neither is less than",
      CONNECTS_PER_SLOT * SLOTS_MIN,
      rejected("connect-rate"),
    ],
    [
      "characters of Socket.IO's first URL and headers",
      FIRST_REQUEST_CHARS_MAX,
      rejected("too-large"),
    ],
    ["characters with which a namespace is joined", CONNECT_CHARS_MAX, rejected("protocol")],
    [
      "characters of an event of Socket.IO that is read; a larger one is passed over",
      "`inbound-bytes-max`",
      rejected("too-large"),
    ],
    ["attachments of one Socket.IO packet", ATTACHMENTS_MAX, rejected("protocol")],
    ["time in which an ended polling session gets a goodbye", seconds(GOODBYE_MS), "400"],
    ["characters of a token", TOKEN_CHARS_MAX, rejected("unauthorized")],
    ["patterns in each of a token's lists", PATTERNS_MAX, rejected("unauthorized")],
    ["characters of a user's name", USER_CHARS_MAX, rejected("unauthorized")],
    ["clock skew of a token's times", seconds(CLOCK_SKEW_MS), rejected("unauthorized")],
    ["time to refresh an expired token", seconds(REFRESH_GRACE_MS), disconnected("expired")],
    ["time for a JWKS to arrive", seconds(JWKS_TIMEOUT_MS), "the log"],
    ["bytes of a JWKS", JWKS_BYTES_MAX, "the log"],
    ["keys of a JWKS", KEYS_MAX, "the log"],
    ["time for a client to read on while it catches up", seconds(STALLED_MS), disconnected("slow")],
    ["entries in one answer about presence", BOUNDS.presenceMax, "`count` has them all"],
    ["joins and leaves in one presence event", ENTRIES_MAX, "several events"],
    ["from one batch of presence events to the next", seconds(SEND_INTERVAL_MS), "sent together"],
    [
      "callers whose rates are remembered",
      `${CALLERS_MAX} to ${2 * CALLERS_MAX}`,
      "those idle for longest are forgotten",
    ],
    [
      "Idempotency-Keys remembered; a caller gets half of what others leave",
      BOUNDS.idempotencyKeysMax,
      rejected("over-limit"),
    ],
    [
      "subscriptions remembered of Socket.IO clients that left; as many of other nodes' clients",
      "`channels-max`",
      "those gone for longest are not recovered",
    ],
    [
      "requests forwarded to other nodes at a time",
      FORWARDED_MAX,
      "400, and the client begins anew",
    ],
    [
      "age of a forwarded request's signature",
      seconds(SIGNATURE_AGE_MS),
      rejected("unauthorized"),
    ],
    ["other nodes that are known", NODES_MAX, "later ones are not asked"],
    [
      "time for another node to answer",
      seconds(ANSWER_TIMEOUT_MS),
      "`/sessions` names it as silent",
    ],
    ["time for another node to be silent", seconds(SILENCE_MS), "its clients leave; `hark_nodes`"],
    [
      "questions that a worker leaves unanswered, one a second",
      UNANSWERED_MAX,
      "it is killed and started again; in the log",
    ],
    [
      "entries of one channel's presence kept of another node",
      REMOTE_ENTRIES_MAX,
      "joins and leaves of more are not sent",
    ],
    [
      "bytes of one reply of Redis",
      RESP_LIMITS.replyBytesMax,
      "fewer entries are asked for at once",
    ],
    ["gaps in the log that are remembered", GAPS_MAX, "older positions are not recovered"],
    [
      "time for a message that is kept to come back",
      seconds(APPLY_TIMEOUT_MS),
      rejected("unavailable"),
    ],
    ["lines of the log about one address in a minute", LINES_PER_PEER_MAX, "the log"],
    ["addresses whose log lines are counted", PEERS_MAX, "others share one count"],
  ];
  const cells = rows.map((row) => row.map(String));
  return markdownTable([["What is bounded", "By", "Where it is met"], ...cells]);
}

function codesTable(): string {
  const rows = Object.values(DISCONNECTS).map((disconnect: Disconnect) => [
    String(disconnect.code),
    disconnect.reason,
    disconnect.code < 4500 ? "yes" : "no",
  ]);
  return markdownTable([["Code", "Reason", "Reconnect?"], ...rows]);
}

function metricsTable(): string {
  const metrics = new HarkMetrics({ version: "", memory: () => ({ rss: 0, heap: 0 }) });
  const rows = metrics.describe().map(({ name, type, help }) => [`\`${name}\``, type, help]);
  return markdownTable([["Metric", "Type", "Meaning"], ...rows]);
}

/** A table whose first row is its head. */
export function markdownTable(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const lines = rows.map((row) => row.map((cell, column) => cell.padEnd(widths[column]!)));
  lines.splice(1, 0, widths.map((width) => "-".repeat(width)));
  return lines.map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}
