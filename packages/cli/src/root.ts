/**
 * The command itself, without those under it: the flags that all of them have, which are the settings.
 */
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Option from "effect/Option"
import type { Setting } from "./settings/declare.ts"
import { type SettingName, settingNames, settings } from "./settings/declared.ts"
import type { Flags } from "./settings/Settings.ts"

const helpOf = ({ env, help, otherwise }: Setting<any>): string =>
  [help, ...(otherwise === undefined ? [] : [`default: ${otherwise}`]), ...(env === undefined ? [] : [`env: ${env}`])]
    .join("; ")

const flagOf = (name: SettingName): Flag.Flag<string | undefined> => {
  const setting: Setting<any> = settings[name]
  const named = <A>(flag: Flag.Flag<A>) => {
    const described = Flag.withDescription(flag, helpOf(setting))
    return setting.alias === undefined ? described : Flag.withAlias(described, setting.alias)
  }
  return setting.kind === "switch"
    ? Flag.map(
      Flag.optional(named(Flag.withoutNegation(Flag.Boolean(setting.flag)))),
      (on) => Option.getOrUndefined(Option.map(on, String))
    )
    : Flag.map(
      Flag.optional(Flag.withMetavar(named(Flag.String(setting.flag)), setting.metavar ?? "TEXT")),
      Option.getOrUndefined
    )
}

/** `pnet`, with the flags of all settings. */
export const root = Command.make("pnet").pipe(
  Command.withSharedFlags({ flags: Object.fromEntries(settingNames.map((name) => [name, flagOf(name)])) }),
  Command.withDescription(
    "Finds the machines next door, calls what they serve, and serves commands of this one. " +
      "Encrypted from end to end, and without a server."
  ),
  Command.withExamples([
    {
      command: "pnet up --name bob --fn 'add(a: int, b: int)=echo $(($1 + $2))' --open",
      description: "In one terminal: a node that serves something"
    },
    { command: "pnet call bob add 1 2", description: "In another, here or on the machine next door" },
    { command: "pnet peers", description: "Who else is there" }
  ])
)

/** The settings' flags, as they were given. */
export const flagsOf = (shared: { readonly flags: Record<string, unknown> }): Flags => shared.flags as Flags
