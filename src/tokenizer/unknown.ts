// Characters that a vocabulary does not have: a run of them is one token, as in SentencePiece.

/** Stands for what is unknown until it is seen where the run of it ends. */
export const UNKNOWN = -1;

/** Replaces each run of UNKNOWN, from `first` on, by one token, or by nothing where there is no such token. */
export function joinUnknown(ids: number[], first: number, unknownId: number | undefined): void {
  let length = ids.indexOf(UNKNOWN, first);
  if (length < 0) return;
  let inRun = false;
  for (let i = length; i < ids.length; i++) {
    const isUnknown = ids[i] === UNKNOWN;
    if (!isUnknown) ids[length++] = ids[i]!;
    else if (!inRun && unknownId !== undefined) ids[length++] = unknownId;
    inRun = isUnknown;
  }
  ids.length = length;
}
