// What a run costs, from what its machine costs an hour and how fast it is. Each figure is one division, and is printed as such, so that
// whoever reads it can do it again:
//
//   a million tokens           price / (tokens per second * 3600) * 1,000,000
//   a thousand documents       price / (tokens per second * 3600) * tokens of a document * 1000
//   tokens of a core in an hour    tokens per second * 3600 / cores
//
// The price is that of the whole machine, whether the run uses all of its cores or not.

import { invalidOption } from "../options.js";

/** What a machine costs. */
export interface Price {
  /** Of an hour. */
  readonly perHour: number;
  /** A symbol, such as "$", or a word, such as "EUR"; "": none was given. */
  readonly currency: string;
}

/** What was measured. */
export interface Rate {
  readonly tokensPerSecond: number;
  /** Cores that are paid for with the price. */
  readonly cores: number;
  /** Tokens of one document, where the run embeds documents. */
  readonly documentTokens?: number | undefined;
}

/** What a run costs. */
export interface Cost {
  /** Tokens that one core does in an hour. */
  readonly tokensPerCoreHour: number;
  /** In the currency of the price. */
  readonly perMillionTokens: number;
  /** Undefined where no documents are embedded. */
  readonly perThousandDocuments: number | undefined;
  /** Each figure with its division: "0.79 EUR / (124 tokens/s x 3600 s) x 1000000 = 1.77 EUR per million tokens". */
  readonly arithmetic: readonly string[];
}

const SECONDS = { h: 3600, d: 86_400, month: 730 * 3600 } as const;
const UNITS: Readonly<Record<string, keyof typeof SECONDS>> = {
  h: "h",
  hr: "h",
  hour: "h",
  d: "d",
  day: "d",
  mo: "month",
  month: "month",
};

const FORM =
  'an amount of money an hour, such as "0.79/h", "0.79 EUR/h" or "$0.79/h" (also /day and /month, of 730 hours)';
const AMOUNT =
  /^(?<before>[^\d.,+\-\s/]{1,8})?\s*(?<amount>\d+(?:[.,]\d+)?|[.,]\d+)\s*(?<after>[^\d.,+\-\s/]{1,8})?\s*\/\s*(?<unit>[a-z]+)$/iu;

/**
 * Reads a price: "0.79/h", "0.79 EUR/h", "€0.79/h", "$1.20/h", "0,79 €/h"; a day's or a month's (730 hours) is divided. "1,200/h" may
 * mean two things and is refused.
 *
 * @param name of the option, for the error
 * @throws CriaError INVALID_OPTION
 */
export function parsePrice(text: string, name = "price"): Price {
  const parts = AMOUNT.exec(text.trim())?.groups;
  const unit = UNITS[parts?.["unit"]?.toLowerCase() ?? ""];
  const amount = parts?.["amount"] ?? "";
  const ambiguous = /^[1-9]\d{0,2},\d{3}$/.test(amount);
  const both = parts?.["before"] !== undefined && parts["after"] !== undefined;
  const number = Number(amount.replace(",", "."));
  if (unit === undefined || ambiguous || both || !(number > 0) || !Number.isFinite(number)) {
    throw invalidOption(name, FORM, text);
  }
  return { perHour: (number * 3600) / SECONDS[unit], currency: parts?.["before"] ?? parts?.["after"] ?? "" };
}

/** What the run costs on a machine of this price. */
export function costOf(price: Price, { tokensPerSecond, cores, documentTokens }: Rate): Cost {
  const perHour = tokensPerSecond * 3600;
  const perMillionTokens = (price.perHour / perHour) * 1e6;
  const perThousandDocuments = documentTokens === undefined ? undefined : (perMillionTokens * documentTokens) / 1000;
  const tokensPerCoreHour = perHour / cores;
  const hour = money(price, price.perHour, 5);
  const rate = `${digits(tokensPerSecond, 5)} tokens/s`;
  const arithmetic = [
    `${rate} x 3600 s / ${cores} ${cores === 1 ? "core" : "cores"} = ${digits(tokensPerCoreHour, 5)} tokens per core-hour`,
    `${hour} / (${rate} x 3600 s) x 1000000 = ${money(price, perMillionTokens)} per million tokens`,
  ];
  if (documentTokens !== undefined && perThousandDocuments !== undefined) {
    arithmetic.push(
      `${hour} / (${rate} x 3600 s) x ${documentTokens} tokens x 1000 = ` +
        `${money(price, perThousandDocuments)} per thousand documents of ${documentTokens} tokens`,
    );
  }
  return { tokensPerCoreHour, perMillionTokens, perThousandDocuments, arithmetic };
}

/** An amount in the currency of the price: "$1.77", "1.77 EUR", "1.77". At least so many digits that count. */
export function money({ currency }: Price, amount: number, precision = 3): string {
  const number = amount >= 1 && amount < 1000 && precision === 3 ? amount.toFixed(2) : digits(amount, precision);
  if (currency === "") return number;
  return /^\p{L}/u.test(currency) || currency === "€" ? `${number} ${currency}` : `${currency}${number}`;
}

/** So many digits that count, and all of those before the point; never with an exponent. */
function digits(value: number, precision: number): string {
  if (value === 0) return "0";
  const places = Math.min(20, Math.max(0, precision - 1 - Math.floor(Math.log10(Math.abs(value)))));
  return value
    .toFixed(places)
    .replace(/(\.\d*?)0+$/, "$1")
    .replace(/\.$/, "");
}
