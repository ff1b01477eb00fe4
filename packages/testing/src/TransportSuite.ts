/**
 * The compliance suite of the `Transport` seam: each sentence of its contract as a test, for any implementation, over a
 * simulated network or real sockets.
 *
 * ```
 * transportSuite("TCP on loopback", { world, run: identity, live: true })
 * ```
 *
 * The tests wait for conditions and sleep on the Clock between looks; `run` says how time passes meanwhile
 * (`SimWorld.passing()` for a simulated network, nothing for a real one).
 *
 * What bites: it registers vitest tests when called, so it belongs at the top level of a test file; and it is not part of
 * the package's index, since importing it imports vitest.
 *
 * @since 0.1.0
 */
import { assert, describe, it } from "@effect/vitest"
import { formatEndpoint } from "@pnet/core/Advert"
import * as DerivedHost from "@pnet/core/DerivedHost"
import type { Endpoint } from "@pnet/core/Network"
import type { Connection, ConnectionClosedError, Listening, Transport } from "@pnet/core/Transport"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Logger from "effect/Logger"
import * as Scope from "effect/Scope"
import { decodeText, encodeText } from "./internal/platform.ts"

/**
 * What a test runs on. It is made anew for each test.
 *
 * @category models
 * @since 0.1.0
 */
export interface TransportWorld {
  /** The transport of the side that listens, told to listen on a port; 0 is any free one. */
  readonly server: (port: number) => Listening
  /** The transport of the side that dials. */
  readonly client: Transport["Service"]
  /** The address at which the client reaches the server. */
  readonly address: string
  /** The address that the server sees the client come from. */
  readonly clientAddress: string
  /**
   * Where something listens that breaks a connection off, without ending it, once it was sent a byte: a reset, as of a program
   * that is killed.
   */
  readonly breaking: Effect.Effect<Endpoint, never, Scope.Scope>
  /** An address from which no answer ever comes, and the time after which the client's transport gives up; where there is one. */
  readonly silent?: { readonly endpoint: Endpoint; readonly dialTimeout: Duration.Duration } | undefined
  /** Whether the client's transport is several, which dial every kind of endpoint between them. Default `false`. */
  readonly dialsAll?: boolean | undefined
  /** How many sockets are open that the tests may have opened, to see that nothing is left. */
  readonly openSockets: Effect.Effect<number>
}

/**
 * A connection whose `pull` and `write` go by its `each` and `tryWrite`, a piece at a time, as sessions use them: for a side of a
 * `TransportWorld` whose transport has both.
 *
 * @category constructors
 * @since 0.2.0
 */
export const withoutFibers = (connection: Connection): Connection => {
  const { each, tryWrite } = connection
  assert.isDefined(each)
  assert.isDefined(tryWrite)
  return {
    ...connection,
    pull: Effect.suspend(() => {
      const pieces: Array<Uint8Array> = []
      const take = (bytes: Uint8Array) => {
        pieces.push(bytes)
        return false
      }
      return Effect.as(each(take), pieces as [Uint8Array, ...Array<Uint8Array>])
    }),
    write: (bytes) => Effect.suspend(() => tryWrite(bytes) ? Effect.void : connection.write(bytes))
  }
}

/**
 * How the suite runs a test.
 *
 * @category models
 * @since 0.1.0
 */
export interface TransportSetup {
  readonly world: Effect.Effect<TransportWorld, never, Scope.Scope>
  /** Runs a test's effect while time passes. */
  readonly run: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  /** Whether the tests run on the machine's own clock. */
  readonly live: boolean
  /** Bytes that the systems on the way may hold for a reader that does not pull. Default 16 MiB. */
  readonly held?: number | undefined
}

const step: Duration.Input = "5 millis"

