/**
 * Has another process answer, and passes the answer on as it is. `headers` are changed. Rejects if that
 * process is gone.
 */
export async function relayRequest(
  url: URL,
  { headers, ...init }: RequestInit & {
    readonly headers: Headers;
    readonly client: Deno.HttpClient;
  },
): Promise<Response> {
  // It is encoded for the client only once.
  headers.set("accept-encoding", "identity");
  const { status, headers: answered, body } = await fetch(url, {
    ...init,
    headers,
    redirect: "manual",
  });
  return new Response(body, { status, headers: answered });
}

/** As Engine.IO says it: that process is gone with its sessions, and the client begins anew. */
export function unknownSid(): Response {
  return Response.json({ code: 1, message: "Session ID unknown" }, { status: 400 });
}
