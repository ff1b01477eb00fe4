/** What `pnet trust` does. */
import { formatEndpoint } from "@pnet/core/Advert"
import type * as AllowListTrust from "@pnet/core/AllowListTrust"
import type { CommandNodeService } from "@pnet/core/CommandNode"
import { NodeName } from "@pnet/core/Packet"
import * as PublicKey from "@pnet/core/PublicKey"
import type { KnownPeersEdit } from "@pnet/core/TofuTrust"
import * as NodeTrust from "@pnet/node/NodeTrust"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type { trustAllow, trustForget, trustList, trustResolve, trustRevoke } from "../commands/trust.ts"
import { Problem } from "../errors.ts"
import type { Handler } from "../handler.ts"
import { open } from "../node/open.ts"
import { Output } from "../output/Output.ts"
import { quoted } from "../output/quoted.ts"
import type { Shape } from "../output/shapes.ts"
import { List } from "../settings/declare.ts"
import { Settings } from "../settings/Settings.ts"
import type { Input } from "../spec.ts"

const notFound = (what: string, hint?: string) =>
  new Problem({ exit: "notFound", what, ...(hint === undefined ? {} : { hint }) })

/** The file that says who is trusted. */
const place = Effect.gen(function*() {
  const { sources, values } = yield* Settings
  if (values.authority !== undefined) {
    return yield* new Problem({
      exit: "usage",
      what: `trust goes by an authority (${sources.authority.where}), whose certificates say who is who`,
      hint: "give the peer a certificate, or revoke the one that it has"
    })
  }
  return values.allowList === undefined
    ? { _tag: "Known", file: values.knownPeers, store: yield* NodeTrust.knownPeersStore(values.knownPeers) } as const
    : { _tag: "Listed", file: values.allowList, store: yield* NodeTrust.allowListStore(values.allowList) } as const
})

const nothing: KnownPeersEdit = { forgotten: [], pinned: [], learnt: [], revoked: [] }

const about = (key: string) => {
  const publicKey = PublicKey.fromText(key)
  return { key, fingerprint: publicKey === undefined ? "" : PublicKey.fingerprint(publicKey) }
}

const say = (change: Shape<"trustChange">) => Output.use((output) => output.value("trustChange", change))

const nameOf = (text: string): Effect.Effect<NodeName, Problem> =>
  Effect.mapError(
    Schema.decodeUnknownEffect(NodeName)(text),
    () => new Problem({ exit: "usage", what: `${JSON.stringify(text)} is no name of a node` })
  )

export const list: Handler<typeof trustList> = {
  run: Effect.fnUntraced(function*() {
    const output = yield* Output
    const at = yield* place
    if (at._tag === "Listed") {
      const entries = yield* at.store.load
      return yield* output.rows(
        "trusted",
        entries.map(([name, key, rights]): Shape<"trusted"> => ({
          name,
          ...about(key),
          status: "listed",
          ...(rights === undefined ? {} : { rights: { ...rights } as Record<string, ReadonlyArray<string>> })
        }))
      )
    }
    const { pins, revoked } = yield* at.store.load
    yield* output.rows("trusted", [
      ...pins.map(({ from, name, publicKey }): Shape<"trusted"> => ({
        name,
        ...about(publicKey),
        status: revoked.includes(publicKey) ? "revoked" : from === undefined ? "known" : "connected",
        ...(from === undefined ? {} : { from })
      })),
      ...revoked.filter((key) => !pins.some(({ publicKey }) => publicKey === key)).map((key): Shape<"trusted"> => ({
        ...about(key),
        status: "revoked"
      }))
    ])
  })
}

// --- who is there by a name ------------------------------------------------------------------------------------------------------

interface Claim {
  readonly publicKey: PublicKey.PublicKey
  readonly shown: Shape<"claim">
}

