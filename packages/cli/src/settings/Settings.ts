/**
 * The settings that hold: by flags, then the environment, then the profile of the config file, then the file, then defaults.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { isAbsent } from "../absent.ts"
import { Problem } from "../errors.ts"
import { Machine, placesOf } from "../machine.ts"
import { didYouMean } from "../nearest.ts"
import { quoted } from "../output/quoted.ts"
import { systemSays } from "../systemSays.ts"
import type { Setting, Surroundings } from "./declare.ts"
import { type SettingName, settingNames, settings, type Values } from "./declared.ts"

/** Where a value comes from. `where` says it for people: `--name`, `PNET_NAME`, a file and what stands in it. */
export interface Source {
  readonly from: "flag" | "environment" | "profile" | "file" | "default" | "none"
  readonly where: string
}

/** The flags as they were given: texts, `undefined` where there was none. */
export type Flags = { readonly [Name in SettingName]?: string | undefined }

/** The settings that hold, and where each comes from. */
export class Settings extends Context.Service<Settings, {
  readonly values: Values
  readonly sources: { readonly [Name in SettingName]: Source }
  readonly flags: Flags
}>()("@pnet/cli/settings/Settings") {}

/** The config file, as far as it is read: values that are texts, numbers, yes or no, or lists of texts. */
type FileValues = Readonly<Record<string, unknown>>

interface ConfigFile {
  readonly path: string
  readonly values: FileValues
  readonly profiles: Readonly<Record<string, FileValues>>
}

const wrong = (what: string, hint?: string) =>
  new Problem({ exit: "usage", what, ...(hint === undefined ? {} : { hint }) })

/** What may have been meant by a name, or all that there are. */
const meantOr = (name: string, all: ReadonlyArray<string>, what = "settings"): string =>
  didYouMean(name, all) ?? `${what} are ${all.join(", ")}`

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const textOf = (value: unknown): string | undefined =>
  typeof value === "string" || typeof value === "number" || typeof value === "boolean"
    ? String(value)
    : Array.isArray(value) && value.every((one) => typeof one === "string")
    ? value.join(",")
    : undefined

const parse = (text: string): Effect.Effect<unknown, string> =>
  Effect.mapError(Schema.decodeUnknownEffect(Schema.fromJsonString(Schema.Unknown))(text), () => "it is not JSON")

const check = (path: string, values: FileValues, where: string): Effect.Effect<void, Problem> =>
  Effect.forEach(Object.entries(values), ([name, value]) => {
    if (name === "profiles" && where === "") return Effect.void
    const declared: Setting<any> | undefined = Object.hasOwn(settings, name) ? settings[name as SettingName] : undefined
    if (declared === undefined) {
      return Effect.fail(wrong(
        `${path}: there is no setting ${JSON.stringify(where + name)}`,
        meantOr(name, settingNames.filter((one) => (settings[one] as Setting<any>).file !== false))
      ))
    }
    if (declared.file === false || name === "profile" && where !== "") {
      return Effect.fail(wrong(`${path}: ${JSON.stringify(where + name)} cannot stand in the config file`))
    }
    return textOf(value) === undefined
      ? Effect.fail(
        wrong(`${path}: ${JSON.stringify(where + name)} is neither a text, a number, a yes or no, nor a list of texts`)
      )
      : Effect.void
  }, { discard: true })

/** A config file names commands that are run, and whom to trust: nobody else is to have written it. Devices and pipes are whoever's gave them. */
const owned = Effect.fnUntraced(function*(path: string) {
  const fs = yield* FileSystem.FileSystem
  const { uid, windows } = yield* Machine
  const info = yield* Effect.orElseSucceed(fs.stat(path), () => undefined)
  if (windows || info?.type !== "File") return
  if ((info.mode & 0o002) !== 0) {
    return yield* wrong(`the config file ${path} was refused: anybody may write it`, `run: chmod o-w ${quoted(path)}`)
  }
  const owner = Option.getOrUndefined(info.uid)
  if (uid !== undefined && owner !== undefined && owner !== uid && owner !== 0) {
    return yield* wrong(
      `the config file ${path} was refused: it belongs to user ${owner}, who may write it`,
      `run: chown ${uid} ${quoted(path)}`
    )
  }
})

