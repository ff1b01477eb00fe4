/**
 * Keeps the names of peers that are met, and of their functions, for the completions of shells. It only helps people: where it cannot be done nothing else fails.
 */
import type { CommandNodeService } from "@pnet/core/CommandNode"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import { fileIn, maxLength, merge, read } from "../complete/seen.ts"
import { Machine, placesOf } from "../machine.ts"
import { makeFolder } from "./makeFolder.ts"

/** Functions that a command has found at peers, by their names, of each node. */
const found = new WeakMap<object, Map<string, Set<string>>>()

/** Notes functions that a peer has. */
export const noteFunctions = (
  node: CommandNodeService,
  peer: string,
  functions: Iterable<string>
): Effect.Effect<void> =>
  Effect.sync(() => {
    const peers = found.get(node) ?? new Map<string, Set<string>>()
    found.set(node, peers)
    const all = peers.get(peer) ?? new Set<string>()
    peers.set(peer, all)
    for (const name of functions) all.add(name)
  })

// The built-in ones are not what anybody types.
const builtIn: ReadonlySet<string> = new Set(["get_funcs", "describe", "pnet.measure"])

const write = Effect.fnUntraced(function*(node: CommandNodeService, network: string) {
  const met = new Map<string, Array<string>>()
  for (const { name, offer } of yield* node.peers.all) {
    const functions = [...Object.keys(offer?.functions ?? {}), ...(found.get(node)?.get(name) ?? [])]
    met.set(name, functions.filter((one) => !builtIn.has(one)))
  }
  if (met.size === 0) return
  const fs = yield* FileSystem.FileSystem
  const machine = yield* Machine
  const { state } = placesOf(machine)
  const file = fileIn(state)
  const text = yield* Effect.orElseSucceed(fs.readFileString(file), () => undefined)
  const seen = merge(read(text), network, met, yield* Clock.currentTimeMillis)
  const next = JSON.stringify(seen)
  if (next.length > maxLength) return
  yield* makeFolder(state)
  // Whoever completes a word meanwhile reads one or the other.
  const temporary = `${file}.${machine.pid}.tmp`
  yield* fs.writeFileString(temporary, next, { mode: 0o600 })
  yield* fs.rename(temporary, file)
})

const every = "30 seconds"

/** Keeps them now and then, and when the scope closes. */
export const remember = Effect.fnUntraced(function*(node: CommandNodeService, network: string) {
  const once = Effect.ignore(write(node, network))
  yield* Effect.addFinalizer(() => once)
  yield* Effect.forkScoped(Effect.forever(Effect.andThen(Effect.sleep(every), once)))
})
