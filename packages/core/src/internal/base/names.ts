/** What names have in common that go over the wire: so many bytes, and no characters that a terminal acts on or that have no UTF-8. */
import { utf8 } from "./platform.ts"

/** Unicode's control characters, and surrogates that stand alone: those have no UTF-8. */
export const odd = /[\p{Cc}\p{Surrogate}]/u

/** Whether it has 1 to so many bytes, and none of those; what was expected otherwise. */
export const isName = (text: string, longest: number): true | string => {
  // A character is one byte or more.
  const length = text.length > longest ? text.length : utf8(text).length
  return length < 1 || length > longest
    ? `expected 1 to ${longest} bytes of UTF-8`
    : !odd.test(text) || "expected no control characters, and whole Unicode characters"
}
