/** Texts and values of peers, cut to what is shown of them. */
import type * as Schema from "effect/Schema"

/** Characters of a text that are shown. */
export const mostText = 200

const tail = (length: number) => `… (of ${length} characters)`

/** A text, or its beginning, and then how long it is. */
export const cut = (text: string, most: number = mostText): string => {
  if (text.length <= most) return text
  const begin = text.slice(0, most)
  // No half of a character.
  return (/[\ud800-\udbff]$/.test(begin) ? begin.slice(0, -1) : begin) + tail(text.length)
}

/** The first of a list, cut. */
export const cutAll = (texts: ReadonlyArray<string>, most: number): ReadonlyArray<string> =>
  texts.slice(0, most).map((text) => cut(text))

/** A value as it is shown: itself, or, where it is larger than `most` characters of JSON, their beginning. */
export const shown = (
  value: unknown,
  most: number
): { readonly value?: Schema.Json; readonly text?: string; readonly bytes: number } => {
  const json = JSON.stringify(value) ?? "null"
  const bytes = Buffer.byteLength(json)
  return json.length <= most
    ? { value: (value === undefined ? null : value) as Schema.Json, bytes }
    : { text: cut(json, most), bytes }
}
