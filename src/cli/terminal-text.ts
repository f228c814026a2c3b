// Text that somebody else wrote, a model or the author of a file, on its way to stdout. A terminal obeys control characters: they could
// clear the screen, change the title, or show another text than there is. Whatever else reads stdout gets the text as it is.

/**
 * Control and format characters, and separators of lines, except for tabs and newlines. Joiners stay: words of some scripts and emoji are
 * spelt with them.
 */
const STEERING = /(?![\n\t\u200c\u200d]|\r\n)[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

/** The text for stdout: where that is a terminal, what could steer it is written as \u{hex}. */
export function outputText(text: string): string {
  return process.stdout.isTTY ? visible(text) : text;
}

/** The text with every character made visible that could steer a terminal. */
export function visible(text: string): string {
  return text.replace(STEERING, (character) => `\\u{${character.codePointAt(0)!.toString(16)}}`);
}
