// Runtimes, bundlers and frameworks, each installed from npm with the packed package and run: `npm run test:packages`, or with the names
// of some rows behind `--`. The package must have been built. It takes minutes and the network, so it is not part of `npm test`. What cannot be installed is named.
//
// Every row prints what the demo model says to the same two questions, in the way docs/bundling.md has it.

import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { createReadStream, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../..", import.meta.url));
const demo = join(root, "models/cria-demo-Q4_K_S.gguf");
const windows = process.platform === "win32";

const ask = (load) => `
async function answer() {
  const model = await ${load};
  const { text } = await model.complete("Once upon a time", { temperature: 0, maxTokens: 4 });
  const chat = await model.completeChat([{ role: "user", content: "What is 3 + 4?" }], { temperature: 0 });
  await model.dispose();
  return text + "|" + chat.text;
}
`;
const print = "answer().then(console.log, (error) => { console.error(error); process.exit(1); });\n";
const EXPECTED = ", there was a|3 + 4 = 7.";

const plain = `import { demoModel, loadModel } from "cria";${ask("loadModel(demoModel, { threads: 2 })")}${print}`;
const local = JSON.stringify(demo);
const bundledAt = (folder) => `import { loadModel } from "cria";
import { dirname } from "node:path";
import { pathToFileURL } from "node:url";
${ask(`loadModel(${local}, { threads: 2, assets: pathToFileURL((${folder}) + "/assets/") })`)}${print}`;
const page = `import { loadModel } from "cria";
const threads = typeof SharedArrayBuffer === "undefined" ? undefined : 2;
${ask('loadModel(await (await fetch("/model.gguf")).blob(), { threads })')}
answer().catch(({ code, message }) => code + " " + message).then((body) => fetch("/result", { method: "POST", body }));
`;
const html = '<!doctype html><script type="module" src="./main.js"></script>';
const imports = '<script type="importmap">{ "imports": { "cria": "./cria/browser/index.js" } }</script>';
/** A page without a bundler. */
const withImportMap = {
  packages: [],
  files: {
    "out/main.js": page,
    "out/index.html": `<!doctype html>${imports}<script type="module" src="./main.js"></script>`,
  },
  steps: ["mkdir -p out/cria && cp -r node_modules/cria/dist/browser node_modules/cria/dist/assets out/cria"],
  serves: "out",
};
const copyAssets = "cp -r node_modules/cria/dist/assets out/";
const onNode = (version) => ({
  packages: [`node@${version}`],
  files: { "main.mjs": plain },
  steps: ["node_modules/.bin/node main.mjs"],
});

/** What is installed, which files are written, and the commands: the last one prints the answer, or leaves the page `serves`. */
const rows = {
  "Node 20": onNode(20),
  "Node 22": onNode(22),
  "Node 24": onNode(24),
  "Node 26": onNode(26),
  Bun: { packages: ["bun"], files: { "main.mjs": plain }, steps: ["npx bun main.mjs"] },
  Deno: { packages: ["deno"], files: { "main.mjs": plain }, steps: ["npx deno run -A main.mjs"] },
  "CommonJS, require": {
    packages: ["node@24"],
    files: { "main.cjs": `const { demoModel, loadModel } = require("cria");${ask("loadModel(demoModel)")}${print}` },
    steps: ["node_modules/.bin/node main.cjs"],
  },
  "TypeScript, strict, without DOM": {
    packages: ["typescript", "@types/node@20", "tsx"],
    files: {
      "main.ts": `import { demoModel, loadModel, type Model } from "cria";
        import { openGguf } from "cria/gguf";
        export const opened = openGguf(demoModel);
        export const loaded = (): Promise<Model> => loadModel(demoModel);
        ${ask("loaded()")}${print}`,
    },
    steps: [
      "npx tsc --noEmit --strict --target es2022 --lib es2022 --types node --module nodenext main.ts",
      "npx tsx main.ts",
    ],
  },
  "esbuild, ECMAScript module": {
    packages: ["esbuild"],
    files: { "main.mjs": bundledAt("import.meta.dirname ?? dirname(new URL(import.meta.url).pathname)") },
    steps: [
      "npx esbuild main.mjs --bundle --platform=node --format=esm --outfile=out/main.mjs",
      copyAssets,
      "node out/main.mjs",
    ],
  },
  "esbuild, CommonJS": {
    packages: ["esbuild"],
    files: { "main.mjs": bundledAt("__dirname") },
    steps: ["npx esbuild main.mjs --bundle --platform=node --outfile=out/main.cjs", copyAssets, "node out/main.cjs"],
  },
  "Single executable application": {
    packages: ["esbuild", "postject"],
    files: {
      "main.mjs": bundledAt("dirname(process.execPath)"),
      "sea.json": JSON.stringify({ main: "main.cjs", output: "main.blob", disableExperimentalSEAWarning: true }),
    },
    steps: [
      "npx esbuild main.mjs --bundle --platform=node --outfile=main.cjs",
      "node --experimental-sea-config sea.json",
      `mkdir -p out && cp ${process.execPath} out/main`,
      "npx postject out/main NODE_SEA_BLOB main.blob --sentinel-fuse NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2",
      copyAssets,
      "out/main",
    ],
  },
  "Rollup, cria external": {
    packages: ["rollup"],
    files: { "main.mjs": plain },
    steps: ["npx rollup main.mjs --external cria --format es --file out/main.mjs", "node out/main.mjs"],
  },
  "Vite 7, a page": {
    packages: ["vite@7"],
    files: { "main.js": page, "index.html": html },
    steps: ["npx vite build --outDir out"],
    serves: "out",
  },
  "Vite 8, a page": {
    packages: ["vite@8"],
    files: { "main.js": page, "index.html": html },
    steps: ["npx vite build --outDir out"],
    serves: "out",
  },
  "webpack 5, a page": {
    packages: ["webpack@5", "webpack-cli"],
    files: { "main.mjs": page, "out/index.html": html },
    steps: ["npx webpack --mode production --entry ./main.mjs -o out"],
    serves: "out",
  },
  "Import map, Chromium": withImportMap,
  "Import map, Chromium, not isolated": { ...withImportMap, isolated: false },
  "Import map, Firefox": { ...withImportMap, browser: "Firefox" },
  "Import map, Firefox, not isolated": { ...withImportMap, browser: "Firefox", isolated: false },
  "Import map, WebKitGTK": { ...withImportMap, browser: "WebKitGTK" },
  "webpack 5, Node, cria external": {
    packages: ["webpack@5", "webpack-cli"],
    files: {
      "main.mjs": plain,
      "webpack.config.mjs": `export default {
        mode: "production", target: "node", entry: "./main.mjs", experiments: { outputModule: true },
        externals: { cria: "module cria" }, output: { path: import.meta.dirname + "/out", filename: "main.mjs", module: true },
      };`,
    },
    steps: ["npx webpack", "node out/main.mjs"],
  },
  "Next, without configuration": {
    packages: ["next", "react", "react-dom"],
    files: {
      "app/layout.jsx": "export default ({ children }) => <html><body>{children}</body></html>;",
      "app/page.jsx": "export default () => <p>cria</p>;",
      "app/answer/route.js": `import { loadModel } from "cria";
        export const dynamic = "force-dynamic";
        ${ask(`loadModel(${local}, { threads: 2 })`)}
        export const GET = async () => new Response(await answer());`,
      "ask.mjs": `import { spawn } from "node:child_process";
        const server = spawn("npx", ["next", "start", "-p", "3917"], { detached: true, stdio: "ignore" });
        for (let attempt = 0; attempt < 60; attempt++) {
          await new Promise((resolve) => setTimeout(resolve, 500));
          const response = await fetch("http://127.0.0.1:3917/answer").catch(() => undefined);
          if (response !== undefined) { console.log(await response.text()); break; }
        }
        process.kill(-server.pid);`,
    },
    steps: ["npx next build", "node ask.mjs"],
  },
  Jest: {
    packages: ["jest"],
    files: {
      "main.test.js": `test("answers", async () => {
        const { demoModel, loadModel } = await import("cria");${ask("loadModel(demoModel)")}
        expect(await answer()).toBe(${JSON.stringify(EXPECTED)});
      });`,
    },
    steps: [`NODE_OPTIONS=--experimental-vm-modules npx jest && echo ${JSON.stringify(EXPECTED)}`],
  },
};

const runs = (name) => name !== "" && spawnSync(name, ["--version"]).status === 0;
const chromium = [process.env["CHROMIUM"] ?? "", "chromium", "chromium-browser", "google-chrome"].find(runs);
const firefox = [process.env["FIREFOX"] ?? "", "firefox", "firefox-esr"].find(runs);
const webKit = miniBrowser();

/** How each browser is started without a window; undefined where it is not installed. WebKitGTK's needs a display, Xvfb's. */
const browsers = {
  Chromium:
    chromium && ((profile) => [chromium, "--headless", "--no-sandbox", "--disable-gpu", `--user-data-dir=${profile}`]),
  Firefox: firefox && ((profile) => [firefox, "--headless", "--no-remote", "--profile", profile]),
  WebKitGTK: webKit && (() => ["xvfb-run", "-a", webKit]),
};

/** The browser of Debian's package webkit2gtk-driver, and of others' of the same project. */
function miniBrowser() {
  if (process.platform !== "linux" || spawnSync("which", ["xvfb-run"]).status !== 0) return undefined;
  const libraries = join("/usr/lib", process.arch === "arm64" ? "aarch64-linux-gnu" : "x86_64-linux-gnu");
  const folders = existsSync(libraries) ? readdirSync(libraries).filter((name) => name.startsWith("webkit2gtk-")) : [];
  return folders.map((name) => join(libraries, name, "MiniBrowser")).find((path) => existsSync(path));
}

const folder = mkdtempSync(join(tmpdir(), "cria-matrix-"));
const packed = spawnSync(
  windows ? "npm.cmd" : "npm",
  ["pack", "--ignore-scripts", "--json", "--pack-destination", folder],
  {
    cwd: root,
    encoding: "utf8",
    shell: windows,
  },
);
if (packed.status !== 0) throw new Error(packed.stderr);
const [{ filename }] = JSON.parse(packed.stdout);
const wanted = process.argv.slice(2);
let failures = 0;
for (const [name, row] of Object.entries(rows)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  const outcome = await tried(row, join(folder, name.replace(/\W+/g, "-")));
  if (outcome.startsWith("FAILED")) failures++;
  console.log(`${name.padEnd(38)}${outcome}`);
}
rmSync(folder, { recursive: true, force: true });
console.log(failures === 0 ? "all that could be installed work" : `${failures} do not work`);
process.exitCode = failures === 0 ? 0 : 1;

/** "works", what is missing, or FAILED with the reason. */
async function tried({ packages, files, steps, serves, browser = "Chromium", isolated = true }, project) {
  for (const [path, text] of Object.entries({ "package.json": '{ "private": true }', ...files })) {
    mkdirSync(dirname(join(project, path)), { recursive: true });
    writeFileSync(join(project, path), text);
  }
  const install = `npm install --no-audit --no-fund --loglevel=error ${join(folder, filename)} ${packages.join(" ")}`;
  const installed = shell(install, project);
  if (installed.status !== 0) return `could not be installed: ${lastLines(installed)}`;
  if (serves !== undefined && browsers[browser] === undefined) return `not tried: no ${browser}`;
  for (const [i, step] of steps.entries()) {
    const result = shell(step, project);
    if (result.status !== 0) return `FAILED: ${step}: ${lastLines(result)}`;
    const printed = result.stdout.trim().split("\n").at(-1);
    if (serves === undefined && i === steps.length - 1 && printed !== EXPECTED) return `FAILED: printed ${printed}`;
  }
  if (serves === undefined) return "works";
  const printed = await inBrowser(browsers[browser], isolated, join(project, serves));
  return printed === EXPECTED ? "works" : `FAILED: the page says ${printed}`;
}

function shell(command, cwd) {
  return spawnSync(command, { cwd, shell: true, encoding: "utf8", timeout: 300_000, env: { ...process.env, CI: "1" } });
}

/** The end of what a command has printed. */
function lastLines({ stdout, stderr }) {
  return `${stdout}\n${stderr}`.trim().split("\n").slice(-12).join("\n    ");
}

/** What a built page posts to /result, served with or without the headers that give it shared memory. */
async function inBrowser(start, isolated, site) {
  const isolation = { "cross-origin-opener-policy": "same-origin", "cross-origin-embedder-policy": "require-corp" };
  const types = { html: "text/html", js: "text/javascript", mjs: "text/javascript", wasm: "application/wasm" };
  let settle;
  const result = new Promise((resolve) => {
    settle = resolve;
  });
  const server = createServer(async (request, response) => {
    const path = new URL(request.url, "http://localhost").pathname;
    if (path === "/result") {
      let body = "";
      for await (const chunk of request) body += chunk;
      response.end();
      return settle(body);
    }
    const file = path === "/model.gguf" ? demo : join(site, path === "/" ? "index.html" : path);
    if (!existsSync(file)) return void response.writeHead(404).end();
    response.writeHead(200, {
      "content-type": types[file.slice(file.lastIndexOf(".") + 1)] ?? "application/octet-stream",
      ...(isolated && isolation),
    });
    createReadStream(file).pipe(response);
  });
  server.listen(0, "localhost");
  await once(server, "listening");
  const profile = join(site, "../profile");
  mkdirSync(profile, { recursive: true });
  const [program, ...flags] = start(profile);
  const browser = spawn(program, [...flags, `http://localhost:${server.address().port}/`], {
    stdio: "ignore",
    detached: true,
    // WebKitGTK's sandbox does not start for the root of a container.
    env: {
      ...process.env,
      HOME: profile,
      ...(process.getuid?.() === 0 && { WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS: "1" }),
    },
  });
  const timer = setTimeout(() => settle("nothing within a minute"), 60_000);
  const said = await result;
  clearTimeout(timer);
  process.kill(-browser.pid, "SIGKILL");
  server.closeAllConnections();
  server.close();
  return said;
}
