import { isUser, PATTERNS_MAX, USER_CHARS_MAX } from "../auth/claims.ts";
import { secretKey, signToken } from "../auth/jwt.ts";
import { checkSubscription } from "../core/channel.ts";
import { durationMs } from "../core/since.ts";
import { type Arguments, UsageError } from "./arguments.ts";
import type { Command } from "./command.ts";

type Env = Readonly<Record<string, string>>;

const EXPIRES = "1h";
const EXPIRES_S_MAX = 366 * 86_400;

/** `hark token`: signs a token with the server's secret. */
export const tokenCommand: Command = {
  name: "token",
  summary: "sign a token that lets a client connect",
  help: `Usage: hark token [flags]

Signs a token with the secret that the server has, and prints it.
Exits with 0 if done, 2 if used wrongly.

  --subscribe C       a channel or pattern to receive; a list with commas, or repeated
  --publish C         a channel or pattern to publish to; likewise
  --user NAME         the user of the token, as others see it in presence
  --expires TIME      how long it is good for: a number and s, m, h or d (${EXPIRES})
  --token-secret S    the secret (HARK_TOKEN_SECRET, which other users cannot see)
  --token-audience A  whom it is for (HARK_TOKEN_AUDIENCE)
  --token-issuer I    its issuer (HARK_TOKEN_ISSUER)
  -h, --help          show this`,
  syntax: {
    values: ["user", "expires", "token-secret", "token-audience", "token-issuer"],
    lists: ["subscribe", "publish"],
    switches: [],
  },

  async run(args, { env, clock, write }) {
    if (args.operands.length > 0) throw new UsageError("Expected flags alone");
    const nowS = Math.floor(clock.now() / 1000);
    const claims = {
      sub: readUser(args),
      aud: setting(args, env, "token-audience") || undefined,
      iss: setting(args, env, "token-issuer") || undefined,
      iat: nowS,
      exp: nowS + readSeconds(args),
      hark: { subscribe: readPatterns(args, "subscribe"), publish: readPatterns(args, "publish") },
    };
    try {
      const key = await secretKey(setting(args, env, "token-secret"));
      write(await signToken(claims, key));
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      throw new UsageError("--token-secret or HARK_TOKEN_SECRET: expected 32 bytes or more");
    }
    return 0;
  },
};

/** The value of a flag, or else of the variable that the server reads too. */
function setting({ values }: Arguments, env: Env, name: string): string {
  return values.get(name) ?? env[`HARK_${name.toUpperCase().replace("-", "_")}`] ?? "";
}

function readUser({ values }: Arguments): string | undefined {
  const user = values.get("user");
  if (user === undefined || isUser(user)) return user;
  throw new UsageError(
    `--user: expected 1 to ${USER_CHARS_MAX} characters with no control character`,
  );
}

function readSeconds({ values }: Arguments): number {
  const seconds = (durationMs(values.get("expires") ?? EXPIRES) ?? 0) / 1000;
  if (seconds >= 1 && seconds <= EXPIRES_S_MAX) return seconds;
  throw new UsageError("--expires: expected a number and s, m, h or d, up to 366d, such as 15m");
}

function readPatterns({ values }: Arguments, name: string): string[] {
  const patterns = (values.get(name) ?? "").split(",").map((text) => text.trim())
    .filter((text) => text !== "");
  try {
    patterns.forEach(checkSubscription);
  } catch (error) {
    throw new UsageError(`--${name}: ${(error as TypeError).message}`);
  }
  if (patterns.length <= PATTERNS_MAX) return patterns;
  throw new UsageError(`--${name}: expected at most ${PATTERNS_MAX} channels and patterns`);
}
