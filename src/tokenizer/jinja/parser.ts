// From a template's tokens to its statements: Jinja2's grammar, a method for each of its rules, weakest binding first.

import { unknownFilter } from "./filters.js";
import { refuseSyntax, type Token, tokenize } from "./lexer.js";
import type { Argument, Block, CallNode, Expression, FilterCall, MacroNode, Statement, Target } from "./syntax.js";
import { unknownTest } from "./tests.js";

/** The statements of a template. @throws TemplateError TEMPLATE_SYNTAX */
export function parseTemplate(source: string): Block {
  return new Parser(tokenize(source)).template();
}

const COMPARISONS = new Set(["==", "!=", "<", "<=", ">", ">="]);
const RESERVED = new Set(["true", "false", "none", "True", "False", "None"]);
/** Statements of Jinja2 that no chat template can mean: there are no other templates, and the output is not HTML. */
const UNSUPPORTED = new Set(["autoescape", "block", "extends", "from", "import", "include"]);

class Parser {
  readonly #tokens: readonly Token[];
  #at = 0;
  /** Loops around this statement: break and continue need one. */
  #loops = 0;
  /** Within a condition a filter or test that there is not is an error only when it is used, as in Jinja2. */
  #conditional = false;
  #unknown: { readonly what: string; readonly line: number }[] = [];
  /** The names in what was read so far, and whether the first mention of each uses it. */
  #mentioned = new Map<string, "used" | "assigned">();
  /** How often the variable `loop` was assigned to. */
  #loopAssignments = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  template(): Block {
    const body = this.#statements();
    const [unknown] = this.#unknown;
    if (unknown !== undefined) refuseSyntax(unknown.what, unknown.line);
    return body;
  }

  // Tokens

  get #token(): Token {
    return this.#tokens[this.#at]!;
  }

  #next(): Token {
    const token = this.#token;
    if (token.type !== "end") this.#at++;
    return token;
  }

  #isAt(type: "name" | "operator", value: string, ahead = 0): boolean {
    const token = this.#tokens[this.#at + ahead];
    return token?.type === type && token.value === value;
  }

  #skip(type: "name" | "operator", value: string): boolean {
    const found = this.#isAt(type, value);
    if (found) this.#at++;
    return found;
  }

  #expect(type: Token["type"], value?: string): string {
    const token = this.#token;
    if (token.type !== type || (value !== undefined && token.value !== value)) {
      refuseSyntax(`expected ${value === undefined ? nameOf(type) : `'${value}'`}, got ${describe(token)}`, token.line);
    }
    this.#next();
    return String(token.value);
  }

  #refuse(reason: string): never {
    return refuseSyntax(reason, this.#token.line);
  }

  // Statements

  /** Statements up to one of the tags `ends`, whose name is the next token then; or, without any, up to the end. */
  #statements(...ends: readonly string[]): Block {
    const body: Statement[] = [];
    for (;;) {
      const token = this.#next();
      switch (token.type) {
        case "data":
          body.push({ type: "Text", text: token.value });
          break;
        case "variable_begin":
          body.push({ type: "Print", value: this.#tuple() });
          this.#expect("variable_end");
          break;
        case "block_begin":
          if (ends.some((end) => this.#isAt("name", end))) return body;
          body.push(...this.#statement(ends));
          this.#expect("block_end");
          break;
        default:
          if (ends.length === 0) return body;
          return this.#refuse(`it ends where ${ends.map((end) => `'${end}'`).join(" or ")} is needed`);
      }
    }
  }

  /** What is between a tag and its end; the end's name is the next token. */
  #body(...ends: readonly string[]): Block {
    this.#skip("operator", ":");
    this.#expect("block_end");
    return this.#statements(...ends);
  }

  /** As `#body`, with its end. */
  #wholeBody(end: string): Block {
    const body = this.#body(end);
    this.#next();
    return body;
  }

  /** As `#wholeBody`, where there are no loops around. */
  #separateBody(end: string): Block {
    const loops = this.#loops;
    this.#loops = 0;
    const body = this.#wholeBody(end);
    this.#loops = loops;
    return body;
  }

  #unconditional<T>(read: () => T): T {
    const conditional = this.#conditional;
    this.#conditional = false;
    const result = read();
    this.#conditional = conditional;
    return result;
  }

  #statement(ends: readonly string[]): readonly Statement[] {
    const tag = this.#expect("name");
    switch (tag) {
      case "if":
        return [this.#if()];
      case "for":
        return [this.#for()];
      case "break":
      case "continue":
        if (this.#loops === 0) this.#refuse(`'${tag}' outside of a loop`);
        return [{ type: tag === "break" ? "Break" : "Continue" }];
      case "set":
        return [this.#set()];
      case "with":
        return [this.#with()];
      case "macro": {
        const name = this.#parameterName();
        return [
          {
            type: "Macro",
            name,
            macro: this.#macro(
              this.#unconditional(() => this.#signature()),
              "endmacro",
            ),
          },
        ];
      }
      case "call": {
        const parameters = this.#isAt("operator", "(") ? this.#unconditional(() => this.#signature()) : [];
        const call = this.#expression();
        if (call.type !== "Call") return this.#refuse("expected a call");
        return [{ type: "CallBlock", call, macro: this.#macro(parameters, "endcall") }];
      }
      case "filter": {
        return this.#unconditional(() => {
          const filters = [this.#filterCall(), ...this.#filters()];
          return [{ type: "FilterBlock", filters, body: this.#wholeBody("endfilter") }];
        });
      }
      case "generation":
        return [{ type: "Scope", body: this.#unconditional(() => this.#separateBody("endgeneration")) }];
      case "print":
        return this.#print();
      default:
        if (UNSUPPORTED.has(tag)) return this.#refuse(`'{% ${tag} %}' is not supported in chat templates`);
        return this.#refuse(
          `unknown statement '${tag}'${ends.length > 0 ? ` where ${ends.map((end) => `'${end}'`).join(" or ")} is needed` : ""}`,
        );
    }
  }

  #if(): Statement {
    const conditional = this.#conditional;
    this.#conditional = true;
    const test = this.#tuple({ conditional: false });
    const body = this.#body("elif", "else", "endif");
    const ending = this.#next().value;
    let otherwise: Block = [];
    if (ending === "elif") otherwise = [this.#if()];
    else if (ending === "else") otherwise = this.#wholeBody("endif");
    this.#conditional = conditional;
    return { type: "If", test, body, otherwise };
  }

  #for(): Statement {
    const assignments = this.#loopAssignments;
    const target = this.#assigned({ end: "in" });
    this.#expect("name", "in");
    const iterable = this.#tuple({ conditional: false, end: "recursive" });
    const loop = this.#unconditional((): Statement => {
      const test = this.#skip("name", "if") ? this.#expression() : undefined;
      const recursive = this.#skip("name", "recursive");
      this.#loops++;
      const body = this.#body("endfor", "else");
      this.#loops--;
      const otherwise = this.#next().value === "else" ? this.#wholeBody("endfor") : [];
      return { type: "For", target, iterable, test, recursive, body, otherwise };
    });
    if (this.#loopAssignments > assignments) this.#refuse("a loop cannot assign to 'loop'");
    return loop;
  }

  #set(): Statement {
    const target = this.#assigned({ namespaces: true });
    if (this.#skip("operator", "=")) return { type: "Set", target, value: this.#tuple() };
    return this.#unconditional(() => {
      const filters = this.#filters();
      return { type: "SetBlock", target, filters, body: this.#wholeBody("endset") };
    });
  }

  #with(): Statement {
    const variables: (readonly [Target, Expression])[] = [];
    while (this.#token.type !== "block_end") {
      if (variables.length > 0) this.#expect("operator", ",");
      const target = this.#target({});
      this.#expect("operator", "=");
      variables.push([target, this.#expression()]);
    }
    return { type: "With", variables, body: this.#unconditional(() => this.#wholeBody("endwith")) };
  }

  #print(): readonly Statement[] {
    const printed: Statement[] = [];
    while (this.#token.type !== "block_end") {
      if (printed.length > 0) this.#expect("operator", ",");
      printed.push({ type: "Print", value: this.#expression() });
    }
    return printed;
  }

  #signature(): MacroNode["parameters"] {
    const parameters: { name: string; fallback: Expression | undefined }[] = [];
    this.#expect("operator", "(");
    while (!this.#isAt("operator", ")")) {
      if (parameters.length > 0) this.#expect("operator", ",");
      const name = this.#parameterName();
      if (parameters.some((parameter) => parameter.name === name)) this.#refuse(`two parameters named '${name}'`);
      const fallback = this.#skip("operator", "=") ? this.#expression() : undefined;
      if (fallback === undefined && parameters.at(-1)?.fallback !== undefined) {
        this.#refuse("a parameter without a default follows one that has one");
      }
      parameters.push({ name, fallback });
    }
    this.#next();
    return parameters;
  }

  #parameterName(): string {
    const name = this.#expect("name");
    return RESERVED.has(name) ? this.#refuse(`cannot assign to '${name}'`) : name;
  }

  #macro(parameters: MacroNode["parameters"], end: string): MacroNode {
    const outer = this.#mentioned;
    this.#mentioned = new Map();
    const body = this.#unconditional(() => this.#separateBody(end));
    const used = (["caller", "varargs", "kwargs"] as const).filter((name) => this.#mentioned.get(name) === "used");
    const inner = this.#mentioned;
    this.#mentioned = outer;
    for (const [name, how] of inner) this.#mention(name, how);
    const named = (name: string) => parameters.find((parameter) => parameter.name === name);
    const caller = named("caller");
    if (used.includes("caller") && caller !== undefined && caller.fallback === undefined) {
      this.#refuse("the parameter 'caller' needs a default");
    }
    return { parameters, body, uses: new Set(used.filter((name) => named(name) === undefined)) };
  }

  #mention(name: string, how: "used" | "assigned"): void {
    if (!this.#mentioned.has(name)) this.#mentioned.set(name, how);
  }

  /** The target of a loop or of an assignment. */
  #assigned(how: { readonly end?: string; readonly namespaces?: boolean }): Target {
    const target = this.#target(how);
    if (assigns(target, "loop")) this.#loopAssignments++;
    return target;
  }

  #target({ end, namespaces = false }: { readonly end?: string; readonly namespaces?: boolean }): Target {
    const target = this.#tupleOf(() => this.#targetItem(namespaces), false, end);
    return Array.isArray(target) ? { type: "Tuple", items: target } : target;
  }

  #targetItem(namespaces: boolean): Target {
    if (this.#skip("operator", "(")) {
      const inner = this.#tupleOf(() => this.#targetItem(false), true);
      this.#expect("operator", ")");
      return Array.isArray(inner) ? { type: "Tuple", items: inner } : inner;
    }
    const name = this.#parameterName();
    if (!namespaces || !this.#skip("operator", ".")) {
      this.#mention(name, "assigned");
      return { type: "Name", name };
    }
    return { type: "NamespaceAttribute", namespace: name, name: this.#expect("name") };
  }

  // Expressions

  /** An expression, or several with commas between or behind them, which are a tuple. */
  #tuple({
    conditional = true,
    end,
    enclosed = false,
  }: {
    readonly conditional?: boolean;
    readonly end?: string;
    readonly enclosed?: boolean;
  } = {}): Expression {
    const result = this.#tupleOf(() => (conditional ? this.#expression() : this.#or()), enclosed, end);
    return Array.isArray(result) ? { type: "Tuple", items: result } : result;
  }

  #tupleOf<T extends object>(item: () => T, enclosed: boolean, end?: string): T | T[] {
    const items: T[] = [];
    while (!this.#tupleEnds(end)) {
      items.push(item());
      if (this.#skip("operator", ",")) continue;
      if (items.length === 1) return items[0]!;
      return items;
    }
    if (items.length === 0 && !enclosed) this.#refuse(`expected an expression, got ${describe(this.#token)}`);
    return items;
  }

  #tupleEnds(end: string | undefined): boolean {
    const { type } = this.#token;
    if (type === "variable_end" || type === "block_end" || this.#isAt("operator", ")")) return true;
    return end !== undefined && this.#isAt("name", end);
  }

  #expression(): Expression {
    const known = this.#unknown.length;
    let value = this.#or();
    while (this.#skip("name", "if")) {
      const test = this.#or();
      const otherwise = this.#skip("name", "else") ? this.#expression() : undefined;
      value = { type: "Conditional", test, value, otherwise };
      this.#unknown.length = known;
    }
    return value;
  }

  #or(): Expression {
    let left = this.#and();
    while (this.#skip("name", "or")) left = { type: "Binary", operator: "or", left, right: this.#and() };
    return left;
  }

  #and(): Expression {
    let left = this.#not();
    while (this.#skip("name", "and")) left = { type: "Binary", operator: "and", left, right: this.#not() };
    return left;
  }

  #not(): Expression {
    if (this.#skip("name", "not")) return { type: "Unary", operator: "not", operand: this.#not() };
    return this.#comparison();
  }

  #comparison(): Expression {
    const first = this.#sum();
    const rest: { operator: string; operand: Expression }[] = [];
    for (;;) {
      let operator: string;
      if (this.#token.type === "operator" && COMPARISONS.has(this.#token.value)) operator = this.#expect("operator");
      else if (this.#skip("name", "in")) operator = "in";
      else if (this.#isAt("name", "not") && this.#isAt("name", "in", 1)) {
        this.#at += 2;
        operator = "not in";
      } else return rest.length === 0 ? first : { type: "Compare", first, rest };
      rest.push({ operator, operand: this.#sum() });
    }
  }

  #sum(): Expression {
    return this.#leftToRight(["+", "-"], () => this.#concatenation());
  }

  #concatenation(): Expression {
    const first = this.#product();
    if (!this.#isAt("operator", "~")) return first;
    const parts = [first];
    while (this.#skip("operator", "~")) parts.push(this.#product());
    return { type: "Concat", parts };
  }

  #product(): Expression {
    return this.#leftToRight(["*", "/", "//", "%"], () => this.#leftToRight(["**"], () => this.#unary(true)));
  }

  #leftToRight(operators: readonly string[], operand: () => Expression): Expression {
    let left = operand();
    while (this.#token.type === "operator" && operators.includes(this.#token.value)) {
      left = { type: "Binary", operator: this.#expect("operator"), left, right: operand() };
    }
    return left;
  }

  #unary(withFilters: boolean): Expression {
    let node: Expression;
    if (this.#skip("operator", "-")) node = { type: "Unary", operator: "-", operand: this.#unary(false) };
    else if (this.#skip("operator", "+")) node = { type: "Unary", operator: "+", operand: this.#unary(false) };
    else node = this.#primary();
    node = this.#postfixes(node);
    return withFilters ? this.#filtersAndTests(node) : node;
  }

  #primary(): Expression {
    const token = this.#token;
    switch (token.type) {
      case "name":
        this.#next();
        if (RESERVED.has(token.value)) return { type: "Constant", value: constant(token.value) };
        this.#mention(token.value, "used");
        return { type: "Name", name: token.value };
      case "string": {
        let value = "";
        while (this.#token.type === "string") value += this.#next().value;
        return { type: "String", value };
      }
      case "integer":
      case "float":
        this.#next();
        return { type: token.type === "integer" ? "Integer" : "Float", value: token.value };
      default:
        if (this.#skip("operator", "(")) {
          const inner = this.#tuple({ enclosed: true });
          this.#expect("operator", ")");
          return inner;
        }
        if (this.#skip("operator", "[")) return { type: "List", items: this.#listed("]", () => this.#expression()) };
        if (this.#skip("operator", "{")) return { type: "Dict", entries: this.#listed("}", () => this.#entry()) };
        return this.#refuse(`unexpected ${describe(token)}`);
    }
  }

  #listed<T>(end: string, item: () => T): T[] {
    const items: T[] = [];
    while (!this.#skip("operator", end)) {
      if (items.length > 0) {
        this.#expect("operator", ",");
        if (this.#skip("operator", end)) break;
      }
      items.push(item());
    }
    return items;
  }

  #entry(): readonly [Expression, Expression] {
    const key = this.#expression();
    this.#expect("operator", ":");
    return [key, this.#expression()];
  }

  #postfixes(value: Expression): Expression {
    let node = value;
    for (;;) {
      if (this.#skip("operator", ".")) node = this.#attribute(node);
      else if (this.#skip("operator", "[")) node = this.#subscript(node);
      else if (this.#isAt("operator", "(")) node = this.#call(node);
      else return node;
    }
  }

  #attribute(object: Expression): Expression {
    const token = this.#next();
    if (token.type === "name") return { type: "Attribute", object, name: token.value };
    if (token.type !== "integer") return this.#refuse(`expected a name or a number, got ${describe(token)}`);
    return { type: "Item", object, key: { type: "Integer", value: token.value } };
  }

  #subscript(object: Expression): Expression {
    const keys: Expression[] = [];
    while (!this.#isAt("operator", "]")) {
      if (keys.length > 0) this.#expect("operator", ",");
      const slice = this.#slice(object);
      if (!Array.isArray(slice)) keys.push(slice);
      else if (this.#isAt("operator", "]") && keys.length === 0) {
        this.#next();
        return { type: "Slice", object, bounds: slice };
      } else this.#refuse("a slice among several keys is not supported");
    }
    this.#next();
    return { type: "Item", object, key: keys.length === 1 ? keys[0]! : { type: "Tuple", items: keys } };
  }

  /** A key, or the bounds of a slice. */
  #slice(object: Expression): Expression | (Expression | undefined)[] {
    const bounds: (Expression | undefined)[] = [];
    const bound = () =>
      this.#isAt("operator", ":") || this.#isAt("operator", "]") || this.#isAt("operator", ",")
        ? undefined
        : this.#expression();
    const first = bound();
    if (!this.#skip("operator", ":")) return first ?? this.#refuse(`expected a key of ${object.type}`);
    bounds.push(first, bound());
    bounds.push(this.#skip("operator", ":") ? bound() : undefined);
    return bounds;
  }

  #call(callee: Expression): CallNode {
    return { type: "Call", callee, args: this.#arguments() };
  }

  #arguments(): readonly Argument[] {
    const args: Argument[] = [];
    this.#expect("operator", "(");
    const has = (...kinds: readonly Argument["kind"][]) => args.some(({ kind }) => kinds.includes(kind));
    const inOrder = (...later: readonly Argument["kind"][]) => {
      if (has(...later)) this.#refuse("the arguments of a call are in a wrong order");
    };
    const argument = (): Argument => {
      if (this.#skip("operator", "*")) {
        inOrder("spread", "namedSpread");
        return { kind: "spread", value: this.#expression() };
      }
      if (this.#skip("operator", "**")) {
        inOrder("namedSpread");
        return { kind: "namedSpread", value: this.#expression() };
      }
      if (this.#token.type === "name" && this.#isAt("operator", "=", 1)) {
        inOrder("namedSpread");
        const name = this.#expect("name");
        if (args.some((other) => other.kind === "named" && other.name === name))
          this.#refuse(`two arguments '${name}'`);
        this.#next();
        return { kind: "named", name, value: this.#expression() };
      }
      inOrder("named", "spread", "namedSpread");
      return { kind: "positional", value: this.#expression() };
    };
    while (!this.#skip("operator", ")")) {
      if (args.length > 0) {
        this.#expect("operator", ",");
        if (this.#skip("operator", ")")) break;
      }
      args.push(argument());
    }
    return args;
  }

  #filtersAndTests(value: Expression): Expression {
    let node = value;
    for (;;) {
      if (this.#skip("operator", "|")) node = { type: "Filter", operand: node, filter: this.#filterCall() };
      else if (this.#skip("name", "is")) node = this.#test(node);
      else if (this.#isAt("operator", "(")) node = this.#call(node);
      else return node;
    }
  }

  #filters(): readonly FilterCall[] {
    const filters: FilterCall[] = [];
    while (this.#skip("operator", "|")) filters.push(this.#filterCall());
    return filters;
  }

  #filterCall(): FilterCall {
    const { line } = this.#token;
    const name = this.#dottedName();
    this.#known(unknownFilter(name), line);
    return { name, args: this.#isAt("operator", "(") ? this.#arguments() : [] };
  }

  #test(operand: Expression): Expression {
    const negated = this.#skip("name", "not");
    const { line } = this.#token;
    const name = this.#dottedName();
    this.#known(unknownTest(name), line);
    const test: Expression = { type: "Test", operand, name, args: this.#testArguments() };
    return negated ? { type: "Unary", operator: "not", operand: test } : test;
  }

  /** A test's arguments are in parentheses, or it has one without any: `x is divisibleby 3`. */
  #testArguments(): readonly Argument[] {
    if (this.#isAt("operator", "(")) return this.#arguments();
    const { type, value } = this.#token;
    if (type === "name" && ["else", "or", "and"].includes(value)) return [];
    if (type === "name" && value === "is") return this.#refuse("tests cannot be chained with 'is'");
    const follows =
      ["name", "string", "integer", "float"].includes(type) || (type === "operator" && "[{".includes(value));
    return follows ? [{ kind: "positional", value: this.#postfixes(this.#primary()) }] : [];
  }

  #dottedName(): string {
    let name = this.#expect("name");
    while (this.#skip("operator", ".")) name += `.${this.#expect("name")}`;
    return name;
  }

  #known(unknown: string | undefined, line: number): void {
    if (unknown !== undefined && !this.#conditional) this.#unknown.push({ what: unknown, line });
  }
}

function constant(name: string): boolean | null {
  if (name.toLowerCase() === "none") return null;
  return name.toLowerCase() === "true";
}

function assigns(target: Target, name: string): boolean {
  if (target.type === "Tuple") return target.items.some((item) => assigns(item, name));
  return target.type === "Name" && target.name === name;
}

function nameOf(type: Token["type"]): string {
  return (
    { variable_end: "'}}'", block_end: "'%}'", variable_begin: "'{{'", block_begin: "'{%'" }[type as string] ??
    `a ${type}`
  );
}

function describe(token: Token): string {
  if (token.type === "end") return "the end of the template";
  return token.value === "" ? nameOf(token.type) : JSON.stringify(token.value);
}
