/**
 * Gives what a connection reads to a function as it comes, in the place of pulls.
 */
import type * as Network from "@pnet/core/Network"
import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Effect from "effect/Effect"
import type * as Socket from "effect/socket/Socket"
import type * as Net from "node:net"
import * as Young from "./young.ts"

/** Emitted where the scope that owned a connection closes, so that whoever waits for its peer ends with it. */
export const released = "pnet:released"

type Pulled = NonEmptyReadonlyArray<Uint8Array | string>

/** After so many bytes of one connection it is the others' turn: Node would go on for two mebibytes. With half as many it costs a tenth more. */
const turn = 524_288

/**
 * Gives what comes to a function, by the `data` of Node's stream in the place of `readable`, which the adapter pulls by: that costs a turn
 * of its queue, and copies, for each read. Meanwhile the adapter's own listeners are off; how the stream ends is what its pull says.
 */
const each = (
  connection: Net.Socket,
  pull: Socket.Reader["pull"],
  isLeft: () => boolean,
  leave: (chunks: Pulled) => void
): NonNullable<Network.EachReader["each"]> =>
(take) => {
  const said = Effect.map(pull, (chunks) => {
    for (let i = 0; i < chunks.length; i++) {
      if (take(chunks[i] as Uint8Array)) continue
      const [next, ...others] = chunks.slice(i + 1)
      if (next !== undefined) leave([next, ...others])
      return false
    }
    return true
  })
  const listen = (later: (task: () => void) => void) =>
    Effect.callback<boolean, Socket.SocketError>((resume) => {
      const readers = connection.listeners("readable") as unknown as ReadonlyArray<() => void>
      let isStopped = false
      const stop = () => {
        // Whoever is given bytes may let go of the connection, which stops it, and then ask for no more.
        if (isStopped) return
        isStopped = true
        connection.off("data", onData).off("end", onGone).off("close", onGone).off(released, onGone)
        connection.pause()
        for (const reader of readers) connection.on("readable", reader)
      }
      let taken = 0
      const goOn = () => {
        if (!isStopped) connection.resume()
      }
      const onData = (chunk: Uint8Array) => {
        Young.read(chunk.length)
        try {
          if (take(chunk)) {
            taken += chunk.length
            if (taken < turn || isStopped) return
            taken = 0
            connection.pause()
            return later(goOn)
          }
        } catch (cause) {
          stop()
          return resume(Effect.die(cause))
        }
        stop()
        resume(Effect.succeed(false))
      }
      const onGone = () => {
        stop()
        resume(said)
      }
      for (const reader of readers) connection.off("readable", reader)
      connection.on("data", onData).on("end", onGone).on("close", onGone).on(released, onGone)
      connection.resume()
      return Effect.sync(stop)
    })
  const listening = Effect.withFiber<boolean, Socket.SocketError>(({ currentDispatcher }) =>
    listen((task) => currentDispatcher.scheduleTask(task, 0))
  )
  const next = Effect.suspend(() =>
    isLeft() || connection.destroyed || connection.readableEnded || connection.readableLength > 0 ? said : listening
  )
  return Effect.suspend(() => {
    let more = true
    return Effect.whileLoop({
      while: () => more,
      body: () => next,
      step: (goesOn) => {
        more = goesOn
      }
    })
  })
}

/**
 * The reader of a connection, over the adapter's pull. That gives what Node has as one piece, and from Node 26 on as several: those behind the one of which
 * whoever takes them wants no more are there for what is asked next.
 */
export const readerOf = (
  connection: Net.Socket,
  adapted: Socket.Reader["pull"]
): { readonly pull: Socket.Reader["pull"]; readonly each: NonNullable<Network.EachReader["each"]> } => {
  let left: Pulled | undefined
  const pull: Socket.Reader["pull"] = Effect.suspend(() => {
    if (left === undefined) return adapted
    const chunks = left
    left = undefined
    return Effect.succeed(chunks)
  })
  return {
    pull,
    each: each(connection, pull, () => left !== undefined, (chunks) => {
      left = chunks
    })
  }
}
