/** Flags as every command here has them: checked, with a default that the help says. */
import * as Flag from "effect/cli/Flag"
import * as Option from "effect/Option"

const bounded = (flag: Flag.Flag<number>, name: string, value: number, description: string, most: number) =>
  flag.pipe(
    Flag.filter((n) => n > 0 && n <= most, (n) =>
      `--${name} is above 0${most === Infinity ? "" : ` and at most ${most}`}, not ${n}`),
    Flag.withDefault(value),
    Flag.withDescription(`${description} (default ${value})`)
  )

/** A whole number above zero. */
export const count = (name: string, value: number, description: string, most = Infinity): Flag.Flag<number> =>
  bounded(Flag.Int(name), name, value, description, most)

/** A number above zero. */
export const positive = (name: string, value: number, description: string, most = Infinity): Flag.Flag<number> =>
  bounded(Flag.Finite(name), name, value, description, most)

/** What a flag has, and whether somebody gave it, for whoever refuses it beside another one. */
export interface Given {
  readonly value: number
  readonly isGiven: boolean
}

/** A whole number above zero, of which it is known whether it was given. */
export const given = (name: string, value: number, description: string): Flag.Flag<Given> =>
  Flag.Int(name).pipe(
    Flag.filter((n) => n > 0, (n) => `--${name} is above 0, not ${n}`),
    Flag.optional,
    Flag.map(Option.match({
      onNone: () => ({ value, isGiven: false }),
      onSome: (value) => ({ value, isGiven: true })
    })),
    Flag.withDescription(`${description} (default ${value})`)
  )

/** A flag that may be left out. */
export const optional = <A>(flag: Flag.Flag<A>, description: string): Flag.Flag<A | undefined> =>
  flag.pipe(Flag.optional, Flag.map(Option.getOrUndefined), Flag.withDescription(description))

/** Whole numbers above zero, given one by one. */
export const counts = (
  name: string,
  values: ReadonlyArray<number>,
  description: string,
  most = Infinity
): Flag.Flag<ReadonlyArray<number>> =>
  Flag.Int(name).pipe(
    Flag.filter((n) => n > 0 && n <= most, (n) => `--${name} is above 0 and at most ${most}, not ${n}`),
    Flag.atLeast(0),
    Flag.map((given) => given.length === 0 ? values : given),
    Flag.withDescription(`${description}; may be repeated (default ${values.join(", ")})`)
  )
