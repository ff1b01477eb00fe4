/** Ports that nobody uses. */
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import { createSocket } from "node:dgram"

const isFree = (address: string, port: number): Effect.Effect<boolean> =>
  Effect.callback<boolean>((resume) => {
    const socket = createSocket("udp4")
    const done = (free: boolean) => socket.close(() => resume(Effect.succeed(free)))
    socket.once("error", () => done(false))
    socket.bind({ address, port, exclusive: true }, () => done(true))
  })

/**
 * A UDP port to advertise on that nobody uses on loopback. Drawn at random from below the range that systems hand out by
 * themselves, so that nobody is given it between now and its use either.
 */
export const freeAdvertisePort: Effect.Effect<number> = Effect.gen(function*() {
  for (let tries = 0; tries < 100; tries++) {
    const port = yield* Random.nextIntBetween(20_000, 30_000)
    if ((yield* isFree("127.0.0.1", port)) && (yield* isFree("127.255.255.255", port))) return port
  }
  return yield* Effect.die("no free UDP port between 20000 and 30000 in 100 tries")
})
