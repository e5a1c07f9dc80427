import { assertEquals } from "@std/assert";
import { DISCONNECTS } from "../../../lib/core/errors.ts";
import { Connection } from "../../../lib/hub/connections.ts";
import { SseTransport } from "../../../lib/protocols/sse/transport.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

function open() {
  const events: string[] = [];
  let slots = 1;
  const connection = new Connection("192.0.2.1", () => slots--, {
    closing: { inc: () => events.push("closing"), dec: () => events.push("closed") },
    fault: () => {},
  });
  const transport = new SseTransport(connection, () => events.push(`gone, ${slots} slots held`));
  return { transport, events, reader: transport.stream.getReader() };
}

async function read(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<string | undefined> {
  const { done, value } = await reader.read();
  return done ? undefined : new TextDecoder().decode(value);
}

Deno.test("SseTransport writes each frame, and counts what is unread", async () => {
  const { transport, events, reader } = open();
  assertEquals(transport.bufferedBytes, 0);
  transport.write(bytes("one"));
  transport.write(bytes("three"));
  assertEquals(transport.bufferedBytes, 8);
  assertEquals(await read(reader), "one");
  assertEquals(transport.bufferedBytes, 5);
  assertEquals(await read(reader), "three");
  assertEquals(transport.bufferedBytes, 0);
  assertEquals(events, []);
  transport.close(DISCONNECTS.shutdown);
});

Deno.test("SseTransport.close() ends a stream that is read to its end at once", async () => {
  const { transport, events, reader } = open();
  transport.write(bytes("last"));
  assertEquals(await read(reader), "last");
  const rest = read(reader);
  transport.close(DISCONNECTS.shutdown);
  transport.close(DISCONNECTS.slow);
  transport.write(bytes("too late"));
  assertEquals(await rest, undefined);
  assertEquals(events, ["closing", "closed", "gone, 0 slots held"]);
  assertEquals(transport.bufferedBytes, 0);
});

Deno.test("SseTransport.close() lets the client read what is unsent before it is gone", async () => {
  const { transport, events, reader } = open();
  transport.write(bytes("one"));
  transport.write(bytes("two"));
  transport.close(DISCONNECTS.slow);
  transport.write(bytes("too late"));
  assertEquals([events, transport.bufferedBytes], [["closing"], 6]);
  assertEquals([await read(reader), await read(reader)], ["one", "two"]);
  assertEquals(await read(reader), undefined);
  assertEquals(events, ["closing", "closed", "gone, 0 slots held"]);
});

Deno.test("SseTransport reports when the client leaves, closed or not", async () => {
  for (const isClosed of [false, true]) {
    const { transport, events, reader } = open();
    transport.write(bytes("unread"));
    if (isClosed) transport.close(DISCONNECTS.slow);
    await reader.cancel();
    assertEquals(
      events,
      isClosed ? ["closing", "closed", "gone, 0 slots held"] : ["gone, 0 slots held"],
    );
    transport.write(bytes("too late"));
    transport.close(DISCONNECTS.shutdown);
    assertEquals(transport.bufferedBytes, 0);
    assertEquals(events.length, isClosed ? 3 : 1);
  }
});
