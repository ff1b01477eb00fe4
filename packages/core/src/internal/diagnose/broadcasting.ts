/** Whether broadcasts work: on which interfaces they go out, whether the system lets them, whether they come back, and who else is heard. */
import * as Effect from "effect/Effect"
import * as NetAddress from "effect/net/NetAddress"
import type * as DatagramSocket from "effect/socket/DatagramSocket"
import * as Finding from "../../Finding.ts"
import type { NetworkInterface } from "../../Network.ts"
import * as Interfaces from "../discovery/interfaces.ts"
import { openShared } from "../discovery/sockets.ts"
import * as AdvertExchange from "../wire/advertExchange.ts"
import { cannotOpen, type Examination } from "./examination.ts"

// A node says the same when it starts: one that is lost does not matter then.
const sends = [0, 100, 300]

/** What is found of an interface that `bindIp` means. */
const foundOf = (one: NetworkInterface): Finding.Finding =>
  Interfaces.hasBroadcast(one)
    ? new Finding.InterfaceFound({ interface: one.name, address: one.address, broadcast: one.broadcast })
    : new Finding.NoBroadcastAddress({ interface: one.name, address: one.address, prefixLength: one.prefixLength })

/** The interfaces that adverts go out on. */
const findTargets = (
  { config: { bindIp }, find, heard, network }: Examination
): Effect.Effect<ReadonlyArray<Interfaces.Target>> =>
  Effect.gen(function*() {
    if (Interfaces.isLoopback(bindIp)) {
      // Where the system does not say, it is tried.
      const all = yield* Effect.orElseSucceed(network.interfaces, () => undefined)
      if (all !== undefined && !Interfaces.hasLoopback(all)) {
        find(new Finding.NoInterface({ bindIp, available: Interfaces.addresses(all), loopback: false }))
        return []
      }
      const target = Interfaces.loopbackTarget(bindIp)
      find(new Finding.InterfaceFound({ interface: "loopback", address: bindIp, broadcast: target.broadcast }))
      return [target]
    }
    const all = yield* network.interfaces
    for (const { address } of all) heard.ownAddresses.add(address)
    const chosen = Interfaces.selected(bindIp, all)
    if (chosen.length === 0) {
      const down = Interfaces.hasLoopback(all) ? {} : { loopback: false }
      find(new Finding.NoInterface({ bindIp, available: Interfaces.addresses(all), ...down }))
    }
    for (const one of chosen) find(foundOf(one))
    return chosen.filter(Interfaces.hasBroadcast)
  }).pipe(
    Effect.catch((error) =>
      Effect.sync((): ReadonlyArray<Interfaces.Target> => {
        find(new Finding.InterfacesUnreadable({ detail: error.message }))
        return []
      })
    )
  )

const hear = ({ heard }: Examination, reader: DatagramSocket.Reader, subnet: Interfaces.Target | undefined) =>
  Effect.forever(
    Effect.map(reader.pull, (datagrams) => {
      for (const datagram of datagrams) heard.take(datagram, subnet)
    })
  ).pipe(Effect.ignore)

const causeOf = (failure: DatagramSocket.DatagramSocketError): unknown =>
  "cause" in failure.reason ? failure.reason.cause : failure

/** Finds why a broadcast did not go out. */
const notSent = (
  examination: Examination,
  { address, broadcast }: Interfaces.Target,
  failure: DatagramSocket.DatagramSocketError
): void => {
  const { config: { advertisePort }, find } = examination
  const { reason } = failure
  const cause = causeOf(failure)
  if (reason._tag === "DatagramSocketOpenError") {
    cannotOpen(examination, "UDP", { host: address, port: 0 }, reason.kind, cause)
  } else if (reason._tag === "DatagramSocketWriteError" && reason.kind === "PermissionDenied") {
    find(new Finding.BroadcastForbidden({ address, broadcast, port: advertisePort }))
  } else {
    const detail = cause instanceof Error ? cause.message : failure.message
    find(new Finding.BroadcastFailed({ address, broadcast, detail }))
  }
}

/** Broadcasts from an interface, and hears what is answered there; whether it could. */
const broadcast = (examination: Examination, target: Interfaces.Target) =>
  Effect.gen(function*() {
    const { config: { advertisePort, limits }, network, self } = examination
    const { address, broadcast } = target
    const socket = yield* network.datagram({ address, port: 0, broadcast: true, capacity: limits.datagrams })
    const reader = yield* socket.reader
    const writer = yield* socket.writer
    yield* Effect.forkScoped(hear(examination, reader, undefined))
    const payload = AdvertExchange.packet(self, { host: address, port: 0 })
    const destination = NetAddress.inetAddressFromIpStringUnsafe(broadcast, advertisePort)
    for (const [i, at] of sends.entries()) {
      yield* Effect.sleep(at - (sends[i - 1] ?? 0))
      yield* writer.write({ payload, address: destination })
    }
    return true
  }).pipe(
    Effect.catch((failure) =>
      Effect.sync(() => {
        notSent(examination, target, failure)
        return false
      })
    )
  )

/** Opens the socket that hears broadcasts, and hears there; whether it could. */
const listen = (examination: Examination, target: Interfaces.Target | undefined) =>
  Effect.gen(function*() {
    const { config: { advertisePort: port, limits }, find, network } = examination
    const address = target?.broadcast ?? "0.0.0.0"
    return yield* openShared(network, {
      target,
      port,
      capacity: limits.datagrams,
      hearer: (subnet) => ({ subnet })
    }).pipe(
      Effect.matchEffect({
        onFailure: (failure) =>
          Effect.sync(() => {
            const { reason } = failure
            const kind = reason._tag === "DatagramSocketOpenError" ? reason.kind : "Unknown"
            cannotOpen(examination, "UDP", { host: address, port }, kind, causeOf(failure))
            return false
          }),
        onSuccess: ({ reader, subnet }) => {
          find(new Finding.BindSucceeded({ protocol: "UDP", address, port }))
          return Effect.as(
            Effect.forkScoped(hear(examination, reader, subnet), { startImmediately: true }),
            true
          )
        }
      })
    )
  })

/** Broadcasts on every interface while it listens. */
export const byBroadcast = (examination: Examination): Effect.Effect<void> =>
  Effect.gen(function*() {
    const { config: { advertisePort, bindIp }, find, heard, listenFor } = examination
    // IPv6 has no broadcasts.
    if (bindIp.includes(":")) return
    const targets = yield* findTargets(examination)
    const [first] = targets
    if (first === undefined) return
    examination.listened = yield* listen(examination, bindIp === "0.0.0.0" ? undefined : first)
    const [sent] = yield* Effect.all([
      Effect.forEach(
        targets,
        (target) => Effect.map(broadcast(examination, target), (could) => could ? [target] : []),
        { concurrency: "unbounded" }
      ),
      examination.listened ? Effect.sleep(listenFor) : Effect.void
    ], { concurrency: 2 })
    if (!examination.listened) return
    for (const { address, broadcast } of sent.flat()) {
      find(
        heard.returned.has(address)
          ? new Finding.BroadcastHeard({ address, broadcast })
          : new Finding.BroadcastNotHeard({ address, broadcast, port: advertisePort })
      )
    }
  }).pipe(Effect.scoped)