/** Waits until the condition holds; for ever is ten seconds without it. */
const until = (what: string, condition: Effect.Effect<boolean>) =>
  Effect.gen(function*() {
    const start = yield* Clock.currentTimeMillis
    while (!(yield* condition)) {
      if ((yield* Clock.currentTimeMillis) - start > 10_000) return yield* Effect.die(new Error(`in vain: ${what}`))
      yield* Effect.sleep(step)
    }
  })

/** The value that did not change for thirty looks. */
const stable = (read: () => number) =>
  Effect.gen(function*() {
    let last = read()
    for (let same = 0; same < 30;) {
      yield* Effect.sleep(step)
      const now = read()
      same = now === last ? same + 1 : 0
      last = now
    }
    return last
  })

/** Bytes that show any reordering, loss or repetition; another seed gives others. */
const pattern = (length: number, seed: number): Uint8Array => {
  const bytes = new Uint8Array(length)
  let state = seed
  for (let i = 0; i < length; i++) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    bytes[i] = state
  }
  return bytes
}

const sameBytes = (a: Uint8Array, b: Uint8Array): boolean => {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}

const concat = (chunks: ReadonlyArray<Uint8Array>): Uint8Array => {
  const all = new Uint8Array(chunks.reduce((length, chunk) => length + chunk.length, 0))
  let offset = 0
  for (const chunk of chunks) {
    all.set(chunk, offset)
    offset += chunk.length
  }
  return all
}

/** Everything until the connection ends, and how it ended. */
const readAll = (connection: Connection) =>
  Effect.gen(function*() {
    const chunks: Array<Uint8Array> = []
    const error = yield* Effect.flip(
      Effect.forever(Effect.map(connection.pull, (more) => {
        for (const chunk of more) {
          if (chunk.length === 0) assert.fail("a chunk without bytes")
          chunks.push(chunk)
        }
      }))
    )
    return { bytes: concat(chunks), error }
  })

/** At least so many bytes. */
const readBytes = (connection: Connection, length: number) =>
  Effect.gen(function*() {
    const chunks: Array<Uint8Array> = []
    for (let got = 0; got < length;) {
      for (const chunk of yield* connection.pull) {
        chunks.push(chunk)
        got += chunk.length
      }
    }
    return concat(chunks)
  })

const writePieces = (connection: Connection, bytes: Uint8Array) =>
  Effect.gen(function*() {
    for (let at = 0, i = 0; at < bytes.length; i++) {
      yield* connection.write(bytes.slice(at, at += 1 + (i * 7_919) % 40_000))
    }
  })

const echo = (connection: Connection) =>
  Effect.ignore(Effect.forever(Effect.flatMap(connection.pull, (chunks) => connection.write(concat(chunks)))))

const isClean = (error: ConnectionClosedError) => {
  assert.strictEqual(error._tag, "ConnectionClosedError")
  assert.strictEqual(error.clean, true, error.message)
}

type Test = (title: string, body: (world: TransportWorld) => Effect.Effect<void, unknown, Scope.Scope>) => void

/** Listens, with the handler running, and tells where the client finds it. */
const serve = <R>(
  world: TransportWorld,
  handler: (connection: Connection) => Effect.Effect<void, never, R>,
  port = 0
) =>
  Effect.gen(function*() {
    const listener = yield* world.server(port).listen
    const running = yield* Effect.forkScoped(listener.run(handler), { startImmediately: true })
    return { host: world.address, port: listener.endpoint.port, running }
  })

/** A port that was free a moment ago. */
const freePort = (world: TransportWorld) =>
  Effect.scoped(Effect.map(world.server(0).listen, ({ endpoint }) => endpoint.port))

