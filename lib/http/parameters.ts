import { CHANNEL_PATTERN, SUBSCRIPTION_PATTERN } from "../core/channel.ts";
import { EVENT_PATTERN, ID_PATTERN, RESERVED_PATTERN } from "../core/publication.ts";
import { SINCE_PATTERN } from "../core/since.ts";
import type { OperationDoc, Parameter, Schema } from "./operation.ts";

/** Parameters and schemas that several operations share in `/openapi.json`. */

export const TEXT: Schema = { type: "string" };
export const COUNT: Schema = { type: "integer", minimum: 0 };
export const TIME: Schema = { ...COUNT, description: "Milliseconds since 1970" };
export const ID: Schema = { type: "string", pattern: ID_PATTERN };
export const CHANNEL: Schema = { type: "string", pattern: CHANNEL_PATTERN };
export const SUBSCRIPTION: Schema = { type: "string", pattern: SUBSCRIPTION_PATTERN };
export const EVENT: Schema = {
  type: "string",
  pattern: EVENT_PATTERN,
  not: { pattern: RESERVED_PATTERN },
};
const SINCE: Schema = {
  anyOf: [
    { type: "string", pattern: SINCE_PATTERN },
    { type: "string", format: "date-time" },
    { const: "" },
  ],
};

/** An object with these members; those whose names end in `?` are optional. */
export function object(title: string, members: Readonly<Record<string, Schema>>): Schema {
  const names = Object.keys(members);
  const properties = Object.entries(members).map(([name, schema]) => {
    return [name.replace("?", ""), schema];
  });
  return {
    title,
    type: "object",
    properties: Object.fromEntries(properties),
    required: names.filter((name) => !name.endsWith("?")),
  };
}

/** A list of these. */
export function listOf(items: Schema): Schema {
  return { type: "array", items };
}

/** A parameter in the path. */
export function inPath(name: string, description: string, schema: Schema): Parameter {
  return { name, in: "path", description, schema };
}

/** An optional parameter in the query. */
export function inQuery(
  name: string,
  description: string,
  schema: Schema,
  example?: string,
): Parameter {
  return { name, in: "query", description, schema, example };
}

export const IN_PATH_CHANNEL: Parameter = {
  ...inPath("channel", "A channel, which needs no creating", CHANNEL),
  example: "ci",
};
export const AT_EVENT: Parameter = inQuery("event", "Its name; message without it", EVENT, "build");
export const AT_SINCE: Parameter = inQuery(
  "since",
  "Where to begin: an id, all, a duration such as 10m, or a date-time",
  SINCE,
  "10m",
);
/** The channels that a client is on from the start. */
export const AT_CHANNELS: Parameter = inQuery(
  "channel",
  "A channel or pattern, once for each; broadcast is always among them",
  listOf(SUBSCRIPTION),
);

/** The answer 200, with JSON. */
export function jsonAnswer(description: string, schema: Schema): OperationDoc["answers"] {
  return { 200: { description, content: { "application/json": schema } } };
}
