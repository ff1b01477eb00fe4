/**
 * What each node of a swarm serves: every function says that it begins, and for which call, and then does what its caller's order
 * says.
 */
import { type AdvancedNode, type BasicNode, Caller, Command } from "@pnet/core"
import { Duration, Effect, type Layer, Stream } from "effect"
import type { Rpc } from "effect/rpc"
import { chance } from "../harness/chance.ts"
import { Check, headed, separator, source } from "./bytes.ts"
import { Group, Told, toldToBreak, Typed } from "./contract.ts"
import type { Order } from "./plan.ts"
import type { Slot } from "./slot.ts"
import type { World } from "./world.ts"

/** What a function that is told to does; its result is its own. */
const obey = ({ planted }: World, slot: Slot, token: string, order: Order): Effect.Effect<string, Told> =>
  Effect.suspend(() => {
    if (planted.sow("leaked fiber")) Effect.runForkWith(slot.running!.context)(Effect.never)
    if (planted.sow("defect")) return Effect.die(new Error("a bug"))
    const end = Effect.suspend((): Effect.Effect<string, Told> => {
      if (order.way === "fail") return Effect.fail(new Told({ token }))
      if (order.way === "break") return Effect.die(new Error(toldToBreak))
      return Effect.succeed(`${planted.claim(token)}@${slot.name}`)
    })
    return order.delay === 0 ? end : Effect.andThen(Effect.sleep(order.delay), end)
  })

/** Functions over streams. */
export const streamsOf = (world: World, slot: Slot): Record<string, AdvancedNode.Handler> => {
  const { ledger, plan: { seed } } = world
  return {
    echo: ({ bytes, from }) => headed(bytes, ([token]) => ledger.begin(slot, token!, from)),
    upload: ({ bytes, from }) => {
      let check: Check | undefined
      return Effect.map(
        Stream.runForEach(
          headed(bytes, ([token, key]) => {
            ledger.begin(slot, token!, from)
            check = new Check(world, Number(key), `${token} at ${slot.name}`)
          }),
          (part) => check!.take(part)
        ),
        () => `${check?.length ?? 0}`
      )
    },
    download: ({ from, text }) =>
      Effect.map(text, (order) => {
        const [token, key, size] = order.trim().split(" ")
        ledger.begin(slot, token!, from)
        return source(chance(seed, token!), Number(key), Number(size), 0)
      }),
    // Answers before it has read anything.
    ignore: () => Effect.succeed("ignored"),
    hang: () => Effect.never,
    // Answers when the other side has ended its half.
    half: ({ from, whole }) =>
      Effect.map(whole, (all) => {
        const at = all.indexOf(separator)
        const [token, key] = String.fromCharCode(...all.subarray(0, at)).split(" ")
        ledger.begin(slot, token!, from)
        return source(chance(seed, token!), Number(key), all.length - at - 1, 5)
      })
  }
}

/** A function without types. It is registered under other names too, for a while. */
export const work =
  (world: World, slot: Slot): Command.Handler<Told> => (call, token: string, order: Order, ballast: string) =>
    Effect.suspend(() => {
      world.ledger.begin(slot, token, call.from)
      return Effect.map(obey(world, slot, token, order), (answer) => ({ answer, ballast }))
    })

/** A function that calls on, with what is left of its caller's time. */
export const relay = (world: World, slot: Slot): Command.Handler =>
(
  call,
  token: string,
  path: ReadonlyArray<string>,
  order: Order,
  timeout: number | null
) =>
  Effect.suspend((): Effect.Effect<unknown, unknown> => {
    world.ledger.begin(slot, token, call.from)
    if (timeout !== null && !(call.deadline !== undefined && Duration.toMillis(call.deadline) <= timeout)) {
      world.journal.problem(
        "no function begins after its deadline",
        `${slot.name} has more time for ${token} than there was`
      )
    }
    const [next, ...rest] = path
    if (next === undefined) return obey(world, slot, token, order)
    const onwards = call.node.target(next)("relay", token, rest, order, timeout)
    return Effect.map(onwards, (answer) => `${answer}<${slot.name}`)
  })

/** A function with types. */
export const typed = (world: World, slot: Slot) =>
  Command.implement(Typed, (call, token, order, ballast) =>
    Effect.suspend(() => {
      world.ledger.begin(slot, token, call.from)
      return Effect.map(obey(world, slot, token, order), (answer) => {
        const [token, node] = answer.split("@")
        return { token: token!, node: node!, ballast }
      })
    }))

/** The procedures of the group. */
export const proceduresOf = (world: World, slot: Slot): Layer.Layer<Rpc.ToHandler<any>> =>
  Group.toLayer(Effect.succeed({
    ask: ({ ballast, order, token }: any) =>
      Effect.flatMap(Caller.CurrentCaller, (from) => {
        world.ledger.begin(slot, token, from!)
        return Effect.map(obey(world, slot, token, order), (answer) => answer + ballast)
      }),
    count: ({ order, to, token }: any) =>
      Stream.unwrap(Effect.map(Caller.CurrentCaller, (from) => {
        world.ledger.begin(slot, token, from!)
        return Stream.range(1, to).pipe(
          Stream.rechunk(1),
          Stream.mapEffect((i) => order.delay > 0 ? Effect.as(Effect.sleep(order.delay), i) : Effect.succeed(i)),
          Stream.map((i) => `${token}@${slot.name}/${i}`),
          Stream.concat(
            order.way === "ok"
              ? Stream.empty
              : order.way === "fail"
              ? Stream.fail(new Told({ token }))
              : Stream.die(new Error(toldToBreak))
          )
        )
      }))
  } as any)) as any

/** What answers a message. */
export const onMessage = (world: World, slot: Slot): NonNullable<BasicNode.Options["onMessage"]> => ({ from, text }) =>
  Effect.suspend(() => {
    const { ballast, order, token } = JSON.parse(text)
    world.ledger.begin(slot, token, from)
    return Effect.map(obey(world, slot, token, order), (answer) => JSON.stringify({ answer, ballast }))
  })
