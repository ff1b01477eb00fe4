/**
 * How a setting is declared: once, with its name in the config file, its flag, its variable, its help, and what it is read by.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as SchemaGetter from "effect/SchemaGetter"
import * as SchemaIssue from "effect/SchemaIssue"
import type { Machine, Places } from "../machine.ts"

/** What a default may depend on. */
export interface Surroundings {
  readonly machine: Machine["Service"]
  readonly places: Places
}

/** A setting of type `A`. `undefined` is a setting that is not set and has no default. */
export interface Setting<A> {
  /** `text` takes a value, `switch` is set by the flag alone. */
  readonly kind: "text" | "switch"
  /** The flag, without dashes. */
  readonly flag: string
  readonly alias?: string
  /** The variable of the environment. Left out: there is none. */
  readonly env?: string
  /** Whether it may stand in the config file. Default `true`. */
  readonly file?: boolean
  readonly metavar?: string
  readonly help: string
  /** What to give in the place of what was refused, where what was expected does not say it. */
  readonly give?: string
  /** From and to the text of a flag, a variable, or a value in the config file. */
  readonly schema: Schema.Codec<A, string>
  readonly fallback?: (surroundings: Surroundings) => A | undefined
  /** What the default is, in words, for the help. */
  readonly otherwise?: string
  /** Whether it is a secret: it is never shown, and to give it by a flag or a variable warns. */
  readonly secret?: boolean
}

/** A setting that always has a value. */
export interface Defaulted<A> extends Setting<A> {
  readonly fallback: (surroundings: Surroundings) => A
}

/** Declares a setting. */
export const setting: {
  <A>(options: Omit<Defaulted<A>, "kind">): Defaulted<A>
  <A>(options: Omit<Setting<A>, "kind">): Setting<A>
} = (options: Omit<Setting<any>, "kind">): Defaulted<any> => ({ kind: "text", ...options }) as Defaulted<any>

/** Declares a setting that is on or off. */
export const toggle = (options: Omit<Setting<boolean>, "kind" | "schema" | "fallback">): Defaulted<boolean> => ({
  kind: "switch",
  schema: OnOff,
  fallback: () => false,
  ...options
})

export const invalid = (message: string, text: string, options: any) =>
  Effect.fail(new SchemaIssue.InvalidValue({ message }, text, options))

/** `true`, `1`, `yes`, `on` and their opposites. */
export const OnOff: Schema.Codec<boolean, string> = Schema.String.pipe(Schema.decodeTo(Schema.Boolean, {
  decode: SchemaGetter.transformEffect((text: string, options) =>
    /^(true|1|yes|on)$/i.test(text)
      ? Effect.succeed(true)
      : /^(false|0|no|off)$/i.test(text)
      ? Effect.succeed(false)
      : invalid("expected true or false", text, options)
  ),
  encode: SchemaGetter.transform((on: boolean) => String(on))
}))

const units: Record<string, number> = { ms: 1, s: 1_000, m: 60_000, min: 60_000, h: 3_600_000, d: 86_400_000 }
const span = /^(\d+(?:\.\d+)?)\s*([a-z]+)$/i
const unitOf = (name: string): number | undefined =>
  units[name.toLowerCase()] ?? Object.entries({
    millisecond: 1,
    milli: 1,
    second: 1_000,
    minute: 60_000,
    hour: 3_600_000,
    day: 86_400_000
  }).find(([unit]) => name === unit || name === `${unit}s`)?.[1]

// The largest first.
const spans = [["d", 86_400_000], ["h", 3_600_000], ["m", 60_000], ["s", 1_000]] as const

/** The largest unit of which it is so many. */
const spanOf = (millis: number): string => {
  const unit = spans.find(([, each]) => millis !== 0 && millis % each === 0)
  return unit === undefined ? `${millis}ms` : `${millis / unit[1]}${unit[0]}`
}

