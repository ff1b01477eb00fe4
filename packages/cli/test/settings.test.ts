/** Where settings come from: of each of them every place that it can stand in, and which of them holds. */
import { assert, describe, it } from "@effect/vitest"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as PlatformError from "effect/PlatformError"
import * as Schema from "effect/Schema"
import { Machine } from "../src/machine.ts"
import type { Setting } from "../src/settings/declare.ts"
import { type SettingName, settingNames, settings } from "../src/settings/declared.ts"
import { type Flags, resolve, type Source } from "../src/settings/Settings.ts"

const configFile = "/home/ann/.config/pnet/config.json"

const resolved = (flags: Flags, env: Record<string, string>, files: Record<string, object>) =>
  resolve(flags).pipe(Effect.provide(Layer.merge(
    Layer.succeed(Machine, {
      env,
      hostname: "desk.local",
      user: "ann",
      home: "/home/ann",
      pid: 1,
      windows: false,
      zone: () => DateTime.zoneMakeOffset(0)
    }),
    FileSystem.layerNoop({
      readFileString: (path) =>
        Object.hasOwn(files, path)
          ? Effect.succeed(JSON.stringify(files[path]))
          : Effect.fail(
            PlatformError.systemError({
              module: "FileSystem",
              method: "readFileString",
              _tag: "NotFound",
              pathOrDescriptor: path
            })
          )
    })
  )))

/** The places from the nearest to the farthest, with a text for each that is a value of the setting. */
const places = ["flag", "environment", "profile", "file"] as const
type Place = (typeof places)[number]

const texts: Partial<Record<SettingName, Record<Place, string>>> = {
  port: { flag: "4001", environment: "4002", profile: "4003", file: "4004" },
  advertisePort: { flag: "5001", environment: "5002", profile: "5003", file: "5004" },
  wait: { flag: "1s", environment: "2s", profile: "3s", file: "4s" },
  peers: { flag: "a:1", environment: "b:2", profile: "c:3", file: "d:4" },
  // Of two values each place says another than the next.
  networkKeyStdin: { flag: "true", environment: "false", profile: "true", file: "false" },
  open: { flag: "true", environment: "false", profile: "true", file: "false" },
  json: { flag: "true", environment: "false", profile: "true", file: "false" }
}

const textOf = (name: SettingName, place: Place): string => texts[name]?.[place] ?? `${name}-by-${place}`

/** The places that a setting can stand in. */
const placesOf = (name: SettingName): ReadonlyArray<Place> => {
  const { env, file }: Setting<any> = settings[name]
  return places.filter((place) =>
    place === "environment"
      ? env !== undefined
      : place === "profile"
      ? file !== false && name !== "profile"
      : place === "flag" || file !== false
  )
}

/** What holds where a setting stands in some places. */
const holding = Effect.fnUntraced(function*(name: SettingName, standing: ReadonlyArray<Place>) {
  const setting: Setting<any> = settings[name]
  const has = (place: Place) => standing.includes(place)
  // A profile holds because of a flag, but where it is looked which profile holds.
  const flags: Flags = name === "profile" ? {} : { profile: "work" }
  const ofFile = has("file") ? { [name]: textOf(name, "file") } : {}
  const named = Object.fromEntries(places.map((place) => [textOf("profile", place), {}]))
  const file = {
    ...ofFile,
    profiles: { ...named, work: has("profile") ? { [name]: textOf(name, "profile") } : {} }
  }
  const configs = Object.fromEntries(places.map((place) => [textOf("config", place), file]))
  const { sources, values } = yield* resolved(
    { ...flags, ...(has("flag") ? { [name]: textOf(name, "flag") } : {}) },
    has("environment") ? { [setting.env!]: textOf(name, "environment") } : {},
    { [configFile]: file, ...configs }
  )
  return { value: values[name] as unknown, source: sources[name] }
})

const wheres = (name: SettingName): Record<Place, string> => {
  const { env, flag }: Setting<any> = settings[name]
  return {
    flag: `--${flag}`,
    environment: env ?? "",
    profile: `profile work in ${configFile}`,
    file: configFile
  }
}

describe("a setting", () => {
  for (const name of settingNames) {
    it.effect(`${name} holds by the nearest of ${placesOf(name).join(", ")} and its default`, () =>
      Effect.gen(function*() {
        const all = placesOf(name)
        assert.include(all, "flag")
        const decode = (text: string) => Schema.decodeUnknownSync((settings[name] as Setting<unknown>).schema)(text)
        for (let nearest = 0; nearest < all.length; nearest++) {
          const place = all[nearest]!
          // It is there and in all that are farther, or alone.
          for (const standing of [all.slice(nearest), [place]]) {
            const { source, value } = yield* holding(name, standing)
            assert.deepStrictEqual(source, { from: place, where: wheres(name)[place] } satisfies Source)
            assert.deepStrictEqual(value, decode(textOf(name, place)))
          }
        }
        const { source, value } = yield* holding(name, [])
        assert.deepStrictEqual(source.from, value === undefined ? "none" : "default")
        assert.strictEqual(value === undefined, (settings[name] as Setting<unknown>).fallback === undefined)
      }))
  }

  it.effect("stands in no place that is not its own", () =>
    Effect.gen(function*() {
      for (const name of settingNames) {
        const { file }: Setting<any> = settings[name]
        const inFile = resolved({}, {}, { [configFile]: { profiles: { p: {} }, [name]: textOf(name, "file") } })
        const inProfile = resolved({}, {}, { [configFile]: { profiles: { p: { [name]: textOf(name, "file") } } } })
        if (file === false) assert.match((yield* Effect.flip(inFile)).message, /cannot stand in the config file/, name)
        if (file === false || name === "profile") {
          assert.match((yield* Effect.flip(inProfile)).message, /cannot stand in the config file/, name)
        }
      }
    }))
})
