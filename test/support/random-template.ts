// Random templates, mostly of values that fit their operators: what two engines are compared with.

import type { Random } from "../../bench/synthetic/random.js";

/** The variables that the templates use. */
export const templateVariables = {
  s: "  Hello, World! \t",
  w: "foo bar  baz foo",
  u: "Été 😀 你好 straße",
  q: 'it\'s "q"\n\\x\u2028<a>',
  n: 7,
  z: 0,
  neg: -3,
  f: 2.5,
  g: 1.25e25,
  h: 1e-5,
  b: true,
  none_: null,
  l: [3, 1, 2, 2],
  ls: ["b", "A", "a", "C"],
  fl: [0.5, 2.5, -1.25, 1000000.5],
  e: [],
  d: { b: 1, a: "x", c: null },
  ld: [
    { n: "x", v: 1, t: ["p"] },
    { n: "y", v: 0, t: [] },
    { n: "X", v: 1 },
  ],
  nest: { a: { b: [{ c: "deep" }] } },
} as const;

type Kind = "int" | "float" | "text" | "list" | "dict" | "any";
type Make = (inner: (kind: Kind) => string, random: Random) => string;

const atoms: Readonly<Record<Kind, readonly string[]>> = {
  int: ["0", "1", "2", "-1", "7", "10", "255", "n", "z", "neg", "true", "1_000", "0x1f"],
  float: ["f", "g", "h", "0.5", "2.675", "1e3", "-0.0", "1.0", "1e16", "123456.789", "0.1"],
  text: ["s", "w", "u", "q", "''", "'a'", "'abcabc'", "'%s'", "'<b>'", "'A-b c'", "'12'", "'-4.5'", "'a' 'b'", "'😀x'"],
  list: [
    "l",
    "ls",
    "fl",
    "e",
    "[]",
    "[1, 2, 3]",
    "(1, 'a')",
    "['x', none]",
    "range(4)|list",
    "(1,)",
    "d.values()",
    "[[2], [1]]",
  ],
  dict: ["d", "ld[0]", "{}", "{'a': 1, 'b': [1, 2]}", "nest", "dict(x=1)", "{1: 'one', none: 2}"],
  any: ["nothing", "none", "none_", "false", "ld", "nest.a", "d.zz", "namespace(a=1)", "loop"],
};
const kinds = ["int", "float", "text", "list", "dict", "any"] as const;