/** Whoever goes by a name now, and those whom it is refused. */
const claimsOf = Effect.fnUntraced(function*(node: CommandNodeService, name: NodeName) {
  const found = new Map<PublicKey.PublicKey, Claim>()
  const add = (publicKey: PublicKey.PublicKey, address: string | undefined, refused: boolean) => {
    if (found.has(publicKey)) return
    found.set(publicKey, {
      publicKey,
      shown: { name, ...about(publicKey), ...(address === undefined ? {} : { address }), refused }
    })
  }
  for (const peer of yield* node.peers.all) {
    const [endpoint] = peer.endpoints
    if (peer.name === name) add(peer.publicKey, endpoint === undefined ? undefined : formatEndpoint(endpoint), false)
  }
  for (const conflict of yield* node.peers.conflicts) {
    if (conflict.name !== name) continue
    for (const { publicKey, source } of conflict.claims) add(publicKey, formatEndpoint(source), true)
  }
  return [...found.values()]
})

const every = "100 millis"

/** The key of a name that has a fingerprint, of those who are on the network within the time of the settings. */
const findKey = Effect.fnUntraced(function*(node: CommandNodeService, name: NodeName, fingerprint: string) {
  const output = yield* Output
  const { values } = yield* Settings
  const until = (yield* Clock.currentTimeMillis) + Duration.toMillis(values.wait)
  const look: Effect.Effect<Claim, Problem> = Effect.gen(function*() {
    const claims = yield* claimsOf(node, name)
    const found = claims.find(({ shown }) => shown.fingerprint === fingerprint.toLowerCase())
    if (found !== undefined) return found
    if ((yield* Clock.currentTimeMillis) < until) return yield* Effect.andThen(Effect.sleep(every), look)
    return yield* notFound(
      claims.length === 0
        ? `nobody called ${JSON.stringify(name)} is on the network`
        : `nobody called ${JSON.stringify(name)} has a key with the fingerprint ${fingerprint}; there ${
          claims.length === 1 ? "is" : "are"
        } ${claims.map(({ shown }) => shown.fingerprint).join(", ")}`,
      claims.length === 0
        ? "start it, or give its whole key"
        : "compare the fingerprint with the peer's owner once more"
    )
  })
  return yield* output.during(`looking for ${name}`, look)
})

const isFingerprint = (text: string): boolean => /^[0-9a-z]{4}(-[0-9a-z]{4}){3}$/i.test(text)

// --- what the operator decides ---------------------------------------------------------------------------------------------------

const rightsOf = Effect.fnUntraced(function*(input: Input<typeof trustAllow>) {
  const rights: Record<string, ReadonlyArray<string>> = {}
  for (const right of ["roles", "serves", "calls", "publishes", "subscribes"] as const) {
    const given = input[right]
    if (Option.isSome(given)) rights[right] = yield* Effect.orDie(Schema.decodeEffect(List)(given.value))
  }
  return Object.keys(rights).length === 0 ? undefined : rights
})

export const allow: Handler<typeof trustAllow> = {
  run: Effect.fnUntraced(function*(input: Input<typeof trustAllow>) {
    const at = yield* place
    const name = yield* nameOf(input.name)
    const rights = yield* rightsOf(input)
    if (rights !== undefined && at._tag === "Known") {
      return yield* new Problem({
        exit: "usage",
        what: "known peers have no rights of their own",
        hint: "what a peer may do is said in an allow list: give --allow-list FILE"
      })
    }
    const whole = PublicKey.fromText(input.key)
    if (whole === undefined && !isFingerprint(input.key)) {
      return yield* new Problem({
        exit: "usage",
        what: `${JSON.stringify(input.key)} is neither a public key nor a fingerprint`,
        hint: "its owner finds both with: pnet key show"
      })
    }
    if (at._tag === "Known") {
      // A node that runs has the file in its hands; it is told.
      if (whole !== undefined) {
        yield* at.store.load
        yield* at.store.save({ ...nothing, pinned: [{ name, publicKey: whole }] })
        return yield* say({ change: "allowed", name, ...about(whole), file: at.file })
      }
      const { node } = yield* open()
      const { publicKey } = yield* findKey(node, name, input.key)
      yield* node.peers.resolveConflict(name, publicKey)
      return yield* say({ change: "allowed", name, ...about(publicKey), file: at.file })
    }
    const publicKey = whole ?? (yield* findKey((yield* open()).node, name, input.key)).publicKey
    const entry: AllowListTrust.Entry = [name, publicKey, rights]
    yield* at.store.save({ allowed: [entry] })
    yield* say({ change: "allowed", name, ...about(publicKey), file: at.file })
  })
}

