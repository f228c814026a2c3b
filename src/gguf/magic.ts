// What a file is that does not begin with "GGUF": people pass the wrong file, or one that was never downloaded.

/** The likely mistake behind a file that begins with these bytes (up to 24 of them). */
export function likelyMistake(start: Uint8Array): string {
  let text = "";
  for (const byte of start) text += String.fromCharCode(byte);
  if (text.startsWith("PK\x03\x04")) return "this is a zip archive (perhaps a PyTorch checkpoint): convert it to GGUF";
  if (text[8] === "{") return "this looks like safetensors: convert it to GGUF";
  if (text.startsWith("version https://git-lfs")) {
    return "this is a Git LFS pointer: the model itself was not downloaded (git lfs pull)";
  }
  if (/^\s*<(!doctype|html|head|\?xml|!--)/i.test(text)) return "this is an HTML page: the download went wrong";
  if (/^\s*[{[]/.test(text)) return "this is JSON text: the download went wrong, or it is a configuration file";
  if (/^(ggml|lmgg|ggmf|fmgg|ggjt|tjgg|ggla|algg)/i.test(text)) {
    return "this is an old ggml file (ggml, ggmf, ggjt or ggla): convert it to GGUF";
  }
  if (text.startsWith("FUGG")) return "this is GGUF with its bytes swapped";
  if (text.startsWith("\x1f\x8b") || text.startsWith("\x28\xb5\x2f\xfd")) return "this is compressed: unpack it first";
  if (text.startsWith("\x80\x02")) return "this is a Python pickle (perhaps a PyTorch checkpoint): convert it to GGUF";
  const first = [...start.subarray(0, 4)].map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
  return `it begins with ${first}`;
}
