import { connect } from "../static/client.js";
import { close, next } from "./support/client.ts";
import { eventually } from "./support/deadline.ts";
import { assertRetainsLess } from "./support/retained.ts";

Deno.test("the ids kept of server-sent events keep nothing of the stream", async () => {
  let stream!: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>;
  const server = Deno.serve({ port: 0, hostname: "localhost", onListen() {} }, (request) => {
    if (new URL(request.url).pathname === "/ws") return new Response("no", { status: 502 });
    const headers = { "content-type": "text/event-stream" };
    return new Response(new ReadableStream({ start: (controller) => void (stream = controller) }), {
      headers,
    });
  });
  const client = connect({ url: `http://localhost:${server.addr.port}/` });
  const send = (text: string) => stream.enqueue(new TextEncoder().encode(text));
  await eventually(() => stream, (stream) => stream !== undefined);
  send("id: abcdefgh-1000000\n\n");
  await next(client, "welcome");
  await assertRetainsLess(5000, async (index) => {
    const id = `abcdefgh-${2_000_000 + index}`;
    const message = next(client, "message");
    send(`:${" ".repeat(20_000)}\nid: ${id}\ndata: 1\n\n`);
    await message;
  });
  await close(client);
  await server.shutdown();
});
