import { assertEquals } from "@std/assert";
import { connectPair, join, listen } from "../../support/socketio.ts";

const PLACEHOLDERS = '{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}';
const count11 = Array.from({ length: 11 }, (_, num) => `{"_placeholder":true,"num":${num}}`);

const malformed: [what: string, ...frames: (string | number[])[]][] = [
  ["an unknown type", "4abc"],
  ["a type that is no digit of Socket.IO", "49"],
  ["nothing", "4"],
  ["an event that is no array", "42{}"],
  ["an event with no name", "42[]"],
  ["an event whose name is a number", "42[1]"],
  ["an event with no JSON", "42"],
  ["broken JSON", '42["a"'],
  ["an id that is no number", '42abc["message-with-ack",1,"2",{"3":[false]}]'],
  ["an id that is too large", '4299999999999999999999["a"]'],
  ["a reserved name: connect", '42["connect"]'],
  ["a reserved name: connect_error", '42["connect_error"]'],
  ["a reserved name: disconnect", '42["disconnect"]'],
  ["a reserved name: disconnecting", '42["disconnecting"]'],
  ["a reserved name: newListener", '42["newListener"]'],
  ["a reserved name: removeListener", '42["removeListener"]'],
  ["an ack that is no array", "430{}"],
  ["an ack with no id", "43[]"],
  ["bytes while none are due", [1, 2, 3]],
  ["text while bytes are due", `452-["a",${PLACEHOLDERS}]`, [1], '42["b"]'],
  ["more bytes than are due", `451-["a",{"_placeholder":true,"num":0}]`, [1], [2]],
  ["too many attachments", `4511-["a",${count11.join()}]`],
  ["far too many attachments", '451000000-["a"]'],
  ["a placeholder out of range", '451-["a",{"_placeholder":true,"num":1}]'],
  ["a placeholder that is no number", '451-["a",{"_placeholder":true,"num":"length"}]'],
  [
    "one placeholder twice",
    '451-["a",{"_placeholder":true,"num":0},{"_placeholder":true,"num":0}]',
  ],
  ["JSON that is too deep", `42["a",${"[".repeat(5000)}${"]".repeat(5000)}]`],
  ["connect data that is no object", '40"text"'],
];

for (const [what, ...frames] of malformed) {
  Deno.test(`${what} closes the connection, and no other`, async () => {
    await using pair = await connectPair();
    const { host, client } = pair;
    const other = await host.join("/custom,");
    for (const frame of frames) {
      client.send(typeof frame === "string" ? frame : new Uint8Array(frame));
    }
    const { code, reason } = await client.closed();
    assertEquals([code, reason.startsWith("protocol error: ")], [4500, true], reason);
    assertEquals(host.faults, ["protocol"]);
    other.send("41/custom,");
    await join(other, "/custom,");
    await other.close();
  });
}

Deno.test("ten attachments are taken", async () => {
  await using pair = await connectPair();
  const { client, socket } = pair;
  const got = Promise.withResolvers<unknown[]>();
  listen(socket, { a: (args) => got.resolve([...args]) });
  client.send(`4510-["a",${count11.slice(0, 10).join()}]`);
  for (let value = 0; value < 10; value++) client.send(new Uint8Array([value]));
  const expected = Array.from({ length: 10 }, (_, value) => new Uint8Array([value]));
  assertEquals(await got.promise, expected);
});
