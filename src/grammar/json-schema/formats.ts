// Formats of strings (the keyword `format`) as patterns. Each is what its standard allows, without what a validator may read in another way,
// and without names of hosts that are longer than 253 characters.

interface Format {
  /** undefined: any string. */
  readonly pattern?: string;
}

/** 29 February is in years that are a multiple of 4 and not of 100, or of 400. */
const leapYear = "(?:\\d\\d(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)";
const monthAndDay =
  "(?:(?:0[13578]|1[02])-(?:0[1-9]|[12]\\d|3[01])|(?:0[469]|11)-(?:0[1-9]|[12]\\d|30)|02-(?:0[1-9]|1\\d|2[0-8]))";
const date = `(?:\\d{4}-${monthAndDay}|${leapYear}-02-29)`;
const clock = "(?:[01]\\d|2[0-3]):[0-5]\\d";
/** A leap second comes at midnight, which is told only where the zone is Z. */
const time = `(?:${clock}:[0-5]\\d(?:\\.\\d+)?(?:Z|[+-]${clock})|23:59:60(?:\\.\\d+)?Z)`;
// RFC 3339, appendix A.
const [hours, minutes, seconds] = ["\\d+H(?:\\d+M(?:\\d+S)?)?", "\\d+M(?:\\d+S)?", "\\d+S"];
const clockDuration = `T(?:${hours}|${minutes}|${seconds})`;
const dateDuration = "(?:\\d+D|\\d+M(?:\\d+D)?|\\d+Y(?:\\d+M(?:\\d+D)?)?)";
const duration = `P(?:${dateDuration}(?:${clockDuration})?|${clockDuration}|\\d+W)`;

const octet = "(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)";
const ipv4 = `${octet}(?:\\.${octet}){3}`;
const group = "[0-9A-Fa-f]{1,4}";
const last32 = `(?:${group}:${group}|${ipv4})`;
/** RFC 3986, appendix A. */
const ipv6 = `(?:${[
  `(?:${group}:){6}${last32}`,
  `::(?:${group}:){5}${last32}`,
  `(?:${group})?::(?:${group}:){4}${last32}`,
  `(?:(?:${group}:){0,1}${group})?::(?:${group}:){3}${last32}`,
  `(?:(?:${group}:){0,2}${group})?::(?:${group}:){2}${last32}`,
  `(?:(?:${group}:){0,3}${group})?::${group}:${last32}`,
  `(?:(?:${group}:){0,4}${group})?::${last32}`,
  `(?:(?:${group}:){0,5}${group})?::${group}`,
  `(?:(?:${group}:){0,6}${group})?::`,
].join("|")})`;

/**
 * A label of up to `most` characters. Hyphens are not its third and fourth character at once (RFC 5891, 4.2.3.1): those begin an A-label,
 * such as "xn--4ca", whose rest must be the Punycode of a valid name, which is not regular.
 */
const label = (most: number) =>
  `[A-Za-z0-9](?:[A-Za-z0-9]|[A-Za-z0-9-](?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,${most - 4}}[A-Za-z0-9])?|-[A-Za-z0-9](?:[A-Za-z0-9-]{0,${most - 5}}[A-Za-z0-9])?))?`;
/** Few long labels or many short ones: 253 characters at most. */
const host = `(?:${[
  [62, 3],
  [30, 7],
  [14, 15],
]
  .map(([most, more]) => `${label(most!)}(?:\\.${label(most!)}){0,${more}}`)
  .join("|")})`;
const domain = `(?:(?:${label(62)}\\.){1,2}${label(62)}|(?:${label(30)}\\.){3,5}${label(30)})`;
const atom = "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]";
const localPart = `(?:${atom}{1,31}(?:\\.${atom}{1,31})?|${atom}{1,12}(?:\\.${atom}{1,12}){2,4})`;

// RFC 3986, and RFC 3987 with characters beyond ASCII.
const hexadecimal = "%[0-9A-Fa-f]{2}";
/** What may stand in a class as it is; a hyphen goes last. */
const free = "A-Za-z0-9._~!$&'()*+,;=";
const international = "\\u00a0-\\ud7ff\\uf900-\\ufdcf\\ufdf0-\\uffef";
const pathCharacter = `(?:[${free}:@-]|${hexadecimal})`;
const tail = tailOf(pathCharacter);

function tailOf(character: string): string {
  return `(?:\\?(?:${character}|[/?])*)?(?:#(?:${character}|[/?])*)?`;
}

