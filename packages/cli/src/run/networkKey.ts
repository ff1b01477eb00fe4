/** What `pnet key network` does. */
import * as NetworkKey from "@pnet/core/NetworkKey"
import { maxKeys } from "@pnet/core/NetworkKeys"
import * as NodeCrypto from "@pnet/node/NodeCrypto"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Stdio from "effect/Stdio"
import type {
  networkAdd,
  networkExport,
  networkList,
  networkMake,
  networkPromote,
  networkRemove
} from "../commands/networkKey.ts"
import { Problem } from "../errors.ts"
import type { Handler, Services } from "../handler.ts"
import * as KeyFile from "../node/keyFile.ts"
import { parse, readStdin } from "../node/networkKeys.ts"
import { Output } from "../output/Output.ts"
import type { Shape } from "../output/shapes.ts"
import { Settings } from "../settings/Settings.ts"
import type { Input } from "../spec.ts"

type Keys = ReadonlyArray<NetworkKey.NetworkKey>

const generate = Effect.provide(NetworkKey.generate, NodeCrypto.layer)

const show = Effect.fnUntraced(function*(file: string, keys: Keys) {
  const output = yield* Output
  const { values } = yield* Settings
  yield* output.rows(
    "networkKey",
    keys.map((key, at): Shape<"networkKey"> => ({
      network: values.network,
      number: at + 1,
      fingerprint: KeyFile.fingerprint(key),
      use: at === 0 ? "encrypts" : "decrypts",
      file
    }))
  )
})

const opened = Effect.gen(function*() {
  const file = yield* KeyFile.path
  return { file, keys: yield* KeyFile.load(file) }
})

/** Changes the keys, and shows what they are then. */
const changed = (...to: Parameters<typeof KeyFile.change<Problem, Services>>) =>
  Effect.flatMap(KeyFile.change(...to), ({ file, keys }) => show(file, keys))

export const make: Handler<typeof networkMake> = {
  run: Effect.fnUntraced(function*() {
    const { values } = yield* Settings
    yield* changed(Effect.fnUntraced(function*(file, keys) {
      if (keys.length > 0) {
        return yield* new Problem({
          exit: "conflict",
          what: `the network ${JSON.stringify(values.network)} has a key already, in ${file}`,
          hint: "add another with pnet key network add"
        })
      }
      return [yield* generate]
    }))
    const output = yield* Output
    if (output.json) return
    yield* output.note(
      "nodes that run without it are to be started anew; the other machines get it by: " +
        "pnet key network export | ssh MACHINE pnet key network add -"
    )
  })
}

export const add: Handler<typeof networkAdd> = {
  run: Effect.fnUntraced(function*({ from }: Input<typeof networkAdd>) {
    const { values } = yield* Settings
    const given = Option.getOrUndefined(from)
    if (given !== undefined && given !== "-") {
      return yield* new Problem({
        exit: "usage",
        what: "a network key is not given as an argument, where others on this machine could see it",
        hint: "pipe it in: pnet key network add - < FILE"
      })
    }
    // Whoever pipes it in may take long, and is not to keep others from the file.
    const more = given === undefined ? [yield* generate] : yield* parse(yield* readStdin, "standard input")
    yield* changed(Effect.fnUntraced(function*(_, keys) {
      if (given === undefined && keys.length === 0) {
        return yield* new Problem({
          exit: "usage",
          what: `the network ${JSON.stringify(values.network)} has no key that another could be added to`,
          hint: "run pnet key network make, or pipe in the one that other machines have: pnet key network add -"
        })
      }
      const all = more.reduce<Keys>(
        (all, key) => all.some((known) => KeyFile.isSame(known, key)) ? all : [...all, key],
        keys
      )
      if (all.length > maxKeys) {
        return yield* new Problem({
          exit: "usage",
          what: `the network would have ${all.length} keys, over ${maxKeys}`,
          hint: "remove those that are no longer in use"
        })
      }
      return all
    }))
  })
}

export const promote: Handler<typeof networkPromote> = {
  run: ({ key }: Input<typeof networkPromote>) =>
    changed((_, keys) => Effect.map(KeyFile.find(keys, key), (at) => [keys[at]!, ...keys.filter((_, i) => i !== at)]))
}

export const remove: Handler<typeof networkRemove> = {
  run: ({ key }: Input<typeof networkRemove>) =>
    changed(Effect.fnUntraced(function*(file, keys) {
      const at = yield* KeyFile.find(keys, key)
      if (at === 0) {
        return yield* new Problem({
          exit: "usage",
          what: "it is the key that nodes write by, and was not removed",
          hint: keys.length === 1
            ? `to have the network in clear, stop its nodes, and delete ${file}`
            : "promote another before, on every machine: pnet key network promote 2"
        })
      }
      return keys.filter((_, i) => i !== at)
    }))
}

export const list: Handler<typeof networkList> = {
  run: () => Effect.flatMap(opened, ({ file, keys }) => show(file, keys))
}

export const exported: Handler<typeof networkExport> = {
  run: Effect.fnUntraced(function*({ key }: Input<typeof networkExport>) {
    const output = yield* Output
    const stdio = yield* Stdio.Stdio
    const { values } = yield* Settings
    const { keys } = yield* opened
    const chosen = Option.isNone(key) ? keys : [keys[yield* KeyFile.find(keys, key.value)]!]
    if (chosen.length === 0) {
      return yield* new Problem({
        exit: "notFound",
        what: `the network ${JSON.stringify(values.network)} has no key`,
        hint: "run: pnet key network make"
      })
    }
    if (yield* stdio.stdoutIsTerminal) yield* output.warn("whoever sees this is on the network")
    for (const one of chosen) {
      yield* output.value("networkSecret", {
        network: values.network,
        fingerprint: KeyFile.fingerprint(one),
        key: Redacted.value(one)
      })
    }
  })
}