/** Listening and dialling. */
const openings = (test: Test): void => {
  test("a listener says which port it was given, and takes the one it is told", (world) =>
    Effect.gen(function*() {
      const first = yield* world.server(0).listen
      const second = yield* world.server(0).listen
      assert.isAbove(first.endpoint.port, 0)
      assert.notStrictEqual(first.endpoint.port, second.endpoint.port)
      const port = yield* freePort(world)
      const to = yield* serve(world, echo, port)
      assert.strictEqual(to.port, port)
      const connection = yield* world.client.dial(to)
      yield* connection.write(encodeText("x"))
      assert.strictEqual(decodeText(yield* readBytes(connection, 1)), "x")
    }))

  test("a port in use is ListenError PortInUse, and its message names the port", (world) =>
    Effect.gen(function*() {
      const { endpoint: { port } } = yield* world.server(0).listen
      const error = yield* Effect.flip(world.server(port).listen)
      assert.deepInclude(error, { _tag: "ListenError", kind: "PortInUse", port })
      assert.include(error.message, `port ${port} is in use`)
    }))

  test("a dial to where nobody listens is DialError Refused with the address", (world) =>
    Effect.gen(function*() {
      const endpoint = { host: world.address, port: yield* freePort(world) }
      const error = yield* Effect.flip(world.client.dial(endpoint))
      assert.deepInclude(error, { _tag: "DialError", kind: "Refused", ...endpoint })
      assert.include(error.message, formatEndpoint(endpoint))
    }))

  test("an endpoint of another transport is DialError Unreachable at once, and nothing is dialled", (world) =>
    Effect.gen(function*() {
      const { dial, dials } = world.client
      assert.isTrue(dials({ host: world.address, port: 1 }))
      // An address stands for what has none, or is an IP address: no transport dials both.
      if (world.dialsAll === true) return
      const others = [{ host: DerivedHost.ofUrl("suite", "suite:"), port: 1 }, { host: "127.0.0.1", port: 1 }]
        .filter((endpoint) => !dials(endpoint))
      assert.isAbove(others.length, 0)
      for (const endpoint of others) {
        const began = yield* Clock.currentTimeMillis
        const error = yield* Effect.flip(dial(endpoint))
        assert.deepInclude(error, { _tag: "DialError", kind: "Unreachable", ...endpoint })
        assert.isBelow((yield* Clock.currentTimeMillis) - began, 50)
      }
    }))
}

/** What comes of what was written, and how it ends. */
const ends = (test: Test): void => {
  test("a mebibyte comes whole and in order, in both directions at once", (world) =>
    Effect.gen(function*() {
      const [there, back] = [pattern(1_048_576, 0x2545f491), pattern(1_048_576, 0x1234567)]
      const heard = yield* Deferred.make<Uint8Array>()
      const to = yield* serve(world, (connection) =>
        Effect.all([
          Effect.andThen(writePieces(connection, back), connection.end),
          Effect.flatMap(readAll(connection), ({ bytes, error }) => {
            isClean(error)
            return Deferred.succeed(heard, bytes)
          })
        ], { concurrency: 2, discard: true }).pipe(Effect.orDie))
      const connection = yield* world.client.dial(to)
      const [, got] = yield* Effect.all([
        Effect.andThen(writePieces(connection, there), connection.end),
        readAll(connection)
      ], { concurrency: 2 })
      assert.isTrue(sameBytes(got.bytes, back), "from the listener to the dialler")
      isClean(got.error)
      assert.isTrue(sameBytes(yield* Deferred.await(heard), there), "from the dialler to the listener")
    }))

  test("an end in order is clean, comes after all bytes, and stays", (world) =>
    Effect.gen(function*() {
      const bytes = pattern(200_000, 7)
      const to = yield* serve(world, (connection) => Effect.orDie(connection.write(bytes)))
      const connection = yield* world.client.dial(to)
      // Long ended by the time that it is read.
      yield* Effect.sleep("100 millis")
      const all = yield* readAll(connection)
      assert.isTrue(sameBytes(all.bytes, bytes))
      isClean(all.error)
      isClean(yield* Effect.flip(connection.pull))
    }))

  test("a dialler that has ended its side still hears the answer", (world) =>
    Effect.gen(function*() {
      const to = yield* serve(world, (connection) =>
        Effect.gen(function*() {
          const { bytes, error } = yield* readAll(connection)
          isClean(error)
          yield* Effect.sleep("20 millis")
          yield* connection.write(encodeText(`you said ${decodeText(bytes)}`))
        }).pipe(Effect.orDie))
      const connection = yield* world.client.dial(to)
      yield* connection.write(encodeText("question"))
      yield* connection.end
      const answer = yield* readAll(connection)
      assert.strictEqual(decodeText(answer.bytes), "you said question")
      isClean(answer.error)
    }))

  test("a listener that has ended its side still hears the dialler, who can write", (world) =>
    Effect.gen(function*() {
      const heard = yield* Deferred.make<string>()
      const to = yield* serve(world, (connection) =>
        Effect.gen(function*() {
          yield* connection.write(encodeText("greeting"))
          yield* connection.end
          const { bytes, error } = yield* readAll(connection)
          isClean(error)
          yield* Deferred.succeed(heard, decodeText(bytes))
        }).pipe(Effect.orDie))
      const connection = yield* world.client.dial(to)
      const greeting = yield* readAll(connection)
      assert.strictEqual(decodeText(greeting.bytes), "greeting")
      isClean(greeting.error)
      yield* Effect.sleep("20 millis")
      yield* connection.write(encodeText("late "))
      yield* connection.write(encodeText("answer"))
      yield* connection.end
      assert.strictEqual(yield* Deferred.await(heard), "late answer")
    }))

  test("a write after one's own end fails", (world) =>
    Effect.gen(function*() {
      const to = yield* serve(world, () => Effect.never)
      const connection = yield* world.client.dial(to)
      yield* connection.end
      const error = yield* Effect.flip(connection.write(encodeText("late")))
      assert.strictEqual(error._tag, "ConnectionClosedError")
    }))
}

