// Formats of strings (the keyword `format`) as patterns: for each a part of what it allows, so that every text is valid and of a sane
// length. Dates end at the 28th of February.

interface Format {
  readonly pattern: string;
  /** Characters of its shortest and longest text. */
  readonly least: number;
  readonly most: number;
}

const monthAndDay =
  "(?:(?:0[13578]|1[02])-(?:0[1-9]|[12]\\d|3[01])|(?:0[469]|11)-(?:0[1-9]|[12]\\d|30)|02-(?:0[1-9]|1\\d|2[0-8]))";
const date = `\\d{4}-${monthAndDay}`;
const clock = "(?:[01]\\d|2[0-3]):[0-5]\\d";
const time = `${clock}:[0-5]\\d(?:\\.\\d{1,6})?(?:Z|[+-]${clock})`;
const octet = "(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)";
/**
 * A label of up to 16 characters. Hyphens are not its third and fourth character at once (RFC 5891, 4.2.3.1): those begin an A-label, such
 * as "xn--4ca", whose rest must be the Punycode of a valid name, which is not regular.
 */
const label =
  "[a-z0-9](?:[a-z0-9]|[a-z0-9-](?:[a-z0-9](?:[a-z0-9-]{0,12}[a-z0-9])?|-[a-z0-9](?:[a-z0-9-]{0,11}[a-z0-9])?))?";
const host = `${label}(?:\\.${label}){0,3}`;

/** The formats, by name. */
export const formats: Readonly<Record<string, Format>> = {
  date: { pattern: date, least: 10, most: 10 },
  time: { pattern: time, least: 9, most: 21 },
  "date-time": { pattern: `${date}T${time}`, least: 20, most: 32 },
  duration: { pattern: "P(?:\\d{1,4}[YMWD]|T\\d{1,4}[HMS])", least: 3, most: 7 },
  uuid: { pattern: "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", least: 36, most: 36 },
  email: {
    pattern: `[a-z0-9]{1,32}(?:[._+-][a-z0-9]{1,16}){0,3}@${label}(?:\\.${label}){0,2}\\.[a-z]{2,8}`,
    least: 6,
    most: 150,
  },
  hostname: { pattern: host, least: 1, most: 67 },
  ipv4: { pattern: `${octet}(?:\\.${octet}){3}`, least: 7, most: 15 },
  ipv6: { pattern: "(?:[0-9a-f]{1,4}:){7}[0-9a-f]{1,4}", least: 15, most: 39 },
  uri: { pattern: `https?://${host}(?:/[A-Za-z0-9._~-]{1,32}){0,8}/?`, least: 8, most: 400 },
};

/** Formats that validators know, and cria does not. What other words say is a note, and a pattern beside it is what counts. */
export const unknownFormats: ReadonlySet<string> = new Set([
  ...["idn-email", "idn-hostname", "uri-reference", "iri", "iri-reference", "uri-template", "url"],
  ...["json-pointer", "relative-json-pointer", "regex", "iso-time", "iso-date-time", "byte"],
]);

export function isFormat(name: string): boolean {
  return Object.hasOwn(formats, name);
}