/** A span of time as people write it: `500ms`, `5s`, `2 minutes`. */
export const Span: Schema.Codec<Duration.Duration, string> = Schema.String.pipe(
  Schema.decodeTo(Schema.toType(Schema.Duration), {
    decode: SchemaGetter.transformEffect((text: string, options) => {
      const match = span.exec(text.trim())
      const unit = match === null ? undefined : unitOf(match[2]!)
      return match === null || unit === undefined
        ? invalid("expected a span of time, such as 500ms, 5s or 2m", text, options)
        : Effect.succeed(Duration.millis(Number(match[1]) * unit))
    }),
    encode: SchemaGetter.transform((duration: Duration.Duration) => spanOf(Duration.toMillis(duration)))
  })
)

const sizes: Record<string, number> = {
  "": 1,
  b: 1,
  k: 1e3,
  kb: 1e3,
  m: 1e6,
  mb: 1e6,
  g: 1e9,
  gb: 1e9,
  t: 1e12,
  tb: 1e12
}
for (const [power, unit] of ["kib", "mib", "gib", "tib"].entries()) sizes[unit] = 1_024 ** (power + 1)

/** A number of bytes as people write it: `500`, `2GB`, `1.5 MiB`. */
export const Bytes: Schema.Codec<number, string> = Schema.String.pipe(
  Schema.decodeTo(Schema.Finite, {
    decode: SchemaGetter.transformEffect((text: string, options) => {
      const [, digits, unit] = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/i.exec(text.trim()) ?? []
      const factor = unit === undefined ? undefined : sizes[unit.toLowerCase()]
      return factor === undefined
        ? invalid("expected a number of bytes, such as 500MB or 2GiB", text, options)
        : Effect.succeed(Math.floor(Number(digits) * factor))
    }),
    encode: SchemaGetter.transform((bytes: number) => String(bytes))
  })
)

/** Permissions as `umask` has them: `022`. */
export const Umask: Schema.Codec<number, string> = Schema.String.pipe(
  Schema.decodeTo(Schema.Finite, {
    decode: SchemaGetter.transformEffect((text: string, options) =>
      /^0?o?[0-7]{1,3}$/.test(text)
        ? Effect.succeed(parseInt(text.replace("o", ""), 8))
        : invalid("expected permissions in octal, such as 022 or 077", text, options)
    ),
    encode: SchemaGetter.transform((umask: number) => umask.toString(8).padStart(3, "0"))
  })
)

/** Several texts with commas between them. */
export const List: Schema.Codec<ReadonlyArray<string>, string> = Schema.String.pipe(
  Schema.decodeTo(Schema.Array(Schema.String), {
    decode: SchemaGetter.transform((text: string) =>
      text.split(",").map((one) => one.trim()).filter((one) => one !== "")
    ),
    encode: SchemaGetter.transform((list: ReadonlyArray<string>) => list.join(","))
  })
)

/** A whole number from `least` to `most`, in digits: what is no number is told what was expected as one that is too large is. */
const whole = (least: number, most: number, expected: string): Schema.Codec<number, string> =>
  Schema.String.pipe(Schema.decodeTo(Schema.Finite, {
    decode: SchemaGetter.transformEffect((text: string, options) =>
      /^\d+$/.test(text.trim()) && Number(text) >= least && Number(text) <= most
        ? Effect.succeed(Number(text))
        : invalid(`expected ${expected}`, text, options)
    ),
    encode: SchemaGetter.transform((number: number) => String(number))
  }))

/** A port; 0 is any free one. */
export const Port: Schema.Codec<number, string> = whole(0, 65_535, "a port, 0 to 65535")

/** A port that has to be known. */
export const KnownPort: Schema.Codec<number, string> = whole(1, 65_535, "a port, 1 to 65535")

/** A whole number that is at least 1. */
export const Count: Schema.Codec<number, string> = whole(1, Number.MAX_SAFE_INTEGER, "a whole number, 1 or more")

/** A text that says something. */
export const Text: Schema.Codec<string, string> = Schema.String.check(
  Schema.makeFilter((text: string) => text !== "" || "expected something, and it is empty")
)