/** Reads the config file. Where it was not asked for it need not be there. */
const read = Effect.fnUntraced(function*(path: string, asked: boolean): Effect.fn.Return<
  ConfigFile,
  Problem,
  FileSystem.FileSystem | Machine
> {
  const fs = yield* FileSystem.FileSystem
  yield* owned(path)
  const text = yield* fs.readFileString(path).pipe(
    Effect.catchTag("PlatformError", (error) =>
      isAbsent(error) && !asked
        ? Effect.undefined
        : Effect.fail(wrong(`the config file ${path} could not be read: ${systemSays(error)}`)))
  )
  if (text === undefined) return { path, values: {}, profiles: {} }
  const content = yield* Effect.mapError(
    parse(text),
    (problem) => wrong(`the config file ${path} was refused: ${problem}`)
  )
  if (!isRecord(content)) return yield* wrong(`the config file ${path} was refused: it is not one object`)
  const { profiles = {} } = content
  if (!isRecord(profiles) || !Object.values(profiles).every(isRecord)) {
    return yield* wrong(`the config file ${path} was refused: "profiles" is not an object of objects`)
  }
  yield* check(path, content, "")
  for (const [name, values] of Object.entries(profiles)) {
    yield* check(path, values as FileValues, `profiles.${name}.`)
  }
  return { path, values: content, profiles: profiles as Record<string, FileValues> }
})

interface Found {
  readonly text: string | undefined
  readonly source: Source
}

/** The text of a setting, from the first place that has one. */
const find = (
  name: SettingName,
  flags: Flags,
  env: Machine["Service"]["env"],
  file: ConfigFile | undefined,
  profile: string | undefined
): Found => {
  const declared: Setting<any> = settings[name]
  const flag = flags[name]
  if (flag !== undefined) return { text: flag, source: { from: "flag", where: `--${declared.flag}` } }
  const variable = declared.env === undefined ? undefined : env[declared.env]
  // One that is set to nothing is a secret or a path that did not arrive; whoever reads it says so.
  if (variable !== undefined) return { text: variable, source: { from: "environment", where: declared.env! } }
  if (file !== undefined && declared.file !== false) {
    const ofProfile = profile === undefined ? undefined : textOf(file.profiles[profile]?.[name])
    if (ofProfile !== undefined) {
      return { text: ofProfile, source: { from: "profile", where: `profile ${profile} in ${file.path}` } }
    }
    const ofFile = textOf(file.values[name])
    if (ofFile !== undefined) return { text: ofFile, source: { from: "file", where: file.path } }
  }
  return { text: undefined, source: { from: "default", where: "default" } }
}

const decode = (name: SettingName, { source, text }: Found, surroundings: Surroundings) => {
  const declared: Setting<unknown> = settings[name]
  if (text === undefined) return Effect.succeed(declared.fallback?.(surroundings))
  return Effect.mapError(Schema.decodeUnknownEffect(declared.schema)(text), (error) => {
    // A secret is not repeated, not even where it is wrong.
    const shown = declared.secret === true ? "" : ` ${JSON.stringify(text)}`
    return wrong(`${source.where}${shown} was refused: ${error.message.replaceAll("\n", " ")}`, declared.give)
  })
}

/** Finds out which settings hold. */
export const resolve = Effect.fnUntraced(function*(flags: Flags): Effect.fn.Return<
  Settings["Service"],
  Problem,
  Machine | FileSystem.FileSystem
> {
  const machine = yield* Machine
  const surroundings = { machine, places: placesOf(machine) }
  const one = (name: SettingName, file?: ConfigFile, profile?: string) => {
    const found = find(name, flags, machine.env, file, profile)
    return Effect.map(decode(name, found, surroundings), (value) => ({
      value,
      source: found.text === undefined && value === undefined
        ? { from: "none", where: "not set" } as const
        : found.source
    }))
  }
  const configured = yield* one("config")
  const file = yield* read(configured.value as string, configured.source.from !== "default")
  const { value: profile } = yield* one("profile", file)
  if (typeof profile === "string" && !Object.hasOwn(file.profiles, profile)) {
    const there = Object.keys(file.profiles)
    return yield* wrong(
      `there is no profile ${JSON.stringify(profile)} in ${file.path}`,
      there.length === 0
        ? `make one there: { "profiles": { ${JSON.stringify(profile)}: {} } }`
        : meantOr(profile, there, "profiles")
    )
  }
  const values: Record<string, unknown> = {}
  const sources: Record<string, Source> = {}
  for (const name of settingNames) {
    const { source, value } = yield* one(name, file, profile as string | undefined)
    values[name] = value
    sources[name] = source
  }
  return { values: values as Values, sources: sources as Settings["Service"]["sources"], flags }
})
