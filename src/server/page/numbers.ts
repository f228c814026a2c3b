// Numbers as people read them.

/** A rate: with one decimal where it is small. */
export const rate = (value: number): string => (value >= 100 ? value.toFixed(0) : value.toFixed(1));
