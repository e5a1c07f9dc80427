import { CHANNEL_PATTERN } from "../core/channel.ts";
import type { OperationDoc, Parameter, Schema } from "../http/operation.ts";
import {
  AT_EVENT,
  AT_SINCE,
  CHANNEL,
  COUNT,
  EVENT,
  ID,
  IN_PATH_CHANNEL,
  inPath,
  inQuery,
  jsonAnswer,
  listOf,
  object,
  SUBSCRIPTION,
  TEXT,
  TIME,
} from "../http/parameters.ts";
import { LIMIT_MAX } from "./pages.ts";
import { SESSION_ID_PATTERN } from "./sessions.ts";
import { IDEMPOTENCY_KEY_PATTERN } from "./publish.ts";

/** The API's operations, as `/openapi.json` describes them. */

const LIMIT = inQuery("limit", "Entries of the page; 100 without it", {
  type: "integer",
  minimum: 1,
  maximum: LIMIT_MAX,
});
const PATTERN_IN_PATH: Parameter = {
  ...inPath("channel", "A channel, or a pattern", SUBSCRIPTION),
  example: "ci",
};
const MORE: Schema = { type: "boolean", description: "Whether there is a next page" };
const SILENT = {
  ...listOf(TEXT),
  description: "The nodes that did not answer in time, if there are any",
};
const ANY: Schema = { description: "Any JSON" };

const RECEIPT = object("Receipt", { id: ID, channel: CHANNEL, event: EVENT, time: TIME });
const PUBLICATION = object("Publication", {
  id: ID,
  channel: CHANNEL,
  event: EVENT,
  "data?": ANY,
  "base64?": { ...TEXT, description: "In place of data, where the message is bytes" },
  time: TIME,
});
const SESSION = object("Session", {
  client: TEXT,
  "user?": TEXT,
  address: TEXT,
  transport: TEXT,
  channels: listOf(SUBSCRIPTION),
  connected: TIME,
  "expires?": TIME,
  unsent: { ...COUNT, description: "Bytes that the client has not taken yet" },
});
const NODE = object("Node", {
  id: TEXT,
  name: TEXT,
  version: TEXT,
  "address?": TEXT,
  sessions: COUNT,
  position: ID,
  lag: { ...COUNT, description: "Publications that it is behind" },
});
const MESSAGE = object("Broadcast", { message: TEXT });
const LINES: Schema = { ...TEXT, description: "JSON on each line, a message each: all or none" };

/** Statuses of a publication that is rejected. */
const NOT_PUBLISHED = [413, 429];

const TRACEPARENT: Parameter = {
  name: "traceparent",
  in: "header",
  description: "The trace it is part of (W3C Trace Context); an invalid one is ignored",
  schema: TEXT,
};

export const BROADCAST_DOC: OperationDoc = {
  id: "broadcast",
  summary: 'Publishes {"message":"…"}, and answers the same',
  need: "publish",
  parameters: [
    inPath("message", "The text", { type: "string", minLength: 1 }),
    inQuery("channel", "Where to; broadcast without it", CHANNEL),
    AT_EVENT,
    TRACEPARENT,
  ],
  answers: jsonAnswer("Published", MESSAGE),
  problems: NOT_PUBLISHED,
};

export const PUBLISH_DOC: OperationDoc = {
  id: "publish",
  summary: "Publishes the body",
  need: "publish",
  parameters: [
    IN_PATH_CHANNEL,
    AT_EVENT,
    inQuery("as", "How to read the body, whatever its type", {
      enum: ["text", "json", "form", "binary"],
    }),
    inQuery("field", "With as=form: the one field that has the message, as JSON", TEXT),
    {
      name: "Idempotency-Key",
      in: "header",
      description: "Makes a retry safe: the same request under the same key is published once",
      schema: { type: "string", pattern: IDEMPOTENCY_KEY_PATTERN },
    },
    TRACEPARENT,
  ],
  body: {
    "application/json": ANY,
    "text/plain": TEXT,
    "application/x-ndjson": LINES,
    "application/octet-stream": { ...TEXT, format: "binary" },
  },
  answers: jsonAnswer("Published", {
    anyOf: [RECEIPT, object("Receipts", { publications: listOf(RECEIPT) })],
  }),
  problems: [408, 415, 422, ...NOT_PUBLISHED],
};

