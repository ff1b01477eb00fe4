/** How a node makes a call of each kind, and what each kind gives where it succeeds. */
import type { Peer } from "@pnet/core/Peers"
import { Effect, type Scope, Stream } from "effect"
import { chance } from "../harness/chance.ts"
import type { Asking } from "./asking.ts"
import { Check, source } from "./bytes.ts"
import { Group, Typed } from "./contract.ts"
import type { Work } from "./plan.ts"

type Of<Kind extends Work["kind"]> = Extract<Work, { readonly kind: Kind }>

/** A call, which fails as it may, and has told of a value that is wrong. */
type Call = Effect.Effect<void, unknown>

/** Looks at the failure of a call to one peer too. */
const heeding = (asking: Asking) => Effect.tapCause((cause) => Effect.sync(() => asking.told(cause)))

// --- messages ----------------------------------------------------------------------------------------------------------------

const message = ({ ballast, order, token }: Asking) => JSON.stringify({ token, order, ballast })

const reply = (asking: Asking, peer: string, text: string) => {
  const { answer, ballast } = JSON.parse(text)
  asking.value(peer, answer, ballast)
}

const raw = (asking: Asking, step: Of<"raw">): Call => {
  const peer = asking.nameOf(step.to)
  return Effect.map(
    asking.node.raw.sendText(peer, message(asking), { timeout: asking.timeout }),
    (text) => reply(asking, peer, text)
  )
}

const rawAll = (asking: Asking, step: Of<"raw all">): Call =>
  Effect.flatMap(asking.addressed(step.to), (peers) =>
    Effect.map(
      asking.node.raw.sendAll(asking.namesOf(step.to), message(asking), { timeout: asking.timeout }),
      (outcomes) =>
        asking.outcomes(peers, Object.entries(outcomes), (peer, bytes) =>
          reply(asking, peer, Buffer.from(bytes).toString()))
    ))

// --- functions and commands --------------------------------------------------------------------------------------------------

const untypedValue = (asking: Asking) => (peer: string, value: any) => asking.value(peer, value?.answer, value?.ballast)

const typedValue = (asking: Asking) => (peer: string, value: typeof Typed["success"]["Type"]) =>
  asking.value(peer, `${value.token}@${value.node}`, value.ballast)

const command = (asking: Asking, step: Of<"command">): Call => {
  const { ballast, node, order, timeout, token } = asking
  const peer = asking.nameOf(step.to)
  return (step.name === "typed"
    ? Effect.map(
      node.target(peer, { timeout, commands: [Typed] }).typed(token, order, ballast),
      (value) => typedValue(asking)(peer, value)
    )
    : Effect.map(
      node.target(peer, { timeout })(step.name, token, order, ballast),
      (value) => untypedValue(asking)(peer, value)
    )).pipe(heeding(asking))
}

const commandAll = (asking: Asking, step: Of<"command all">): Call =>
  Effect.flatMap(asking.addressed(step.to), (peers) => {
    const { ballast, node, order, timeout, token } = asking
    const { concurrency } = step
    const to = asking.namesOf(step.to)
    return step.name === "typed"
      ? Effect.map(
        node.target(to, { timeout, concurrency, commands: [Typed] }).typed(token, order, ballast),
        (outcomes) => asking.outcomes(peers, Object.entries(outcomes), typedValue(asking))
      )
      : Effect.map(
        node.target(to, { timeout, concurrency })(step.name, token, order, ballast),
        (outcomes) => asking.outcomes(peers, Object.entries(outcomes), untypedValue(asking))
      )
  })

const relay = (asking: Asking, step: Of<"relay">): Call => {
  const { node, order, timeout, token } = asking
  const peers = [step.to, ...step.path].map((i) => asking.nameOf(i))
  return Effect.map(
    node.target(peers[0]!, { timeout })("relay", token, peers.slice(1), order, step.timeout ?? null),
    (answer) => {
      const back = peers.slice(0, -1).reverse().map((name) => `<${name}`).join("")
      if (answer !== `${token}@${peers[peers.length - 1]}${back}`) asking.wrong(String(answer))
      asking.answered(...peers)
    }
  )
}

// --- typed RPC ---------------------------------------------------------------------------------------------------------------

const rpcValue = (asking: Asking) => (peer: string, answer: string) => {
  const end = answer.length - asking.ballast.length
  asking.value(peer, answer.slice(0, end), answer.slice(end))
}

const rpc = (asking: Asking, step: Of<"rpc">): Call => {
  const { ballast, node, order, timeout, token } = asking
  const peer = asking.nameOf(step.to)
  return Effect.scoped(
    Effect.flatMap(
      node.client(Group, peer, { timeout }),
      (client) => Effect.map(client.ask({ token, order, ballast }), (answer) => rpcValue(asking)(peer, answer))
    )
  ).pipe(heeding(asking))
}

/** Who goes from now on, whether it comes back or not. */
const gone = ({ node }: Asking): Effect.Effect<ReadonlySet<string>, never, Scope.Scope> =>
  Effect.gen(function*() {
    const names = new Set<string>()
    yield* Effect.forkScoped(
      Stream.runForEach(node.peers.changes, (event) =>
        Effect.sync(() => {
          if (event._tag === "Left" || event._tag === "Lost") names.add(event.peer.name)
        })),
      { startImmediately: true }
    )
    return names
  })

