// Numbers as decimal digits, rounded as Python rounds: to the nearest, of two equally near ones to the even, and by what the binary
// number is exactly (2.675 is a little less than 2.675).

/** The digits of a finite number: 0.DIGITS times ten to the power of `point`. */
interface Digits {
  readonly digits: string;
  readonly point: number;
}

/** All digits of a finite, not negative number. */
function exactDigits(value: number): Digits {
  let mantissa = value;
  let twos = 0;
  while (!Number.isInteger(mantissa)) {
    mantissa *= 2;
    twos++;
  }
  // mantissa / 2^twos = mantissa * 5^twos / 10^twos
  const digits = (BigInt(mantissa) * 5n ** BigInt(twos)).toString();
  return value === 0 ? { digits: "", point: 0 } : { digits, point: digits.length - twos };
}

/** Rounded to so many digits; fewer than none are none. */
function roundDigits({ digits, point }: Digits, count: number): Digits {
  if (count >= digits.length) return { digits, point };
  if (count < 0) return { digits: "", point };
  const kept = digits.slice(0, count);
  const rest = digits.slice(count);
  const isHalf = /^50*$/.test(rest);
  const up = isHalf ? Number(kept.at(-1) ?? "0") % 2 === 1 : rest[0]! >= "5";
  if (!up) return { digits: kept, point };
  const raised = (BigInt(kept === "" ? "0" : kept) + 1n).toString().padStart(count, "0");
  return raised.length > count ? { digits: raised, point: point + 1 } : { digits: raised, point };
}

/** `%.{places}f` of a finite, not negative number */
export function fixed(value: number, places: number): string {
  const exact = exactDigits(value);
  const { digits, point } = roundDigits(exact, exact.point + places);
  const whole = point > 0 ? digits.slice(0, point).padEnd(point, "0") : "";
  const fraction = point > 0 ? digits.slice(point) : "0".repeat(Math.min(-point, places)) + digits;
  return `${whole === "" ? "0" : whole}${places > 0 ? `.${fraction.padEnd(places, "0").slice(0, places)}` : ""}`;
}

/** `%.{places}e` of a finite, not negative number */
export function exponential(value: number, places: number): string {
  const { digits, point } = roundDigits(exactDigits(value), places + 1);
  const all = digits.padEnd(places + 1, "0").slice(0, places + 1);
  return `${all[0]}${places > 0 ? `.${all.slice(1)}` : ""}e${exponentText(digits === "" ? 0 : point - 1)}`;
}

/**
 * `%.{precision}g` of a finite, not negative number: so many digits, with an exponent where it is below -4 or at least `limit`.
 *
 * @param alternate Zeros at the end stay
 */
export function general(value: number, precision: number, alternate: boolean, limit = Math.max(1, precision)): string {
  const count = Math.max(1, precision);
  const { digits, point } = roundDigits(exactDigits(value), count);
  const exponent = digits === "" ? 0 : point - 1;
  const inExponent = exponent < -4 || exponent >= limit;
  const text = inExponent ? exponential(value, count - 1) : fixed(value, Math.max(0, count - 1 - exponent));
  if (alternate) return text.includes(".") ? text : text.replace(/(?=e|$)/, ".");
  const [number = "", power] = text.split("e");
  const short = number.includes(".") ? number.replace(/\.?0+$/, "") : number;
  return power === undefined ? short : `${short}e${power}`;
}

/** round(value, places) of a float */
export function roundTo(value: number, places: number): number {
  if (!Number.isFinite(value) || places > 400) return value;
  const size = Math.abs(value);
  const sign = value < 0 || Object.is(value, -0) ? -1 : 1;
  if (places >= 0) return sign * Number(fixed(size, places));
  const exact = exactDigits(size);
  const { digits, point } = roundDigits(exact, exact.point + places);
  return sign * (digits === "" ? 0 : Number(`0.${digits}e${point}`));
}

function exponentText(exponent: number): string {
  return `${exponent < 0 ? "-" : "+"}${String(Math.abs(exponent)).padStart(2, "0")}`;
}
