/** Filled for each id anew: another array would take as long as all the rest. */
const idBytes = new Uint8Array(16);

/** Returns 128 random bits as text for URLs: 22 characters that nobody can guess. */
export function randomId(): string {
  return crypto.getRandomValues(idBytes).toBase64({ alphabet: "base64url", omitPadding: true });
}

/** Returns the epoch of a new log: 8 random characters. */
export function randomEpoch(): string {
  const letters = "0123456789abcdefghijklmnopqrstuv";
  const bytes = crypto.getRandomValues(new Uint8Array(8));
  return Array.from(bytes, (byte) => letters[byte % letters.length]).join("");
}
