/** What the page asks for, answered. */
import { formatEndpoint } from "@pnet/core/Advert"
import type { CommandNodeService } from "@pnet/core/CommandNode"
import { NodeName } from "@pnet/core/Packet"
import type { Peer } from "@pnet/core/Peers"
import * as PublicKey from "@pnet/core/PublicKey"
import * as Why from "@pnet/core/Why"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as RcRef from "effect/RcRef"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Api from "../../ConsoleApi.ts"
import type { ConsoleSpans } from "../../ConsoleSpans.ts"
import type { ConsoleTrust } from "../../ConsoleTrust.ts"
import * as KeyWords from "../../KeyWords.ts"
import * as Calling from "./calling.ts"
import { cut } from "./cut.ts"
import { describe } from "./describing.ts"
import * as Findings from "./findings.ts"
import * as Happened from "./happened.ts"
import * as Hub from "./hub.ts"
import * as People from "./people.ts"
import * as Rates from "./rates.ts"
import { failed } from "./said.ts"
import { mostPages } from "./serving.ts"
import * as Topics from "./topics.ts"
import { traceOf } from "./traces.ts"
import { paced } from "./waiting.ts"

/** What the console is made of. */
export interface Parts {
  readonly node: CommandNodeService
  readonly act: boolean
  readonly sealed: boolean
  readonly version: string
  readonly instance: string
  readonly since: number
  readonly trust: ConsoleTrust
  readonly spans: ConsoleSpans["Service"] | undefined
  readonly diagnose: Effect.Effect<ReadonlyArray<Findings.Found>, unknown> | undefined
}

/** Milliseconds from one batch to the next. */
const patchEvery = 200
const mostSpans = 200
/** Streams of each kind at once: two of a page, since a page that is reloaded begins before it has ended. */
const mostStreams = mostPages * 2

/** Lets so many of a kind be open at once. */
const bounded = (what: string, most: number) => {
  let open = 0
  return <A, E, E2>(
    begin: Effect.Effect<Stream.Stream<A, E>, E2, Scope.Scope>
  ): Stream.Stream<A, E | E2 | Api.BusyError> =>
    Stream.unwrap(
      Effect.andThen(
        Effect.acquireRelease(
          Effect.suspend(() =>
            open < most ? Effect.sync(() => void open++) : Effect.fail(new Api.BusyError({ what, most }))
          ),
          () => Effect.sync(() => void open--)
        ),
        begin
      )
    )
}

const notThere = new Api.FailedError({
  error: "PeerUnknownError",
  message: "no peer of that key is there",
  hint: "It may have left. The list of peers shows who is there."
})

const peerOf = (node: CommandNodeService, text: string): Effect.Effect<Peer, Api.FailedError> =>
  Effect.flatMap(node.peers.all, (all) => {
    const found = all.find(({ publicKey }) => publicKey === text)
    return found === undefined ? Effect.fail(notThere) : Effect.succeed(found)
  })

const mostMeta = 64
const mostAddresses = 64
const mostFunctions = 1_024
const mostInterests = 256