/** Who waits, and for what. */
const waiting = (test: Test, held: number): void => {
  test("a writer waits for a reader that does not pull, and goes on when it does", (world) =>
    Effect.gen(function*() {
      const go = yield* Deferred.make<void>()
      const to = yield* serve(world, (connection) =>
        Effect.andThen(
          Deferred.await(go),
          Effect.ignore(Effect.forever(Effect.andThen(connection.pull, Effect.sleep(step))))
        ))
      const connection = yield* world.client.dial(to)
      let written = 0
      const chunk = new Uint8Array(65_536)
      yield* Effect.forkScoped(Effect.ignore(Effect.forever(
        Effect.map(connection.write(chunk), () => {
          written += chunk.length
        })
      )))
      const stalled = yield* stable(() => written)
      assert.isBelow(stalled, held)
      yield* Deferred.succeed(go, undefined)
      yield* until("the writer goes on", Effect.sync(() => written > stalled + 4 * chunk.length))
    }))

  test("what was written may be overwritten, also while the other side does not read", (world) =>
    Effect.gen(function*() {
      const go = yield* Deferred.make<void>()
      const heard = yield* Deferred.make<Uint8Array>()
      const to = yield* serve(world, (connection) =>
        Effect.andThen(
          Deferred.await(go),
          Effect.flatMap(readAll(connection), ({ bytes }) => Deferred.succeed(heard, bytes))
        ))
      const connection = yield* world.client.dial(to)
      const bytes = pattern(Math.max(2 * held, 1_048_576), 0x2545f491)
      const sizes = [1, 65_536, 40_000, 131_072, 16_384, 65_535, ...Array.from({ length: 12 }, () => 10_000)]
      let at = 0
      yield* Effect.forkScoped(Effect.orDie(Effect.gen(function*() {
        const page = new Uint8Array(131_072)
        for (let n = 0; at < bytes.length; n++) {
          const part = bytes.subarray(at, at + sizes[n % sizes.length]!)
          page.set(part)
          yield* connection.write(page.subarray(0, part.length))
          page.fill(0xee)
          at += part.length
        }
        yield* connection.end
      })))
      assert.isBelow(yield* stable(() => at), bytes.length)
      yield* Deferred.succeed(go, undefined)
      assert.isTrue(sameBytes(yield* Deferred.await(heard), bytes))
    }))

  test("one reader that does not pull makes nobody else wait", (world) =>
    Effect.gen(function*() {
      let connections = 0
      const to = yield* serve(world, (connection) => ++connections === 1 ? Effect.never : echo(connection))
      const stuck = yield* world.client.dial(to)
      yield* until("it is accepted", Effect.sync(() => connections === 1))
      yield* Effect.forkScoped(Effect.ignore(Effect.forever(stuck.write(new Uint8Array(65_536)))))
      const other = yield* world.client.dial(to)
      yield* other.write(encodeText("y"))
      assert.strictEqual(decodeText(yield* readBytes(other, 1)), "y")
    }))

  test("a suspended pull fails when the connection's scope closes", (world) =>
    Effect.gen(function*() {
      const to = yield* serve(world, echo)
      const scope = yield* Scope.make()
      const connection = yield* Scope.provide(world.client.dial(to), scope)
      const waiting = yield* Effect.forkChild(Effect.flip(connection.pull), { startImmediately: true })
      yield* Effect.sleep("50 millis")
      assert.isUndefined(waiting.pollUnsafe())
      yield* Scope.close(scope, Exit.void)
      const error = yield* Fiber.join(waiting)
      assert.strictEqual(error._tag, "ConnectionClosedError")
      // This side closed it, so nothing is known of what the other still had to say.
      assert.isFalse(error.clean)
    }))

  test("a pull that is interrupted loses no bytes", (world) =>
    Effect.gen(function*() {
      const to = yield* serve(world, echo)
      const connection = yield* world.client.dial(to)
      yield* Effect.timeoutOption(connection.pull, "20 millis")
      yield* connection.write(encodeText("kept"))
      yield* Effect.timeoutOption(Effect.andThen(Effect.never, connection.pull), "20 millis")
      assert.strictEqual(decodeText(yield* readBytes(connection, 4)), "kept")
    }))
}

