/** Variables of an environment that may not be set to nothing. */
import * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import { quote } from "../base/quote.ts"

/** The config, with the source that it is parsed with in the context of its effects too. */
export const seesSource = <A>(self: Config.Config<A>): Config.Config<A> =>
  Object.create(self, {
    parse: {
      value: (provider: ConfigProvider.ConfigProvider) =>
        Effect.provideService(self.parse(provider), ConfigProvider.ConfigProvider, provider)
    }
  })

/**
 * What the source has of a variable that has no value: nothing; the variable, if only as an empty text, which sources do not count as
 * a value; or longer names that begin with it, behind which an environment does not show whether it is there.
 */
const traceOf = (
  prefix: ConfigProvider.Path,
  name: string
): Effect.Effect<ReadonlyArray<string> | "empty" | undefined> =>
  Effect.flatMap(ConfigProvider.ConfigProvider, (provider) => {
    const has = (path: ConfigProvider.Path, key: string) =>
      Effect.map(provider.load(path), (node) => node?._tag === "Record" && node.keys.has(key))
    return Effect.gen(function*() {
      if (yield* has(prefix, name)) return "empty"
      // The environment has names cut at each "_", others have them whole.
      const parts = [...prefix, name].flatMap((part) => String(part).split("_"))
      if (!(yield* has(parts.slice(0, -1), parts.at(-1)!))) return undefined
      const node = yield* provider.load(parts)
      return node?._tag === "Record" ? Array.from(node.keys, (key) => [...parts, key].join("_")) : "empty"
    }).pipe(
      // A source that fails has failed the value already.
      Effect.orElseSucceed(() => undefined)
    )
  })

export const refused = (name: string, message: string): Effect.Effect<never, Config.ConfigError> =>
  Effect.fail(
    new Config.ConfigError(
      new Schema.SchemaError(new SchemaIssue.Pointer([name], new SchemaIssue.InvalidValue({ message })))
    )
  )

/** `NodeOptions.variable`. */
export const variable = (name: string, unset: string): Config.Config<Option.Option<Redacted.Redacted<string>>> => {
  const empty = refused(
    name,
    `${name} is set, and empty, as where a secret was not injected: give it its value, or unset it for ${unset}`
  )
  const missing = (error: Config.ConfigError) => {
    if (!Schema.isSchemaError(error.cause)) return Effect.fail(error)
    // Where it looked: under the names of the configs that this one is nested in.
    const { issue } = error.cause
    const prefix = issue._tag === "Pointer" ? issue.path.slice(0, -1).map(String) : []
    return Effect.flatMap(traceOf(prefix, name), (trace) =>
      trace === undefined
        ? Effect.succeedNone
        : trace === "empty"
        ? empty
        : refused(
          name,
          `${name} is not set, or empty, and ${
            trace.join(", ")
          }, which pnet does not read, is: give ${name} its value, ` +
            `or unset both for ${unset}`
        ))
  }
  return Config.Redacted(name).pipe(
    Config.map(Option.some),
    Config.orElse((error) => Config.mapEffect(Config.succeed(error), missing)),
    Config.mapEffect((found) =>
      Option.isSome(found) && Redacted.value(found.value).trim() === "" ? empty : Effect.succeed(found)
    ),
    seesSource
  )
}

/** `NodeOptions.checkedVariable`. */
export const checked = <A>(
  name: string,
  expected: string,
  read: (text: string) => Option.Option<A>
): Config.Config<Option.Option<A>> =>
  Config.mapEffect(Config.option(Config.String(name)), (found): Effect.Effect<Option.Option<A>, Config.ConfigError> => {
    if (Option.isNone(found)) return Effect.succeedNone
    const value = read(found.value.trim())
    return Option.isSome(value)
      ? Effect.succeed(value)
      : refused(name, `${name} ${quote(found.value)} was refused: expected ${expected}`)
  })

const digits = /^\d+$/

/** A port from `least` on. */
export const port = (name: string, least: 0 | 1): Config.Config<Option.Option<number>> =>
  checked(
    name,
    least === 0 ? "a port, 0 to 65535, where 0 is any free one" : "a port, 1 to 65535",
    (text) =>
      digits.test(text) && Number(text) >= least && Number(text) <= 65_535 ? Option.some(Number(text)) : Option.none()
  )

/** A span of time. */
export const span = (name: string): Config.Config<Option.Option<Duration.Duration>> =>
  checked(
    name,
    "a span of time, such as 500 millis, 2.5 seconds or 1 minute",
    Schema.decodeOption(Schema.DurationFromString)
  )
