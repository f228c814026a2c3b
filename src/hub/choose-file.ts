// Which of a repository's files is meant by a quantisation, or by none: llama.cpp's rules (common/download.cpp), so that both run the
// same file under the same name.

import { splitPartName } from "../gguf/split.js";

/** Without a quantisation these are tried in turn, then whatever comes first. */
const DEFAULT_QUANTS = ["Q4_K_M", "Q8_0"];

/** Parts of file names that say: this goes with a model, and is none. */
const COMPANIONS = ["mmproj", "imatrix", "mtp-", "eagle3-", "dflash-", "dspark-"];

/** The model files of a repository, in the order of its paths; of a split one only its first part. */
export function modelFiles(paths: readonly string[]): readonly string[] {
  return paths
    .filter((path) => {
      const name = path.slice(path.lastIndexOf("/") + 1);
      const part = splitPartName(path)?.part ?? 1;
      return /\.gguf$/i.test(name) && part === 1 && !COMPANIONS.some((companion) => name.includes(companion));
    })
    .toSorted((a, b) => (a < b ? -1 : 1));
}

/** The file of this quantisation, or the default one; undefined where the repository has none. */
export function chooseFile(paths: readonly string[], quant: string | undefined): string | undefined {
  const files = modelFiles(paths);
  for (const tag of quant === undefined ? DEFAULT_QUANTS : [quant]) {
    // Unlike llama.cpp's, the tag does not begin within a word: F16 is not BF16.
    const pattern = new RegExp(`(?<![a-z0-9])${tag.replace(/[^\w]/g, "\\$&")}[./-]`, "i");
    const found = files.find((path) => pattern.test(path));
    if (found !== undefined) return found;
  }
  return quant === undefined ? files[0] : undefined;
}

/** All parts of the split model whose first part this is; only itself, if it is not split. */
export function partsOf(path: string): readonly string[] {
  const split = splitPartName(path);
  if (split === undefined) return [path];
  return Array.from({ length: split.parts }, (_, index) => split.nameOf(index + 1));
}