const compound: Readonly<Record<Kind, readonly Make[]>> = {
  int: [
    ...["+", "-", "*", "//", "%"].map(
      (op): Make =>
        (x) =>
          `(${x("int")} ${op} ${x("int")})`,
    ),
    (x) => `(-${x("int")})`,
    (x) => `(${x("text")})|length`,
    (x) => `(${x("list")})|length`,
    (x) => `(${x("text")})|wordcount`,
    (x) => `(${x("any")})|int`,
    (x) => `(${x("text")})|int(${x("int")})`,
    (x) => `(${x("text")}).find(${x("text")})`,
    (x) => `(${x("text")}).count(${x("text")})`,
    (x) => `(${x("text")}).rfind(${x("text")}, ${x("int")}, ${x("int")})`,
    (x) => `(${x("list")})|sum`,
    (x) => `(${x("int")})|abs`,
    (x) => `(${x("int")})|round(${x("int")})`,
    (x, random) => `(${x("int")} ** ${random.below(4)})`,
  ],
  float: [
    ...["+", "-", "*", "/", "//", "%"].map(
      (op): Make =>
        (x) =>
          `(${x("float")} ${op} ${x("int")})`,
    ),
    (x) => `(${x("int")} / ${x("int")})`,
    (x, random) => `(${x("float")})|round(${random.below(5) - 1}, '${pick(random, ["common", "ceil", "floor"])}')`,
    (x) => `(${x("float")})|round`,
    (x) => `(${x("text")})|float`,
    (x) => `(${x("float")})|abs`,
    (x) => `(${x("fl" as Kind)})|max`,
  ],
  text: [
    (x) => `(${x("text")} ~ ${x("any")})`,
    (x) => `(${x("text")} + ${x("text")})`,
    (x, random) => `(${x("text")} * ${random.below(4)})`,
    (x) => `(${x("any")})|string`,
    (x, random) =>
      `(${x(pick(random, kinds))})|tojson${pick(random, ["", "(indent=2)", "(ensure_ascii=true)", "(sort_keys=true)", "(separators=(',', ':'))"])}`,
    (x, random) =>
      `(${x("text")})|${pick(random, ["upper", "lower", "title", "capitalize", "trim", "reverse", "escape", "safe", "urlencode", "indent", "indent(2, true)", "trim('a ')", "center(9)", "string", "first", "last", "forceescape"])}`,
    (x) => `(${x("text")})|replace(${x("text")}, ${x("text")})`,
    (x, random) =>
      `(${x("text")})|truncate(${random.below(12)}, ${pick(random, ["true", "false"])}, '..', ${random.below(4)})`,
    (x) => `(${x("list")})|join(${x("text")})`,
    (x, random) =>
      `(${x("text")}).${pick(random, ["upper()", "lower()", "title()", "capitalize()", "swapcase()", "strip()", "lstrip('a')", "rstrip()", "casefold()", "expandtabs(4)", "zfill(6)", "center(8, '*')", "ljust(6)", "rjust(6, '-')", "removeprefix('a')", "removesuffix('c')", "format(1)"])}`,
    (x) => `(${x("text")}).replace(${x("text")}, ${x("text")}, ${x("int")})`,
    (x, random) => `(${x("text")})[${slice(random)}]`,
    (x, random) => `(${x("text")})[${random.below(6) - 2}]`,
    (x, random) => `'${percent(random)}|${percent(random)}' % (${x(pick(random, kinds))}, ${x(pick(random, kinds))})`,
    (x, random) => `'${percent(random)}' | format(${x(pick(random, kinds))})`,
    (x, random) => `'${field(random)}|${field(random)}'.format(${x(pick(random, kinds))}, ${x(pick(random, kinds))})`,
    (x) => `'{a} {b!r:>8} {0}'.format(${x("any")}, a=${x("text")}, b=${x("text")})`,
    (x) => `(${x("float")})|filesizeformat`,
  ],
  list: [
    (x, random) => `[${Array.from({ length: random.below(4) }, () => x(pick(random, kinds))).join(", ")}]`,
    (x) => `(${x("list")} + ${x("list")})`,
    (x, random) => `(${x("list")})[${slice(random)}]`,
    (x, random) =>
      `(${x("list")})|${pick(random, ["list", "sort", "sort(reverse=true)", "unique|list", "reverse|list", "batch(2)|list", "batch(3, 0)|list", "slice(2)|list", "slice(3, 'x')|list", "select|list", "reject|list", "map('string')|list", "select('odd')|list", "select('gt', 1)|list", "reject('in', [1, 'a'])|list", "map('upper')|list", "map('int', 5)|list", "select('string')|list", "map('round', 1)|list", "select('divisibleby', 2)|list"])}`,
    (x) => `(${x("text")}).split(${x("text")})`,
    (x, random) =>
      `(${x("text")}).${pick(random, ["split()", "split(' ', 1)", "rsplit(maxsplit=1)", "splitlines()", "splitlines(true)", "partition(' ')", "rpartition('b')"])}`,
    (x, random) => `(${x("dict")})|${pick(random, ["items|list", "dictsort", "dictsort(by='value')", "list"])}`,
    (x) => `(${x("dict")}).items()|list`,
    (x) => `(${x("text")})|list`,
    (_, random) =>
      `ld|${pick(random, ["map(attribute='n')|list", "map(attribute='v')|list", "selectattr('v')|list", "selectattr('n', 'equalto', 'x')|list", "rejectattr('t', 'defined')|list", "sort(attribute='n')", "sort(attribute='v,n')", "groupby('v')", "groupby('n')", "groupby('n', case_sensitive=true)", "groupby('t', default='d')", "map(attribute='t', default=[])|list", "map(attribute='t.0', default='-')|list", "sum(attribute='v')", "max(attribute='n')", "unique(attribute='n')|list"])}`,
    (x) => `range(${x("int")}, ${x("int")})|list`,
  ],
  dict: [
    (x, random) => `{'a': ${x(pick(random, kinds))}, ${x("text")}: ${x(pick(random, kinds))}}`,
    (x) => `dict(${x("dict")}, z=${x("int")})`,
    (x) => `(${x("dict")}).copy()`,
  ],
  any: [
    (x, random) =>
      `(${x(pick(random, kinds))} ${pick(random, ["==", "!=", "in", "not in", "and", "or"])} ${x(pick(random, kinds))})`,
    (x, random) =>
      `(${x(random.below(2) === 0 ? "int" : "float")} ${pick(random, ["<", "<=", ">", ">=", "=="])} ${x("int")} ${pick(random, ["<", ">=", "!="])} ${x("float")})`,
    (x) => `(${x("text")} < ${x("text")})`,
    (x) => `(${x("list")} <= ${x("list")})`,
    (x) => `(not ${x("any")})`,
    (x, random) => `(${x(pick(random, kinds))} if ${x("any")} else ${x(pick(random, kinds))})`,
    (x) => `(${x("int")} if ${x("any")})`,
    (x, random) => `(${x(pick(random, kinds))} is ${pick(random, ["", "not "])}${pick(random, tests)})`,
    (x) => `(${x("int")} is divisibleby(${x("int")}))`,
    (x) => `(${x("int")} is divisibleby 3)`,
    (x) => `(${x("any")} is in(${x("list")}))`,
    (x) => `(${x("int")} is eq ${x("int")})`,
    (x, random) => `(${x(pick(random, kinds))})|default(${x("text")}, ${pick(random, ["true", "false"])})`,
    (x, random) => `(${x(pick(random, kinds))})|${pick(random, filters)}`,
    (x) => `(${x("dict")})[${x("text")}]`,
    (x) => `(${x("dict")}).get(${x("text")}, ${x("int")})`,
    (x, random) => `(${x(pick(random, kinds))}).${pick(random, ["a", "n", "b", "items", "c", "upper"])} is defined`,
    (x, random) => `(${x("list")})[${random.below(5) - 2}]`,
    (x, random) =>
      `(${x(pick(random, kinds))} ${pick(random, ["+", "-", "*", "/", "//", "%", "~", "<", ">="])} ${x(pick(random, kinds))})`,
    (x, random) =>
      `(${x("text")}).${pick(random, ["startswith('a')", "endswith(('c', ' '))", "isdigit()", "isalpha()", "isupper()", "islower()", "isspace()", "isalnum()", "istitle()", "isidentifier()", "isnumeric()", "isdecimal()", "isascii()", "isprintable()", "startswith('o', 1)"])}`,
  ],
};
const tests = [
  ...["string", "number", "mapping", "sequence", "iterable", "defined", "undefined", "none", "boolean", "integer"],
  ...["float", "true", "false", "lower", "upper", "odd", "even", "callable", "escaped"],
];
const filters = [
  ...[
    "length",
    "first",
    "last",
    "list",
    "string",
    "tojson",
    "upper",
    "join",
    "sum",
    "min",
    "max",
    "sort",
    "unique|list",
  ],
  ...[
    "reverse|list",
    "items|list",
    "int",
    "float",
    "abs",
    "round",
    "trim",
    "title",
    "dictsort",
    "attr('upper') is defined",
  ],
];

