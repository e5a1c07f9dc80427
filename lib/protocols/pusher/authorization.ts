import { Refusal } from "../../core/errors.ts";
import type { Grant } from "../../core/grant.ts";
import { isJsonObject, parseJson } from "../../core/json.ts";
import { frameBytes } from "../../core/publication.ts";
import type { App } from "./app.ts";
import type { Member, Subscribe } from "./codec.ts";
import { kindOf, USER_CHANNEL } from "./names.ts";

/** Characters of a user's id. */
export const USER_ID_CHARS_MAX = 128;
/** Bytes of what the members of a presence channel see of a user. */
export const USER_INFO_BYTES_MAX = 1024;

/** Why a subscription is refused, as its client gets it. */
export class SubscriptionError extends Error {
  override readonly name = "SubscriptionError";
  readonly type: string;
  /** As in HTTP. */
  readonly status: number;

  constructor(type: string, status: number, message: string) {
    super(message);
    this.type = type;
    this.status = status;
  }
}

/** The client that asks for a subscription. */
export interface Subscriber {
  readonly app: App;
  readonly socketId: string;
  /** What everyone may do. */
  readonly grant: Grant;
  /** The user that it has signed in as. */
  readonly user: Member | undefined;
}

/**
 * The member that a presence channel gets; undefined on other channels. `name` is Hark's name of the
 * channel. Throws a `SubscriptionError` if the subscription is not allowed.
 */
export function authorize(
  { channel, auth, channelData }: Subscribe,
  name: string,
  { app, socketId, grant, user }: Subscriber,
): Member | undefined {
  if (channel.startsWith(USER_CHANNEL)) {
    if (channel === USER_CHANNEL + user?.userId) return undefined;
    throw denied("it takes the user whose channel it is, signed in");
  }
  const { isSigned, isPresence } = kindOf(channel);
  if (!isSigned) {
    if (grant.mayReceive(name)) return undefined;
    throw denied("it is not public");
  }
  const data = isPresence ? channelData : undefined;
  const text = `${socketId}:${channel}${data === undefined ? "" : `:${data}`}`;
  if (!app.isSigned(auth, text)) throw denied("its auth is not KEY:SIGNATURE of this app");
  if (!isPresence) return undefined;
  const member = data === undefined ? user : readMember(data, "user_id");
  if (member !== undefined) return member;
  throw denied(
    `its channel_data has no user_id of 1 to ${USER_ID_CHARS_MAX} characters, or more than ` +
      `${USER_INFO_BYTES_MAX} bytes of user_info`,
  );
}

/** Reads a user from signed JSON; undefined if it has none. The ids 7 and "7" are the same. */
export function readMember(text: string, idName: "user_id" | "id"): Member | undefined {
  let value: unknown;
  try {
    value = parseJson(text);
  } catch {
    return undefined; // Not JSON.
  }
  if (!isJsonObject(value)) return undefined;
  const { [idName]: id, user_info: info = {} } = value;
  const isId = typeof id === "string" || Number.isSafeInteger(id);
  const userId = String(id);
  const userInfo = JSON.stringify(info);
  if (!isId || userId === "" || userId.length > USER_ID_CHARS_MAX) return undefined;
  return frameBytes(userInfo) > USER_INFO_BYTES_MAX ? undefined : { userId, userInfo };
}

/** Hark's name of a channel. Throws a `SubscriptionError` if the name is not valid. */
export function readName(app: App, channel: string): string {
  try {
    return app.names.toHark(channel);
  } catch (error) {
    throw new SubscriptionError("InvalidChannel", 400, (error as Error).message);
  }
}

/** The error that a client gets for a subscription that failed. Rethrows faults of the server. */
export function asSubscriptionError(error: unknown): SubscriptionError {
  if (error instanceof SubscriptionError) return error;
  if (!(error instanceof Refusal)) throw error;
  return new SubscriptionError("LimitReached", 4004, error.message);
}

function denied(why: string): SubscriptionError {
  return new SubscriptionError("AuthError", 401, `Cannot subscribe to this channel: ${why}`);
}
