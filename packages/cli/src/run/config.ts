/** What `pnet config` does. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { config } from "../commands/config.ts"
import { Problem } from "../errors.ts"
import { didYouMean } from "../nearest.ts"
import { Output } from "../output/Output.ts"
import type { Shape } from "../output/shapes.ts"
import type { Setting } from "../settings/declare.ts"
import { type SettingName, settingNames, settings } from "../settings/declared.ts"
import { Settings } from "../settings/Settings.ts"
import type { Input } from "../spec.ts"

const isSetting = (name: string): name is SettingName => Object.hasOwn(settings, name)

export const run = Effect.fnUntraced(function*({ names }: Input<typeof config>) {
  const output = yield* Output
  const { sources, values } = yield* Settings
  const wrong = names.find((name) => !isSetting(name))
  if (wrong !== undefined) {
    return yield* new Problem({
      exit: "usage",
      what: `there is no setting ${JSON.stringify(wrong)}`,
      hint: didYouMean(wrong, settingNames) ?? `settings are ${settingNames.join(", ")}`
    })
  }
  const shapes = (names.length === 0 ? settingNames : names as ReadonlyArray<SettingName>).map(
    (name): Shape<"setting"> => {
      const { env, flag, schema, secret }: Setting<any> = settings[name]
      const value: unknown = values[name]
      return {
        name,
        ...(value === undefined ? {} : { value: secret === true ? "(hidden)" : Schema.encodeSync(schema)(value) }),
        from: sources[name].from,
        where: sources[name].where,
        flag: `--${flag}`,
        ...(env === undefined ? {} : { env })
      }
    }
  )
  yield* output.rows("setting", shapes)
})
