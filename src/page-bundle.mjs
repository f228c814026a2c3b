// Bundles code that runs in a reader's browser into one file, with the packages that it uses; their licences stand at its beginning.

import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = fileURLToPath(new URL("../", import.meta.url));

/** @param {string} entry @param {string} file where the bundle goes; both from the repository's root */
export async function bundlePage(entry, file) {
  const { metafile, outputFiles } = await build({
    absWorkingDir: root,
    entryPoints: [entry],
    bundle: true,
    minify: true,
    format: "esm",
    platform: "browser",
    target: "es2022",
    legalComments: "none",
    metafile: true,
    write: false,
  });
  mkdirSync(dirname(root + file), { recursive: true });
  writeFileSync(root + file, notices(metafile) + outputFiles[0].text);
}

function notices({ inputs }) {
  const packages = new Set();
  for (const input of Object.keys(inputs)) {
    const name = /^node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(input)?.[1];
    if (name !== undefined) packages.add(name);
  }
  if (packages.size === 0) return "";
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
  const all = [...texts].map(([text, names]) => `${names.join("\n")}\n\n${text}`);
  return `/*!\n${all.join("\n\n----\n\n").replaceAll("*/", "* /")}\n*/\n`;
}
