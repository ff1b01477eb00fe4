/** Whether nodes are reached over TCP: that this one can listen, that those which are listed answer, and those that were heard. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Advert from "../../Advert.ts"
import * as Finding from "../../Finding.ts"
import { type Endpoint, ResolveError } from "../../Network.ts"
import * as Transport from "../../Transport.ts"
import { quote } from "../base/quote.ts"
import { isNamed, parseListed } from "../values/hostName.ts"
import * as AdvertExchange from "../wire/advertExchange.ts"
import * as Mismatch from "../wire/mismatch.ts"
import * as NetworkCipher from "../wire/networkCipher.ts"
import { askTimeout, cannotOpen, type Examination } from "./examination.ts"
import type { Node } from "./heard.ts"

// A name that does not resolve is no reason to wait for ever.
const resolveTimeout = Duration.seconds(2)
const addressesShown = 16
// How many of those that were heard are asked: they can be any number of strangers.
const peersAsked = 64

/** Tells what was found, in its turn. */
type Tell = () => void

interface Failure {
  readonly kind: Finding.PeerUnreachable["kind"]
  readonly detail: string
}

/** Opens what the node would listen on. */
export const listen = (examination: Examination): Effect.Effect<void> =>
  Effect.scoped(examination.transport.listen).pipe(
    Effect.match({
      onFailure: (error) => cannotOpen(examination, "TCP", error, error.kind, error.cause),
      onSuccess: () => {
        const { bindIp, serverPort } = examination.config
        examination.find(new Finding.BindSucceeded({ protocol: "TCP", address: bindIp, port: serverPort }))
      }
    })
  )

/** Asks an address for its advert, under a port that says that nobody is to be entered for it. */
const ask = (examination: Examination, to: Endpoint): Effect.Effect<AdvertExchange.Heard, Failure> => {
  const { clock, config: { bindIp }, self, transport } = examination
  const own = { host: bindIp, port: 0 }
  return AdvertExchange.exchange(transport, self, own, to, { clock, timeout: askTimeout }).pipe(
    Effect.timeoutOrElse({
      duration: Duration.times(askTimeout, 1.25),
      orElse: () => Effect.fail(new Transport.DialError({ kind: "Timeout", ...to }))
    }),
    Effect.mapError((error): Failure => ({
      kind: error._tag === "DialError"
        ? error.kind === "NoEndpoint" ? "Unreachable" : error.kind
        : error._tag === "ProtocolError" && error.code === "ERR_NETWORK_INCORRECT"
        ? "OtherNetwork"
        : error._tag === "ProtocolError" && error.code === "ERR_NET_DECRYPTION_FAILED"
        ? "OtherKey"
        : "NoAnswer",
      detail: error.message
    }))
  )
}

const unreachable = (
  { find }: Examination,
  one: { readonly peer?: string; readonly listedAs?: string; readonly othersAnswer?: boolean },
  to: Endpoint,
  failure: Failure
): void => find(new Finding.PeerUnreachable({ ...one, address: Advert.formatEndpoint(to), ...failure }))

/** The addresses of what is listed: its own, or those of its name. */
const addressesOf = (
  { config: { limits }, find, network }: Examination,
  { host, port }: Endpoint
): Effect.Effect<ReadonlyArray<Endpoint>> =>
  !isNamed({ host, port }) ? Effect.succeed([{ host, port }]) : network.resolve(host).pipe(
    Effect.timeoutOrElse({
      duration: resolveTimeout,
      orElse: () => Effect.fail(new ResolveError({ kind: "Unavailable", name: host }))
    }),
    Effect.match({
      onFailure: (error) => {
        find(new Finding.HostNameUnresolved({ name: host, detail: error.message }))
        return []
      },
      onSuccess: (found) => {
        const addresses = [...new Set(found)].sort().slice(0, limits.addressesPerName)
        find(new Finding.HostNameResolved({ name: host, addresses: addresses.slice(0, addressesShown) }))
        return addresses.map((address): Endpoint => ({ host: address, port }))
      }
    })
  )

/** Asks at every address of what is listed. */
const askEach = (examination: Examination, listed: Endpoint): Effect.Effect<Tell> =>
  Effect.gen(function*() {
    const { clock, heard } = examination
    const answers = yield* Effect.forEach(
      yield* addressesOf(examination, listed),
      (to) => Effect.map(Effect.result(ask(examination, to)), (answer) => [to, answer] as const),
      { concurrency: peersAsked }
    )
    const othersAnswer = answers.some(([, answer]) => Result.isSuccess(answer))
    return () => {
      for (const [to, answer] of answers) {
        if (Result.isFailure(answer)) {
          const how = isNamed(listed) ? { listedAs: listed.host, othersAnswer } : {}
          unreachable(examination, how, to, answer.failure)
          continue
        }
        const { advert: { name }, publicKey, timestamp } = answer.success
        const skew = timestamp === undefined ? undefined : Mismatch.skewOf(timestamp, clock.currentTimeMillisUnsafe())
        heard.enter({ name, publicKey, endpoint: to, via: "static", source: to.host, local: true, skew })
      }
    }
  })

/** Asks those that are listed in `peers`. */
export const askListed = (examination: Examination): Effect.Effect<ReadonlyArray<Tell>> =>
  Effect.forEach(
    examination.config.peers.flatMap((text) => parseListed(text) ?? []),
    (listed) => askEach(examination, listed),
    { concurrency: "unbounded" }
  )

/** Asks one that was heard, except where that is known already, or would come to nothing. */
const askOne = (examination: Examination, one: Node): Effect.Effect<Tell> => {
  const found = () => {
    const { endpoint, name: peer, publicKey, via } = one
    examination.find(new Finding.PeerFound({ peer, publicKey, address: Advert.formatEndpoint(endpoint), via }))
  }
  // It has just been asked.
  if (one.via === "static") return Effect.succeed(found)
  // Its clock is off, and then it would not answer.
  if (Math.abs(one.skew ?? 0) >= NetworkCipher.timeToLive) return Effect.succeed(() => {})
  return Effect.map(Effect.result(ask(examination, one.endpoint)), (answer) => () => {
    if (Result.isFailure(answer)) return unreachable(examination, { peer: one.name }, one.endpoint, answer.failure)
    if (answer.success.publicKey === one.publicKey) return found()
    const detail = `${quote(answer.success.advert.name)} answers there`
    unreachable(examination, { peer: one.name }, one.endpoint, { kind: "AnotherNode", detail })
  })
}

/** Asks those that were heard, the first of them. */
export const askHeard = (examination: Examination): Effect.Effect<ReadonlyArray<Tell>> =>
  Effect.suspend(() =>
    Effect.forEach(examination.heard.nodes.slice(0, peersAsked), (one) => askOne(examination, one), {
      concurrency: "unbounded"
    })
  )
