// A real HTTP server around the fetch handler of cria/openai, for clients that know nothing of it. It keeps the answers' warnings.

import { createServer } from "node:http";

/** @param {typeof fetch} handle */
export async function serve(handle) {
  const warnings = [];
  const server = createServer(async (request, response) => {
    const left = new AbortController();
    response.on("close", () => left.abort());
    try {
      const body = request.method === "POST" ? Buffer.concat(await request.toArray()) : undefined;
      const answer = await handle(`http://cria${request.url}`, { method: request.method, body, signal: left.signal });
      const warning = answer.headers.get("x-cria-warning");
      if (warning !== null) warnings.push(`${request.url}: ${warning}`);
      response.writeHead(answer.status, Object.fromEntries(answer.headers));
      for await (const bytes of answer.body) response.write(bytes);
      response.end();
    } catch {
      response.destroy();
    }
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const close = () => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  };
  return { url: `http://127.0.0.1:${server.address().port}/v1`, warnings, close };
}
