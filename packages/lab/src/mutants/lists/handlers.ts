/** What a handler gives, whatever it is. */
import { of, suites } from "./of.ts"

const handlers = suites("Handlers.sim", "CommandRpc.sim", "PeerRpc.sim")

const given = of("given", "packages/core/src/internal/base/given.ts", handlers, {
  "effect": [
    `"_A" in variance && typeof variance._A === "function"`,
    `"_A" in variance`,
    "JSON of a peer is run as an Effect"
  ],
  "promise": [
    `).then(resume, (defect) => resume(Exit.die(defect)))`,
    `).then(resume)`,
    "a promise of what throws when it is looked at is waited for without end"
  ],
  "stream": [`(isStream(given) && !streams) || isGenerator`, `isGenerator`, "a Stream is sent as a value"],
  "function": [
    `|| isGenerator(given) || typeof given === "function"`,
    `|| isGenerator(given)`,
    "a function is sent as a value"
  ],
  "promised-effect": [
    `isEffect(value) || (!streams && isStream(value)) || isGenerator(value)`,
    `false`,
    "an async handler that gives an Effect answers with what is inside of it"
  ],
  "throws": [
    `} catch (error) {
    return thrown(error)
  }`,
    `} catch (error) {
    throw error
  }`,
    "a handler that throws ends more than its call"
  ],
  "scope": [
    `(exit) => Scope.closeUnsafe(scope, exit) ?? Effect.void
    )`,
    `() => Effect.void
    )`,
    "what a handler acquires is not given back when it ends"
  ],
  "scope-broken": [
    `if (scope.state._tag === "Closed") return`,
    `return`,
    "a fiber that ends without its finalizers keeps what it acquired"
  ],
  "end": [
    `Cause.isFailReason(reason) && reason.error === end`,
    `Cause.isFailReason(reason) && Cause.isDone(reason.error)`,
    "a stream that fails with a peer's value seems to have ended well"
  ],
  "abort": [`if (Exit.isFailure(exit)) made.abort()`, ``, "an async handler is not told that its call was given up"]
})

const served = suites("Handlers.sim", "Sessions.sim")

const serving = of("given", "packages/core/src/internal/session/serving.ts", served, {
  "run": [
    `const begun = Given.begun(handler, given, who)`,
    `const begun = handler(given) as Effect.Effect<unknown, unknown>`,
    "a handler that throws before it gives an Effect ends the session"
  ],
  "parent": [
    `const base = Context.omit(Tracer.ParentSpan)(services) as Context.Context<never>`,
    `const base = services as Context.Context<never>`,
    "a handler runs in the span of whoever set it"
  ],
  "abandon": [
    `// Nobody reads what it did not.
    stream.abandon()`,
    ``,
    "what a handler did not read is held for as long as its session"
  ],
  "work-signal": [
    `work?.runIn(fiber)`,
    ``,
    "a function that asked for its signal is not told that its call was given up"
  ],
  "work-ended": [
    `given.work?.ended(exit)`,
    ``,
    "a function's fiber that ends without its finalizers keeps what it acquired",
    { tests: ["Handlers.sim", "AdvancedNode.sim"] }
  ]
})

const answering = of(
  "answering",
  "packages/core/src/internal/streams/answering.ts",
  suites("Handlers.sim"),
  {
    "scope": [
      `(exit) => Scope.closeUnsafe(this.#scope, exit) as Effect.Effect<void> | undefined`,
      `() => undefined`,
      "an answer ends before what its function acquired is given back"
    ],
    "scope-broken": [
      `if (this.#scope.state._tag === "Closed") return`,
      `return`,
      "a function's fiber that ends without its finalizers keeps what it acquired"
    ],
    "free": [`this.#call.free()`, ``, "calls that are over hold their memory", { tests: ["Cost.sim"] }],
    "room": [
      `if (given === Effect.void) continue`,
      `if (true) continue`,
      "a function that writes faster than its caller reads has all of it held"
    ],
    "asks": [`if (!this.#asks) return`, ``, "what a function gave is lost where it had to wait"],
    "rest": [
      `this.#give(parts[this.#next++])`,
      `this.#give(parts[0])`,
      "a Stream's first part is sent in place of all"
    ],
    "expires": [
      `expires === undefined ? scoped`,
      `true ? scoped`,
      "the calls of a function have more time than it has"
    ],
    "parent": [`parent === undefined ? own`, `true ? own`, "a function does not run in its caller's span"]
  }
)

const typed = suites("Handlers.sim", "PeerRpc.sim")

const rpcExecute = of("given", "packages/core/src/internal/call/rpcExecute.ts", typed, {
  "wrapper": [
    `return Given.isEffect(value) || Given.isStream(value) ? given : undefined`,
    `return given as Rpc.Wrapper<unknown>`,
    "a result that looks like Effect's own wrapper is run"
  ],
  "middleware": [
    `whole = Given.isEffect(given)
        ? given`,
    `whole = true
        ? given as Effect.Effect<unknown, unknown>`,
    "a middleware's value lets a call through that it should not"
  ],
  "middleware-throws": [
    `} catch (defect) {
      whole = Effect.die(defect)
    }`,
    `} catch (defect) {
      throw defect
    }`,
    "a middleware that throws ends more than its call"
  ]
})

export const handlersList = [...given, ...serving, ...answering, ...rpcExecute]