function pick<Item>(random: Random, items: readonly Item[]): Item {
  return items[random.below(items.length)]!;
}

function slice(random: Random): string {
  const bound = () => (random.below(3) === 0 ? "" : String(random.below(8) - 3));
  const step = pick(random, ["", "", ":", ":2", ":-1", ":-2"]);
  return `${bound()}:${bound()}${step}`;
}

function percent(random: Random): string {
  const width = pick(random, ["", "", "3", "8", "05"]);
  const precision = pick(random, ["", "", ".0", ".2", ".5"]);
  return `%${pick(random, ["", "", "-", "+", " ", "#", "0"])}${width}${precision}${pick(random, [..."sdifeEgGxXorc%"])}`;
}

function field(random: Random): string {
  const align = pick(random, ["", "", "<", ">", "^", "*^", "=", "0="]);
  const width = pick(random, ["", "", "6", "10", "05"]);
  const precision = pick(random, ["", "", ".0", ".3"]);
  const spec = `${align}${pick(random, ["", "", "+", " "])}${pick(random, ["", "", "#"])}${width}${pick(random, ["", "", ","])}${precision}${pick(random, ["", "", ..."dsfeEgGxb%"])}`;
  return `{${pick(random, ["", "", "!r", "!s"])}${spec === "" ? "" : `:${spec}`}}`;
}

/** A template: one expression, or blocks. */
export function randomTemplate(random: Random): string {
  return random.below(2) === 0 ? `{{ ${randomExpression(random, pick(random, kinds), 3)} }}` : randomBlocks(random, 2);
}

