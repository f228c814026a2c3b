// Sizes as people read them.

/** A number of bytes in MiB, such as "1.8 MiB". */
export function mebibytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}

/** The same, from 1 GiB on in GiB. */
export function sizeText(bytes: number): string {
  return bytes < 2 ** 30 ? mebibytes(bytes) : `${(bytes / 2 ** 30).toFixed(2)} GiB`;
}
