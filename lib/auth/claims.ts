import { isSubscription } from "../core/channel.ts";
import { CLOCK_SKEW_MS, hasExpired } from "../core/grant.ts";
import { isJsonObject, type JsonObject } from "../core/json.ts";
import { refuseToken } from "./jwt.ts";

/** What the bearer of a token may do. */
export interface Claims {
  /** The bearer's user: `sub`. */
  readonly user: string | undefined;
  /** Channels and patterns to receive, besides the public ones: `hark.subscribe`. */
  readonly subscribe: readonly string[];
  /** Channels and patterns to publish to: `hark.publish`. */
  readonly publish: readonly string[];
  /** When the token expires, in milliseconds since 1970: `exp`. */
  readonly expiresAt: number;
}

/** The audience and the issuer that a token must name. */
export interface Expectations {
  /** Empty: then a token must name none. */
  readonly tokenAudience: string;
  /** Empty for any. */
  readonly tokenIssuer: string;
}

/** Channels and patterns in one of a token's lists. */
export const PATTERNS_MAX = 100;
/** Characters of a user's name. */
export const USER_CHARS_MAX = 128;

/** The year 10000: a larger number is milliseconds. */
const SECONDS_MAX = 253_402_300_800;
const CONTROLS = /\p{Cc}/u;

/**
 * Reads the claims of a token after its signature was checked. Throws a `Refusal` that names the claim
 * that is missing, malformed, or not as expected.
 *
 * @see https://www.rfc-editor.org/rfc/rfc7519#section-4.1
 */
export function readClaims(claims: JsonObject, expected: Expectations, nowMs: number): Claims {
  const expiresAt = readTime(claims, "exp");
  if (expiresAt === undefined) throw refuseToken("it has no exp, and never to end is not allowed");
  if (hasExpired(expiresAt, nowMs)) throw refuseToken("it has expired");
  for (const name of ["nbf", "iat"]) {
    const from = readTime(claims, name) ?? 0;
    if (from > nowMs + CLOCK_SKEW_MS) throw refuseToken(`it is not valid yet, by its ${name}`);
  }
  checkAudience(claims.aud, expected.tokenAudience);
  if (expected.tokenIssuer !== "" && claims.iss !== expected.tokenIssuer) {
    throw refuseToken("it is of another issuer");
  }
  const { subscribe, publish } = readPermissions(claims.hark);
  return {
    user: readUser(claims.sub),
    subscribe: readPatterns("subscribe", subscribe),
    publish: readPatterns("publish", publish),
    expiresAt,
  };
}

function readTime(claims: JsonObject, name: string): number | undefined {
  const seconds = claims[name];
  if (seconds === undefined) return undefined;
  if (typeof seconds === "number" && seconds >= 0 && seconds < SECONDS_MAX) return seconds * 1000;
  throw refuseToken(`its ${name} is not in seconds since 1970`);
}

/** RFC 7519 section 4.1.3: a token for another audience must be rejected. */
function checkAudience(audience: unknown, expected: string): void {
  if (audience === undefined && expected === "") return;
  const audiences = Array.isArray(audience) ? audience : [audience];
  if (expected !== "" && audiences.includes(expected)) return;
  throw refuseToken("it is for another audience");
}

/** Reports whether a text is valid as the name of a user. */
export function isUser(text: string): boolean {
  return text !== "" && text.length <= USER_CHARS_MAX && !CONTROLS.test(text) &&
    text.isWellFormed();
}

function readUser(user: unknown): string | undefined {
  if (user === undefined || (typeof user === "string" && isUser(user))) return user;
  throw refuseToken(
    `its sub is not 1 to ${USER_CHARS_MAX} characters with no control character`,
  );
}

function readPermissions(permissions: unknown = {}): JsonObject {
  if (isJsonObject(permissions)) return permissions;
  throw refuseToken('its hark is not an object such as {"subscribe":["news.*"]}');
}

function readPatterns(name: string, patterns: unknown = []): readonly string[] {
  const isRight = Array.isArray(patterns) && patterns.length <= PATTERNS_MAX &&
    patterns.every((pattern) => typeof pattern === "string" && isSubscription(pattern));
  if (isRight) return patterns;
  throw refuseToken(
    `its hark.${name} is not a list of at most ${PATTERNS_MAX} channels or patterns`,
  );
}
