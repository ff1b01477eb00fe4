/**
 * The command as an Effect: from its words to its exit code.
 */
import * as CliOutput from "effect/cli/CliOutput"
import * as Command from "effect/cli/Command"
import * as Completions from "effect/cli/Completions"
import * as Effect from "effect/Effect"
import * as References from "effect/References"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import { prepare } from "./arguments.ts"
import { script } from "./complete/script.ts"
import { exits } from "./exit.ts"
import { Loose } from "./loose.ts"
import { Machine } from "./machine.ts"
import { presenter } from "./present.ts"
import { settingNames, settings } from "./settings/declared.ts"
import type { Spec } from "./spec.ts"
import { specs, tree } from "./tree.ts"
import { version } from "./version.ts"

const settingFlags: ReadonlySet<string> = new Set(settingNames.map((name) => settings[name].flag))

const aliases: ReadonlySet<string> = new Set(specs.flatMap(({ alias }) => alias ?? []))

/** The flags of a command, from the tree, by how they take a value: settings, which the tree has at each command, are not its own. */
export const ownFlags = (spec: Spec) => {
  const command = Completions.fromCommand(tree).subcommands.find(({ name }) => name === spec.name)
  const namesOf = (isSwitch: boolean) =>
    new Set(
      (command?.flags ?? []).filter(({ name, type }) =>
        (type._tag === "Boolean") === isSwitch && !settingFlags.has(name)
      ).flatMap((flag) => [
        `--${flag.name}`,
        ...flag.aliases.map((alias) => `-${alias.replace(/^-+/, "")}`),
        ...(isSwitch ? [`--no-${flag.name}`] : [])
      ])
    )
  return { switches: namesOf(true), texts: namesOf(false) }
}

/** The commands that have a flag of their own. */
const commandsWith = (flag: string): ReadonlyArray<string> => {
  const having = (commands: ReadonlyArray<Completions.CommandDescriptor>, path: string): ReadonlyArray<string> =>
    commands.filter(({ name }) => !aliases.has(name)).flatMap(({ flags, name, subcommands }) => [
      ...(flags.some((one) => `--${one.name}` === flag && !settingFlags.has(one.name)) ? [`${path}${name}`] : []),
      ...having(subcommands, `${path}${name} `)
    ])
  return having(Completions.fromCommand(tree).subcommands, "")
}

/** The script that is asked for by `--completions SHELL`, where that is all that is asked for. */
const completionsOf = ([first = "", ...others]: ReadonlyArray<string>): string | undefined => {
  const [flag, ...rest] = first.split("=")
  if (flag !== "--completions") return undefined
  const shell = rest.length > 0 ? rest.join("=") : others[0]
  return shell === undefined ? undefined : script(shell, () => Completions.fromCommand(tree))
}

const parse = Command.runWith(tree, { version })

/** Whether what is printed is for programs, as far as that can be said before anything is read. */
export const isForPrograms = (words: ReadonlyArray<string>, env: Readonly<Record<string, string | undefined>>) => {
  const end = words.indexOf("--")
  return (end < 0 ? words : words.slice(0, end)).includes("--json") ||
    /^(true|1|yes|on)$/i.test(env["PNET_JSON"] ?? "")
}

/** Runs the command of these words, without the command's own name, and gives the exit code. It shows whatever there is to show. */
export const program = Effect.fnUntraced(function*(words: ReadonlyArray<string>) {
  const { env } = yield* Machine
  const json = isForPrograms(words, env)
  const asked = completionsOf(words)
  if (asked !== undefined) {
    const stdio = yield* Stdio.Stdio
    return yield* Effect.as(Effect.ignore(Stream.run(Stream.succeed(`${asked}\n`), stdio.stdout())), exits.ok.code)
  }
  const { words: prepared, ...open } = prepare(words, specs, ownFlags)
  return yield* parse(prepared).pipe(
    Effect.as<number>(exits.ok.code),
    Effect.catchTag("Told", ({ code }) => Effect.succeed(code)),
    // Help that was not asked for is for who gave no command at all; everything else that shows help was a mistake, which was said.
    Effect.catchTag(
      "ShowHelp",
      ({ errors }) => Effect.succeed(errors.length === 0 && words.length === 0 ? exits.ok.code : exits.usage.code)
    ),
    Effect.provideService(Loose, open),
    Effect.provideService(CliOutput.Presenter, yield* presenter(json, commandsWith)),
    Effect.provideService(References.MinimumLogLevel, "Warn")
  )
})