/** Identifiers, and references to them that may be relative, with more characters than those of ASCII. */
function identifiers(more: string): { readonly whole: string; readonly reference: string } {
  const character = `(?:[${free}${more}:@-]|${hexadecimal})`;
  const user = `(?:(?:[${free}${more}:-]|${hexadecimal})*@)?`;
  const authority = `${user}(?:(?:[${free}${more}-]|${hexadecimal})*|\\[${ipv6}\\])(?::\\d{1,5})?`;
  const path = `(?:/${character}*)*`;
  const rootless = `${character}+${path}`;
  const absolute = `/(?:${rootless})?`;
  const end = tailOf(character);
  const whole = `[A-Za-z][A-Za-z0-9+.-]*:(?://${authority}${path}|${absolute}|${rootless})${end}`;
  const segmentWithoutColon = `(?:[${free}${more}@-]|${hexadecimal})+`;
  const relative = `(?://${authority}${path}|${absolute}|${segmentWithoutColon}${path})?${end}`;
  return { whole, reference: `(?:${whole}|${relative})` };
}
const uris = identifiers("");
const iris = identifiers(international);
// No standard of its own: a page on a host that has a top-level domain.
const pageLabel = "[A-Za-z0-9]{1,30}(?:-[A-Za-z0-9]{1,30})?";
const url = `https?://(?:${pageLabel}\\.){1,3}[A-Za-z]{2,20}(?::[1-9]\\d{1,3})?(?:(?:/${pathCharacter}*)+${tail})?`;
// RFC 6570: literals, and expressions of names, without points in them, which not all validators know.
const variable = "[A-Za-z0-9_]+(?::[1-9]\\d{0,3}|\\*)?";
const template = `(?:[A-Za-z0-9._~!$&()*+,;=:/?#@\\[\\]-]|${hexadecimal}|\\{[+#./;?&]?${variable}(?:,${variable})*\\})*`;

// Regular expressions of characters, classes and groups, which all dialects read alike.
const plainCharacter = "(?:[A-Za-z0-9 _,:;=@/<>!\"'%&~#`-]|\\\\[dwsDWS.*+?()\\[\\]{}|^$\\\\])";
const set = "\\[\\^?(?:[A-Za-z0-9 _.,:;@/]|[a-c]-[d-z]|[A-C]-[D-Z]|0-[1-9])+\\]";
const count = "(?:[*+?]|\\{\\d{1,2},?\\})?";
const simple = `(?:(?:${plainCharacter}|\\.|${set})${count})*`;
const regex = `\\^?(?:(?:${plainCharacter}|\\.|${set}|\\((?:\\?:)?${simple}(?:\\|${simple})*\\))${count})*\\$?`;

const pointer = "(?:/(?:[^~/]|~[01])*)*";

/** The formats, by name. */
export const formats: Readonly<Record<string, Format>> = {
  date: { pattern: date },
  time: { pattern: time },
  "date-time": { pattern: `${date}T${time}` },
  "iso-time": { pattern: time },
  "iso-date-time": { pattern: `${date}T${time}` },
  duration: { pattern: duration },
  uuid: { pattern: "[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}" },
  email: { pattern: `${localPart}@${domain}` },
  hostname: { pattern: host },
  ipv4: { pattern: ipv4 },
  ipv6: { pattern: ipv6 },
  "idn-email": { pattern: `${localPart}@${domain}` },
  "idn-hostname": { pattern: host },
  uri: { pattern: uris.whole },
  "uri-reference": { pattern: uris.reference },
  iri: { pattern: iris.whole },
  "iri-reference": { pattern: iris.reference },
  "uri-template": { pattern: template },
  url: { pattern: url },
  regex: { pattern: regex },
  "json-pointer": { pattern: pointer },
  "relative-json-pointer": { pattern: `(?:0|[1-9]\\d*)(?:#|${pointer})` },
  "json-pointer-uri-fragment": { pattern: "#(?:/(?:[A-Za-z0-9_.!$&'()*+,;:=@-]|%[0-9A-Fa-f]{2}|~[01])*)*" },
  byte: { pattern: "(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?" },
  binary: {},
  password: {},
};

/** What a string is by its `contentMediaType`: JSON. No word of a schema is this name. */
export const JSON_CONTENT = "JSON in a string";

/** Formats of numbers: integers of so many bits. */
const integers: Readonly<Record<string, readonly [lowest: number, highest: number]>> = {
  ...Object.fromEntries([8, 16, 32, 64].map((bits) => [`int${bits}`, [-(2 ** (bits - 1)), 2 ** (bits - 1) - 1]])),
  ...Object.fromEntries([8, 16, 32, 64].map((bits) => [`uint${bits}`, [0, 2 ** bits - 1]])),
};

/** The bounds of a format of integers. */
export function integerFormat(name: string): readonly [lowest: number, highest: number] | undefined {
  return Object.hasOwn(integers, name) ? integers[name] : undefined;
}

export function isFormat(name: string): boolean {
  return Object.hasOwn(formats, name);
}
