// The syntax of templates: the nodes that the parser makes.

export type Block = readonly Statement[];

export type Statement =
  | { readonly type: "Text"; readonly text: string }
  | { readonly type: "Print"; readonly value: Expression }
  | { readonly type: "If"; readonly test: Expression; readonly body: Block; readonly otherwise: Block }
  | ForNode
  | { readonly type: "Break" }
  | { readonly type: "Continue" }
  | { readonly type: "Set"; readonly target: Target; readonly value: Expression }
  | {
      readonly type: "SetBlock";
      readonly target: Target;
      readonly filters: readonly FilterCall[];
      readonly body: Block;
    }
  | {
      readonly type: "With";
      readonly variables: readonly (readonly [target: Target, value: Expression])[];
      readonly body: Block;
    }
  | { readonly type: "Macro"; readonly name: string; readonly macro: MacroNode }
  /** `{% call(parameters) call %}`: the macro is what `caller` is in what it calls. */
  | { readonly type: "CallBlock"; readonly call: CallNode; readonly macro: MacroNode }
  | { readonly type: "FilterBlock"; readonly filters: readonly FilterCall[]; readonly body: Block }
  /** `{% generation %}`: a block with variables of its own. */
  | { readonly type: "Scope"; readonly body: Block };

export interface ForNode {
  readonly type: "For";
  readonly target: Target;
  readonly iterable: Expression;
  /** `for x in iterable if test` */
  readonly test: Expression | undefined;
  readonly recursive: boolean;
  readonly body: Block;
  readonly otherwise: Block;
}

export interface MacroNode {
  readonly parameters: readonly { readonly name: string; readonly fallback: Expression | undefined }[];
  readonly body: Block;
  /** The special variables that its body uses: what they take is an error otherwise. */
  readonly uses: ReadonlySet<"caller" | "varargs" | "kwargs">;
}

export type Expression =
  | { readonly type: "Name"; readonly name: string }
  | { readonly type: "Constant"; readonly value: boolean | null }
  | { readonly type: "Integer"; readonly value: number }
  | { readonly type: "Float"; readonly value: number }
  | { readonly type: "String"; readonly value: string }
  | { readonly type: "List"; readonly items: readonly Expression[] }
  | { readonly type: "Tuple"; readonly items: readonly Expression[] }
  | { readonly type: "Dict"; readonly entries: readonly (readonly [key: Expression, value: Expression])[] }
  | { readonly type: "Unary"; readonly operator: "-" | "+" | "not"; readonly operand: Expression }
  | { readonly type: "Binary"; readonly operator: string; readonly left: Expression; readonly right: Expression }
  /** `first < second in third`: each pair, until one does not hold */
  | {
      readonly type: "Compare";
      readonly first: Expression;
      readonly rest: readonly { readonly operator: string; readonly operand: Expression }[];
    }
  | { readonly type: "Concat"; readonly parts: readonly Expression[] }
  | { readonly type: "Attribute"; readonly object: Expression; readonly name: string }
  | { readonly type: "Item"; readonly object: Expression; readonly key: Expression }
  | {
      readonly type: "Slice";
      readonly object: Expression;
      readonly bounds: readonly (Expression | undefined)[];
    }
  | CallNode
  | { readonly type: "Filter"; readonly operand: Expression; readonly filter: FilterCall }
  | {
      readonly type: "Test";
      readonly operand: Expression;
      readonly name: string;
      readonly args: readonly Argument[];
    }
  | {
      readonly type: "Conditional";
      readonly test: Expression;
      readonly value: Expression;
      readonly otherwise: Expression | undefined;
    };

export interface CallNode {
  readonly type: "Call";
  readonly callee: Expression;
  readonly args: readonly Argument[];
}

export interface FilterCall {
  readonly name: string;
  readonly args: readonly Argument[];
}

export type Argument =
  | { readonly kind: "positional" | "spread" | "namedSpread"; readonly value: Expression }
  | { readonly kind: "named"; readonly name: string; readonly value: Expression };

/** What a loop or an assignment gives a value to. */
export type Target =
  | { readonly type: "Name"; readonly name: string }
  /** `namespace.attribute` */
  | { readonly type: "NamespaceAttribute"; readonly namespace: string; readonly name: string }
  | { readonly type: "Tuple"; readonly items: readonly Target[] };