/** Handlers, and the connections that end with them. */
const handlers = (test: Test): void => {
  test("a handler that ends closes its connection, even if it never read", (world) =>
    Effect.gen(function*() {
      const to = yield* serve(world, () => Effect.void)
      const connection = yield* world.client.dial(to)
      const { bytes, error } = yield* readAll(connection)
      assert.strictEqual(bytes.length, 0)
      isClean(error)
    }))

  test("a handler that dies ends its own connection and no other", (world) =>
    Effect.gen(function*() {
      let connections = 0
      const to = yield* serve(world, (connection) => ++connections === 1 ? Effect.die("no") : echo(connection))
      const first = yield* world.client.dial(to)
      yield* readAll(first)
      const second = yield* world.client.dial(to)
      yield* second.write(encodeText("x"))
      assert.strictEqual(decodeText(yield* readBytes(second, 1)), "x")
    }))

  test("interrupting run interrupts the handlers and ends their connections", (world) =>
    Effect.gen(function*() {
      const interrupted = yield* Deferred.make<void>()
      const to = yield* serve(world, () =>
        Effect.onInterrupt(Effect.never, () => Deferred.succeed(interrupted, undefined)))
      const connection = yield* world.client.dial(to)
      const ended = yield* Effect.forkChild(readAll(connection), { startImmediately: true })
      yield* Effect.sleep("50 millis")
      assert.isUndefined(ended.pollUnsafe())
      yield* Fiber.interrupt(to.running)
      yield* Deferred.await(interrupted)
      yield* Fiber.join(ended)
    }))

  test("a listener that closes ends its connections, frees its port, and further dials are refused", (world) =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const to = yield* Scope.provide(serve(world, echo), scope)
      const connection = yield* world.client.dial(to)
      yield* connection.write(encodeText("x"))
      yield* readBytes(connection, 1)
      yield* Scope.close(scope, Exit.void)
      yield* readAll(connection)
      const error = yield* Effect.flip(Effect.scoped(world.client.dial(to)))
      assert.strictEqual(error.kind, "Refused")
      const again = yield* world.server(to.port).listen
      assert.strictEqual(again.endpoint.port, to.port)
    }))
}