const pageOf = ({ act, node, trust }: Parts, text: string) =>
  Effect.gen(function*() {
    const peer = yield* peerOf(node, text)
    const { endpoints, name, offer, publicKey } = peer
    const judged = yield* trust.judge(name, publicKey)
    const sessions = (yield* node.sessions.all).filter((one) => one.peer.publicKey === publicKey).map((
      { dialled, draining, streams }
    ): Api.PeerPage["sessions"][number] => ({ by: dialled ? "dialled" : "accepted", streams, draining }))
    const heeded = trust.heeds === undefined || (yield* trust.heeds(name, publicKey))
    const entry = new People.Entry(-1, yield* Clock.currentTimeMillis, peer, judged, heeded)
    entry.session = sessions[0]
    const can: Array<Api.PeerPage["can"][number]> = ["resolveConflict"]
    for (const one of ["allow", "revoke", "forget"] as const) if (trust[one] !== undefined) can.push(one)
    const conflict = (yield* node.peers.conflicts).find((one) => one.name === name)
    const expected = conflict?.expected
    return {
      peer: entry.shown,
      words: KeyWords.of(publicKey),
      addresses: endpoints.slice(0, mostAddresses).map((endpoint) => ({
        address: formatEndpoint(endpoint),
        way: People.wayOf(endpoint, publicKey)
      })),
      sessions,
      functions: Object.entries(offer?.functions ?? {}).filter(([name]) => !People.isAgents(name)).slice(
        0,
        mostFunctions
      ).map(([name, contract]) => ({
        name: cut(name, 255),
        contract
      })),
      topics: (offer?.topics ?? []).slice(0, mostInterests).map(({ contract, group, mode, topic }) => ({
        topic,
        mode,
        ...(group === undefined ? {} : { group }),
        ...(contract === undefined ? {} : { contract })
      })),
      meta: Object.fromEntries(Object.entries(offer?.meta ?? {}).slice(0, mostMeta)),
      ...(expected === undefined || expected === publicKey
        ? {}
        : { expected: { key: expected, fingerprint: PublicKey.fingerprint(expected) } }),
      can: act ? can : []
    } satisfies Api.PeerPage
  })

/** What has happened, and what does. */
const eventsOf = (events: Happened.Ring<Api.Event>) =>
  Effect.gen(function*() {
    const changed = yield* events.waiting.join
    let next = Math.max(0, events.next - Happened.first)
    return Stream.flattenIterable(Stream.fromEffectRepeat(paced(changed, patchEvery, (at) =>
      Effect.sync(() => {
        const { items, missed } = events.from(next, Happened.first)
        next += missed + items.length
        if (next < events.next) events.waiting.wake()
        if (missed > 0) {
          const text = `${missed} events came faster than they are shown`
          return [{ id: next - items.length - 1, at, kind: "missed" as const, text }, ...items]
        }
        return items.length === 0 ? undefined : items
      }))))
  })

const spansOf = (spans: ConsoleSpans["Service"], at: string) =>
  Effect.gen(function*() {
    const changed = yield* spans.changed
    let count = Math.max(0, spans.count() - mostSpans)
    return Stream.fromEffectRepeat(paced(changed, patchEvery, () =>
      Effect.sync(() => {
        // What is too much for a page is left out of its list, and found by its trace.
        const from = Math.max(count, spans.count() - mostSpans)
        const found = spans.since(from, mostSpans)
        count = spans.count()
        return found.length === 0 ? undefined : found.map((span) => ({ ...span, at }))
      })))
  })

/** What changes something. */
const acting = ({ act, node, trust }: Parts, hub: Hub.Hub) => {
  const nameOf = (text: string) => Effect.mapError(Schema.decodeEffect(NodeName)(text), failed)
  const keyOf = (text: string) =>
    Effect.suspend(() => {
      const key = PublicKey.fromText(text)
      return key === undefined
        ? Effect.fail(new Api.FailedError({ error: "NotAKey", message: "that is no public key" }))
        : Effect.succeed(key)
    })
  /** Does something, where this console acts and can, and says so. */
  const done = <E>(action: string, what: string, run: Effect.Effect<void, E> | undefined) =>
    Effect.gen(function*() {
      if (!act) return yield* new Api.NotActingError({ action, hint: "start it with --act, or act: true" })
      if (run === undefined) {
        return yield* new Api.FailedError({
          error: "NotPossible",
          message: `the trust policy of this node has no way to ${action}`,
          hint: "change what it goes by, such as the allow list or the authority"
        })
      }
      yield* Effect.mapError(run, failed)
      yield* Effect.logInfo(`the console did: ${what}`)
      yield* hub.acted(what)
    })
  return {
    allow: (input: { readonly name: string; readonly key: string }) =>
      Effect.gen(function*() {
        const [name, key] = [yield* nameOf(input.name), yield* keyOf(input.key)]
        const what = `the name ${Why.quote(name)} belongs to key ${PublicKey.fingerprint(key)} from now on`
        yield* done("allow", what, trust.allow?.(name, key))
      }),
    revoke: (input: { readonly key: string }) =>
      Effect.gen(function*() {
        const key = yield* keyOf(input.key)
        yield* done("revoke", `key ${PublicKey.fingerprint(key)} is refused from now on`, trust.revoke?.(key))
      }),
    forget: (input: { readonly name: string }) =>
      Effect.gen(function*() {
        const name = yield* nameOf(input.name)
        yield* done("forget", `the name ${Why.quote(name)} belongs to nobody from now on`, trust.forget?.(name))
      }),
    resolveConflict: (input: { readonly name: string; readonly key: string }) =>
      Effect.gen(function*() {
        const [name, key] = [yield* nameOf(input.name), yield* keyOf(input.key)]
        const what = `the conflict about ${Why.quote(name)} was decided for key ${PublicKey.fingerprint(key)}`
        yield* done("resolve conflicts", what, node.peers.resolveConflict(name, key))
      })
  }
}

