import { assert, assertEquals } from "@std/assert";
import { DOORS, type Shown } from "../support/doors.ts";
import { type LogEntry, startServer, type TestServer } from "../support/server.ts";
import { HarkClient } from "../support/socket.ts";
import { issue, SECRET } from "../support/tokens.ts";

const KEY = "a-publish-key";
const WRONG_KEY = "wrong-key-of-somebody";
const WRONG_TOKEN = await issue({ secret: "another secret of 32 bytes, or more" });
const SIGNATURE = "Cannot use this token: its signature is wrong";

/** The line about a refusal, without its time. */
async function nextRefusal(server: TestServer): Promise<LogEntry> {
  const { time: _, ...entry } = await server.log.find(({ message }) => message === "refused");
  const text = JSON.stringify(entry);
  for (const secret of [KEY, WRONG_KEY, WRONG_TOKEN, ...WRONG_TOKEN.split(".")]) {
    assert(!text.includes(secret), text);
  }
  return entry as LogEntry;
}

const refused = (why: string): Record<string, unknown> => ({
  level: "warn",
  message: "refused",
  address: "127.0.0.1",
  why,
});

Deno.test("a token that does not count is logged, whichever way it comes", async () => {
  await using server = await startServer({ tokenSecret: SECRET, publishKey: [KEY] });
  const ways: Shown[] = [
    { query: `token=${WRONG_TOKEN}` },
    { headers: { authorization: `Bearer ${WRONG_TOKEN}` } },
  ];
  for (const door of DOORS) {
    for (const shown of ways) {
      await door.knock(server, shown);
      assertEquals<unknown>(await nextRefusal(server), refused(SIGNATURE), door.name);
    }
  }
});

Deno.test("a later token that does not count is logged", async () => {
  await using server = await startServer({ tokenSecret: SECRET });
  const token = await issue({ hark: { subscribe: ["*"] } });
  await using hark = await HarkClient.open(server.socketUrl(`/ws?token=${token}`));
  await hark.command({ type: "refresh", token: WRONG_TOKEN });
  assertEquals<unknown>(await nextRefusal(server), refused(SIGNATURE));
});

Deno.test("a wrong key and a missing key are logged", async () => {
  await using server = await startServer({ publishKey: [KEY] });
  const wrong = "Cannot publish with this key: it is not one of the server's";
  const cases: [path: string, init: RequestInit, why: string][] = [
    ["/channels/ci", { headers: { authorization: `Bearer ${WRONG_KEY}` } }, wrong],
    [`/channels/ci?key=${WRONG_KEY}`, {}, wrong],
    [`/broadcast/x?key=${WRONG_KEY}`, {}, wrong],
    [
      "/channels/ci",
      {},
      "Cannot publish without a key: send it as Authorization: Bearer KEY or as ?key=KEY",
    ],
  ];
  for (const [path, init, why] of cases) {
    await server.fetch(path, { method: "POST", body: "x", ...init });
    assertEquals<unknown>(await nextRefusal(server), refused(why));
  }
});

Deno.test("guessing keys does not flood the log", async () => {
  await using server = await startServer({ publishKey: [KEY], linesPerPeerMax: 3 });
  for (let count = 0; count < 20; count++) await server.fetch(`/broadcast/x?key=guess-${count}`);
  const messages = server.log.takeAll().map(({ message }) => message);
  const notice = "further lines about this peer are left out";
  assertEquals(messages, ["refused", "refused", "refused", notice]);
});
