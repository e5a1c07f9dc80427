let loaded: typeof import("node:crypto") | undefined;

/** Loaded by the first that needs it: a start with it takes a quarter longer, and few have an app of Pusher. */
function crypto(): typeof import("node:crypto") {
  // deno-lint-ignore no-process-global -- an import loads it at once
  return loaded ??= process.getBuiltinModule("node:crypto");
}

/** The HMAC-SHA256 of a text in hexadecimal, as Pusher signs everything. */
export function signatureOf(secret: string, text: string): string {
  return crypto().createHmac("sha256", secret).update(text).digest("hex");
}

/** The MD5 of a body in hexadecimal, as Pusher's requests carry it. */
export function md5Of(body: Uint8Array): string {
  return crypto().createHash("md5").update(body).digest("hex");
}

/** Reports whether two texts are the same, in a time that says nothing of where they differ. */
export function isSame(given: string, right: string): boolean {
  const [a, b] = [encoder.encode(given), encoder.encode(right)];
  return a.length === b.length && crypto().timingSafeEqual(a, b);
}

const encoder = new TextEncoder();