/** Connections that break, and such that are never made. */
const broken = (test: Test): void => {
  test("both sides know the other's address", (world) =>
    Effect.gen(function*() {
      const seen = yield* Deferred.make<Endpoint | undefined>()
      const to = yield* serve(world, ({ remote }) => Effect.asVoid(Deferred.succeed(seen, remote)))
      const connection = yield* world.client.dial({ host: to.host, port: to.port })
      assert.deepStrictEqual(connection.remote, { host: to.host, port: to.port })
      const remote = yield* Deferred.await(seen)
      assert.strictEqual(remote?.host, world.clientAddress)
      assert.isAbove(remote!.port, 0)
    }))

  test("a connection that is broken off is not clean", (world) =>
    Effect.gen(function*() {
      const connection = yield* world.client.dial(yield* world.breaking)
      yield* connection.write(encodeText("x"))
      const { error } = yield* readAll(connection)
      assert.strictEqual(error.clean, false)
      assert.include(error.message, "broke")
      // Writing fails as well, instead of waiting for somebody who is gone.
      const exit = yield* Effect.exit(Effect.forever(connection.write(new Uint8Array(1_024))))
      assert.isTrue(Exit.isFailure(exit) && Cause.hasFails(exit.cause))
    }))

  test("writes to a peer that has closed fail in the end", (world) =>
    Effect.gen(function*() {
      const to = yield* serve(world, () => Effect.void)
      const connection = yield* world.client.dial(to)
      yield* readAll(connection)
      const error = yield* Effect.forever(
        Effect.andThen(connection.write(new Uint8Array(1_024)), Effect.sleep("1 millis"))
      ).pipe(Effect.flip)
      assert.strictEqual(error._tag, "ConnectionClosedError")
    }))

  test("a dial that nobody answers is DialError Timeout, after the time of the options", (world) =>
    Effect.gen(function*() {
      if (world.silent === undefined) return
      const { dialTimeout, endpoint } = world.silent
      const start = yield* Clock.currentTimeMillis
      const error = yield* Effect.flip(world.client.dial(endpoint))
      const took = (yield* Clock.currentTimeMillis) - start
      assert.deepInclude(error, { _tag: "DialError", kind: "Timeout", ...endpoint })
      assert.include(error.message, formatEndpoint(endpoint))
      assert.isAtLeast(took, Duration.toMillis(dialTimeout))
      // Where time is real, others may have the machine meanwhile.
      assert.isBelow(took, 4 * Duration.toMillis(dialTimeout) + 500)
    }))
}

/**
 * Registers the suite.
 *
 * @category suites
 * @since 0.1.0
 */
export const transportSuite = (name: string, setup: TransportSetup): void => {
  const held = setup.held ?? 16_777_216

  const test: Test = (title, body) => {
    const effect = () =>
      setup.run(
        Effect.scoped(Effect.gen(function*() {
          const world = yield* setup.world
          const before = yield* world.openSockets
          yield* Effect.scoped(body(world))
          // Everything that a test opens, it opens in its scope.
          yield* until("nothing is left open", Effect.map(world.openSockets, (now) => now <= before))
        })).pipe(
          // A handler that dies is logged, and meant to die.
          Effect.provide(Logger.layer([]))
        )
      )
    if (setup.live) it.live(title, effect, 60_000)
    else it.effect(title, effect, 60_000)
  }

  describe(`Transport: ${name}`, () => {
    openings(test)
    ends(test)
    waiting(test, held)
    handlers(test)
    broken(test)
  })
}
