// The syntax of templates: @huggingface/jinja lexes and parses them, and these are the nodes that it makes.

import { parse, tokenize } from "@huggingface/jinja";
import { TemplateError } from "../../errors.js";

export type Statement =
  | Expression
  | { readonly type: "Comment" }
  | { readonly type: "If"; readonly test: Expression; readonly body: Block; readonly alternate: Block }
  | {
      readonly type: "For";
      readonly loopvar: Target;
      /** `for x in lhs if test` is a SelectExpression. */
      readonly iterable: Expression;
      readonly body: Block;
      readonly defaultBlock: Block;
    }
  | { readonly type: "Break" }
  | { readonly type: "Continue" }
  | {
      readonly type: "Set";
      readonly assignee: Expression;
      /** null: the body is the value. */
      readonly value: Expression | null;
      readonly body: Block;
    }
  | MacroNode
  | {
      readonly type: "CallStatement";
      readonly call: CallNode;
      readonly callerArgs: readonly Argument[] | null;
      readonly body: Block;
    }
  | { readonly type: "FilterStatement"; readonly filter: IdentifierNode | CallNode; readonly body: Block };

export type Expression =
  | IdentifierNode
  | CallNode
  | TupleNode
  | { readonly type: "IntegerLiteral"; readonly value: number }
  | { readonly type: "FloatLiteral"; readonly value: number }
  /** Outside of statements and expressions: text to print. */
  | { readonly type: "StringLiteral"; readonly value: string }
  | { readonly type: "ArrayLiteral"; readonly value: readonly Expression[] }
  | { readonly type: "ObjectLiteral"; readonly value: ReadonlyMap<Expression, Expression> }
  | { readonly type: "UnaryExpression"; readonly operator: Operator; readonly argument: Expression }
  | {
      readonly type: "BinaryExpression";
      readonly operator: Operator;
      readonly left: Expression;
      readonly right: Expression;
    }
  | {
      readonly type: "MemberExpression";
      readonly object: Expression;
      readonly property: Expression | SliceNode;
      /** `object[property]`, not `object.property` */
      readonly computed: boolean;
    }
  | { readonly type: "FilterExpression"; readonly operand: Expression; readonly filter: IdentifierNode | CallNode }
  | {
      readonly type: "TestExpression";
      readonly operand: Expression;
      readonly negate: boolean;
      readonly test: IdentifierNode;
    }
  /** `lhs if test`, without an else */
  | { readonly type: "SelectExpression"; readonly lhs: Expression; readonly test: Expression }
  | {
      readonly type: "Ternary";
      readonly condition: Expression;
      readonly trueExpr: Expression;
      readonly falseExpr: Expression;
    };

export type Block = readonly Statement[];

export type Argument =
  | Expression
  | { readonly type: "KeywordArgumentExpression"; readonly key: IdentifierNode; readonly value: Expression }
  | { readonly type: "SpreadExpression"; readonly argument: Expression }
  | { readonly type: "KeywordSpreadExpression"; readonly argument: Expression };

export interface IdentifierNode {
  readonly type: "Identifier";
  readonly value: string;
}

export interface CallNode {
  readonly type: "CallExpression";
  readonly callee: Expression;
  readonly args: readonly Argument[];
}

export interface TupleNode {
  readonly type: "TupleLiteral";
  readonly value: readonly Expression[];
}

export interface SliceNode {
  readonly type: "SliceExpression";
  readonly start: Expression | undefined;
  readonly stop: Expression | undefined;
  readonly step: Expression | undefined;
}

export interface MacroNode {
  readonly type: "Macro";
  readonly name: IdentifierNode;
  readonly args: readonly Argument[];
  readonly body: Block;
}

/** What a loop or an assignment gives a value to. */
export type Target = Expression;

interface Operator {
  readonly value: string;
}

/**
 * The statements of a template; blocks are trimmed and stripped as Hugging Face configures Jinja2.
 *
 * @throws TemplateError TEMPLATE_SYNTAX
 */
export function parseTemplate(source: string): Block {
  try {
    const tokens = tokenize(source.replace(/\r\n?/g, "\n"), { trim_blocks: true, lstrip_blocks: true });
    return parse(tokens).body as unknown as Block;
  } catch (cause) {
    // The parser's own errors say what it expected. Others are those of JavaScript, where the template ends too early.
    const reason = cause instanceof TypeError ? "it ends within a block or an expression" : (cause as Error).message;
    if (cause instanceof RangeError) throw cause;
    throw new TemplateError("TEMPLATE_SYNTAX", `the chat template does not parse: ${reason}`, { cause });
  }
}