/**
 * Whom "*" of the group has to mean: what peers offer is asked in the time of the call, so those who come or go meanwhile may be among them or
 * not, and those who go and are back before it is over. Whom the policy refuses is not, nor is a stranger under a node's name, who says what it
 * offers and that the group is not in it.
 */
const served = (
  { slot }: Asking,
  before: ReadonlyArray<string>,
  after: ReadonlyArray<Peer>,
  went: ReadonlySet<string>,
  got: ReadonlyArray<string>
): ReadonlyArray<string> => {
  const servesNot = ({ name, offer, publicKey }: Peer) =>
    offer !== undefined && !Object.hasOwn(offer.functions, "ask") || !slot.permits(name, publicKey)
  const known = new Set(after.map(({ name }) => String(name)))
  const others = new Set(after.filter(servesNot).map(({ name }) => String(name)))
  const stayed = before.filter((name) => known.has(name) && !others.has(name) && !went.has(name))
  return [...new Set([...stayed, ...got.filter((name) => before.includes(name) || known.has(name))])]
}

const rpcAll = (asking: Asking, step: Of<"rpc all">): Call => {
  const { ballast, node, order, timeout, token } = asking
  return Effect.scoped(Effect.gen(function*() {
    const went = yield* gone(asking)
    const before = yield* asking.addressed(step.to)
    const client = yield* node.client(Group, asking.namesOf(step.to), { timeout })
    const outcomes = yield* client.ask({ token, order, ballast })
    const got = Object.keys(outcomes)
    const expected = step.to === "*" ? served(asking, before, yield* node.peers.all, went, got) : before
    asking.outcomes(expected, Object.entries(outcomes), rpcValue(asking))
  }))
}

/** Elements come in order, and as many as are wanted. */
const rpcStream = (asking: Asking, step: Of<"rpc stream">): Call => {
  const { node, order, timeout, token } = asking
  const { count, take } = step
  const peer = asking.nameOf(step.to)
  let last = 0
  return Effect.scoped(Effect.flatMap(node.client(Group, peer, { timeout }), (client) => {
    const all = client.count({ token, order, to: count })
    return Effect.map(
      Stream.runForEach(take === undefined ? all : Stream.take(all, take), (text) =>
        Effect.sync(() => {
          last++
          if (text !== `${token}@${peer}/${last}`) asking.wrong(text)
        })),
      () => {
        const whole = take === undefined ? count : Math.min(take, count)
        if (last !== whole) asking.wrong(`${last} elements of ${whole}`)
        if (take === undefined) asking.answered(peer)
      }
    )
  })).pipe(heeding(asking))
}

// --- streams -----------------------------------------------------------------------------------------------------------------

const stream = (asking: Asking, step: Of<"stream">): Call => {
  const { node, token, world } = asking
  const { key, name, size, slowReader, slowSource } = step
  const peer = asking.nameOf(step.to)
  const options = { timeout: asking.timeout }
  const given = Stream.concat(
    Stream.make(Buffer.from(`${token} ${key} ${size}\n`) as Uint8Array),
    name === "download" ? Stream.empty : source(chance(world.plan.seed, token), key, size, slowSource)
  )
  /** So many bytes went the whole way. */
  const whole = (got: number) => {
    if (got !== size) {
      world.journal.problem("bytes come whole, in order, once", `${token}: ${name} gave ${got} bytes of ${size}`)
    }
    asking.answered(peer)
  }
  const answer = Effect.map(
    Effect.suspend(() => node.request(peer, name, given, options)),
    (bytes) => Buffer.from(bytes).toString()
  )
  switch (name) {
    case "echo":
    case "download":
    case "half": {
      const check = new Check(world, key, token)
      const pause = slowReader > 0 ? Effect.sleep(slowReader) : Effect.void
      return Effect.map(
        Stream.runForEach(
          node.send(peer, name, given, options),
          (part) => Effect.andThen(check.take(part), pause)
        ),
        () => whole(check.length)
      )
    }
    case "upload":
      return Effect.map(answer, (count) => whole(Number(count)))
    case "ignore":
      return Effect.map(answer, (text) => {
        if (text !== "ignored") asking.wrong(text)
      })
    case "hang":
      return Effect.map(answer, () => asking.wrong("an answer from hang"))
  }
}

/** The call of a step. */
export const callOf = (asking: Asking): Call => {
  const { step } = asking
  switch (step.kind) {
    case "raw":
      return raw(asking, step)
    case "raw all":
      return rawAll(asking, step)
    case "command":
      return command(asking, step)
    case "command all":
      return commandAll(asking, step)
    case "relay":
      return relay(asking, step)
    case "rpc":
      return rpc(asking, step)
    case "rpc all":
      return rpcAll(asking, step)
    case "rpc stream":
      return rpcStream(asking, step)
    case "stream":
      return stream(asking, step)
  }
}
