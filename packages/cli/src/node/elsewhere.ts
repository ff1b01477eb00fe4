/**
 * Commands for another terminal, as they are typed there: with what was said on this command line of the network, without which they would be on another one.
 */
import * as Effect from "effect/Effect"
import { quoted } from "../output/quoted.ts"
import type { Setting } from "../settings/declare.ts"
import { type SettingName, settings, type Values } from "../settings/declared.ts"
import { Settings } from "../settings/Settings.ts"
import type { Opened } from "./open.ts"

// What is this node's alone, or says how it is shown, is left out.
const ofNetwork: ReadonlyArray<SettingName> = [
  "profile",
  "config",
  "network",
  "networkKeyFile",
  "networkKeyStdin",
  "networkKeyCommand",
  "networkKey",
  "bind",
  "advertisePort",
  "nats",
  "natsCreds",
  "allowList",
  "authority"
] satisfies ReadonlyArray<keyof Values>

/** The command with these words, for who is to be on the same network, and where nothing of that says who may, is to say that everybody may. */
export const elsewhere = Effect.fnUntraced(
  function*(words: ReadonlyArray<string>, { canGrant }: Pick<Opened, "canGrant">) {
    const { flags, values } = yield* Settings
    const said = ofNetwork.flatMap((name) => {
      const { flag, kind, metavar, secret }: Setting<unknown> = settings[name]
      const given = flags[name]
      if (given === undefined) return []
      if (kind === "switch") return values[name] === true ? [`--${flag}`] : []
      // A secret is not repeated.
      return [`--${flag}`, secret === true ? metavar ?? "" : quoted(given)]
    })
    return ["pnet", ...words.map(quoted), ...said, ...(values.open || !canGrant ? ["--open"] : [])].join(" ")
  }
)