/** An expression of this kind, of at most so many levels. */
function randomExpression(random: Random, kind: Kind, depth: number): string {
  if (depth <= 0 || random.below(5) === 0) return pick(random, atoms[kind] ?? atoms.any);
  const make = pick(random, compound[kind] ?? compound.list);
  return make((inner) => randomExpression(random, inner, depth - 1), random);
}

/** Blocks and expressions within them. */
function randomBlocks(random: Random, depth: number): string {
  const text = () => pick(random, ["a", " ", "\n", "  b\n", "\n  ", "x\n\n", "}} ", "{ "]);
  const x = (kind: Kind = pick(random, kinds)) => randomExpression(random, kind, 2);
  const inner = () => (depth <= 0 ? `{{ ${x()} }}` : randomBlocks(random, depth - 1));
  const open = () => pick(random, ["{%", "{%", "{%-", "{%+"]);
  const close = () => pick(random, ["%}", "%}", "-%}"]);
  const tag = (content: string) => `${open()} ${content} ${close()}`;
  switch (random.below(17)) {
    case 0:
      return `${tag(`for i in ${x("list")}`)}${inner()}{{ i }}${loopPart(random)}${tag("endfor")}`;
    case 1:
      return `${tag(`for k, v in ${pick(random, ["d.items()", "d|dictsort", "[(1, 2), (3, 4)]", "ls|batch(2)", "ld|groupby('v')"])} `)}{{ k }}{{ v }}${inner()}${tag("endfor")}`;
    case 2:
      return `${tag(`for i in ${x("list")} if ${pick(random, ["i is string", "i", "i is odd", "loop is defined"])}`)}{{ i }}${loopPart(random)}${tag("else")}none${tag("endfor")}`;
    case 3:
      return `${tag(`if ${x("any")}`)}${inner()}${tag(`elif ${x("any")}`)}${text()}${tag("else")}${inner()}${tag("endif")}`;
    case 4:
      return `${tag(`set i = ${x()}`)}${inner()}{{ i }}`;
    case 5:
      return `${tag(`set i${pick(random, ["", " | upper", " | trim | length"])}`)}${inner()}${tag("endset")}{{ i }}`;
    case 6:
      return `${tag("macro m(i, j=2, k=i)")}{{ i }}{{ j }}{{ k }}${pick(random, ["", "{{ varargs }}", "{{ kwargs }}", "{{ caller(1) }}"])}${tag("endmacro")}{{ m(${x("int")}${pick(random, ["", ", 3", ", k=5", ", 1, 2, 3", ", z=4"])}) }}`;
    case 7:
      return `${tag("macro m(i)")}[{{ caller(i) }}]${tag("endmacro")}${tag(`call(j) m(${x()})`)}${inner()}{{ j }}${tag("endcall")}`;
    case 8:
      return `${tag(`filter ${pick(random, ["upper", "trim", "replace('a', 'b')", "indent", "length"])}`)}${inner()}${tag("endfilter")}`;
    case 9:
      return `${tag(`with i = ${x()}, j = i`)}{{ i }}{{ j }}${inner()}${tag("endwith")}{{ i }}`;
    case 10:
      return `${tag("raw")}${text()}{{ i }}{% x %}${text()}${tag("endraw")}`;
    case 11:
      return `${tag("set ns = namespace(c=0)")}${tag(`for i in ${x("list")}`)}${tag("set ns.c = ns.c + 1")}${tag("if ns.c == 2")}${tag(pick(random, ["break", "continue"]))}${tag("endif")}{{ i }}${tag("else")}e${tag("endfor")}{{ ns.c }}{{ ns }}`;
    case 12:
      return `${tag("for i in [1, [2, [3]], []] recursive")}${tag("if i is iterable")}({{ loop(i) }}{{ loop.depth }})${tag("else")}{{ i }}${tag("endif")}${tag("endfor")}`;
    case 13:
      return `${pick(random, ["{#", "{#-"])} ${text()}{{ ${pick(random, ["#}", "-#}"])}${inner()}`;
    case 14:
      return `${text()}${inner()}${text()}${inner()}`;
    default:
      return `${text()}{{${pick(random, ["", "-", "+"])} ${x()} ${pick(random, ["", "-"])}}}${text()}`;
  }
}

function loopPart(random: Random): string {
  return `{{ ${pick(random, ["loop.index", "loop.last", "loop.length", "loop.previtem", "loop.nextitem", "loop.revindex0", "loop.cycle('a', 'b')", "loop.changed(i)", "loop.first", "loop.depth0", "loop", "i"])} }}`;
}
