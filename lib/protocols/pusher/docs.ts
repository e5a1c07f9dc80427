import type { OperationDoc, Parameter } from "../../http/operation.ts";
import { COUNT, inPath, inQuery, jsonAnswer, listOf, object, TEXT } from "../../http/parameters.ts";
import { SOCKET_ANSWERS } from "../websocket/endpoint.ts";

/** The operations of the Pusher protocol, as `/openapi.json` describes them. */

const APP = inPath("app", "The id of an app", TEXT);
const IN_PATH_CHANNEL = inPath("channel", "A channel of Pusher", TEXT);
const INFO = inQuery("info", "Attributes, separated by commas: user_count, …", TEXT);
const SIGNATURE: readonly Parameter[] = [
  inQuery("auth_key", "The key of the app", TEXT),
  inQuery("auth_timestamp", "When it was signed, in seconds since 1970", TEXT),
  inQuery("auth_version", "1.0", TEXT, "1.0"),
  inQuery("body_md5", "The MD5 of the body, in hexadecimal", TEXT),
  inQuery("auth_signature", "HMAC-SHA256 of the rest, in hexadecimal", TEXT),
];

const ATTRIBUTES = {
  "user_count?": COUNT,
  "subscription_count?": COUNT,
};
const INFOS = object("PusherInfo", ATTRIBUTES);
const INFO_BY_CHANNEL = { type: "object", additionalProperties: INFOS };
const CACHED = object("PusherCached", { data: TEXT, ttl: COUNT });
const TRIGGER = object("PusherTrigger", {
  name: TEXT,
  data: TEXT,
  "socket_id?": { type: ["string", "null"] },
  "info?": TEXT,
  "channel?": TEXT,
  "channels?": listOf(TEXT),
});

/** An operation that is signed with the secret of its app. */
function signed(doc: OperationDoc): OperationDoc {
  const { parameters = [], problems = [], body } = doc;
  const ofBody = body === undefined ? [] : [408, 413, 503];
  return {
    ...doc,
    parameters: [APP, ...parameters, ...SIGNATURE],
    problems: [401, 404, ...ofBody, ...problems],
  };
}

export const CONNECT_DOC: OperationDoc = {
  id: "pusher",
  summary: "A WebSocket of the Pusher protocol",
  parameters: [
    inPath("key", "The key of an app", TEXT),
    inQuery("protocol", "The version of the protocol, 5 to 7", TEXT, "7"),
  ],
  answers: SOCKET_ANSWERS,
  problems: [426, 429, 503],
};

export const EVENTS_DOC: OperationDoc = signed({
  id: "pusherTrigger",
  summary: "Publishes an event to one or more channels, all or none",
  body: { "application/json": TRIGGER },
  answers: jsonAnswer(
    "Published",
    object("PusherTriggered", { "channels?": INFO_BY_CHANNEL }),
  ),
  problems: [429],
});

export const BATCH_DOC: OperationDoc = signed({
  id: "pusherTriggerBatch",
  summary: "Publishes several events, all or none",
  body: { "application/json": object("PusherBatch", { batch: listOf(TRIGGER) }) },
  answers: jsonAnswer(
    "Published",
    object("PusherBatchTriggered", { "batch?": listOf(INFOS) }),
  ),
  problems: [429],
});

export const CHANNELS_DOC: OperationDoc = signed({
  id: "pusherChannels",
  summary: "The channels with somebody on them",
  parameters: [inQuery("filter_by_prefix", "What their names begin with", TEXT), INFO],
  answers: jsonAnswer(
    "The channels",
    object("PusherChannels", { channels: INFO_BY_CHANNEL }),
  ),
});

export const CHANNEL_DOC: OperationDoc = signed({
  id: "pusherChannel",
  summary: "What is known of a channel",
  parameters: [IN_PATH_CHANNEL, INFO],
  answers: jsonAnswer(
    "The channel",
    object("PusherChannel", {
      occupied: { type: "boolean" },
      ...ATTRIBUTES,
      "cache?": { anyOf: [CACHED, { type: "null" }] },
    }),
  ),
});

export const USERS_DOC: OperationDoc = signed({
  id: "pusherUsers",
  summary: "Who is on a presence channel",
  parameters: [IN_PATH_CHANNEL],
  answers: jsonAnswer(
    "The users",
    object("PusherUsers", { users: listOf(object("PusherUser", { id: TEXT })) }),
  ),
});

export const TERMINATE_DOC: OperationDoc = signed({
  id: "pusherTerminate",
  summary: "Ends all connections of a user",
  parameters: [inPath("user", "The id of a user", TEXT)],
  answers: jsonAnswer("Ended", object("PusherTerminated", {})),
  problems: [408, 413, 503],
});
