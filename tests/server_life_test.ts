import { assertEquals, assertRejects } from "@std/assert";
import { configure, ListenError, Server, StoreError } from "../lib/mod.ts";
import { newFile } from "./broker/store_file.ts";
import { freePort } from "./support/free_port.ts";

function makeServer(store = "", port = 0): Server {
  const config = configure({ host: "127.0.0.1", port, store, logLevel: "error", drainS: 0 });
  return new Server({ config });
}

Deno.test("a server whose port was taken can listen once it is free", async () => {
  const file = newFile();
  const port = freePort();
  const server = makeServer(file, port);
  const other = Deno.listen({ hostname: "127.0.0.1", port });
  await assertRejects(() => server.listen(), ListenError, "Cannot listen on 127.0.0.1");
  other.close();
  const { url } = await server.listen();
  const answer = await fetch(`${url}/broadcast/hello`);
  assertEquals(await answer.text(), '{"message":"hello"}');
  await server.stop();
});

Deno.test("a server that cannot listen leaves its store to others", async () => {
  const file = newFile();
  const first = makeServer(file);
  const second = makeServer(file);
  await first.listen();
  await assertRejects(() => second.listen(), StoreError, "another process has it open");
  await first.stop();
  await second.listen();
  await second.stop();
});

Deno.test("stop() during listen() leaves nothing open", async () => {
  const server = makeServer();
  const listening = server.listen();
  await server.stop();
  const { url } = await listening;
  await assertRejects(() => fetch(`${url}/count`), TypeError);
  assertEquals(server.isReady, false);
});

Deno.test("a server listens once at a time, and not after its end", async () => {
  const server = makeServer();
  await server.listen();
  const message = "Cannot listen: expected a server that neither listens nor was stopped";
  await assertRejects(() => server.listen(), Error, message);
  await server.stop();
  await assertRejects(() => server.listen(), Error, message);
});

Deno.test("handle() before listen() rejects with what to do", async () => {
  const handled = makeServer().handle(new Request("http://localhost/count"), "127.0.0.1");
  await assertRejects(() => handled, Error, "Cannot handle a request: call listen() first");
});