const unknown = (text: string, file: string) =>
  notFound(`${JSON.stringify(text)} is not in ${file}`, "run: pnet trust list")

export const revoke: Handler<typeof trustRevoke> = {
  run: Effect.fnUntraced(function*({ of }: Input<typeof trustRevoke>) {
    const at = yield* place
    const key = PublicKey.fromText(of)
    if (at._tag === "Listed") {
      const entry = (yield* at.store.load).find(([name, publicKey]) => name === of || publicKey === key)
      if (entry === undefined) return yield* unknown(of, at.file)
      yield* at.store.save({ removed: [entry[0]] })
      return yield* say({ change: "revoked", name: entry[0], ...about(entry[1]), file: at.file })
    }
    const { pins } = yield* at.store.load
    const pin = pins.find(({ name, publicKey }) => name === of || publicKey === key)
    const publicKey = key ?? pin?.publicKey
    if (publicKey === undefined) return yield* unknown(of, at.file)
    const forgotten = pin === undefined ? [] : [pin.name]
    yield* at.store.save({ ...nothing, forgotten, revoked: [publicKey] })
    yield* say({
      change: "revoked",
      ...(pin === undefined ? {} : { name: pin.name }),
      ...about(publicKey),
      file: at.file
    })
  })
}

export const forget: Handler<typeof trustForget> = {
  run: Effect.fnUntraced(function*(input: Input<typeof trustForget>) {
    const at = yield* place
    if (at._tag === "Listed") {
      const entry = (yield* at.store.load).find(([name]) => name === input.name)
      if (entry === undefined) return yield* unknown(input.name, at.file)
      yield* at.store.save({ removed: [input.name] })
      return yield* say({ change: "forgotten", name: entry[0], ...about(entry[1]), file: at.file })
    }
    const { pins } = yield* at.store.load
    const pin = pins.find(({ name }) => name === input.name)
    if (pin === undefined) return yield* unknown(input.name, at.file)
    yield* at.store.save({ ...nothing, forgotten: [pin.name] })
    yield* say({ change: "forgotten", name: pin.name, ...about(pin.publicKey), file: at.file })
  })
}

export const resolve: Handler<typeof trustResolve> = {
  run: Effect.fnUntraced(function*(input: Input<typeof trustResolve>) {
    const output = yield* Output
    const { values } = yield* Settings
    const at = yield* place
    const name = yield* nameOf(input.name)
    const { node } = yield* open()
    if (Option.isNone(input.fingerprint)) {
      yield* output.during(`looking for ${name}`, Effect.sleep(values.wait))
      const claims = yield* claimsOf(node, name)
      yield* output.rows("claim", claims.map(({ shown }) => shown))
      if (claims.length === 0) return yield* notFound(`nobody called ${JSON.stringify(name)} is on the network`)
      return
    }
    const { publicKey } = yield* findKey(node, name, input.fingerprint.value)
    const resolved = yield* Effect.result(node.peers.resolveConflict(name, publicKey))
    if (Result.isFailure(resolved)) {
      return yield* new Problem({
        exit: "refused",
        what: resolved.failure.message,
        hint: `run: pnet trust allow ${quoted(name)} ${publicKey}`
      })
    }
    yield* say({ change: "resolved", name, ...about(publicKey), file: at.file })
  })
}