export const HISTORY_DOC: OperationDoc = {
  id: "history",
  summary: "What is kept of a channel, or of all that a pattern covers, in pages",
  need: "receive",
  parameters: [
    PATTERN_IN_PATH,
    AT_SINCE,
    LIMIT,
    inQuery("order", "What comes first; oldest without it", { enum: ["oldest", "newest"] }),
  ],
  answers: jsonAnswer(
    "A page",
    object("History", {
      channel: SUBSCRIPTION,
      publications: listOf(PUBLICATION),
      complete: { type: "boolean", description: "False if something after since is gone" },
      next: { ...ID, description: "The since of the next page, or of what comes later" },
      more: MORE,
    }),
  ),
};

export const CHANNELS_DOC: OperationDoc = {
  id: "listChannels",
  summary: "Channels that somebody is on by their names, or that have a history, in pages",
  need: "manage",
  parameters: [
    inQuery("after", "The next of the page before", {
      type: "string",
      pattern: `^$|${CHANNEL_PATTERN}`,
    }),
    LIMIT,
  ],
  answers: jsonAnswer(
    "A page, in the order of the names",
    object("Channels", {
      channels: listOf(object("Channel", {
        channel: CHANNEL,
        sessions: COUNT,
        publications: COUNT,
        last: { anyOf: [ID, { type: "null" }], description: "The id of its last message" },
      })),
      next: TEXT,
      more: MORE,
    }),
  ),
};

export const PRESENCE_DOC: OperationDoc = {
  id: "presence",
  summary: "How many are on a channel by its name and, for a key or token that allows it, who",
  need: "receive",
  parameters: [IN_PATH_CHANNEL],
  answers: jsonAnswer(
    "Whoever is there",
    object("Presence", {
      channel: CHANNEL,
      count: COUNT,
      entries: listOf(object("Present", { client: TEXT, "user?": TEXT, joined: TIME })),
    }),
  ),
};

export const COUNT_DOC: OperationDoc = {
  id: "count",
  summary: "How many clients are connected",
  answers: jsonAnswer("Their number", object("Count", { count: COUNT })),
};

const WHICH = [
  inQuery("user", "Those of a user", TEXT),
  inQuery("channel", "Those subscribed to exactly this", SUBSCRIPTION),
];

export const SESSIONS_DOC: OperationDoc = {
  id: "listSessions",
  summary: "Connected clients, in pages",
  need: "manage",
  parameters: [
    ...WHICH,
    inQuery("client", "The one of this id", TEXT),
    inQuery("after", "The next of the page before", {
      type: "string",
      pattern: `^$|${SESSION_ID_PATTERN}`,
    }),
    LIMIT,
  ],
  answers: jsonAnswer(
    "A page, in the order of their ids",
    object("Sessions", { sessions: listOf(SESSION), next: TEXT, more: MORE, "silent?": SILENT }),
  ),
};

export const END_SESSIONS_DOC: OperationDoc = {
  id: "endSessions",
  summary: "Disconnects a client, or all of a user: exactly one of the two is to be given",
  need: "manage",
  parameters: [...WHICH, inQuery("client", "The one of this id", TEXT)],
  answers: jsonAnswer(
    "How many they were",
    object("Ended", { ended: COUNT, "silent?": SILENT }),
  ),
};

export const NODES_DOC: OperationDoc = {
  id: "listNodes",
  summary: "All nodes that share the log, the one that answers first",
  need: "manage",
  answers: jsonAnswer("The nodes", object("Nodes", { nodes: listOf(NODE) })),
};

export const HEALTH_DOC: OperationDoc = {
  id: "health",
  summary: "Whether the process answers",
  answers: jsonAnswer("It does", object("Health", { status: { const: "alive" } })),
};

export const READINESS_DOC: OperationDoc = {
  id: "readiness",
  summary: "Whether it takes clients",
  parameters: [inQuery("publish", "1 to ask whether it takes publications too", TEXT, "1")],
  answers: jsonAnswer("It does", object("Readiness", { status: { const: "ready" } })),
  problems: [503],
};

export const METRICS_DOC: OperationDoc = {
  id: "metrics",
  summary: "Metrics in the text format of Prometheus",
  need: "measure",
  answers: { 200: { description: "The metrics", content: { "text/plain": TEXT } } },
};
