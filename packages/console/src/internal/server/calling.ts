/** Calls of a page: of one peer or of several, with what comes of each as it comes. */
import * as Command from "@pnet/core/Command"
import type { CommandNodeService } from "@pnet/core/CommandNode"
import type { Peer } from "@pnet/core/Peers"
import type * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import type * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type * as Api from "../../ConsoleApi.ts"
import * as Elements from "../../Elements.ts"
import { cut, shown } from "./cut.ts"
import { failureOf } from "./said.ts"

/** Milliseconds that a call may take where the page does not say. */
const usual = 60_000
/** Peers that are called at once. */
const atOnce = 32
/** Characters of a value, elements of a stream, and bytes of all elements that are shown. */
const mostValue = 262_144
const mostElements = 10_000
const mostBytes = 8_388_608
/** Calls that go on at once, of all pages. */
export const mostCalls = 32

type Emit = (event: Api.CallEvent) => Effect.Effect<unknown>

const since = (began: number) => Effect.map(Clock.currentTimeMillis, (now) => now - began)

const ofStream = (node: CommandNodeService, input: Api.CallInput, peer: Peer, began: number, emit: Emit) =>
  Effect.gen(function*() {
    const payload = input.args[0] ?? (input.kwargs as Schema.Json | undefined)
    let count = 0
    let bytes = 0
    const because = yield* Elements.forEachWhile(node, peer, input.function, payload, (value) =>
      Effect.suspend(() => {
        if (count >= mostElements || bytes > mostBytes) return Effect.succeed(false)
        const element = shown(value, mostValue)
        bytes += element.bytes
        return Effect.as(emit({ _tag: "Element", peer: cut(peer.name), index: count++, ...element }), true)
      }))
    yield* emit({ _tag: "Done", peer: cut(peer.name), count, cut: because !== "all", ms: yield* since(began) })
  })

const ofValue = (node: CommandNodeService, input: Api.CallInput, peer: string, began: number, emit: Emit) =>
  Effect.gen(function*() {
    const args = [
      ...input.args,
      ...(input.kwargs === undefined || Object.keys(input.kwargs).length === 0 ? [] : [Command.kwargs(input.kwargs)])
    ]
    const value = yield* node.target(peer)(input.function, ...args)
    yield* emit({ _tag: "Value", peer: cut(peer), ...shown(value, mostValue), ms: yield* since(began) })
  })

const ofPeer = (node: CommandNodeService, input: Api.CallInput, name: string, emit: Emit) =>
  Effect.gen(function*() {
    const began = yield* Clock.currentTimeMillis
    yield* emit({ _tag: "Started", peer: cut(name) })
    const run = Effect.gen(function*() {
      if (!input.stream) return yield* ofValue(node, input, name, began, emit)
      return yield* ofStream(node, input, yield* node.peers.resolveOne(name), began, emit)
    })
    const timeout = input.timeoutMs ?? usual
    yield* Effect.timeoutOrElse(run, {
      duration: timeout,
      orElse: () =>
        Effect.fail({
          _tag: "DeadlineError",
          message: `the call was not over in ${Duration.format(Duration.millis(timeout))}`
        })
    }).pipe(
      Effect.catch((error) =>
        Effect.flatMap(since(began), (ms) => emit({ _tag: "Failed", peer: cut(name), ...failureOf(error), ms }))
      )
    )
  })

/** Calls, and gives what comes of it; it ends with the last. Closing the scope interrupts what goes on. */
export const call = (
  node: CommandNodeService,
  input: Api.CallInput
): Effect.Effect<Stream.Stream<Api.CallEvent>, never, Scope.Scope> =>
  Effect.gen(function*() {
    const events = yield* Queue.bounded<Api.CallEvent, Cause.Done>(64)
    const names = input.target === "*"
      ? (yield* node.peers.all).map(({ name }) => name)
      : input.target
    yield* Effect.forEach(
      [...new Set(names)],
      (name) => ofPeer(node, input, name, (event) => Queue.offer(events, event)),
      { concurrency: atOnce, discard: true }
    ).pipe(Effect.withTracerEnabled(true), Effect.ensuring(Queue.end(events)), Effect.forkScoped)
    return Stream.fromQueue(events)
  })