/** Everything that the page asks for. */
export const make = Effect.fnUntraced(function*(parts: Parts) {
  const { node, spans } = parts
  const hub = yield* Hub.make(node, parts.trust, spans)
  const rates = yield* Rates.make
  const own = People.whoOf(node)
  const [watches, events, counts, traces, tables, calls] = [
    bounded("pages", mostStreams),
    bounded("lists of events", mostStreams),
    bounded("plots of calls", mostStreams),
    bounded("lists of calls", mostStreams),
    bounded("tables", mostStreams),
    bounded("calls", Calling.mostCalls)
  ]
  return Api.ConsoleApi.of({
    hello: () =>
      Effect.succeed({
        node: own,
        words: KeyWords.of(node.publicKey),
        network: cut(node.networkId),
        sealed: parts.sealed,
        act: parts.act,
        version: parts.version,
        instance: parts.instance,
        since: parts.since,
        buckets: Rates.buckets,
        traced: spans !== undefined
      }),
    watch: () =>
      watches(Effect.gen(function*() {
        const { people } = yield* hub.get
        const changed = yield* people.waiting.join
        const page = new People.Page(people)
        return Stream.fromEffectRepeat(paced(changed, patchEvery, (at) => Effect.sync(() => page.next(at))))
      })),
    events: () => events(Effect.flatMap(hub.get, (watched) => eventsOf(watched.events))),
    rates: () => counts(Effect.map(RcRef.get(rates), Stream.fromPubSub)),
    // Recording begins with the first page that looks at anything, as `watch` does.
    traces: () =>
      traces(
        spans === undefined ? Effect.succeed(Stream.never) : Effect.andThen(hub.get, spansOf(spans, own.name))
      ),
    trace: ({ trace }) =>
      spans === undefined ? Effect.succeed({ spans: [], without: [] }) : traceOf(node, spans, trace),
    describe: ({ key }) =>
      Effect.flatMap(
        peerOf(node, key),
        ({ name }) => Effect.mapError(Effect.withTracerEnabled(describe(node, name), false), failed)
      ),
    call: (input) => calls(Calling.call(node, input)),
    peer: ({ key }) => pageOf(parts, key),
    diagnose: () =>
      Effect.gen(function*() {
        const found = parts.diagnose === undefined ? [] : yield* Effect.mapError(parts.diagnose, failed)
        return Findings.together(yield* node.peers.obstacles, yield* node.peers.conflicts, found)
      }),
    topics: () => Topics.topics(node),
    table: ({ topic }) =>
      tables(Topics.table(node, topic)).pipe(
        Stream.mapError((error) => error._tag === "BusyError" ? error : failed(error))
      ),
    ...acting(parts, hub)
  })
})
