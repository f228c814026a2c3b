// Whose rows are whose: the groups of rows of a matrix are divided into a range for each worker, and each range into pieces. A worker
// packs its own range when the model is loaded, so that it lies near its processor, and multiplies it first.

/** The first of `groups` groups that is in a range; that of range `owners` is `groups`. */
function firstOfRange(groups: number, range: number, owners: number): number {
  return Math.floor((groups * range) / owners);
}

/** How many pieces of at most `size` groups a range has. */
export function piecesIn(groups: number, range: number, owners: number, size: number): number {
  return Math.ceil((firstOfRange(groups, range + 1, owners) - firstOfRange(groups, range, owners)) / size);
}

/** The first group of a piece of a range. */
export function firstOfPiece(groups: number, range: number, owners: number, piece: number, size: number): number {
  return firstOfRange(groups, range, owners) + piece * size;
}

/** The group behind the last one of a piece that begins with group `first`. */
export function endOfPiece(groups: number, range: number, owners: number, first: number, size: number): number {
  return Math.min(first + size, firstOfRange(groups, range + 1, owners));
}
