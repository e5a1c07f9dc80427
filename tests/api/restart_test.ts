import { assertEquals } from "@std/assert";
import { TemporaryFolder } from "../support/certificates.ts";
import { startServer } from "../support/server.ts";

Deno.test("a request repeated under its Idempotency-Key after a restart publishes once", async () => {
  await using folder = new TemporaryFolder();
  const options = { store: `${folder.path}/log.db` };
  const headers = { "idempotency-key": "k", "content-type": "application/x-ndjson" };
  const answers: string[] = [];
  for (let run = 0; run < 3; run++) {
    await using server = await startServer(options);
    const post = (body: string) =>
      server.fetch("/channels/ci", { method: "POST", headers, body }).then((answer) => {
        return [answer.status, answer.body] as const;
      });
    const [status, body] = await post("1\n2\n");
    answers.push(body);
    assertEquals([status, body], [200, answers[0]]);
    assertEquals((await post("1\n3\n"))[0], 422);
    const { publications } = JSON.parse((await server.fetch("/channels/ci")).body);
    assertEquals(publications.length, 2);
    assertEquals((await server.metrics()).get('hark_in_use{bound="idempotency_keys_max"}'), 1);
  }
});
