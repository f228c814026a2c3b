// Which values a JSON schema lets come, as a TypeScript type: of schemas that are written in the call, or `as const`. What comes is meant,
// not all that is valid: an object has no properties that its schema does not name.
//
// A keyword says something, or unknown where it is absent; a schema is what all of its keywords say together.

import type { JsonSchema } from "./schema.js";

/** The values that are valid by a JSON schema; unknown where its type does not tell. */
export type JsonValueOf<Schema> = JsonSchema extends Schema ? unknown : ValueOf<Schema, Schema>;

/** @param Root where references begin */
type ValueOf<Schema, Root> = Schema extends true
  ? unknown
  : Schema extends false
    ? never
    : Schema extends { readonly const: infer Value }
      ? Mutable<Value>
      : Schema extends { readonly enum: readonly (infer Value)[] }
        ? Mutable<Value>
        : TypedValue<Schema, Root> & AnyOf<Schema, Root> & AllOf<Schema, Root> & Referred<Schema, Root>;

type TypedValue<Schema, Root> = Schema extends { readonly type: infer Type }
  ?
      | (Type extends readonly (infer One)[] ? ValueOfType<One, Schema, Root> : ValueOfType<Type, Schema, Root>)
      | Nullable<Schema>
  : Schema extends { readonly properties: object }
    ? ObjectOf<Schema, Root> | Nullable<Schema>
    : Schema extends { readonly items: unknown } | { readonly prefixItems: readonly unknown[] }
      ? ArrayOf<Schema, Root> | Nullable<Schema>
      : unknown;

type Nullable<Schema> = Schema extends { readonly nullable: true } ? null : never;

type ValueOfType<Type, Schema, Root> = string extends Type
  ? unknown
  : Type extends "string"
    ? string
    : Type extends "number" | "integer"
      ? number
      : Type extends "boolean"
        ? boolean
        : Type extends "null"
          ? null
          : Type extends "array"
            ? ArrayOf<Schema, Root>
            : Type extends "object"
              ? ObjectOf<Schema, Root>
              : unknown;

type ObjectOf<Schema, Root> = Schema extends { readonly properties: infer Properties }
  ? Plain<
      {
        -readonly [Name in keyof Properties as Name extends RequiredOf<Schema> ? Name : never]: ValueOf<
          Properties[Name],
          Root
        >;
      } & {
        -readonly [Name in keyof Properties as Name extends RequiredOf<Schema> ? never : Name]?: ValueOf<
          Properties[Name],
          Root
        >;
      } & MoreOf<Schema>
    >
  : { [name: string]: Schema extends { readonly additionalProperties: infer More } ? ValueOf<More, Root> : unknown };

type RequiredOf<Schema> = Schema extends { readonly required: readonly (infer Name)[] }
  ? string extends Name
    ? never
    : Name
  : never;

/** More properties than those that are named come only where the schema says so. */
type MoreOf<Schema> = Schema extends { readonly additionalProperties: infer More }
  ? More extends false
    ? unknown
    : { [name: string]: unknown }
  : unknown;

type ArrayOf<Schema, Root> = Schema extends { readonly prefixItems: infer Items extends readonly unknown[] }
  ? [...FirstItems<Schema, Items, Root>, ...RestOf<Schema, Root>]
  : Schema extends { readonly items: infer Item }
    ? ValueOf<Item, Root>[]
    : unknown[];

/** The first items, of which some may be missing unless `minItems` says that they all come. */
type FirstItems<Schema, Items extends readonly unknown[], Root> = Schema extends { readonly minItems: Items["length"] }
  ? { -readonly [Place in keyof Items]: ValueOf<Items[Place], Root> }
  : { -readonly [Place in keyof Items]?: ValueOf<Items[Place], Root> };

type RestOf<Schema, Root> = Schema extends { readonly items: infer Item }
  ? Item extends false
    ? []
    : ValueOf<Item, Root>[]
  : [];

type AnyOf<Schema, Root> = (Schema extends { readonly anyOf: readonly (infer One)[] } ? ValueOf<One, Root> : unknown) &
  (Schema extends { readonly oneOf: readonly (infer One)[] } ? ValueOf<One, Root> : unknown);

type AllOf<Schema, Root> = Schema extends { readonly allOf: infer All } ? AllValues<All, Root> : unknown;

type AllValues<All, Root> = All extends readonly [infer First, ...infer Others]
  ? ValueOf<First, Root> & AllValues<Others, Root>
  : unknown;

/** A reference to the schema itself or to one of its definitions. */
type Referred<Schema, Root> = Schema extends { readonly $ref: infer Place }
  ? Place extends "#"
    ? ValueOf<Root, Root>
    : Place extends `#/${infer Group extends "$defs" | "definitions"}/${infer Name}`
      ? Root extends { readonly [Key in Group]: { readonly [Key in Name]: infer Target } }
        ? ValueOf<Target, Root>
        : unknown
      : unknown
  : unknown;

/** An intersection as one object type, which messages and editors show. */
type Plain<Type> = { [Name in keyof Type]: Type[Name] };

/** Values of `const` and `enum` are parsed anew: they are the caller's to change. */
type Mutable<Type> = Type extends object ? { -readonly [Name in keyof Type]: Mutable<Type[Name]> } : Type;
