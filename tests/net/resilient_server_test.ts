import { assertEquals, assertRejects } from "@std/assert";
import { ResilientServer } from "../../lib/net/resilient_server.ts";
import { deadline, eventually } from "../support/deadline.ts";
import { FakeClock } from "../support/fake_clock.ts";

/** A server on a free port that a test makes stop, as one without descriptors stops. */
function giveUp(): Deno.HttpServer<Deno.NetAddr> {
  const http = serve();
  const finished = Promise.reject(new Error("Too many open files (os error 24)"));
  return { ...http, addr: http.addr, finished, shutdown: () => http.shutdown() };
}

function serve(): Deno.HttpServer<Deno.NetAddr> {
  return Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, () => new Response("here"));
}

async function get({ port }: Deno.NetAddr): Promise<string> {
  return await (await deadline(fetch(`http://127.0.0.1:${port}/`))).text();
}

Deno.test("a ResilientServer replaces a server that stopped, and closes both", async () => {
  const clock = new FakeClock();
  const failures: string[] = [];
  const lasts: (number | undefined)[] = [];
  const made: (() => Deno.HttpServer<Deno.NetAddr>)[] = [
    giveUp,
    () => {
      throw new Error("Still too many");
    },
    serve,
  ];
  const server = new ResilientServer<Deno.NetAddr>({
    clock,
    onFailure: ({ message }) => failures.push(message),
    serve: (last) => {
      lasts.push(last?.port);
      return made.shift()!();
    },
  });
  const former = server.address;
  await clock.pass(250);
  await clock.pass(249);
  assertEquals(server.address, former);
  await clock.pass(1);
  await eventually(() => server.address.port, (port) => port !== former.port);
  assertEquals(failures, ["Too many open files (os error 24)", "Still too many"]);
  assertEquals(lasts, [undefined, former.port, former.port]);
  const { address } = server;
  assertEquals([await get(former), await get(address)], ["here", "here"]);
  await server.close();
  for (const closed of [former, address]) await assertRejects(() => get(closed), TypeError);
});

Deno.test("a ResilientServer that is closed while it waits does not listen again", async () => {
  const clock = new FakeClock();
  let made = 0;
  const server = new ResilientServer<Deno.NetAddr>({
    clock,
    onFailure() {},
    serve: () => {
      made++;
      return giveUp();
    },
  });
  await clock.settle();
  await server.close();
  await clock.pass(1000);
  assertEquals([made, clock.timers], [1, 0]);
});
