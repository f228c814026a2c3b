// Serves the page of this folder: node examples/browser/serve.mjs [--plain] [--port 8080]
//
// Any static server will do. What this one adds is two headers, by which the page is isolated from other sites and may share memory
// between threads; `--plain` leaves them out, as on hosts where nobody can set headers. Then a model runs on one thread.

import { createReadStream, statSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join, normalize, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { demoModel } from "cria";

const usage = `node examples/browser/serve.mjs [--plain] [--port 8080]

  --plain    without the headers by which the page may share memory between threads
  --port N   which port; 0: a free one (default: 8080)`;

function refuse(message) {
  console.error(`${message}\n${usage}`);
  process.exit(2);
}

function optionsOf() {
  const options = { plain: { type: "boolean" }, port: { type: "string", default: "8080" }, help: { type: "boolean" } };
  try {
    return parseArgs({ options }).values;
  } catch (error) {
    return refuse(error.message);
  }
}

const values = optionsOf();
if (values.help) {
  console.log(usage);
  process.exit(0);
}
const port = Number(values.port);
if (!(Number.isInteger(port) && port >= 0 && port < 65536)) refuse(`--port must be a number in 0 .. 65535`);

const isolation = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
};
const types = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".wasm": "application/wasm" };

const page = fileURLToPath(new URL(".", import.meta.url));
/** dist/ of the package: the page needs its folders browser/ and assets/. */
const package_ = fileURLToPath(new URL("../", import.meta.resolve("cria/assets/worker.js")));

function fileOf(path) {
  if (path === "/demo.gguf") return fileURLToPath(demoModel);
  const [folder, inside] = path.startsWith("/cria/")
    ? [package_, path.slice(6)]
    : [page, path.slice(1) || "index.html"];
  const file = join(folder, normalize(inside));
  return file.startsWith(folder.endsWith(sep) ? folder : folder + sep) ? file : undefined;
}

const server = createServer((request, response) => {
  let file;
  try {
    file = fileOf(decodeURIComponent(new URL(request.url, "http://localhost").pathname));
  } catch {
    response.writeHead(400).end("not a path");
    return;
  }
  const stat = file && statSync(file, { throwIfNoEntry: false });
  if (!stat?.isFile()) {
    response.writeHead(404, { "Content-Type": "text/plain" }).end("there is no such file");
    return;
  }
  response.writeHead(200, {
    "Content-Type": types[extname(file)] ?? "application/octet-stream",
    "Content-Length": stat.size,
    "Cache-Control": "no-cache",
    ...(values.plain !== true && isolation),
  });
  if (request.method === "HEAD") response.end();
  else createReadStream(file).pipe(response);
});

server.on("error", ({ message }) => {
  console.error(message); // such as a port that another program has
  process.exit(1);
});
server.listen(port, "localhost", () => {
  console.log(`http://localhost:${server.address().port}/`);
});
