// What is kept in mind of a request while it is read: how strict to be, what was ignored, and which field became which option.

/** The most fields that an answer says were ignored. */
const MOST_NAMED = 20;

export class Notes {
  /** Fields that were not known, and that changed nothing. */
  readonly ignored: string[] = [];
  /** The fields that options came from, by the options' names: errors of options name the fields. */
  readonly fieldOf = new Map<string, string>();

  /** @param strict Whether a field that is not known is refused */
  constructor(readonly strict: boolean) {}

  /** What a header says of the ignored fields; undefined when there were none. */
  warning(): string | undefined {
    if (this.ignored.length === 0) return undefined;
    const more = this.ignored.length - MOST_NAMED;
    const names = this.ignored.slice(0, MOST_NAMED).map(headerText).join(", ");
    return `ignored: ${names}${more > 0 ? `, and ${more} more` : ""}`;
  }

  /** An option's error, as the request's field would have it: its name, and the message with that name. */
  inFields(message: string): { readonly param: string | null; readonly message: string } {
    const [, before = "", name = "", rest = ""] =
      /^((?:an? [a-z ]+ (?:in|of) )?)([A-Za-z]+)([\w.[\]]*)/.exec(message) ?? [];
    // Options within an option have fields of their own.
    const whole = this.fieldOf.get(name + rest);
    if (whole !== undefined) {
      return { param: whole, message: before + whole + message.slice(before.length + name.length + rest.length) };
    }
    const field = this.fieldOf.get(name);
    if (field === undefined) return { param: name === "messages" ? name + rest : null, message };
    return { param: field + rest, message: before + field + message.slice(before.length + name.length) };
  }
}

/** A name that any client may have sent, fit for a header. */
function headerText(name: string): string {
  return name.slice(0, 100).replace(/[^\w.[\]-]/g, "?");
}
