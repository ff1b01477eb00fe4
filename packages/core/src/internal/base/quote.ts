/**
 * A peer's text as it is shown: in quotes, and with nothing in it that a terminal or a log would act on. JSON leaves the upper
 * control characters as they are, some of which begin an escape sequence, and those that turn the direction of a line.
 */
const acted = /[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/gu

const escaped = (character: string) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`

/** A text of JSON in one line of characters that only stand for themselves. */
export const escapeText = (text: string): string => text.replace(acted, escaped)

/** A value as JSON in one line of characters that only stand for themselves. */
export const quote = (value: unknown): string => escapeText(String(JSON.stringify(value)))
