// Bundles the code that draws reports, with the plotting library, into dist/assets/report.js; the licences of what is in it stand at its
// beginning.

import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = fileURLToPath(new URL("../../../../", import.meta.url));
const { metafile, outputFiles } = await build({
  absWorkingDir: root,
  entryPoints: ["src/lab/report/page/main.ts"],
  bundle: true,
  minify: true,
  format: "esm",
  platform: "browser",
  target: "es2022",
  legalComments: "none",
  metafile: true,
  write: false,
});

const packages = new Set();
for (const input of Object.keys(metafile.inputs)) {
  const name = /^node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(input)?.[1];
  if (name !== undefined) packages.add(name);
}
/** Licence texts that differ in the line of the copyright only are written once. */
const texts = new Map();
for (const name of [...packages].sort()) {
  const folder = `${root}node_modules/${name}`;
  const { version } = JSON.parse(readFileSync(`${folder}/package.json`, "utf8"));
  const file = readdirSync(folder).find((one) => /^licen[sc]e/i.test(one));
  if (file === undefined) throw new Error(`${name} has no licence file`);
  const text = readFileSync(`${folder}/${file}`, "utf8").trim();
  const holders = text.split("\n").filter((line) => /^copyright/i.test(line.trim()));
  const rest = text.replace(/^\s*copyright.*$/gim, "").trim();
  texts.set(rest, [...(texts.get(rest) ?? []), `${name} ${version}. ${holders.join(" ").trim()}`]);
}
const notices = [...texts].map(([text, names]) => `${names.join("\n")}\n\n${text}`);
const banner = `/*!\n${notices.join("\n\n----\n\n").replaceAll("*/", "* /")}\n*/\n`;
mkdirSync(`${root}dist/assets`, { recursive: true });
writeFileSync(`${root}dist/assets/report.js`, banner + outputFiles[0].text);
